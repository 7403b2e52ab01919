"""Rows past SQLAlchemy's Core: statements are compiled once, and go to the driver with plain values.

Core's work on each statement and each parameter took three quarters of what the fold of a few events cost, and a fifth of a rebuild.
"""

import contextlib
import json
import operator
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Dialect,
    Engine,
    Table,
    Text,
    any_,
    bindparam,
    column,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeDecorator

from services.ledger import tables
from services.ledger.domain import rollups
from services.ledger.domain.facts import Row
from services.ledger.money import decimal_add

Cursor = Any
"""A cursor of either driver. Both have ``execute``, ``executemany`` and ``fetchall`` in the shape of PEP 249."""


class Rows:
    """The rows of one table: as the driver takes them, and from what it gives."""

    def __init__(self, table: Table, dialect: Dialect) -> None:
        self.names = tuple(each.name for each in table.columns)
        self._pick = itemgetter(*self.names)
        self._binds = [(place, bind) for place, each in enumerate(table.columns) if (bind := _bind(each, dialect))]
        self._loads = [(place, load) for place, each in enumerate(table.columns) if (load := _load(each, dialect))]

    def bound(self, row: Row) -> list[Any]:
        """The row's values in the order of the table's columns."""
        values = [*self._pick(row)]
        for place, bind in self._binds:
            if values[place] is not None:
                values[place] = bind(values[place])
        return values

    def loaded(self, record: Sequence[Any]) -> Row:
        """The row that ``bound`` was given."""
        values = [*record]
        for place, load in self._loads:
            if values[place] is not None:
                values[place] = load(values[place])
        return dict(zip(self.names, values, strict=True))


