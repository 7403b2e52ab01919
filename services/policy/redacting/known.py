"""Values that are known in the task, wherever they stand again: also where no recognizer would see them.

Not every value may be looked for. Within words, an IP address or a key is still itself; a name is one only as a word of its own; and
an age of 42, a ``Dr``, a town called Reading or a postcode says nothing about the next place where the same characters stand: these are
left to the recognizers, which see the words around.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from services.policy.findings import Finding


@dataclass(frozen=True)
class _Rule:
    least: int
    """Fewest characters of a value that is looked for."""
    edges: Literal["any", "digits", "words"]
    """What must not go on at its edges: nothing at all, a digit (after or before a digit), a letter or digit (likewise)."""


_SWEPT: dict[str, _Rule] = {
    "EMAIL": _Rule(6, "any"),
    "SECRET": _Rule(6, "any"),
    "IBAN": _Rule(12, "any"),
    "CRYPTO": _Rule(20, "any"),
    "PHONE": _Rule(7, "digits"),
    "CARD": _Rule(12, "digits"),
    "SSN": _Rule(9, "digits"),
    "IP": _Rule(7, "digits"),
    "MAC": _Rule(12, "words"),
    "ID": _Rule(6, "words"),
    "ACCOUNT": _Rule(6, "words"),
    "PERSON": _Rule(4, "words"),
    "USERNAME": _Rule(5, "words"),
    "DOB": _Rule(8, "words"),
    "ADDRESS": _Rule(8, "words"),
    "ORG": _Rule(6, "words"),
}
"""Not in here, and so never swept: AGE, TITLE, POSTCODE, LOCATION. Of ORG only names of several words are: ``Target`` is a word."""

_ENTITY_OF = {
    "EMAIL": "EMAIL_ADDRESS",
    "PHONE": "PHONE_NUMBER",
    "CARD": "CREDIT_CARD",
    "IBAN": "IBAN_CODE",
    "IP": "IP_ADDRESS",
    "MAC": "MAC_ADDRESS",
    "SSN": "US_SSN",
    "ID": "NATIONAL_ID",
    "ACCOUNT": "BANK_ACCOUNT",
    "ORG": "ORGANIZATION",
    "ADDRESS": "STREET_ADDRESS",
    "DOB": "DATE_OF_BIRTH",
}

_FEW = 32
_HEAD = 4


def is_swept(stem: str, value: str) -> bool:
    """Whether a value of this kind is looked for wherever it stands."""
    rule = _SWEPT.get(stem)
    return rule is not None and len(value) >= rule.least and (stem != "ORG" or " " in value)


def entity_of(stem: str) -> str:
    """The entity's usual name, for a value of which only the first part of the placeholder is known."""
    return _ENTITY_OF.get(stem, stem)


class Known:
    """Every place in a text of every one of the values, in one pass over it however many they are."""

    def __init__(self, values: Iterable[tuple[str, str, str]]) -> None:
        """``values`` are first part of the name, value, entity. Those that may not be swept are left out here."""
        self._kinds = {value: (stem, entity) for stem, value, entity in values if is_swept(stem, value)}
        self._few = list(self._kinds) if len(self._kinds) <= _FEW else []
        self._by_head: dict[str, list[str]] = {}
        self._heads: re.Pattern[str] | None = None
        if len(self._kinds) > _FEW:
            for value in sorted(self._kinds):
                self._by_head.setdefault(value[:_HEAD], []).append(value)
            # A first look in C: two characters that some value begins with.
            seconds: dict[str, set[str]] = {}
            for head in self._by_head:
                seconds.setdefault(head[0], set()).add(head[1])
            branches = (f"{re.escape(first)}[{''.join(map(re.escape, of))}]" for first, of in seconds.items())
            self._heads = re.compile(f"(?={'|'.join(branches)})")
            self._longest = max(map(len, self._kinds))

    def places_in(self, text: str) -> list[Finding]:
        """Each place of each value that stands there as a whole."""
        places: list[Finding] = []
        for value in self._few:
            start = text.find(value)
            while start >= 0:
                if self._stands(text, start, value):
                    places.append(self._place(start, value))
                    start += len(value) - 1
                start = text.find(value, start + 1)
        if self._heads is not None:
            for match in self._heads.finditer(text):
                value = self._longest_at(text, match.start())
                if value:
                    places.append(self._place(match.start(), value))
        return places

    def _longest_at(self, text: str, start: int) -> str:
        """The longest value that stands at ``start``, or "". Logarithmic in the number of values, whatever they have in common."""
        values = self._by_head.get(text[start : start + _HEAD])
        if values is None:
            return ""
        key = text[start : start + self._longest]
        while True:
            place = bisect_right(values, key) - 1
            if place < 0:
                return ""
            value = values[place]
            if not key.startswith(value):
                # What is sought begins as both do: nothing between them in the order is a beginning of ``key``.
                key = key[: _common(value, key)]
            elif self._stands(text, start, value):
                return value
            else:
                key = value[:-1]

    def _stands(self, text: str, start: int, value: str) -> bool:
        edges = _SWEPT[self._kinds[value][0]].edges
        if edges == "any":
            return True
        goes_on = str.isdigit if edges == "digits" else str.isalnum
        end = start + len(value)
        before = start > 0 and goes_on(text[start - 1]) and goes_on(value[0])
        after = end < len(text) and goes_on(text[end]) and goes_on(value[-1])
        return not before and not after

    def _place(self, start: int, value: str) -> Finding:
        stem, entity = self._kinds[value]
        return Finding(start, start + len(value), entity if entity != stem else entity_of(stem), stem, 1.0)


def _common(one: str, other: str) -> int:
    """How many first characters both share."""
    for place, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine != theirs:
            return place
    return min(len(one), len(other))


__all__ = ["Known", "entity_of", "is_swept"]
