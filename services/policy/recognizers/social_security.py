"""United States social security numbers that no word announces: presidio's shapes, and what it knows to be none."""

import re
from collections.abc import Iterator
from typing import Any

import regex

from services.policy.findings import Finding
from services.policy.recognizers.lowered import Lowered, holds_any

_START = re.compile(r"\d(?<![\w+-]\d)(?=\d{2}[ .-]?\d{2}[ .-]?(?P<last>\d{4})(?![\w-]))")
_SHAPES = tuple(f"000{first}00{second}0000" for first in ("", " ", ".", "-") for second in ("", " ", ".", "-"))


class SocialSecurity:
    """Announced ones are in ``national_ids``."""

    def __init__(self, presidio: Any) -> None:
        self._ssn: Any = presidio.UsSsnRecognizer()
        self._patterns = [(regex.compile(pattern.regex), pattern.score) for pattern in self._ssn.patterns]

    def find(self, text: str, lowered: Lowered) -> Iterator[Finding]:
        """In order."""
        if lowered.has_shape(_SHAPES):
            for first, last in lowered.numbers:
                if holds_any(lowered.shape[first : last + 1], _SHAPES):
                    yield from self._within(text, first, last)

    def _within(self, text: str, first: int, last: int) -> Iterator[Finding]:
        for window in _START.finditer(text, first, last + 1):
            start, end = window.start(), window.end("last")
            number = text[start:end]
            if self._ssn.invalidate_result(number):
                continue
            score = max((score for pattern, score in self._patterns if pattern.fullmatch(number)), default=0.0)
            if score:
                yield Finding(start, end, "US_SSN", "SSN", score)


__all__ = ["SocialSecurity"]
