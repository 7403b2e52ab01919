"""Which values of a task are looked for wherever else they may stand, and where one stands as itself.

Not every value may be looked for. Within words, an IP address or a key is still itself; a name is one only as a word of its own; and
an age of 42, a ``Dr``, a town called Reading or a postcode says nothing about the next place where the same characters stand: these are
left to the recognizers, which see the words around.
"""

from dataclasses import dataclass
from typing import Literal


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


def is_swept(stem: str, value: str) -> bool:
    """Whether a value of this kind is looked for wherever it stands."""
    rule = _SWEPT.get(stem)
    return rule is not None and len(value) >= rule.least and (stem != "ORG" or " " in value)


def stands(text: str, start: int, value: str, stem: str) -> bool:
    """Whether ``value``, which begins at ``start`` in ``text``, stands there as itself and not as a part of something longer."""
    rule = _SWEPT.get(stem)
    edges = "words" if rule is None else rule.edges
    if edges == "any":
        return True
    goes_on = str.isdigit if edges == "digits" else str.isalnum
    end = start + len(value)
    before = start > 0 and goes_on(text[start - 1]) and goes_on(value[0])
    after = end < len(text) and goes_on(text[end]) and goes_on(value[-1])
    return not before and not after


def hidden(text: str, value: str, stem: str, instead: str) -> str:
    """``text`` with ``instead`` wherever ``value`` stands as itself, whatever value it is: for what is kept, and no model has to understand."""
    if not value:
        return text
    parts: list[str] = []
    position = 0
    start = text.find(value)
    while start >= 0:
        if stands(text, start, value, stem):
            parts += (text[position:start], instead)
            position = start + len(value)
            start = text.find(value, position)
        else:
            start = text.find(value, start + 1)
    parts.append(text[position:])
    return "".join(parts)


__all__ = ["hidden", "is_swept", "stands"]
