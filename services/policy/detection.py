"""Finding personal data and secrets in a text: presidio's recognizers and our own, behind cheap first looks.

Presidio as it comes runs every recognizer over the whole text, seven of them through an NLP engine, and skips a pattern that
times out. Here each recognizer sees only the places that its first look found (an ``@``, a group of digits, a word that announces),
and what cannot be finished is an error, never a text without findings. One file a family in ``recognizers``.

**Scores.** A finding counts from ``THRESHOLD`` (0.4). What is announced by a word, or whose checksum fits, is above 0.8; a shape alone
below.

**Overlaps.** See ``findings.resolve``.

**Not redacted**: URLs as such, UUIDs, dates and times, loopback, unspecified and reserved addresses, long bare numbers without context.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from agentos.sealing.placeholders import LOOKALIKE
from services.policy._presidio import recognizers
from services.policy.echoes import echoes
from services.policy.file_names import file_names
from services.policy.findings import THRESHOLD, Finding, Places, resolve
from services.policy.names import NameFinder
from services.policy.neighbours import neighbours
from services.policy.recognizers.addresses import addresses
from services.policy.recognizers.agreed import agreed
from services.policy.recognizers.appointed import appointed
from services.policy.recognizers.asked import asked
from services.policy.recognizers.blocks import corners
from services.policy.recognizers.documents import documents
from services.policy.recognizers.emails import emails
from services.policy.recognizers.formats import formats
from services.policy.recognizers.keyed import keyed
from services.policy.recognizers.lowered import Lowered
from services.policy.recognizers.memberships import memberships
from services.policy.recognizers.national_ids import NationalIds
from services.policy.recognizers.nearby import nearby
from services.policy.recognizers.network import Network
from services.policy.recognizers.opening import opening
from services.policy.recognizers.payment import Payment, bics
from services.policy.recognizers.personal import births_and_ages, titles
from services.policy.recognizers.phones import phones, prepare
from services.policy.recognizers.placed import placed
from services.policy.recognizers.registers import registers
from services.policy.recognizers.secrets import secrets
from services.policy.recognizers.social_security import SocialSecurity
from services.policy.recognizers.tables import tables
from services.policy.recognizers.typed import typed
from services.policy.recognizers.usernames import usernames

_SEPARATORS = {
    **dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-"),
    "\uff0b": "+", "\uff20": "@", "\uff0e": ".", "\uff08": "(", "\uff09": ")",
}  # fmt: skip
_SEPARATOR = re.compile(f"[{re.escape(''.join(_SEPARATORS))}]")

_ESCAPE = re.compile(r"(?<!\\)\\[nrt]")


def _unescaped(text: str) -> str:
    """JSON within text has its ends of lines as two signs, whose letter would be the first of the next line's first word."""
    return _ESCAPE.sub(lambda match: "  " if match[0] == "\\t" else " \n", text) if "\\" in text else text


_AFTER_DIGIT = 160
_BEFORE_DIGIT = 304
_WORD = 64
_DIGIT_AND_AFTER = re.compile(rf"\d.{{0,{_AFTER_DIGIT}}}", re.DOTALL)
_BLANK = re.compile(r"\s|$")
_UUID_HEAD, _UUID_LENGTH = 8, 36
_UUID = re.compile(r"-(?<=\b[0-9a-fA-F]{8}-)(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b")
"""From its first dash on: ``re`` looks for a literal much faster than for a class."""
_TIME = re.compile(
    r"\d(?<!\w\d)(?:"
    r"(?<=[12])\d{3}[-/.][01]\d[-/.][0-3]\d(?!\d)(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
    r"|(?<![+-]\d)\d?[-/.]\d{1,2}[-/.]\d{4}(?![-/.]?\d)(?:[ ,]{1,2}\d{1,2}:\d{2}(?::\d{2})?)?"
    r"|\d{7}[T ]\d{6}(?:Z|\b)|(?:(?<=\[\d)|(?<=\[ \d)|(?<=\[  \d)|(?<=\[   \d)|(?<=\[    \d))\d{0,5}\.\d{6}(?=\]))"
)
"""With identifiers, that of whose digits nothing is a number of a person, a card or a telephone."""
_TIME_SHAPES = (
    *(f"0000{first}00{second}00" for first in "-/." for second in "-/."),
    *(f"{first}{digits}{second}0000" for first in "-/." for digits in ("0", "00") for second in "-/."),
    "00000000A000000",
    "00000000 000000",
    ".000000]",
)
_DUMP = re.compile(
    r"^[0-9A-Fa-f]{3,15}0(?::[ \t]+(?:[0-9A-Fa-f]{4}[ ]+){6}|:?[ \t]+(?:[0-9A-Fa-f]{2}[ ]+){8})[^\n]{0,120}", re.MULTILINE
)
"""A line of a dump of bytes, sixteen or so of them. Without a colon they stand one by one: a card beside a number does not."""
_DUMP_SHAPES = ("00: ", "0a: ", "a0: ", "00  ", "a0  ", "0a  ", "aa: ")


