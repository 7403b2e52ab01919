"""Redaction beside presidio as shipped: how fast on texts not seen before, and how good on annotated ones.

    python -m bench.redaction [rounds]

Presidio is its AnalyzerEngine with all its default recognizers and a blank spaCy pipeline (no model: that would only be slower); it
finds, while ours finds, replaces and keeps a vault. The same texts, each in its own process, by turns; 5 rounds, at most 50.

How good: on the blind part of the corpus in ``tests/services/policy/corpus`` (written by hand, six languages), and on its code, logs and
traces, where every finding is a false one. Of presidio's kinds those count that ours has too: not dates and URLs, which would be false.
And how fast on those texts, which are full of personal data: patterns and names together, in one thread, finding alone on both sides.
"""

import asyncio
import gc
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack

from bench._processes import talking
from bench._report import hush, median, shown, table, verdict
from tests.services.policy.scoring import DIRECT, Finder, Span, documents, false_redactions, score

MS_PER_KB = 2.0
"""The target of the design's table of numbers."""

F2 = 0.90
DIRECT_RECALL = 0.98
FALSE_PER_1000 = 1.0

MODEL = frozenset({"PERSON", "ORG", "LOCATION"})
"""Kinds that take a model: presidio without one finds none, so that figures without them are shown too."""

_PROSE = (
    "Since the upgrade the nightly export stops after a few rows, and nothing is in the log except a warning about the cache. "
    "My colleague sees the same on her machine with the default settings and an empty profile. The previous version works. "
)
_PERSONAL = (
    "Write to reader{n}@example.org or call +1 415 555 {n:04d}; the card 4111 1111 1111 1111 was charged twice, and the transfer to "
    "DE89 3704 0044 0532 0130 00 from 192.168.{n}.17 is missing. "
)
_LOG = (
    "2026-03-0{n} 12:4{n}:07,31{n} INFO worker-{n} handled batch 88{n}1 of 2000 in 3{n}.4 ms (hash 9f86d081884c7d65{n}a2feaa0c55ad015) "
    "at /srv/app/releases/20260301{n}/export.py:21{n}\n"
)


SHORT = 20
"""So many of the short texts are read in a round, as a service reads them: one after the other."""


def texts(number: int) -> dict[str, list[str]]:
    """By kind, what nobody has seen: ``number`` is in every text."""
    n = number % 10
    return {
        "prose with personal data, 0.4 kB": [
            _PROSE + _PERSONAL.format(n=(n + each) % 10) + f"Report {number * SHORT + each}." for each in range(SHORT)
        ],
        "prose with personal data, 8 kB": [
            "".join(_PROSE + _PERSONAL.format(n=each % 10) for each in range(18)) + f"Report {number}."
        ],
        "log without personal data, 3 kB": ["".join(_LOG.format(n=each % 10) for each in range(16)) + f"run {number}"],
        "prose without any, 10 kB": [_PROSE * 42 + f"Report {number}."],
    }


def ours() -> tuple[Callable[[str], object], Finder]:
    """Finding, replacing and vault, uncached; and finding alone."""
    from agentos.sealing import PlaceholderVault
    from services.policy.detection import Detector
    from services.policy.redaction import Redactor

    redactor, detector = Redactor(), Detector()

    def find(text: str) -> Iterable[Span]:
        return [Span(finding.start, finding.end, finding.stem) for finding in detector.find(text)]

    return lambda text: redactor.redact_text(text, PlaceholderVault()), find


_STEMS = {
    "EMAIL_ADDRESS": "EMAIL", "PHONE_NUMBER": "PHONE", "CREDIT_CARD": "CARD", "IBAN_CODE": "IBAN", "IP_ADDRESS": "IP", "MAC_ADDRESS": "MAC",
    "US_SSN": "SSN", "US_BANK_NUMBER": "ACCOUNT", "ABA_ROUTING_NUMBER": "ACCOUNT", "CRYPTO": "CRYPTO",
    "PERSON": "PERSON", "LOCATION": "LOCATION",
    "ORGANIZATION": "ORG", "UK_POSTCODE": "POSTCODE", "CA_POSTAL_CODE": "POSTCODE",
}  # fmt: skip
_NATIONAL = re.compile(r"(?:US|UK|CA|AU|IN|DE|FR|IT|ES|NL)_|MEDICAL_LICENSE")


def presidio() -> tuple[Callable[[str], object], Finder]:
    """Finding alone, twice. Imported here: our own process does without spaCy."""
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class Blank(SpacyNlpEngine):
        """A tokenizer, and nothing that was trained."""

        def __init__(self) -> None:
            super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
            self.nlp = {"en": spacy.blank("en")}

        def load(self) -> None:
            """Nothing is to be loaded."""

    engine = Blank()
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=engine)
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine)

    def find(text: str) -> Iterable[Span]:
        for result in analyzer.analyze(text, language="en"):
            stem = _STEMS.get(result.entity_type) or ("ID" if _NATIONAL.match(result.entity_type) else None)
            if stem:
                yield Span(result.start, result.end, stem)

    return lambda text: analyzer.analyze(text, language="en"), find


