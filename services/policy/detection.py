"""Finding personal data and secrets in a text: presidio's recognizers behind cheap first looks.

Presidio as it comes runs every recognizer over the whole text, seven of them through an NLP engine, and skips a pattern that
times out. Here each recognizer sees only the places that its first look found (an ``@``, a group of digits, two colons), and what
cannot be finished is an error, never a text without findings.

**Scores.** A finding counts from ``THRESHOLD`` (0.4). A recognizer's own score holds; a checksum that fits makes it 1.0, one that does
not removes it; a word of context in the 48 characters before adds 0.35, and makes it at least 0.4 (presidio's own numbers).

**Overlaps.** The longest wins, then the highest score, then the first. Findings that overlap only in part become one, of the
winner's kind, so that no fragment of either is left.

**Not redacted**: URLs as such, UUIDs, dates and times, loopback, unspecified and reserved addresses, long bare numbers without context.
"""

import ipaddress
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import phonenumbers
import regex

from agentos.sealing.placeholders import LOOKALIKE
from services.policy._presidio import recognizers
from services.policy.findings import THRESHOLD, Finding, resolve
from services.policy.names import NameFinder
from services.policy.secret_patterns import KEYED, PRIVATE_KEY_BEGIN, PRIVATE_KEY_END, SECRETS

CONTEXT_BONUS = 0.35
CONTEXT_CHARS = 48
PHONE_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "IN", "BR", "AU", "JP", "IL")
MAX_VALIDATED_PHONES = 500
"""Beyond so many candidates in one text each counts as a number unchecked: checking costs up to a millisecond, and an attacker's
text is full of them."""


_SEPARATORS = str.maketrans({
    **dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-"),
    "\uff0b": "+", "\uff20": "@", "\uff0e": ".", "\uff08": "(", "\uff09": ")",
})  # fmt: skip

_EMAIL = re.compile(
    r"(?<![\w.!#$%&*+?^{|}~-])(?P<local>[\w.!#$%&*+?^{|}~-]++)@(?P<domain>(?:[\w-]{1,63}\.){1,16}[^\W\d_](?:[\w-]{0,61}[^\W_]))"
)
_VERSION = re.compile(r"v?\d+\.\d")
_DIGITS = re.compile(r"\d(?:[ .-]{0,2}\d){6}")
# Windows may overlap (a look-ahead consumes nothing): a number must not hide the one that begins within its window.
_CARD_START = re.compile(r"(?<!\w)(?<!\d\.)(?=([2-6]\d{3}(?:[ .-]{0,2}\d){8,15}))")
_SSN_START = re.compile(r"(?<!\w)(?=(\d{3}[ .-]?\d{2}[ .-]?\d{4})(?!\w))")
_SIXTEEN = re.compile(r"\d(?:[ -]{0,2}\d){15}(?!\d)")
_IBAN_START = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?=[ -]?[A-Za-z0-9]{4})")
_CRYPTO_START = re.compile(r"(?<![A-Za-z0-9])(?:bc1|[13])[a-zA-HJ-NP-Z0-9]{25,59}(?![A-Za-z0-9])")
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?(?!\w|\.\d)")
_IPV6_START = re.compile(
    r"(?<![\w:.])(?=[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:)[0-9A-Fa-f:]{3,39}(?:(?:\.\d{1,3}){3})?(?:%\w{1,16})?(?![\w:])"
)
_PROTECTED = re.compile(
    r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"
    r"|\b\d{4}[-/.]\d{2}[-/.]\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
    r"|\b\d{1,2}[-/.]\d{1,2}[-/.]\d{4}(?:[ ,]{1,2}\d{1,2}:\d{2}(?::\d{2})?)?"
    r"|\b\d{8}[T ]\d{6}(?:Z|\b)"
)

# Phone numbers by shape: international; North American 3-3-4; with a trunk 0; anything announced by a word.
_PHONE_PLUS = re.compile(r"(?<![\w+])(?:\+\(?|00[ ]?(?=[1-9]))\d(?:[ .()/-]{0,2}\d){6,14}(?!\d)")
_DECIMAL = re.compile(r"\+\d+\.\d+")
_LAST_GROUP = re.compile(r"[ .()/-]{1,2}\d+$")
_PHONE_NANP = re.compile(r"(?<![\w.+/#$=-])(?:1[ .-])?(?:\(\d{3}\)[ -]?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-]|\.\d)")
_PHONE_TRUNK = re.compile(r"(?<![\w.+/#$=-])(?:\(0\d{1,5}\)|0\d{1,5})(?:[ /-]{1,2}\d{2,8}){1,4}(?![\w-]|\.\d)")
_PHONE_BARE = re.compile(r"(?<![\w.+/#$-])\(?\d(?:[ .()/-]{0,2}\d){6,14}(?![\w-]|\.\d)")
_PHONE_WORDS = re.compile(
    r"\b(?:phone|telephone|tel|telefon|handy|mobile|mobil|cell|cellphone|fax|whatsapp|sms|call|dial|ring|text|reach)\b",
    re.IGNORECASE,
)
_SSN_WORDS = re.compile(r"\b(?:ssns?|social|security|ssid)\b", re.IGNORECASE)


