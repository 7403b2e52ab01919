"""What the network makes of single words, kept for as long as they are met: most words of a text were in the one before.

A bounded first-in, first-out store. What a text needs is taken out before anything of it is replaced, so that one text may bring more
new words than there is room for.
"""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import cast

import numpy as np

from services.policy.names.network import WIDTH, WINDOW, Floats
from services.policy.names.words import canonical

MAX_WORDS = 24_576
"""Words kept at a time, 1280 bytes each and what the word itself takes: some 35 MB when there are as many."""


class KeptWords:
    """``work_out`` gives a row for each of several words. Safe to use from several threads."""

    def __init__(self, work_out: Callable[[Sequence[str]], Floats]) -> None:
        self._work_out = work_out
        self._lock = Lock()
        self._place: dict[str, int] = {}
        self._word = [""] * MAX_WORDS
        self._rows: Floats = np.zeros((MAX_WORDS, WINDOW * WIDTH), np.float32)
        self._next = 0

    def rows(self, words: Sequence[str]) -> Floats:
        """A row for each of ``words``, in their order; not empty."""
        with self._lock:
            places = list(map(self._place.get, words))
            if None not in places:
                return self._rows.take(cast("list[int]", places), axis=0)
            known: list[int] = []
            missing: list[int] = []
            new: dict[str, int] = {}
            numbers: list[int] = []
            for at, place in enumerate(places):
                if place is None:
                    word = canonical(words[at])
                    place = self._place.get(word)
                    if place is None:
                        missing.append(at)
                        numbers.append(new.setdefault(word, len(new)))
                        place = 0
                known.append(place)
            rows = self._rows.take(known, axis=0)
            if new:
                added = self._work_out(list(new))
                rows[missing] = added.take(numbers, axis=0)
                self._keep(list(new)[:MAX_WORDS], added[:MAX_WORDS])
            return rows

    def _keep(self, words: Sequence[str], rows: Floats) -> None:
        for word in words:
            self._place.pop(self._word[self._next], None)
            self._word[self._next] = word
            self._place[word] = self._next
            self._next = (self._next + 1) % MAX_WORDS
        end = self._next
        start = end - len(words)
        if start >= 0:
            self._rows[start:end] = rows
        else:
            self._rows[start:] = rows[:-start]
            self._rows[:end] = rows[-start:]


__all__ = ["MAX_WORDS", "KeptWords"]
