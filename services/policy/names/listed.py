"""What the lists say of a name's words: how sure the model must be of it, and whether anybody has it at all."""

import re
from collections.abc import Callable

from services.policy.names.words import COMMON, COUNTRY, GIVEN, PLACE, SURNAME, WORD, folded

_MIXED = re.compile(r"(?!Mc|Mac|De|Di|Da|Du|La|Le|Lo|Van|Von|Fitz|O)[^\W\d_]*[a-zß-ÿ][A-ZÀ-Þ][^\W\d_]*")
"""``PaymentGateway``; names have a capital within after certain beginnings only."""
_TWO_LARGE = re.compile(r"[A-Z]{2}[a-z]{2,}")
"""``RParen``"""
_NO_NAME = re.compile(r"\w{25}|\d")
_SMALL_WORD = re.compile(r"(?<![\w'’.@/-])[^\W\d_A-ZÀ-Þ][^\W\d_A-ZÀ-Þ]+(?![\w'’@/(=-])")
_SEEN = 200
_LEAST_WORDS = 5
_UNREAD = 0.6
"""So many of the small words about a name are on no list, when a text is in a language that the model has not learnt."""


def is_listed(word: str, lists: Callable[[str], int]) -> bool:
    """Whether people have the name."""
    return bool(lists(folded(word)) & (GIVEN | SURNAME))


def is_ordinary(value: str, lists: Callable[[str], int]) -> bool:
    """Whether all its words are on the list of those that are no names."""
    return all(lists(folded(word)) & COMMON for word in WORD.findall(value))


def least_certainty(entity: str, value: str, lists: Callable[[str], int]) -> float:
    """How sure the model must be of a name, from what the lists say of its words."""
    words = WORD.findall(value)
    if not words:
        return 1.0
    bits = [lists(folded(word)) for word in words]
    ordinary = all(bit & COMMON for bit in bits)
    small = all(word.islower() for word in words if len(word) > 1)
    if len(words) == 1 and (_MIXED.fullmatch(words[0]) or _TWO_LARGE.fullmatch(words[0])):
        return 0.99
    if entity == "PERSON":
        if _NO_NAME.search(value) is not None:
            return 0.99
        if small and not ordinary:
            if all(bit & GIVEN and not bit & (COMMON | PLACE) for bit in bits):
                return 0.75
            if "," in value and any(bit & GIVEN for bit in bits):
                # One of several: ``carla, petra``.
                return 0.7
            return 0.93 if len(words) == 1 else 0.8 if all(bit & (GIVEN | SURNAME) for bit in bits) else 0.9
        if any(bit & (GIVEN | SURNAME) for bit in bits):
            return 0.0 if len(words) > 1 else 0.93 if ordinary else 0.75
        if ordinary and len(words) == 1:
            # Nobody's name by any list.
            return 0.985
        if ordinary or (len(words) == 1 and value.isupper()):
            return 0.95
        return 0.85 if small or value.isupper() else 0.5
    if entity == "ORGANIZATION":
        if ordinary and len(words) > 1 and (small or "&" in value):
            return 0.995
        return 0.95 if small or (ordinary and len(words) == 1) else 0.8 if ordinary else 0.5
    if any(bit & (PLACE | COUNTRY) for bit in bits):
        return 0.8 if ordinary or small else 0.5
    return 0.9 if ordinary or small else 0.5


def is_unread(text: str, start: int, end: int, lists: Callable[[str], int]) -> bool:
    """Whether a word is no name that anybody has, in a language that the model cannot read: to it most words are strange there."""
    bits = [lists(folded(word)) for word in WORD.findall(text[start:end])]
    if any(bit & (GIVEN | SURNAME) for bit in bits):
        return False
    words = _SMALL_WORD.findall(text, max(0, start - _SEEN), end + _SEEN)
    if len(words) < _LEAST_WORDS:
        return False
    return sum(not lists(folded(word)) for word in words) > _UNREAD * len(words)


__all__ = ["is_listed", "is_ordinary", "is_unread", "least_certainty"]
