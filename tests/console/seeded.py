"""A million tasks in the ledger of a stopped installation: rows as the fold would leave them, made by the database itself.

They have no events. Their places lie far behind the stream's, so that nothing that is submitted meets them, and they are listed as newest.
"""

import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

from services.ledger.domain import tasks

BEYOND = 10**12
"""The first one's place."""

_CELLS = {
    "tenant": "'default'",
    "id": "printf('%08x-0000-7000-8000-%012d', (n * 2654435761) % 4294967296, n)",
    "type": "'type-' || (n % 40)", "pack": "'pack-' || (n % 12)", "agent": "'triager'", "priority": "'normal'", "version": "'1'",
    "requester_kind": "'api_key'", "requester": "'desk'", "state": "'settled'",
    "outcome": "CASE WHEN n % 17 = 0 THEN 'failed' ELSE 'completed' END",
    "fault_code": "CASE WHEN n % 17 = 0 THEN 'pack_failed' END",
    "labels": "'{\"issue\":\"' || n || '\",\"title\":\"Parcel ' || n || ' never came\"}'",
    "words": "printf('%08x 0000 7000 8000 %012d type %d pack %d triager desk issue %d title parcel never came', (n * 2654435761) % 4294967296,"
             " n, n % 40, n % 12, n) || CASE WHEN n % 17 = 0 THEN ' failed' ELSE '' END",
    "cost_usd": "printf('0.%06d', (n * 7919) % 1000000)",
    "cost_nano_usd": "((n * 7919) % 1000000) * 1000", "duration_ms": "(n * 104729) % 90000",
    "submitted_at": "'2026-03-01T12:00:00.000000+00:00'", "settled_at": "'2026-03-01T12:01:00.000000+00:00'",
    "updated_at": "'2026-03-01T12:01:00.000000+00:00'", "first_seq": f"{BEYOND} + n", "last_seq": f"{BEYOND} + n",
}  # fmt: skip


def seed(database: Path, count: int) -> None:
    """Add so many tasks. The ledger must not run."""
    cells = {name: _literal(value) for name, value in tasks.BLANK.items()} | _CELLS
    connection = sqlite3.connect(database, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=OFF").close()
        # In memory: a task's id falls anywhere in the table's key, and the words' index is written once instead of merged again and again.
        connection.execute("PRAGMA cache_size=-400000").close()
        connection.execute("INSERT INTO tasks_words (tasks_words, rank) VALUES ('hashsize', 200000000)")
        connection.execute("BEGIN IMMEDIATE")
        # Indexes are sooner made of a million rows than kept up with each; what SQLite plans with goes with them.
        planned = connection.execute("SELECT tbl, idx, stat FROM sqlite_stat1").fetchall()
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE tbl_name = 'tasks' AND type = 'index' AND sql <> ''"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f'DROP INDEX "{name}"')
        names = ", ".join(f'"{name}"' for name in cells)
        connection.execute(
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)"
            f" INSERT INTO tasks ({names}) SELECT {', '.join(cells.values())} FROM numbers",
            (count,),
        )
        for _, made_by in indexes:
            connection.execute(made_by)
        connection.execute("INSERT INTO tasks_words (tasks_words, rank) VALUES ('hashsize', 1048576)")
        connection.execute("DELETE FROM sqlite_stat1")
        connection.executemany("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", planned)
        connection.execute("COMMIT")
    finally:
        connection.close()


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return f"'{value}'" if isinstance(value, str | Decimal) else str(int(value))
