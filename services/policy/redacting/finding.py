"""From a segment to what is in it. Pure; the same in a worker process as in this one."""

import hashlib
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

from services.policy import injection
from services.policy.findings import Finding, resolve
from services.policy.redacting.segments import Segment
from services.policy.secret_patterns import KEYED_HINT

CACHED_TEXTS = 32_768
"""More parts than a long conversation has: a cache that is smaller than one would miss every time."""

_SHORTEST = 5
_SHORTEST_NUMBER = 7
_SECRET_SHAPE = re.compile(r"(?=.*[^a-z]).{6}", re.DOTALL)
"""Under a key such as ``password``: any six characters that are not just one lower-case word ("required", "string")."""
_WORDS = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|[A-Z]")
_TELLING = frozenset({
    "phone", "telephone", "tel", "mobile", "cell", "fax", "whatsapp", "ssn", "social", "name", "firstname", "lastname",
    "surname", "fullname", "person", "contact", "customer", "street", "address", "city", "town", "zip", "postcode",
    "postal", "plz", "age", "birth", "dob", "birthday", "born", "company", "organization", "organisation", "employer",
    "iban", "account", "routing", "passport", "license", "licence", "tax", "vat", "nhs", "national", "insurance", "card",
    "username", "login", "user", "nino", "steuer", "aadhaar", "pan", "dni", "nie", "nif", "bsn", "sin", "tfn", "abn", "medicare", "mrn",
    "nir", "codice", "fiscale", "itin", "ein", "utr", "sort", "bic", "swift", "geburtsdatum", "anschrift", "strasse", "telefon",
})  # fmt: skip
"""Words in a key that say what its value is."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is in one text: places and kinds, never values."""

    findings: tuple[Finding, ...] = ()
    labels: tuple[str, ...] = ()
    """Signs of prompt injection: see ``injection``."""


NOTHING = Analysis()


class Finder(Protocol):
    """What ``Detector`` does."""

    def find(self, text: str) -> tuple[Finding, ...]:
        """Findings in order and without overlaps."""
        ...


def needs_analysis(segment: Segment) -> bool:
    """Whether anything can be found in it: most numbers and the shortest strings hold nothing, and JSON is full of them."""
    least = _SHORTEST_NUMBER if segment.number else _SHORTEST
    return len(segment.text) >= least or (len(segment.text) > 1 and bool(context_of(segment.hint)))


def analyse(finder: Finder, hint: str, text: str) -> Analysis:
    """What is in ``text``, read as the value of the JSON key ``hint`` where that gives context."""
    prefix = context_of(hint)
    offset = len(prefix)
    findings = tuple(
        Finding(max(f.start - offset, 0), f.end - offset, f.entity, f.stem, f.score)
        for f in finder.find(prefix + text)
        if f.end > offset
    )
    if _announces_secret(hint) and _SECRET_SHAPE.search(text) is not None:
        findings = resolve((*findings, Finding(0, len(text), "CREDENTIAL", "SECRET", 0.8)))
    return Analysis(findings, injection.labels(text))


_SHAPED = frozenset({"EMAIL", "PHONE", "CARD", "IBAN", "IP", "MAC", "SSN", "ID", "ACCOUNT", "CRYPTO", "SECRET", "LITERAL"})
"""Kinds that are told by their shape, wherever they stand; the others are told by how people write."""


def as_read(segment: Segment, analysis: Analysis) -> Analysis:
    """What of an analysis counts in this segment."""
    if not segment.identifier or all(finding.stem in _SHAPED for finding in analysis.findings):
        return analysis
    return Analysis(tuple(finding for finding in analysis.findings if finding.stem in _SHAPED), analysis.labels)


def context_of(hint: str) -> str:
    """What to read before the value of the key ``hint``: ``customerPhone`` announces a number as the words do in prose."""
    if not hint:
        return ""
    hint = hint[-64:]
    if _announces_secret(hint):
        return f"{hint}: "
    words = [word.lower() for word in _WORDS.findall(hint)]
    return f"{' '.join(words)}: " if not _TELLING.isdisjoint(words) else ""


def _announces_secret(hint: str) -> bool:
    return bool(hint) and KEYED_HINT.search(hint[-64:]) is not None


class AnalysisCache:
    """Analyses by digest of what was read, so that unchanged history costs a digest. Least recently used go first. Thread-safe.

    A digest is not a value: the cache holds nothing that could leak.
    """

    def __init__(self, texts: int = CACHED_TEXTS) -> None:
        self._texts = texts
        self._kept: OrderedDict[bytes, Analysis] = OrderedDict()
        self._revision = ""
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    @staticmethod
    def key(segment: Segment) -> bytes:
        """The digest of all in a segment that the analysis depends on."""
        read = f"{context_of(segment.hint)}\0{segment.text}"
        return hashlib.sha256(read.encode("utf-8", "surrogatepass")).digest()

    def found_by(self, revision: str) -> None:
        """From now on recognizers of this revision find. Forgets what others found, which these may not."""
        with self._lock:
            if revision != self._revision:
                self._kept.clear()
                self._revision = revision

    def get(self, key: bytes) -> Analysis | None:
        """The analysis, or None. Counts."""
        with self._lock:
            known = self._kept.get(key)
            if known is None:
                self.misses += 1
            else:
                self.hits += 1
                self._kept.move_to_end(key)
            return known

    def put(self, key: bytes, analysis: Analysis) -> None:
        """Keep it for a while."""
        with self._lock:
            self._kept[key] = analysis
            self._kept.move_to_end(key)
            while len(self._kept) > self._texts:
                self._kept.popitem(last=False)


__all__ = [
    "CACHED_TEXTS",
    "NOTHING",
    "Analysis",
    "AnalysisCache",
    "Finder",
    "analyse",
    "as_read",
    "context_of",
    "needs_analysis",
]