class Detector:
    """The recognizers, built once (importing presidio takes half a second). Stateless afterwards; use from any thread."""

    def __init__(self, names: NameFinder | None = None) -> None:
        self._names = names or NameFinder()
        prepare()
        presidio = recognizers()
        self._payment = Payment(presidio)
        self._network = Network(presidio)
        self._social_security = SocialSecurity(presidio)
        self._national_ids = NationalIds(presidio)

    def find(self, text: str) -> tuple[Finding, ...]:
        """What to redact in ``text``, in order and without overlaps. About linear in its length, whatever it holds."""
        written = text if text.isascii() else _SEPARATOR.sub(lambda match: _SEPARATORS[match[0]], text)
        view = _unescaped(written)
        told = resolve(finding for finding in self._by_rule(view, written) if finding.score >= THRESHOLD)
        personal = any(finding.stem in _OF_PEOPLE for finding in told)
        guessed = list(_beside(Places(told), view, self._names.find(view, personal=personal, told=told)))
        found = resolve([*told, *self._as_told(told, view, guessed)])
        found = resolve([*found, *neighbours(view, found)])
        papers = file_names(view, found, is_name=self._names.is_name, ordinary=self._names.is_ordinary)
        found = resolve([*found, *papers])
        again = list(echoes(view, found, ordinary=self._names.is_ordinary))
        return resolve([*found, *again]) if again else found

    def _as_told(self, told: Sequence[Finding], text: str, guessed: Iterable[Finding]) -> Iterator[Finding]:
        """What the model takes for a person, though nobody is called so, where a rule has told elsewhere that it is a user's name."""
        users = {text[each.start : each.end] for each in told if each.stem == "USERNAME"}
        for guess in guessed:
            value = text[guess.start : guess.end]
            if guess.stem == "PERSON" and value in users and not self._names.is_name(value):
                yield Finding(guess.start, guess.end, "USERNAME", "USERNAME", guess.score)
            else:
                yield guess

    def _by_rule(self, text: str, written: str) -> Iterator[Finding]:
        lowered = Lowered.of(text)
        for match in LOOKALIKE.finditer(text):
            yield Finding(match.start(), match.end(), "LITERAL", "LITERAL", 1.0)
        yield from secrets(written, lowered if written is text else Lowered.of(written))
        yield from emails(text, lowered)
        yield from usernames(text, lowered)
        yield from titles(text)
        yield from bics(text)
        yield from tables(text, lowered)
        yield from keyed(text, lowered)
        yield from formats(text)
        yield from asked(text, lowered)
        yield from opening(text, lowered)
        yield from nearby(text, lowered)
        yield from agreed(text, lowered)
        yield from typed(text, lowered)
        yield from placed(text, lowered)
        yield from corners(text, lowered)
        yield from appointed(text, lowered)
        for start, end in _around_digits(text):
            whole = start == 0 and end == len(text)
            if whole:
                yield from self._with_digits(text, lowered)
                continue
            for finding in self._with_digits(text[start:end], Lowered.of(text[start:end])):
                yield Finding(finding.start + start, finding.end + start, finding.entity, finding.stem, finding.score)

    def _with_digits(self, text: str, lowered: Lowered) -> Iterator[Finding]:
        """What has digits, or stands beside some."""
        yield from births_and_ages(text, lowered)
        protected: bytearray | None = None
        for family in (
            addresses(text, lowered),
            self._network.find(text, lowered),
            self._payment.find(text, lowered),
            self._social_security.find(text, lowered),
            self._national_ids.find(text, lowered),
            registers(text, lowered),
            memberships(text, lowered),
            documents(text, lowered),
            phones(text, lowered),
        ):
            for finding in family:
                if protected is None:
                    protected = _protected(text, lowered)
                if protected.find(1, finding.start, finding.end) < 0:
                    yield finding


