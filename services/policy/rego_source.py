"""Rego's source as words, and what can be told from them without an interpreter. Pure.

Strict where it is in doubt: a reference or an expression that is not understood is said to be so.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import takewhile
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r]+|\#[^\n]*)|(?P<line>\n)|(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"""
    r"""|(?P<name>[A-Za-z_]\w*)|(?P<sign>:=|==|!=|<=|>=|.)""",
    re.DOTALL,
)
_COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})
_SEPARATORS = frozenset({"\n", ";", "{", "}", "if", "not", "else"})
_ARITHMETIC = frozenset("+-*/%")
_GOES_ON = _COMPARISONS | _ARITHMETIC | {":=", "=", "|", "&", ".", ",", ":", "[", "(", "in"}
"""A line that ends so, or begins so, is part of a longer expression."""
TYPES = frozenset({"is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string"})
NO_NUMBERS = TYPES | {
    "concat", "contains", "endswith", "lower", "object.filter", "object.get", "object.keys", "object.remove", "object.union", "set",
    "sort", "split", "sprintf", "startswith", "trim", "upper",
}  # fmt: skip
"""Built-in functions that always answer the same, and never with a number that was not there before."""
NUMBERS = frozenset({"abs", "ceil", "count", "floor", "max", "min", "product", "round", "sum", "to_number"})
"""Those that always answer the same, with numbers of their own."""
_KEYWORDS = frozenset({"in", "if", "not", "some", "every", "contains", "else", "default"})
SIGNS = _COMPARISONS | _ARITHMETIC | frozenset({":=", "=", "|", "&", ".", ",", ":", ";", "[", "]", "(", ")", "{", "}"})
"""Any other sign is of a syntax that is not known here, such as a string that expressions stand in."""


class Word(NamedTuple):
    """``kind`` is line, string, number, name or sign."""

    kind: str
    text: str


@lru_cache(maxsize=64)
def words_of(source: str) -> tuple[Word, ...]:
    """Without comments and blanks; the ends of lines are words, for they end expressions. Kept, for a bundle's packages share modules."""
    return tuple(Word(str(match.lastgroup), match[0]) for match in _TOKEN.finditer(source) if match.lastgroup != "blank")


def reached_from(words: Mapping[str, tuple[Word, ...]], package: str) -> list[str]:
    """The modules that a package's decision can depend on."""
    found: list[str] = []
    queue = [package] if package in words else []
    while queue:
        name = queue.pop()
        if name in found:
            continue
        found.append(name)
        for at, word in enumerate(words[name]):
            if word != Word("name", "data") or is_field(words[name], at):
                continue
            path = ".".join(takewhile(lambda step: step != "*", ref_at(words[name], at)[0]))
            if path.split(".")[0] != "config":
                queue += [other for other in words if _under(other, path) or _under(path, other)]
    return found


def _under(path: str, prefix: str) -> bool:
    return not prefix or path == prefix or path.startswith(f"{prefix}.")


def functions_of(words: tuple[Word, ...], package: str) -> Iterator[str]:
    """Functions that a module defines, as itself and as others may call them."""
    depth = 0
    before = Word("line", "\n")
    for at, word in enumerate(words):
        depth += {"{": 1, "[": 1, "(": 1, "}": -1, "]": -1, ")": -1}.get(word.text, 0)
        if (
            depth == 1
            and word.text == "("
            and at
            and words[at - 1].kind == "name"
            and (at == 1 or words[at - 2].text in ("\n", "default"))
        ):
            # Outside of all brackets a line begins with a head, unless it goes on with the one before.
            end = _end_of_call(words, at)
            defines = words[end + 1].text if end + 1 < len(words) else ""
            if before.text not in _GOES_ON | _KEYWORDS and defines in (":=", "=", "if", "{"):
                for prefix in ("", f"{package.rpartition('.')[2]}.", f"data.{package}."):
                    yield f"{prefix}{words[at - 1].text}"
        if word.kind == "line":
            # The last word of the line before.
            before = next((each for each in reversed(words[:at]) if each.kind != "line"), word)


def calls_in(words: tuple[Word, ...]) -> Iterator[str]:
    """What is called by which name. A call through brackets is no name, so nothing knows it."""
    for at, word in enumerate(words):
        if word.text != "(" or at == 0:
            continue
        if words[at - 1].text == "]":
            yield "[]"
        if words[at - 1].kind != "name":
            continue
        begin = at - 1
        while begin >= 2 and words[begin - 1].text == "." and words[begin - 2].kind == "name":
            begin -= 2
        yield "".join(each.text for each in words[begin:at])


def is_field(words: tuple[Word, ...], at: int) -> bool:
    return at > 0 and words[at - 1].text == "."


def ref_at(words: tuple[Word, ...], at: int) -> tuple[list[str], int, bool]:
    """The steps of the reference whose first word is at ``at`` (left out), where it ends, and whether all of it was understood.

    A step in brackets that is no string is ``*``.
    """
    steps: list[str] = []
    at += 1
    while at < len(words):
        if words[at].text == "." and at + 1 < len(words) and words[at + 1].kind == "name":
            steps.append(words[at + 1].text)
            at += 2
        elif words[at].text == "[":
            end = _closing(words, at)
            inner = words[at + 1 : end]
            if len(inner) == 1 and inner[0].kind == "string":
                if "\\" in inner[0].text:
                    return steps, end + 1, False
                steps.append(inner[0].text[1:-1])
            else:
                steps.append("*")
            at = end + 1
        else:
            break
    return steps, at, not (at < len(words) and words[at].text == "(")


