"""How often each rule decided, a row for each rule and hour. Pure.

A row's id is ``2026-03-01T12 <rule>``, so that a window is a range of ids. Counted from the version on that has this table, or from a
rebuild.
"""

from collections.abc import Iterable
from datetime import UTC
from typing import Any

from agentos.contracts.base import Ruling
from services.ledger.domain.facts import Fact, Row

BLANK: Row = {"rule": "", "decided": 0, "watched": 0, "last_at": None}

MOST_RULES = 100
"""Of one decision; a real one names a handful."""
MOST_LENGTH = 256


def spans_of(fact: Fact) -> tuple[str, ...]:
    """The hour in which it was told, for each rule that decided or that was only watched."""
    data: Any = fact.data  # every payload that is projected by this key is a ruling
    at = fact.meta.time.astimezone(UTC).isoformat()[:13]
    rules = dict.fromkeys(rule[:MOST_LENGTH] for rule in _named((*data.rules, *data.monitored)))
    return tuple(f"{at} {rule}" for rule in rules)


def decided(row: Row, fact: Fact, data: Ruling) -> Row:
    rule = row["id"][14:]
    return row | {
        "rule": rule,
        "decided": row["decided"] + (rule in _named(data.rules)),
        "watched": row["watched"] + (rule in _named(data.monitored)),
        "last_at": fact.meta.time,
    }


def _named(rules: Iterable[str]) -> list[str]:
    return [rule[:MOST_LENGTH] for rule in [*rules][:MOST_RULES]]
