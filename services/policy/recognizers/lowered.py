"""A first look at a text for hundreds of words at once: by the pairs of characters that it holds."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from operator import add

_FROM_COMMON_TO_RARE = " etaoinshrdlucmfwypvbgkjqxz"


class Lowered(str):
    """A text in lower case."""

    @cached_property
    def pairs(self) -> set[str]:
        """Each two characters that stand side by side."""
        return set(map(add, self, self[1:]))


class Words:
    """Words to look for, wherever they stand. Each is looked for only in a text that has its rarest pair of characters."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words: Sequence[str] = tuple(words)
        self._short = [at for at, word in enumerate(self._words) if len(word) == 1]
        self._by_pair: dict[str, list[int]] = {}
        for at, word in enumerate(self._words):
            if len(word) > 1:
                self._by_pair.setdefault(max(map(add, word, word[1:]), key=_rarity), []).append(at)
        self._pairs = frozenset(self._by_pair)

    def within(self, lowered: Lowered) -> list[int]:
        """The places in the list of those that ``lowered`` holds, in order."""
        words, by_pair = self._words, self._by_pair
        found = [at for at in self._short if words[at] in lowered]
        found += [at for pair in self._pairs & lowered.pairs for at in by_pair[pair] if words[at] in lowered]
        found.sort()
        return found

    def any_within(self, lowered: Lowered) -> bool:
        """Whether ``lowered`` holds one of them."""
        words, by_pair = self._words, self._by_pair
        return any(words[at] in lowered for at in self._short) or any(
            words[at] in lowered for pair in self._pairs & lowered.pairs for at in by_pair[pair]
        )


def _rarity(pair: str) -> int:
    return sum(place if (place := _FROM_COMMON_TO_RARE.find(sign)) >= 0 else len(_FROM_COMMON_TO_RARE) for sign in pair)


__all__ = ["Lowered", "Words"]