def _closing(words: tuple[Word, ...], at: int) -> int:
    depth = 0
    for place in range(at, len(words)):
        depth += {"[": 1, "]": -1}.get(words[place].text, 0)
        if depth == 0:
            return place
    return len(words) - 1


def is_compared(words: tuple[Word, ...], at: int, end: int) -> bool:
    """Whether the reference from ``at`` to ``end`` is one side of a comparison, and that all that is said there."""
    first = at
    while first > 0 and words[first - 1].text not in _SEPARATORS:
        first -= 1
    last = end
    while last < len(words) and words[last].text not in _SEPARATORS:
        last += 1
    before = next((word.text for word in reversed(words[:first]) if word.text != "\n"), "")
    after = next((word.text for word in words[last:] if word.text != "\n"), "")
    if before in _GOES_ON or after in _GOES_ON or after in (")", "]"):
        return False
    middle = _operand(words, first)
    if middle is None or middle >= last or words[middle].text not in _COMPARISONS or _operand(words, middle + 1) != last:
        return False
    # Of two numbers of the input each must be known.
    other = middle + 1 if at == first else first
    return at in (first, middle + 1) and words[other] != Word("name", "input")


def _operand(words: tuple[Word, ...], at: int) -> int | None:
    """Where the literal or reference that begins at ``at`` ends."""
    if at >= len(words):
        return None
    if words[at].kind in ("number", "string"):
        return at + 1
    if words[at].kind != "name":
        return None
    _, end, understood = ref_at(words, at)
    return end if understood else None


def makes_numbers(words: tuple[Word, ...]) -> bool:
    """Whether a number can come about that stands nowhere. A count that is only compared with a literal, or with another, goes nowhere."""
    for at, word in enumerate(words):
        if word.kind == "sign" and word.text in _ARITHMETIC:
            return True
        if word.kind != "name" or word.text not in NUMBERS or words[at + 1 : at + 2] != (Word("sign", "("),):
            continue
        if word.text != "count" or not _is_counted_only(words, at):
            return True
    return False


def _is_counted_only(words: tuple[Word, ...], at: int) -> bool:
    before = words[at - 1].text if at else "\n"
    end = _end_of_call(words, at + 1)
    after = words[end + 1].text if end + 1 < len(words) else "\n"
    if after in _COMPARISONS:
        other = words[end + 2 : end + 3]
        return before in _SEPARATORS and bool(other) and (other[0].kind == "number" or other[0].text == "count")
    return before in _COMPARISONS and words[at - 2].text == ")" and after in _SEPARATORS


def makes_indexes(words: tuple[Word, ...]) -> bool:
    """Whether the place in an array can come about that stands neither in the configuration nor in the input."""
    for at, word in enumerate(words):
        if word.kind == "name" and word.text in ("some", "every"):
            rest = [each.text for each in words[at + 1 : at + 64]]
            if "," not in rest[: rest.index("in")] if "in" in rest else "," not in rest:
                continue
            if "in" not in rest or not _is_given(words, at + 2 + rest.index("in")):
                return True
        elif word.text == "[" and [each.kind for each in words[at + 1 : at + 2]] == ["name"] and words[at + 2].text == "]":
            begin = _beginning(words, at)
            if begin < at and not _is_given(words, begin):
                return True
    return False


def _is_given(words: tuple[Word, ...], at: int) -> bool:
    """Whether the reference that begins at ``at`` is of the configuration or the input."""
    texts = [word.text for word in words[at : at + 3]]
    return texts == ["data", ".", "config"] or texts[:1] == ["input"]


def _beginning(words: tuple[Word, ...], at: int) -> int:
    """Where the reference begins whose bracket opens at ``at``; ``at`` itself where that is an array's."""
    while at > 0:
        if words[at - 1].text == "]":
            at = _opening(words, at - 1)
        elif words[at - 1].text == ")":
            return at - 1
        elif words[at - 1].kind == "name" and words[at - 1].text not in _KEYWORDS:
            at -= 1
            if words[at - 1].text != ".":
                return at
            at -= 1
        else:
            return at
    return at


def _opening(words: tuple[Word, ...], at: int) -> int:
    depth = 0
    for place in range(at, -1, -1):
        depth += {"]": 1, "[": -1}.get(words[place].text, 0)
        if depth == 0:
            return place
    return 0


def _end_of_call(words: tuple[Word, ...], at: int) -> int:
    depth = 0
    for place in range(at, len(words)):
        depth += {"(": 1, ")": -1}.get(words[place].text, 0)
        if depth == 0:
            return place
    return len(words) - 1


__all__ = [
    "NO_NUMBERS", "NUMBERS", "SIGNS", "TYPES", "Word", "calls_in", "functions_of", "is_compared", "is_field", "makes_indexes",
    "makes_numbers", "reached_from", "ref_at", "words_of",
]  # fmt: skip
