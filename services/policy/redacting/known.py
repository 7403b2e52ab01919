"""Values that are known in the task, wherever they stand again: also where no recognizer would see them.

Which values are looked for, and where one stands as itself, is said in ``agentos.sealing.sweeping``.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable

from agentos.sealing.sweeping import is_swept, stands
from services.policy.findings import Finding

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
                if stands(text, start, value, self._kinds[value][0]):
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
            elif stands(text, start, value, self._kinds[value][0]):
                return value
            else:
                key = value[:-1]

    def _place(self, start: int, value: str) -> Finding:
        stem, entity = self._kinds[value]
        return Finding(start, start + len(value), entity if entity != stem else entity_of(stem), stem, 1.0)


def _common(one: str, other: str) -> int:
    """How many first characters both share."""
    for place, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine != theirs:
            return place
    return min(len(one), len(other))


__all__ = ["Known", "entity_of"]
