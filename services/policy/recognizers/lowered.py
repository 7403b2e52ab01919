"""First looks at a text, made once for all recognizers: which of their hundreds of words it holds, its shape, its long numbers.

Looking for a substring costs a twentieth of trying a pattern, so a recognizer asks here before it tries one.
"""

import re
import sys
from array import array
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Self

_FROM_COMMON_TO_RARE = b" etaoinshrdlucmfwypvbgkjqxz"
_SMALL = {0x130: "i", 0x131: "i", 0x17F: "s"}
"""What patterns that ignore case take for these letters, and ``lower`` does not."""


class _Shape(dict[int, str]):
    """What ``str.translate`` puts in a character's place. What is not ASCII counts as a capital, since it may be one."""

    def __missing__(self, code: int) -> str:
        sign = "0" if chr(code).isdecimal() else "A"
        if code < _KEPT_SHAPES:
            self[code] = sign
        return sign


_KEPT_SHAPES = 0x250
_SHAPE = _Shape(
    {code: "0" if (c := chr(code)).isdigit() else "A" if c.isupper() else "a" if c.islower() else c for code in range(128)}
)
_LONG_NUMBER = re.compile(r"0(?:[ .()/-]{0,3}0){5,}")


class Lowered(str):
    """A text in lower case, character for character."""

    written: str
    """The same as it is written."""

    @classmethod
    def of(cls, text: str) -> Self:
        """İ would become two characters."""
        small = text.lower()
        if not small.isascii():
            if len(small) != len(text):
                small = "".join(each if len(each := character.lower()) == 1 else character for character in text)
            small = small.translate(_SMALL)
        lowered = cls(small)
        lowered.written = text
        return lowered

    @cached_property
    def shape(self) -> str:
        """The text with 0 for a digit, A for a capital (and whatever is not ASCII), a for a small letter."""
        return self.written.translate(_SHAPE)

    @cached_property
    def numbers(self) -> list[tuple[int, int]]:
        """Where six digits or more are, with at most three signs between two."""
        return [match.span() for match in _LONG_NUMBER.finditer(self.shape)] if self.shape.count("0") > 5 else []

    @cached_property
    def longest(self) -> int:
        """Characters of the longest part without a blank."""
        return max(map(len, self.split()), default=0)

    def has_shape(self, shapes: Iterable[str]) -> bool:
        """Whether one of ``shapes`` is part of the text's."""
        shape = self.shape
        return any(each in shape for each in shapes)

    @cached_property
    def held(self) -> dict["Words", list[int]]:
        """For each list of words of which the text has some: the places in the list of those, in any order."""
        held: dict[Words, list[int]] = {}
        pairs = _pairs(self.encode("utf-8", "surrogatepass"))
        for pair in _RAREST & pairs:
            for second, third, word, words, at in _BY_PAIR[pair]:
                if second in pairs and third in pairs and word in self:
                    held.setdefault(words, []).append(at)
        return held


class Words:
    """Words in lower case to look for, wherever they stand; made once, at import. Each has two characters or more.

    All lists are looked through together: a word is looked for only in a text that has its three rarest pairs of characters.
    """

    def __init__(self, words: Iterable[str]) -> None:
        for at, word in enumerate(words):
            ranked = sorted(_pairs(word.encode()), key=_rarity, reverse=True)
            rarest, second, third = (*ranked, *ranked[:1] * 2)[:3]
            _BY_PAIR.setdefault(rarest, []).append((second, third, word, self, at))
            _RAREST.add(rarest)

    def within(self, lowered: Lowered) -> Sequence[int]:
        """The places in the list of those that ``lowered`` holds, in order."""
        return sorted(lowered.held.get(self, ()))

    def any_within(self, lowered: Lowered) -> bool:
        """Whether ``lowered`` holds one of them."""
        return self in lowered.held


_RAREST: set[int] = set()
_BY_PAIR: dict[int, list[tuple[int, int, str, Words, int]]] = {}
"""A pair → the words of which it is the rarest, each with the next two, and with its list and its place there."""


def _pairs(text: bytes) -> set[int]:
    """Each two bytes that stand side by side, as a number."""
    even = len(text) & ~1
    odd = len(text) - 1 & ~1
    return {*array("H", text[:even]), *array("H", text[1 : 1 + odd])}


def _rarity(pair: int) -> int:
    return sum(
        place if (place := _FROM_COMMON_TO_RARE.find(sign)) >= 0 else len(_FROM_COMMON_TO_RARE)
        for sign in pair.to_bytes(2, sys.byteorder)
    )


__all__ = ["Lowered", "Words"]
