"""Finding a task by words: what is written of a task, and how what somebody types is looked for. Pure.

Words are runs of letters and digits in lower case; a search finds what has, for each word typed, a word that begins so. It means the
same on both databases, each of which has an index for it.
"""

import re
from typing import Any

_WORD = re.compile(r"[^\W_]+")
MOST_WORDS = 64
MOST_TYPED = 8


def words_of(text: str) -> list[str]:
    """The words in ``text``, each once, in their order."""
    return list(dict.fromkeys(word[:64] for word in _WORD.findall(text.lower())))


def of_task(row: dict[str, Any]) -> str:
    """What a task can be found by: ids, type, pack, agent, requester, labels, the code of its fault. Never what a pack or a model said."""
    labels: dict[str, str] = row["labels"] or {}
    parts = (row["id"], row["type"], row["pack"], row["agent"], row["requester"], row["fault_code"], row["parent"])
    found = words_of(" ".join([*(part for part in parts if part), *labels, *labels.values()]))
    return " ".join(found[:MOST_WORDS])


def typed(text: str) -> list[str]:
    """What a search looks for: each of these must begin a word."""
    return words_of(text)[:MOST_TYPED]


def for_sqlite(text: str) -> str | None:
    """As FTS5 looks for it; None where nothing can be looked for."""
    return " ".join(f'"{word}"*' for word in typed(text)) or None


def for_postgresql(text: str) -> str | None:
    """As a tsquery; None where nothing can be looked for."""
    return " & ".join(f"'{word}':*" for word in typed(text)) or None
