"""What is found at one place of a text is the same at another: ``goldfarb`` in a path, below a letter of Rachel Goldfarb's.

A name is told by what stands around it, and so is a number or a password. Once told it needs no more of that. About linear in the text's
length: words are looked up one by one, and only so many other values are looked for.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from services.policy.findings import Finding

_SCORE = 0.45
_SURE_OF_USER = 0.55
"""From this score on a user's name is no part of a program that looks like one."""
_LEAST_NAME, _LEAST_SMALL, _LEAST_USER, _LEAST_VALUE = 4, 5, 5, 7
"""Characters of a name, of one in small letters, of a user's name, of another value."""
_MOST_VALUES = 32
_WORD = re.compile(r"[^\W\d_]+")
_USER = re.compile(r"[^\W_][\w.-]*[^\W_]")
_TOKEN = re.compile(rf"[^\W\d_]{{{_LEAST_NAME},40}}")
_OF_HOST = re.compile(r"@\w|[-\w]*\.(?!(?:pdf|docx?|xlsx?|txt|csv|jpe?g|png|zip|md)\b)[a-z]{2,10}\b")
_SURNAME = re.compile(
    r"(?<![^\W\d_])(?:sur|last|family|nach|familien|achter)[ _-]?na(?:me|am)[\"']?\s{0,2}[:=>]\s{0,2}[\"']?$|"
    r"(?<![^\W\d_])(?:nom|apellidos?|cognome)[\"']?\s{0,2}[:=>]\s{0,2}[\"']?$",
    re.IGNORECASE,
)
"""A form has it alone, in a field of its own."""
_VALUES = frozenset({"SECRET", "ID", "ACCOUNT", "PHONE", "CARD", "IBAN", "CRYPTO", "SSN"})


def echoes(text: str, found: Sequence[Finding], *, ordinary: Callable[[str], bool]) -> Iterator[Finding]:
    """In any order; none overlaps one of ``found``, which is in order and without overlaps. ``ordinary``: whether a word is one."""
    if not found:
        return
    names = _names(text, found, ordinary)
    users = {
        text[each.start : each.end]: each for each in found if each.stem == "USERNAME" and each.end - each.start >= _LEAST_USER
    }
    values = {
        text[each.start : each.end]: each for each in found if each.stem in _VALUES and each.end - each.start >= _LEAST_VALUE
    }
    users = {value.removeprefix("@"): each for value, each in users.items() if _USER.fullmatch(value.removeprefix("@"))}
    taken = bytearray(len(text)) if names or users or values else bytearray()
    for each in found if taken else ():
        taken[each.start : each.end] = b"\1" * (each.end - each.start)
    if names:
        for match in _TOKEN.finditer(text):
            told = names.get(match[0].lower())
            if told is not None and taken.find(1, *match.span()) < 0 and _may_be_name(text, match, text[told.start : told.end]):
                yield Finding(*match.span(), told.entity, told.stem, _SCORE)
    for value, told in [*users.items()][:_MOST_VALUES] + [*values.items()][:_MOST_VALUES]:
        if told.stem == "USERNAME" and ordinary(value):
            continue
        at = text.find(value)
        while at >= 0:
            end = at + len(value)
            if taken.find(1, at, end) < 0 and _stands_alone(text, at, end):
                yield Finding(at, end, told.entity, told.stem, _SCORE)
            at = text.find(value, end)


def _names(text: str, found: Sequence[Finding], ordinary: Callable[[str], bool]) -> dict[str, Finding]:
    """The words, in lower case, of those who are named in full or with a title."""
    names: dict[str, Finding] = {}
    titled = -1
    for each in found:
        if each.stem == "TITLE":
            titled = each.end
        if each.stem != "PERSON":
            continue
        words = _WORD.findall(text, each.start, each.end)
        if (
            len(words) > 1
            or 0 <= each.start - titled < 3
            or _SURNAME.search(text, max(0, each.start - 24), each.start) is not None
        ):
            for word in words:
                if len(word) >= _LEAST_NAME and word[0].isupper() and not ordinary(word):
                    names.setdefault(word.lower(), each)
    return names


def _may_be_name(text: str, match: re.Match[str], name: str) -> bool:
    word = match[0]
    if word.islower() and len(word) < _LEAST_SMALL:
        return False
    if word != word.title() and not word.isupper() and not word.islower() and word not in name:
        return False
    # In the name of a host it says whose machine that is, and hardly who is meant.
    return text[match.start() - 1 : match.start()] not in (".", "@") and _OF_HOST.match(text, match.end()) is None


def _stands_alone(text: str, start: int, end: int) -> bool:
    return not (text[max(0, start - 1) : start].isalnum() or text[end : end + 1].isalnum())


__all__ = ["echoes"]
