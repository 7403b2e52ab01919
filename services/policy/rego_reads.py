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

from bisect import bisect_left
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import cast

from agentos.contracts.base import Json
from services.policy.rego_source import (
    NO_NUMBERS,
    NUMBERS,
    SIGNS,
    TYPES,
    Word,
    calls_in,
    functions_of,
    is_compared,
    is_field,
    makes_indexes,
    makes_numbers,
    reached_from,
    ref_at,
    words_of,
)  # fmt: skip


class Use(IntEnum):
    """How much of a value the rules can tell: each as much as those before it."""

    NONE = 0
    TYPE = 1
    RANK = 2
    VALUE = 3


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
    words = {name: words_of(source) for name, source in modules.items()}
    reached = reached_from(words, package.replace("/", "."))
    defined = {function for name in reached for function in functions_of(words[name], name)}
    if defined & (NO_NUMBERS | NUMBERS):
        return None  # a name that says something else than it does
    root, ranks = _Node(), True
    thresholds: set[int | float] = set()
    longest = _numbers_in(config, thresholds)
    for name in reached:
        module = words[name]
        calls = set(calls_in(module))
        if calls - NO_NUMBERS - NUMBERS - defined or any(
            word == Word("name", "with") or (word.kind == "sign" and word.text not in SIGNS) for word in module
        ):
            return None
        ranks = ranks and not makes_numbers(module) and not makes_indexes(module)
        thresholds |= {_number(word.text) for word in module if word.kind == "number"}
        _note_uses(module, root)
    if not ranks:
        _rank_nothing(root)
    return Reads(root, tuple(sorted(thresholds)), longest)


# --- uses -------------------------------------------------------------------------------------------------------------


def _note_uses(words: tuple[Word, ...], root: _Node) -> None:
    for at, word in enumerate(words):
        if word != Word("name", "input") or is_field(words, at):
            continue
        steps, end, understood = ref_at(words, at)
        use = Use.VALUE
        if at and words[at - 1].text == "import":
            steps = []
        elif (
            at >= 2
            and words[at - 1].text == "("
            and words[at - 2].text in TYPES
            and words[end : end + 1] == (Word("sign", ")"),)
        ):
            use = Use.TYPE if not (at >= 3 and words[at - 3].text == ".") else Use.VALUE
        elif is_compared(words, at, end):
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
