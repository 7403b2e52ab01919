"""Finding a task by words: what is written of a task, and how what somebody types is looked for. Pure.

Words are runs of letters and digits in lower case; a search finds what has, for each word typed, a word that begins so. It means the
same on both databases, each of which has an index for it.
"""

import re
from typing import Any

_WORD = re.compile(r"[^\W_]+")
MOST_WORDS = 64
MOST_TYPED = 8


NAMED = ("id", "type", "pack", "agent", "requester", "fault_code", "parent", "labels")
"""Columns of a task that it can be found by. Never what a pack or a model said."""


def words_of(text: str) -> list[str]:
    """The words in ``text``, each once, in their order."""
    return list(dict.fromkeys(word[:64] for word in _WORD.findall(text.lower())))


def of_task(row: dict[str, Any]) -> str:
    """What a task can be found by: the words of all that it is named by."""
    labels: dict[str, str] = row["labels"] or {}
    parts = (row[name] for name in NAMED if name != "labels")
    found = words_of(" ".join([*(part for part in parts if part), *labels, *labels.values()]))
    return " ".join(found[:MOST_WORDS])


def typed(text: str) -> list[str]:
    """What a search looks for: each of these must begin a word."""
    return words_of(text)[:MOST_TYPED]


def for_sqlite(typed: list[str]) -> str:
    """As FTS5 looks for them."""
    return " ".join(f'"{word}"*' for word in typed)


def for_postgresql(typed: list[str]) -> str:
    """As a tsquery."""
    return " & ".join(f"'{word}':*" for word in typed)
