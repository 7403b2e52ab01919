"""What of their input a bundle's rules can tell apart, read off their source. Pure.

Two inputs that no rule can tell apart get the same decision, so it need be worked out once. Each place where a rule says ``input.…`` is one
of three uses, told by the words around it:

- *type*: ``is_string(input.task)``. Only the JSON type matters.
- *rank*: ``input.calls_so_far < limits.max_calls``. Of a number it only matters on which side of which numbers it lies. The other side can
  only be a number that stands in the configuration, in the source or elsewhere in the input, or the index of an array of these: rules that
  could make others (by arithmetic, ``sum``, a ``count`` that is kept, the index of an array of their own) rank nothing.
- *value*: everything else.

What is not understood is taken for the strictest use, and rules that could answer one input in two ways (the clock, chance, the network,
anything unknown here) are not remembered at all. Only what is reachable from a package counts for its questions.
"""

import re
from bisect import bisect_left
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import takewhile
from typing import NamedTuple, cast

from agentos.contracts.base import Json

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
_TYPES = frozenset({"is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string"})
_NO_NUMBERS = _TYPES | {
    "concat", "contains", "endswith", "lower", "object.filter", "object.get", "object.keys", "object.remove", "object.union", "set",
    "sort", "split", "sprintf", "startswith", "trim", "upper",
}  # fmt: skip
"""Built-in functions that always answer the same, and never with a number that was not there before."""
_NUMBERS = frozenset({"abs", "ceil", "count", "floor", "max", "min", "product", "round", "sum", "to_number"})
"""Those that always answer the same, with numbers of their own."""
_KEYWORDS = frozenset({"in", "if", "not", "some", "every", "contains", "else", "default"})
_SIGNS = _COMPARISONS | _ARITHMETIC | frozenset({":=", "=", "|", "&", ".", ",", ":", ";", "[", "]", "(", ")", "{", "}"})
"""Any other sign is of a syntax that is not known here, such as a string that expressions stand in."""


class Use(IntEnum):
    """How much of a value the rules can tell: each as much as those before it."""

    NONE = 0
    TYPE = 1
    RANK = 2
    VALUE = 3


class _Word(NamedTuple):
    kind: str
    text: str


@dataclass(slots=True)
class _Node:
    """A place in the input, and those beneath it. ``each`` stands for every key or index."""

    use: Use = Use.NONE
    children: "dict[str, _Node]" = field(default_factory=lambda: dict[str, _Node]())
    each: "_Node | None" = None


class _Gathered:
    """What makes one input's key."""

    def __init__(self, indexes: int) -> None:
        self.parts: list[Hashable] = []
        self.numbers: set[int | float] = set()
        self.ranked: list[int | float] = []
        self.indexes = indexes


@dataclass(frozen=True)
class Reads:
    """What a package and all that it reaches read. ``key`` is equal for inputs that they cannot tell apart."""

    _root: _Node
    _thresholds: tuple[int | float, ...]
    _indexes: int

    def use_of(self, *path: str) -> Use:
        """How the place at ``path`` is used; ``*`` for what stands beneath any key."""
        node: _Node | None = self._root
        for step in path:
            if node is None or node.use is Use.VALUE:
                break
            node = node.each if step == "*" else node.children.get(step)
        return Use.NONE if node is None else node.use

    def key(self, asked: Mapping[str, Json]) -> Hashable:
        """See the class. For JSON as ``model_dump(mode="json")`` makes it."""
        gathered = _Gathered(self._indexes)
        _gather(self._root, asked, gathered)
        numbers = sorted(gathered.numbers)
        for number in gathered.ranked:
            # Small ones are kept as they are, for they might be compared with the index of an array.
            if 0 <= number <= gathered.indexes:
                gathered.parts.append((type(number), number))
                continue
            for thresholds in (self._thresholds, numbers):
                place = bisect_left(thresholds, number)
                gathered.parts += (place, place < len(thresholds) and thresholds[place] == number)
        return tuple(gathered.parts)