_OF_PEOPLE = frozenset(
    {"EMAIL", "PHONE", "DOB", "AGE", "TITLE", "SSN", "ID", "IBAN", "CARD", "ACCOUNT", "ADDRESS", "PERSON", "USERNAME"}
)
"""What a rule finds of these says that the text is about people."""
_A_NAME_LEFT = re.compile(r"[^\W\d_]*[^\W\d_A-ZÀ-Þ][^\W\d_]+|[^\W\d_]{2,}[ -][^\W\d_]{2,}")
_GROWING = frozenset({"PERSON", "ORG", "LOCATION", "ADDRESS"})
"""Of these the model may know more than a rule: the flat before the street."""
_NO_LETTER = " \t\n,;:|\"'()[]<>/\\-"


def _beside(told: Places, text: str, guessed: Iterable[Finding]) -> Iterator[Finding]:
    """What the model says, less what a rule has told to be of another kind: a rule knows why, whatever the model makes of the neighbours."""
    for guess in guessed:
        others = [
            each for each in told.overlapping(guess.start, guess.end) if each.stem != guess.stem or guess.stem not in _GROWING
        ]
        if not others:
            yield guess
            continue
        position = guess.start
        for begin, end in [*((other.start, other.end) for other in others), (guess.end, guess.end)]:
            left = text[position:begin]
            kept = left.strip(_NO_LETTER)
            if guess.stem in _GROWING and _A_NAME_LEFT.search(kept) is not None:
                start = position + left.index(kept)
                yield Finding(start, start + len(kept), guess.entity, guess.stem, guess.score)
            position = end


def _protected(text: str, lowered: Lowered) -> bytearray:
    """A byte for each character: whether it belongs to an identifier or a time."""
    protected = bytearray(len(text))
    spans = [match.span() for match in _TIME.finditer(text)] if lowered.has_shape(_TIME_SHAPES) else []
    if lowered.has_shape(_DUMP_SHAPES):
        spans += [match.span() for match in _DUMP.finditer(text)]
    if lowered.longest > _UUID_LENGTH - 1:
        spans += [(match.start() - _UUID_HEAD, match.end()) for match in _UUID.finditer(text)]
    for start, end in spans:
        protected[start:end] = b"\1" * (end - start)
    return protected


def _around_digits(text: str) -> Iterator[tuple[int, int]]:
    """The parts of a text that are near a digit, cut at blanks: in prose, most of it is far from any.

    Before a digit there is room for a word that announces it and for the question on the line above; after it, for the name of a street.
    """
    start = end = -1
    for match in _DIGIT_AND_AFTER.finditer(text):
        first = max(0, match.start() - _BEFORE_DIGIT)
        if first <= end:
            end = match.end()
            continue
        if end >= 0:
            yield start, _at_blank(text, end)
        start, end = first, match.end()
        if first:
            blank = _BLANK.search(text, first, first + _WORD)
            start = blank.end() if blank else first
    if end >= 0:
        yield start, _at_blank(text, end)


def _at_blank(text: str, position: int) -> int:
    """The end of the word at ``position``, or what is left of it when it has none soon."""
    blank = _BLANK.search(text, position, position + _WORD)
    return blank.start() if blank else min(position + _WORD, len(text))


__all__ = ["Detector"]
