"""Which of many words a text holds, in one pass over it however many they are."""

from collections.abc import Iterator
from typing import Any, Protocol, cast

import ahocorasick


class _Automaton(Protocol):
    """What is used here of the module's type, which says nothing of its own."""

    def add_word(self, word: str, value: int, /) -> bool: ...

    def make_automaton(self) -> None: ...

    def iter(self, text: str, /) -> Iterator[tuple[int, int]]:
        """Where each word that the text holds ends, and its value."""
        ...


class Literals:
    """Words by number, in one automaton (Aho and Corasick, 1975): it reads a character once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._built: _Automaton | None = None

    def number(self, word: str) -> int:
        """That of ``word``, from 0 on; a new one the next."""
        if word not in self._numbers:
            self._built = None
        return self._numbers.setdefault(word, len(self._numbers))

    def within(self, text: str) -> set[int]:
        """The numbers of the words that stand anywhere in ``text``. The first call builds the automaton; two at once build the same."""
        if self._built is None:
            built = cast("_Automaton", cast("Any", ahocorasick).Automaton())
            for word, number in self._numbers.items():
                built.add_word(word, number)
            built.make_automaton()
            self._built = built
        return {number for _, number in self._built.iter(text)}


__all__ = ["Literals"]
