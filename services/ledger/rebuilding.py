"""What only questions need is left out while everything is folded again, and made at the end in one go: a third of the work.

What is left out is noted in the database, in the transaction that drops it. Whoever opens the database next makes it again, whether the
rebuild came to its end or was killed.
"""

import contextlib
from collections.abc import Generator

import structlog
from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, Text, delete, insert, inspect, select, text

from services.ledger import tables

log = structlog.get_logger(__name__)

_LEFT_OUT = Table(
    "left_out",
    MetaData(),  # of its own: it stands only while something is left out
    Column("place", Integer, primary_key=True),
    Column("statement", Text, nullable=False),
)
"""Statements that make again what was dropped, in order."""

_ON_SQLITE = """
SELECT type, name, sql FROM sqlite_master
WHERE (type = 'index' OR (type = 'trigger' AND name LIKE 'tasks_words%')) AND sql IS NOT NULL ORDER BY type, name
"""
_ON_POSTGRESQL = """
SELECT 'index', c.relname, pg_get_indexdef(c.oid) FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND NOT i.indisunique ORDER BY c.relname
"""
_WORDS = "INSERT INTO tasks_words (rowid, words) SELECT first_seq, words FROM tasks"


def empty(tx: Connection) -> None:
    """Forget every row that was folded, and leave out the indexes until ``complete``."""
    on_sqlite = tx.dialect.name == "sqlite"
    if not inspect(tx).has_table(_LEFT_OUT.name):
        _LEFT_OUT.create(tx)
        found = [*tx.execute(text(_ON_SQLITE if on_sqlite else _ON_POSTGRESQL))]
        again = [sql for _, _, sql in found]
        if on_sqlite:
            # Dropping an index drops the figures that SQLite plans with.
            figures = (
                "SELECT 'INSERT INTO sqlite_stat1 VALUES (' || quote(tbl) || ', ' || quote(idx) || ', ' || quote(stat) || ')'"
            )
            again = [_WORDS, *again, "DELETE FROM sqlite_stat1"]
            again += tx.execute(text(f"{figures} FROM sqlite_stat1")).scalars()
            again += ["ANALYZE sqlite_schema"]
        tx.execute(insert(_LEFT_OUT), [{"place": place, "statement": sql} for place, sql in enumerate(again)])
        for kind, name, _ in found:
            tx.exec_driver_sql(f'DROP {kind} "{name}"')
    for table in tables.ALL:
        if table is not tables.positions:
            tx.execute(delete(table))
    if on_sqlite:
        tx.exec_driver_sql("INSERT INTO tasks_words (tasks_words) VALUES ('delete-all')")


def complete(engine: Engine) -> None:
    """Make what was left out; each in a transaction of its own, so that whoever is killed meanwhile goes on from there."""
    with engine.connect() as connection:
        if not inspect(connection).has_table(_LEFT_OUT.name):
            return
        left = [*connection.execute(select(_LEFT_OUT).order_by(_LEFT_OUT.c.place))]
    log.info("ledger_indexes_being_made", statements=len(left))
    with _sorting_on_disk(engine):
        for place, statement in left:
            with engine.begin() as tx:
                tx.exec_driver_sql(statement)
                tx.execute(delete(_LEFT_OUT).where(_LEFT_OUT.c.place == place))
    with engine.begin() as tx:
        _LEFT_OUT.drop(tx)


@contextlib.contextmanager
def _sorting_on_disk(engine: Engine) -> Generator[None]:
    """SQLite would sort millions of rows in memory, where the ledger has told it to keep what is temporary."""
    if engine.dialect.name != "sqlite":
        yield
        return

    def keep(where: str) -> None:
        connection = engine.raw_connection()
        connection.cursor().execute(f"PRAGMA temp_store={where}")
        connection.close()

    keep("FILE")
    try:
        yield
    finally:
        keep("MEMORY")