class Detector:
    """The recognizers, built once (importing presidio takes half a second). Stateless afterwards; use from any thread."""

    def __init__(self, names: NameFinder | None = None) -> None:
        self._names = names or NameFinder()
        from_presidio = recognizers()
        self._card: Any = from_presidio.CreditCardRecognizer()
        self._ssn: Any = from_presidio.UsSsnRecognizer()
        self._iban: Any = from_presidio.IbanRecognizer()
        self._ip: Any = from_presidio.IpRecognizer()
        self._crypto: Any = from_presidio.CryptoRecognizer()
        # Presidio's pattern, and the shapes that it lacks: 2-series Mastercard, American Express and Diners in their own grouping.
        self._card_patterns = [
            regex.compile(source)
            for source in (
                *(pattern.regex for pattern in self._card.patterns),
                r"\b2[2-7]\d{2}[- ]?\d{4}[- ]?\d{4}[- ]?\d{4}\b",
                r"\b3[47]\d{2}[- ]?\d{6}[- ]?\d{5}\b",
                r"\b3(?:0[0-5]|[68]\d)\d[- ]?\d{6}[- ]?\d{4}\b",
                r"\b[46]\d{18}\b",
            )
        ]
        self._ssn_patterns = [(regex.compile(pattern.regex), pattern.score) for pattern in self._ssn.patterns]

    def find(self, text: str) -> tuple[Finding, ...]:
        """What to redact in ``text``, in order and without overlaps. About linear in its length, whatever it holds."""
        view = text if text.isascii() else text.translate(_SEPARATORS)
        return resolve(finding for finding in self._all(view) if finding.score >= THRESHOLD)

    def _all(self, text: str) -> Iterator[Finding]:
        for match in LOOKALIKE.finditer(text):
            yield Finding(match.start(), match.end(), "LITERAL", "LITERAL", 1.0)
        yield from _secrets(text)
        if "@" in text:
            yield from _emails(text)
        if text.count(":") > 1:
            yield from self._ipv6(text)
        yield from self._iban_codes(text)
        for match in _CRYPTO_START.finditer(text):
            if self._crypto.validate_result(match[0]):
                yield Finding(match.start(), match.end(), "CRYPTO", "CRYPTO", 1.0)
        if _DIGITS.search(text) is not None or "." in text:
            yield from self._numbers(text)
        yield from self._names.find(text)

    def _numbers(self, text: str) -> Iterator[Finding]:
        spans = [match.span() for match in _PROTECTED.finditer(text)]
        protected = bytearray(len(text)) if spans else b""
        for start, end in spans:
            protected[start:end] = b"\1" * (end - start)  # pyright: ignore[reportIndexIssue]  # a bytearray whenever there are spans

        def free(start: int, end: int) -> bool:
            return not protected or not any(protected[start:end])

        for finding in (*self._ipv4(text), *self._cards(text), *self._ssns(text), *_phones(text)):
            if free(finding.start, finding.end):
                yield finding

    def _cards(self, text: str) -> Iterator[Finding]:
        for window in _CARD_START.finditer(text):
            start, end = window.span(1)
            if text[end : end + 1].isalnum():
                # The window ends within a number or a word: back to the last whole group.
                end = start + len(re.sub(r"[ .-]{0,2}\d+$", "", window[1]))
            # Dots are not presidio's: one separator for one, so that places stay.
            shown = text[start:end].replace(".", "-")
            for pattern in self._card_patterns:
                match = pattern.match(shown)
                if match is not None and self._card.validate_result(match[0]):
                    yield Finding(start, start + len(match[0]), "CREDIT_CARD", "CARD", 1.0)
            # Sixteen digits in any grouping, doubled separators too.
            for number in _SIXTEEN.finditer(shown):
                if number.start() == 0 and self._card.validate_result(re.sub(r"\D", "", number[0])):
                    yield Finding(start, start + number.end(), "CREDIT_CARD", "CARD", 1.0)

    def _ssns(self, text: str) -> Iterator[Finding]:
        for window in _SSN_START.finditer(text):
            number = window[1]
            if self._ssn.invalidate_result(number):
                continue
            score = max((score for pattern, score in self._ssn_patterns if pattern.fullmatch(number)), default=0.0)
            if score:
                score = _in_context(score, _SSN_WORDS, text, window.start())
                yield Finding(*window.span(1), "US_SSN", "SSN", score)

    def _ipv4(self, text: str) -> Iterator[Finding]:
        for match in _IPV4.finditer(text):
            if not self._ip.invalidate_result(match[0]) and not _is_nobodys(match[0]):
                yield Finding(match.start(), match.end(), "IP_ADDRESS", "IP", 0.6)

    def _ipv6(self, text: str) -> Iterator[Finding]:
        for match in _IPV6_START.finditer(text):
            address = match[0].rstrip(":") if not match[0].endswith("::") else match[0]
            if self._ip.invalidate_result(address) or _is_nobodys(address):
                continue
            groups = [group for group in address.split(":") if group]
            # ``x[1::2]`` and ``a::b`` are code; an address has three groups or a first one of four digits.
            if len(groups) >= 3 or (groups and len(groups[0]) == 4):
                yield Finding(match.start(), match.start() + len(address), "IP_ADDRESS", "IP", 0.6)

    def _iban_codes(self, text: str) -> Iterator[Finding]:
        for start in _IBAN_START.finditer(text):
            # 34 characters at most, in groups of four, and one beyond to see where it ends.
            window = text[start.start() : start.start() + 45]
            if not window.isascii():
                window = re.split(r"[^\x00-\x7f]", window, maxsplit=1)[0]
            for result in self._iban.analyze(window.upper(), ["IBAN_CODE"]):
                if result.start == 0:
                    yield Finding(start.start(), start.start() + result.end, "IBAN_CODE", "IBAN", result.score)