def _bind(of: Column[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    kind = of.type
    if isinstance(kind, tables.UtcTime):  # the most frequent one, without its detour
        return tables.utc if dialect.name == "postgresql" else tables.utc_text
    return partial(kind.process_bind_param, dialect=dialect) if isinstance(kind, TypeDecorator) else None


def _load(of: Column[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    kind = of.type
    if isinstance(kind, TypeDecorator):
        return partial(kind.process_result_value, dialect=dialect)
    return bool if isinstance(kind, Boolean) and dialect.name == "sqlite" else None


class Statements:
    """What the fold says to its database, for one of the two dialects. All methods run inside ``transaction``."""

    def __init__(self, dialect: Dialect) -> None:
        self._sqlite = dialect.name == "sqlite"
        # Parameters by position: both drivers take sequences faster than mappings.
        self._dialect: Dialect = dialect if self._sqlite else PGDialect_psycopg(paramstyle="format")
        self._upsert: Any = sqlite.insert if self._sqlite else postgresql.insert
        self._rows = {each.name: Rows(each, dialect) for each in tables.ALL}
        self._inserts = {each.name: self._compiled(insert(each)) for each in tables.ALL}
        self._copies = {each.name: self._copying(each) for each in tables.ALL}
        self._puts = {name: self._compiled(self._putting(each)) for name, each in tables.PROJECTED.items()}
        self._adds = {name: self._compiled(self._adding(each)) for name, each in tables.ROLLED_UP.items()}
        self._finds = {name: self._compiled(self._finding(each)) for name, each in tables.PROJECTED.items()}
        at, link, node = tables.positions.c, tables.audit_chain.c, tables.audit_nodes.c
        joined = tables.positions.outerjoin(tables.audit_chain, link.seq == at.seq)
        stream = at.stream == bindparam("stream")
        self._head = self._compiled(select(at.seq, at.undecodable, link.hash).select_from(joined).where(stream))
        new: dict[str, Any] = {"seq": bindparam("new_seq"), "undecodable": bindparam("new_undecodable")}
        self._move = self._compiled(update(tables.positions).where(stream, at.seq == bindparam("old")).values(new))
        span = (link.seq > bindparam("first"), link.seq <= bindparam("last"))
        self._leaves = self._compiled(select(link.hash).where(*span).order_by(link.seq))
        this = (node.level == bindparam("level"), node.place == bindparam("place"))
        self._node = self._compiled(select(node.hash).where(*this))

    def head(self, to: Cursor, stream: str) -> tuple[int, int, bytes | None]:
        """Position, how many could not be read, and the chain's hash at the position of EVENTS."""
        seq, undecodable, hash_ = to.execute(self._head, (stream,)).fetchone()
        return seq, undecodable, None if hash_ is None else bytes(hash_)

    def move(self, to: Cursor, stream: str, old: int, new: int, undecodable: int) -> bool:
        """Whether the position stood at ``old``; then it stands at ``new``."""
        return to.execute(self._move, (new, undecodable, stream, old)).rowcount == 1

    def find(self, to: Cursor, name: str, tenant: str, ids: Sequence[str]) -> Iterator[Row]:
        """The rows of a projected table that there are."""
        wanted: Any = json.dumps(ids) if self._sqlite else ids
        return map(self._rows[name].loaded, to.execute(self._finds[name], (tenant, wanted)).fetchall())

    def put(self, to: Cursor, name: str, rows: Iterable[Row]) -> None:
        """Store rows of a projected table in the place of those that there are."""
        _each(to, self._puts[name], [*map(self._rows[name].bound, rows)])

    def add(self, to: Cursor, name: str, rows: Iterable[Row]) -> None:
        """Add to the sums that are there, each row given as its keys and how much more."""
        _each(to, self._adds[name], [*map(self._rows[name].bound, rows)])

    def append(self, to: Cursor, name: str, rows: Iterable[Row]) -> None:
        """Store rows that are new."""
        self._append(to, name, [*map(self._rows[name].bound, rows)])

    def append_hashes(self, to: Cursor, first: int, hashes: Iterable[bytes]) -> None:
        """The chain goes on from the event ``first``."""
        self._append(to, tables.audit_chain.name, [*enumerate(hashes, first)])

    def _append(self, to: Cursor, name: str, records: Sequence[Sequence[Any]]) -> None:
        if self._sqlite or len(records) == 1:
            _each(to, self._inserts[name], records)
            return
        # Half of what an INSERT of each costs.
        with to.copy(self._copies[name]) as copy:
            for record in records:
                copy.write_row(record)

    def leaves(self, to: Cursor, first: int, count: int) -> list[bytes]:
        """``count`` hashes of the chain after ``first``, as far as they are there."""
        return [bytes(hash_) for (hash_,) in to.execute(self._leaves, (first, first + count)).fetchall()]

    def node(self, to: Cursor, level: int, place: int) -> bytes | None:
        """A node of the tree over the chain, if it is there."""
        found = to.execute(self._node, (level, place)).fetchone()
        return None if found is None else bytes(found[0])

    def _compiled(self, statement: Any) -> str:
        return str(statement.compile(dialect=self._dialect))

    def _copying(self, table: Table) -> str:
        prepare = self._dialect.identifier_preparer
        return f"COPY {prepare.format_table(table)} ({', '.join(map(prepare.format_column, table.columns))}) FROM STDIN"

    def _putting(self, table: Table) -> Any:
        statement = self._upsert(table)
        cells = {each.name: statement.excluded[each.name] for each in table.columns if not each.primary_key}
        return statement.on_conflict_do_update(index_elements=["tenant", "id"], set_=cells)

    def _adding(self, table: Table) -> Any:
        statement = self._upsert(table)
        sums = {
            each.name: (decimal_add if each.name in rollups.MONEY else operator.add)(each, statement.excluded[each.name])
            for each in table.columns
            if not each.primary_key
        }
        return statement.on_conflict_do_update(index_elements=[each.name for each in table.primary_key], set_=sums)

    def _finding(self, table: Table) -> Any:
        ids: Any = bindparam("ids", type_=Text() if self._sqlite else ARRAY(Text))
        value = column("value", Text)
        listed: Any = select(value).select_from(func.json_each(ids))
        among = table.c.id.in_(listed) if self._sqlite else table.c.id == any_(ids)
        return select(table).where(table.c.tenant == bindparam("tenant"), among)


def _each(to: Cursor, statement: str, records: Sequence[Sequence[Any]]) -> None:
    if len(records) == 1:  # psycopg begins a pipeline for many
        to.execute(statement, records[0])
    else:
        to.executemany(statement, records)


@contextlib.contextmanager
def transaction(engine: Engine) -> Generator[Cursor]:
    """A cursor in a transaction of its own. A fault of the driver leaves it as SQLAlchemy's, as everywhere else."""
    dialect = engine.dialect
    driver: Any = dialect.loaded_dbapi
    connection: Any = None
    try:
        connection = engine.raw_connection()
        cursor = connection.cursor()
        if dialect.name == "sqlite":
            cursor.execute("BEGIN IMMEDIATE")
        yield cursor
        connection.commit()
    except driver.Error as fault:
        lost = False
        if connection is not None and dialect.is_disconnect(fault, connection.driver_connection, None):
            lost = True
            connection.invalidate(fault)
        raise DBAPIError.instance(None, None, fault, driver.Error, connection_invalidated=lost, dialect=dialect) from fault
    finally:
        # Given back, it is rolled back where it was not committed.
        if connection is not None:
            connection.close()