def reads_of(modules: Mapping[str, str], config: Json, package: str) -> Reads | None:
    """What questions of ``package`` (``agentos/model_call``) are read for; None where their answers must not be remembered."""
    words = {name: _words(source) for name, source in modules.items()}
    reached = _reached(words, package.replace("/", "."))
    defined = {name for name in reached for name in _defined(words[name], name)}
    root, ranks = _Node(), True
    thresholds: set[int | float] = set()
    longest = _numbers_in(config, thresholds)
    for name in reached:
        module = words[name]
        calls = set(_calls(module))
        if calls - _NO_NUMBERS - _NUMBERS - defined or any(
            word == _Word("name", "with") or (word.kind == "sign" and word.text not in _SIGNS) for word in module
        ):
            return None
        ranks = ranks and not _makes_numbers(module) and not _makes_indexes(module)
        thresholds |= {_number(word.text) for word in module if word.kind == "number"}
        _note_uses(module, root)
    if not ranks:
        _rank_nothing(root)
    return Reads(root, tuple(sorted(thresholds)), longest)


# --- the source -------------------------------------------------------------------------------------------------------


def _words(source: str) -> list[_Word]:
    found: list[_Word] = []
    for match in _TOKEN.finditer(source):
        kind = str(match.lastgroup)
        if kind != "blank":
            found.append(_Word(kind, match[0]))
    return found


def _reached(words: Mapping[str, Sequence[_Word]], package: str) -> list[str]:
    """The modules that a package's decision can depend on."""
    found: list[str] = []
    queue = [package] if package in words else []
    while queue:
        name = queue.pop()
        if name in found:
            continue
        found.append(name)
        for at, word in enumerate(words[name]):
            if word != _Word("name", "data") or _is_field(words[name], at):
                continue
            path = ".".join(takewhile(lambda step: step != "*", _ref(words[name], at)[0]))
            if path.split(".")[0] != "config":
                queue += [other for other in words if _under(other, path) or _under(path, other)]
    return found


def _under(path: str, prefix: str) -> bool:
    return not prefix or path == prefix or path.startswith(f"{prefix}.")


def _defined(words: Sequence[_Word], package: str) -> Iterator[str]:
    """Functions of a module, as itself and as others may call them."""
    for at, word in enumerate(words):
        starts = at == 0 or words[at - 1].text in ("\n", "default")
        if starts and word.kind == "name" and at + 1 < len(words) and words[at + 1].text == "(":
            yield word.text
            yield f"{package.rpartition('.')[2]}.{word.text}"
            yield f"data.{package}.{word.text}"


def _calls(words: Sequence[_Word]) -> Iterator[str]:
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


def _is_field(words: Sequence[_Word], at: int) -> bool:
    return at > 0 and words[at - 1].text == "."


def _ref(words: Sequence[_Word], at: int) -> tuple[list[str], int, bool]:
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


def _closing(words: Sequence[_Word], at: int) -> int:
    depth = 0
    for place in range(at, len(words)):
        depth += {"[": 1, "]": -1}.get(words[place].text, 0)
        if depth == 0:
            return place
    return len(words) - 1


# --- uses -------------------------------------------------------------------------------------------------------------


def _note_uses(words: Sequence[_Word], root: _Node) -> None:
    for at, word in enumerate(words):
        if word != _Word("name", "input") or _is_field(words, at):
            continue
        steps, end, understood = _ref(words, at)
        use = Use.VALUE
        if at and words[at - 1].text == "import":
            steps = []
        elif (
            at >= 2
            and words[at - 1].text == "("
            and words[at - 2].text in _TYPES
            and words[end : end + 1] == [_Word("sign", ")")]
        ):
            use = Use.TYPE if not (at >= 3 and words[at - 3].text == ".") else Use.VALUE
        elif _is_compared(words, at, end):
            use = Use.RANK
        _add(root, steps, use if understood else Use.VALUE)


def _add(node: _Node, steps: Sequence[str], use: Use) -> None:
    for step in steps:
        if step == "*":
            node.each = node.each or _Node()
            node = node.each
        else:
            node = node.children.setdefault(step, _Node())
    node.use = max(node.use, use)


def _is_compared(words: Sequence[_Word], at: int, end: int) -> bool:
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
    return at in (first, middle + 1) and words[other] != _Word("name", "input")


def _operand(words: Sequence[_Word], at: int) -> int | None:
    """Where the literal or reference that begins at ``at`` ends."""
    if at >= len(words):
        return None
    if words[at].kind in ("number", "string"):
        return at + 1
    if words[at].kind != "name":
        return None
    _, end, understood = _ref(words, at)
    return end if understood else None


def _makes_numbers(words: Sequence[_Word]) -> bool:
    """Whether a number can come about that stands nowhere. A count that is only compared with a literal, or with another, goes nowhere."""
    for at, word in enumerate(words):
        if word.kind == "sign" and word.text in _ARITHMETIC:
            return True
        if word.kind != "name" or word.text not in _NUMBERS or words[at + 1 : at + 2] != [_Word("sign", "(")]:
            continue
        if word.text != "count" or not _is_counted_only(words, at):
            return True
    return False