def _secrets(text: str) -> Iterator[Finding]:
    lowered = text.lower()
    for secret in SECRETS:
        if secret.trigger in lowered:
            group = "value" if "value" in secret.pattern.groupindex else 0
            for match in secret.pattern.finditer(text):
                yield Finding(*match.span(group), secret.entity, "SECRET", 1.0)
    if "=" in text or ":" in text:
        for match in KEYED.finditer(text):
            group = "quoted" if match["quoted"] is not None else "value"
            yield Finding(*match.span(group), "CREDENTIAL", "SECRET", 0.8)
    position = 0
    while (begin := PRIVATE_KEY_BEGIN.search(text, position)) is not None:
        end = PRIVATE_KEY_END.search(text, begin.end())
        # Without its end it is cut off, and everything after may be key.
        position = len(text) if end is None else end.end()
        yield Finding(begin.start(), position, "PRIVATE_KEY", "SECRET", 1.0)


def _emails(text: str) -> Iterator[Finding]:
    for match in _EMAIL.finditer(text):
        # ``git@host:path`` is a remote, ``react@18.2.0-rc.1`` a version.
        if (match["local"] == "git" and text[match.end() : match.end() + 1] in (":", "/")) or _VERSION.match(match["domain"]):
            continue
        yield Finding(match.start(), match.end(), "EMAIL_ADDRESS", "EMAIL", 1.0)


def _phones(text: str) -> Iterator[Finding]:
    checked = 0

    def valid(number: str) -> bool:
        nonlocal checked
        checked += 1
        return checked > MAX_VALIDATED_PHONES or _is_phone(number)

    def whole(pattern: re.Pattern[str]) -> Iterator[tuple[int, str, str]]:
        """Place, as written, and the longest run of whole groups from there that is a number ("" when there is none)."""
        position = 0
        while (match := pattern.search(text, position)) is not None:
            number = match[0]
            while number and not valid(_international(number)):
                shorter = _LAST_GROUP.sub("", number)
                number = shorter if shorter != number and sum(map(str.isdigit, shorter)) > 6 else ""
            yield match.start(), match[0], number
            position = match.start() + max(len(number), 1) if number else match.end()

    for start, written, number in whole(_PHONE_PLUS):
        # A plus says enough, though no such number be in use; but not before a decimal fraction.
        found = number or (written if written.startswith("+") and not _DECIMAL.fullmatch(written) else "")
        if found:
            yield Finding(start, start + len(found), "PHONE_NUMBER", "PHONE", 0.5)
    for match in _PHONE_NANP.finditer(text):
        # Dashes or brackets are enough; blanks and dots also separate columns and versions.
        if "-" in match[0] or "(" in match[0] or valid(match[0]):
            yield Finding(match.start(), match.end(), "PHONE_NUMBER", "PHONE", 0.45)
    for start, _, number in whole(_PHONE_TRUNK):
        if number:
            yield Finding(start, start + len(number), "PHONE_NUMBER", "PHONE", 0.4)
    if _PHONE_WORDS.search(text) is not None:
        for match in _PHONE_BARE.finditer(text):
            score = _in_context(0.05, _PHONE_WORDS, text, match.start())
            if score >= THRESHOLD:
                yield Finding(match.start(), match.end(), "PHONE_NUMBER", "PHONE", score)


def _international(number: str) -> str:
    return "+" + number[2:].lstrip() if re.match(r"00[ ]?[1-9]", number) else number


@lru_cache(maxsize=4096)
def _is_phone(number: str) -> bool:
    for region in (None,) if number.startswith("+") else PHONE_REGIONS:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(number, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False


def _in_context(score: float, words: re.Pattern[str], text: str, start: int) -> float:
    if words.search(text, max(0, start - CONTEXT_CHARS), start) is None:
        return score
    return min(1.0, max(score + CONTEXT_BONUS, THRESHOLD))


def _is_nobodys(address: str) -> bool:
    try:
        ip = ipaddress.ip_interface(address).ip
    except ValueError:
        return True
    return ip.is_loopback or ip.is_unspecified or ip.is_multicast or (ip.version == 4 and ip.is_reserved)


__all__ = ["THRESHOLD", "Detector", "Finding", "resolve"]
