"""What a SQLite connection needs before the ledger uses it."""

import sqlite3
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine, event


class _DecimalSum:
    """The exact sum of decimal numbers kept as text."""

    def __init__(self) -> None:
        self._sum = Decimal(0)

    def step(self, value: str | None) -> None:
        if value is not None:
            self._sum += Decimal(value)

    def finalize(self) -> str:
        return format(self._sum, "f")


def _decimal_add(one: str, other: str) -> str:
    return format(Decimal(one) + Decimal(other), "f")


def prepare_sqlite(engine: Engine, *, begin: str) -> None:
    """WAL, one writer, exact sums; ``begin`` opens transactions explicitly, for Python's driver would leave reads outside of any."""

    def connected(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=5000", "temp_store=MEMORY", "cache_size=-32000"):
            connection.execute(f"PRAGMA {pragma}").close()
        aggregate: Any = _DecimalSum  # the driver's stub knows aggregates of integers only
        connection.create_aggregate("decimal_sum", 1, aggregate)
        connection.create_function("decimal_add", 2, _decimal_add, deterministic=True)

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