def quality(find: Finder) -> dict[str, float]:
    """Each row of the second table → its figure."""
    # Words that are met every day are known to a service that runs; the texts that are measured are read for the first time.
    for document in documents("dev"):
        list(find(document.text))
    texts = [document.text for document in documents("blind")]
    began = time.process_time()
    for text in texts:
        list(find(text))
    took_ms = (time.process_time() - began) * 1_000
    told = score(find, documents("blind"))
    return {
        "F2 over all kinds": told.overall.f2,
        "F2 without names of people, firms, places": told.of(kind for kind in told.kinds if kind not in MODEL).f2,
        "recall of direct identifiers and secrets": told.direct.recall,
        "the same without names of people": told.of(DIRECT - MODEL).recall,
        "false redactions in 1,000 tokens of code and logs": false_redactions(find, documents("harmless"))[0],
        "ms of CPU per kB, read for the first time": took_ms / (sum(map(len, texts)) / 1_000),
    }


def answer(side: tuple[Callable[[str], object], Finder]) -> None:
    """For each line on standard input one: of a number kind → milliseconds of CPU per kilobyte, of ``quality`` the figures."""
    redact, find = side
    # As a worker of the analysis does.
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        if line.strip() == "quality":
            print(json.dumps(quality(find)), flush=True)
            continue
        measured: dict[str, float] = {}
        for kind, some in texts(int(line)).items():
            began = time.process_time()
            for text in some:
                redact(text)
            measured[kind] = (time.process_time() - began) * 1_000 / (sum(map(len, some)) / 1_000)
        print(json.dumps(measured), flush=True)


async def run(rounds: int) -> str:
    """The tables."""
    async with AsyncExitStack() as stack:
        sides = {
            name: await stack.enter_async_context(talking(["-m", "bench.redaction", name])) for name in ("ours", "presidio")
        }
        measured: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
        for number in range(rounds + 1):
            for name, ask in sides.items():
                told = json.loads(await ask(str(number)))
                if number:
                    # The first round imports, compiles and fills what later rounds find ready.
                    measured[name].append(told)
        figures = {name: json.loads(await ask("quality")) for name, ask in sides.items()}
    return f"{report(measured)}\n{quality_report(figures)}"


def report(measured: dict[str, list[dict[str, float]]]) -> str:
    """Medians over the rounds."""
    rows: list[list[str]] = []
    for kind in measured["ours"][0]:
        own, peer = (median([told[kind] for told in measured[name]]) for name in ("ours", "presidio"))
        rows.append([kind, shown(own), shown(peer), f"{peer / own:.0f}x", verdict(own, MS_PER_KB, at_most=True)])
    head = ["ms of CPU per kB, uncached", "ours", "presidio", "ratio", f"<= {MS_PER_KB:g}"]
    return table("redaction beside presidio as shipped", head, rows)


def quality_report(figures: dict[str, dict[str, float]]) -> str:
    """How good, on the same texts."""
    targets: dict[str, tuple[float, bool]] = {
        "F2 over all kinds": (F2, False),
        "recall of direct identifiers and secrets": (DIRECT_RECALL, False),
        "the same without names of people": (DIRECT_RECALL, False),
        "false redactions in 1,000 tokens of code and logs": (FALSE_PER_1000, True),
        "ms of CPU per kB, read for the first time": (MS_PER_KB, True),
    }
    rows: list[list[str]] = []
    for name, own in figures["ours"].items():
        peer = figures["presidio"][name]
        least = name.startswith(("false", "ms"))
        better = (peer / own if own else float("inf")) if least else own / peer if peer else float("inf")
        target = targets.get(name)
        rows.append(
            [
                name,
                f"{own:.3f}",
                f"{peer:.3f}",
                f"{better:.1f}x" if better != float("inf") else "-",
                ""
                if target is None
                else f"{'<=' if target[1] else '>='} {target[0]:g}: {verdict(own, target[0], at_most=target[1])}",
            ]
        )
    return table("how good, on annotated texts", ["", "ours", "presidio", "ratio", "target"], rows)


def main() -> None:
    """See the module."""
    hush()
    # As the workers of the analysis: before either side imports numpy.
    os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    match sys.argv[1:]:
        case ["ours"]:
            answer(ours())
        case ["presidio"]:
            answer(presidio())
        case arguments:
            print(asyncio.run(run(min(int(arguments[0]) if arguments else 5, 50))))


if __name__ == "__main__":
    main()