def _is_counted_only(words: Sequence[_Word], at: int) -> bool:
    before = words[at - 1].text if at else "\n"
    end = _end_of_call(words, at + 1)
    after = words[end + 1].text if end + 1 < len(words) else "\n"
    if after in _COMPARISONS:
        other = words[end + 2 : end + 3]
        return before in _SEPARATORS and bool(other) and (other[0].kind == "number" or other[0].text == "count")
    return before in _COMPARISONS and words[at - 2].text == ")" and after in _SEPARATORS


def _makes_indexes(words: Sequence[_Word]) -> bool:
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


def _is_given(words: Sequence[_Word], at: int) -> bool:
    """Whether the reference that begins at ``at`` is of the configuration or the input."""
    texts = [word.text for word in words[at : at + 3]]
    return texts == ["data", ".", "config"] or texts[:1] == ["input"]


def _beginning(words: Sequence[_Word], at: int) -> int:
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


def _opening(words: Sequence[_Word], at: int) -> int:
    depth = 0
    for place in range(at, -1, -1):
        depth += {"]": 1, "[": -1}.get(words[place].text, 0)
        if depth == 0:
            return place
    return 0


def _end_of_call(words: Sequence[_Word], at: int) -> int:
    depth = 0
    for place in range(at, len(words)):
        depth += {"(": 1, ")": -1}.get(words[place].text, 0)
        if depth == 0:
            return place
    return len(words) - 1


def _rank_nothing(node: _Node) -> None:
    if node.use is Use.RANK:
        node.use = Use.VALUE
    for beneath in (*node.children.values(), *([node.each] if node.each else [])):
        _rank_nothing(beneath)


# --- values -----------------------------------------------------------------------------------------------------------


def _number(text: str) -> int | float:
    return int(text) if text.isdigit() else float(text)


def _numbers_in(value: Json, numbers: set[int | float]) -> int:
    """Gather every number in ``value``; the length of its longest array."""
    match value:
        case bool():
            return 0
        case int() | float():
            numbers.add(value)
            return 0
        case dict():
            return max((_numbers_in(each, numbers) for each in cast("dict[str, Json]", value).values()), default=0)
        case list() | tuple():
            items = cast("list[Json]", value)
            return max((len(items), *(_numbers_in(each, numbers) for each in items)))
        case _:
            return 0


def _gather(node: _Node, value: Json, gathered: _Gathered) -> None:
    """Add what the rules can tell of ``value`` at ``node``."""
    if node.use is Use.VALUE or (node.each is not None and node.children):
        gathered.indexes = max(gathered.indexes, _numbers_in(value, gathered.numbers))
        gathered.parts.append(_frozen(value))
        return
    if isinstance(value, int | float) and not isinstance(value, bool):
        gathered.parts.append("number")
        if node.use is Use.RANK:
            gathered.ranked.append(value)
        return
    if node.use is Use.RANK:
        gathered.indexes = max(gathered.indexes, _numbers_in(value, gathered.numbers))
        gathered.parts.append(_frozen(value))
        return
    kind: type[object] = type(cast("object", value))
    gathered.parts.append(kind)
    match value:
        case dict():
            fields = cast("dict[str, Json]", value)
            for name, child in node.children.items():
                if name in fields:
                    _gather(child, fields[name], gathered)
                else:
                    gathered.parts.append(_ABSENT)
            if node.each is not None:
                gathered.parts.append(tuple(fields))
                for each in fields.values():
                    _gather(node.each, each, gathered)
        case list() | tuple():
            items = cast("list[Json]", value)
            if node.each is not None:
                gathered.parts.append(len(items))
                gathered.indexes = max(gathered.indexes, len(items))
                for each in items:
                    _gather(node.each, each, gathered)
        case _:
            return


_ABSENT = object()


def _frozen(value: Json) -> Hashable:
    """Equal only for what JSON writes alike: True is not 1."""
    match value:
        case dict():
            return (dict, *((name, _frozen(each)) for name, each in cast("dict[str, Json]", value).items()))
        case list() | tuple():
            return (list, *map(_frozen, cast("list[Json]", value)))
        case str() | None:
            return value
        case _:
            return (type(cast("object", value)), value)


__all__ = ["Reads", "Use", "reads_of"]
