"""The SQL port: position, chain and rows move together in one transaction, on SQLite and on PostgreSQL."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Protocol, TypeVar

import structlog
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Dialect, Table, create_engine, delete, func, insert, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from agentos.contracts.errors import AgentOSError
from services.ledger import projections, tables
from services.ledger.audit import chain, merkle
from services.ledger.audit.chain import Checkpoint
from services.ledger.domain.deadletters import dead_letter_row
from services.ledger.domain.facts import Incoming, Row
from services.ledger.projections import Key
from services.ledger.sqlite import prepare_sqlite

log = structlog.get_logger(__name__)

T = TypeVar("T")

EVENTS = "EVENTS"
DLQ = "DLQ"


class StreamGap(AgentOSError):
    """The stream did not continue where the ledger stands, although it denies deletes. An operator has to look: verify the audit chain."""

    code = "stream_gap"


class Moved(AgentOSError):
    """Another process writes to this database. One ledger writes; stop one of the two."""

    code = "ledger_moved"


@dataclass(frozen=True, slots=True)
class Head:
    """Where the ledger stands: the last sequence, the chain's hash there, and how many events could not be read."""

    seq: int
    chain: bytes
    undecodable: int


@dataclass(frozen=True, slots=True)
class Applied:
    """What a batch came to. ``ignored`` had been applied before; ``fresh`` counts events that are not audit checkpoints."""

    head: Head
    ignored: int
    fresh: int


class Store(Protocol):
    """All methods block; the caller keeps them off the event loop. One writer, any number of readers."""

    def migrate(self) -> None:
        """Bring the database to the newest revision. Idempotent."""
        ...

    def head(self) -> Head:
        """Where the fold of EVENTS stands."""
        ...

    def apply(self, batch: Sequence[Incoming]) -> Applied:
        """Fold a batch in one transaction. Raises StreamGap, Moved; then nothing of it is stored."""
        ...

    def dead_letter_position(self) -> int:
        """The last sequence of the dead-letter stream that was stored."""
        ...

    def apply_dead_letters(self, batch: Sequence[Incoming]) -> int:
        """Store dead letters in one transaction; the new position. Gaps are normal there: that stream has other subjects too."""
        ...

    def hashes(self, first: int, last: int) -> dict[int, bytes]:
        """The audit chain from ``first`` to ``last``, as far as it is recorded."""
        ...

    def tree(self, query: Callable[[merkle.Reader], T]) -> T:
        """Run ``query`` on the Merkle tree over the audit chain, on one consistent snapshot."""
        ...

    def checkpoints(self) -> dict[int, Checkpoint]:
        """Every recorded checkpoint, by the sequence of its event."""
        ...

    def checkpoints_after(self, seq: int | None) -> list[Checkpoint]:
        """The checkpoints that sign more than ``seq``, oldest first; the newest alone for None."""
        ...

    def anchored(self, target: str) -> int | None:
        """Up to which sequence ``target`` holds an anchor; None for one that was never told anything."""
        ...

    def note_anchored(self, target: str, seq: int) -> None:
        """``target`` holds an anchor for ``seq`` now."""
        ...

    def uncovered(self) -> int:
        """How many events, checkpoints aside, no checkpoint signs yet."""
        ...

    def read(self, query: Callable[[Connection], T]) -> T:
        """Run ``query`` on one consistent snapshot."""
        ...

    def reset(self) -> None:
        """Forget everything, in one transaction: the next fold begins from nothing."""
        ...

    def close(self) -> None:
        """Give every connection back."""
        ...


class decimal_sum(GenericFunction[Any]):  # noqa: N801 - an SQL function has an SQL name
    """Exact sum of a Money column: ``sum`` on PostgreSQL, an aggregate of our own on SQLite."""

    type = tables.Money()
    inherit_cache = True
    name = "decimal_sum"


@compiles(decimal_sum, "postgresql")
def _sum_on_postgresql(element: Any, compiler: Any, **kw: Any) -> str:  # pyright: ignore[reportUnusedFunction] - registered
    return f"sum({compiler.process(element.clauses, **kw)})"


class SqlStore:
    """The Store over SQLAlchemy, for a ``sqlite:///`` or ``postgresql://`` URL. Connects on first use."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
            self._upsert: Any = postgresql.insert
            self._writer = create_engine(parsed, pool_size=1, max_overflow=1, pool_pre_ping=True)
            reads = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            self._reader = create_engine(parsed, pool_size=4, pool_pre_ping=True).execution_options(**reads)
        elif parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:"):
            Path(parsed.database or "").parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._upsert = sqlite.insert
            self._writer = create_engine(parsed, pool_size=1, max_overflow=1)
            self._reader = create_engine(parsed, pool_size=4)
            prepare_sqlite(self._writer, begin="BEGIN IMMEDIATE")
            prepare_sqlite(self._reader, begin="BEGIN")
        else:
            raise ValueError(f"the ledger keeps its rows in sqlite:///<file> or postgresql://…, not in {parsed.drivername}")
        self._append_events = _appender(tables.events, self._writer.dialect)
        self._append_hashes = _appender(tables.audit_chain, self._writer.dialect)
        self._upserts = {name: self._upsert_statement(name) for name in tables.PROJECTED}

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._writer.dialect.name

    def migrate(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self._writer.begin() as connection:
            if self.dialect == "postgresql":
                # Two ledgers that start at once migrate one after the other.
                connection.execute(text("SELECT pg_advisory_xact_lock(7202601)"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            begin = self._upsert(tables.positions).on_conflict_do_nothing()
            connection.execute(begin, [{"stream": stream, "seq": 0, "undecodable": 0} for stream in (EVENTS, DLQ)])

    def head(self) -> Head:
        return self.read(_head)

    def apply(self, batch: Sequence[Incoming]) -> Applied:
        with self._writer.begin() as tx:
            head = _head(tx)
            fresh = [incoming for incoming in batch if incoming.seq > head.seq]
            if not fresh:
                return Applied(head, len(batch), 0)
            for expected, incoming in enumerate(fresh, head.seq + 1):
                if incoming.seq != expected:
                    raise StreamGap(
                        f"EVENTS went from {expected - 1} to {incoming.seq}: {incoming.seq - expected} events are missing"
                    )
            hashes = chain.links(head.chain, fresh)
            read = projections.read(fresh)
            changed = projections.fold(self._load(tx, projections.keys(read.facts)), read.facts)
            self._append_events(tx, read.events)
            self._append_hashes(tx, [{"seq": i.seq, "hash": h} for i, h in zip(fresh, hashes, strict=True)])
            _grow_tree(tx, head.seq, len(fresh))
            self._save(tx, changed)
            undecodable = head.undecodable + len(fresh) - len(read.facts)
            _move(tx, EVENTS, head.seq, fresh[-1].seq, undecodable)
        checkpoints = sum(1 for fact in read.facts if fact.channel.name == "audit.checkpointed")
        return Applied(Head(fresh[-1].seq, hashes[-1], undecodable), len(batch) - len(fresh), len(fresh) - checkpoints)

    def dead_letter_position(self) -> int:
        return self.read(lambda tx: _position(tx, DLQ)[0])

    def apply_dead_letters(self, batch: Sequence[Incoming]) -> int:
        with self._writer.begin() as tx:
            position, undecodable = _position(tx, DLQ)
            fresh = [incoming for incoming in batch if incoming.seq > position]
            if not fresh:
                return position
            rows = [projections.storable(dead_letter_row(incoming)) for incoming in fresh]
            tx.execute(insert(tables.dead_letters), rows)
            _move(tx, DLQ, position, fresh[-1].seq, undecodable + sum(row["problem"] is not None for row in rows))
            return fresh[-1].seq

    def hashes(self, first: int, last: int) -> dict[int, bytes]:
        c = tables.audit_chain.c
        query = select(c.seq, c.hash).where(c.seq.between(first, last))
        return self.read(lambda tx: {row.seq: bytes(row.hash) for row in tx.execute(query)})

    def tree(self, query: Callable[[merkle.Reader], T]) -> T:
        return self.read(lambda tx: query(merkle.Reader(lambda first, count: _leaves(tx, first, count), _node_reader(tx))))

    def checkpoints_after(self, seq: int | None) -> list[Checkpoint]:
        c = tables.audit_checkpoints.c
        query = select(tables.audit_checkpoints)
        query = query.order_by(c.seq.desc()).limit(1) if seq is None else query.where(c.seq > seq).order_by(c.seq)
        return self.read(lambda tx: [_checkpoint(row) for row in tx.execute(query).mappings()])

    def anchored(self, target: str) -> int | None:
        at = tables.audit_anchored.c
        return self.read(lambda tx: tx.execute(select(at.seq).where(at.target == target)).scalar_one_or_none())

    def note_anchored(self, target: str, seq: int) -> None:
        note = self._upsert(tables.audit_anchored).values(target=target, seq=seq)
        with self._writer.begin() as tx:
            tx.execute(note.on_conflict_do_update(index_elements=["target"], set_={"seq": seq}))

    def checkpoints(self) -> dict[int, Checkpoint]:
        def read(tx: Connection) -> dict[int, Checkpoint]:
            rows = tx.execute(select(tables.audit_checkpoints)).mappings()
            return {row["first_seq"]: _checkpoint(row) for row in rows}

        return self.read(read)

    def uncovered(self) -> int:
        e = tables.events.c
        signed = select(func.coalesce(func.max(tables.audit_checkpoints.c.seq), 0)).scalar_subquery()
        query = select(func.count()).where(e.seq > signed, or_(e.aggregate != "audit", e.fact != "checkpointed"))
        return self.read(lambda tx: tx.execute(query).scalar_one())

    def read(self, query: Callable[[Connection], T]) -> T:
        with self._reader.connect() as connection, connection.begin():
            return query(connection)

    def reset(self) -> None:
        with self._writer.begin() as tx:
            for table in tables.ALL:
                if table is not tables.positions:
                    tx.execute(delete(table))
            tx.execute(update(tables.positions).values(seq=0, undecodable=0))

    def close(self) -> None:
        self._reader.dispose()
        self._writer.dispose()

    def _load(self, tx: Connection, keys: Iterable[Key]) -> dict[Key, Row]:
        wanted: dict[tuple[str, str], list[str]] = {}
        for table, tenant, id_ in keys:
            wanted.setdefault((table, tenant), []).append(id_)
        found: dict[Key, Row] = {}
        for (name, tenant), ids in wanted.items():
            table = tables.PROJECTED[name]
            for chunk in _chunks(ids, 500):
                query = select(table).where(table.c.tenant == tenant, table.c.id.in_(chunk))
                for row in tx.execute(query).mappings():
                    found[name, tenant, row["id"]] = dict(row)
        return found

    def _save(self, tx: Connection, changed: Mapping[Key, Row]) -> None:
        by_table: dict[str, list[Row]] = {}
        for (name, _, _), row in changed.items():
            by_table.setdefault(name, []).append(row)
        for name, rows in by_table.items():
            tx.execute(self._upserts[name], rows)

    def _upsert_statement(self, name: str) -> Any:
        table = tables.PROJECTED[name]
        statement = self._upsert(table)
        columns = {c.name: statement.excluded[c.name] for c in table.columns if not c.primary_key}
        return statement.on_conflict_do_update(index_elements=["tenant", "id"], set_=columns)


def _appender(table: Table, dialect: Dialect) -> Callable[[Connection, list[Row]], None]:
    """Inserts full rows through the driver, with the statement compiled once: Core's work on each parameter costs a fifth of a rebuild."""
    compiled = insert(table).compile(dialect=dialect)
    statement, names = str(compiled), [column.name for column in table.columns]
    converters = {c.name: convert for c in table.columns if (convert := c.type.dialect_impl(dialect).bind_processor(dialect))}
    positional = itemgetter(*names) if dialect.positional else None

    def append(tx: Connection, rows: list[Row]) -> None:
        if converters:
            rows = [row | {name: convert(row[name]) for name, convert in converters.items()} for row in rows]
        values: Any = rows if positional is None else [positional(row) for row in rows]
        tx.exec_driver_sql(statement, values)

    return append


def _checkpoint(row: Mapping[Any, Any]) -> Checkpoint:
    return Checkpoint(row["seq"], row["chain"], row["root"], row["count"], row["key_id"], bytes.fromhex(row["signature"]))


def _leaves(tx: Connection, first: int, count: int) -> list[bytes]:
    c = tables.audit_chain.c
    query = select(c.hash).where(c.seq > first, c.seq <= first + count).order_by(c.seq)
    found = [bytes(hash_) for hash_ in tx.execute(query).scalars()]
    if len(found) != count:
        raise StreamGap(
            f"the audit chain has {len(found)} of {count} hashes after {first}: the database was changed from outside"
        )
    return found


def _node_reader(tx: Connection) -> merkle.Node:
    c = tables.audit_nodes.c

    def node(level: int, place: int) -> bytes:
        found = tx.execute(select(c.hash).where(c.level == level, c.place == place)).scalar_one_or_none()
        if found is None:
            raise StreamGap(f"the Merkle tree has no node {place} of level {level}: the database was changed from outside")
        return bytes(found)

    return node


def _grow_tree(tx: Connection, size: int, added: int) -> None:
    try:
        nodes = _new_nodes(tx, size, added)
    except StreamGap as gap:
        # Folding goes on, so that the verification can be asked and names the place; nothing is signed over such a tree.
        log.error("audit_tree_broken", detail=gap.detail)
        return
    if nodes:
        rows = [{"level": level, "place": place, "hash": hash_} for (level, place), hash_ in nodes.items()]
        tx.execute(insert(tables.audit_nodes), rows)


def _new_nodes(tx: Connection, size: int, added: int) -> dict[tuple[int, int], bytes]:
    return merkle.completed(size, added, lambda first, count: _leaves(tx, first, count), _node_reader(tx))


def _position(tx: Connection, stream: str) -> tuple[int, int]:
    row = tx.execute(select(tables.positions).where(tables.positions.c.stream == stream)).one()
    return row.seq, row.undecodable


def _head(tx: Connection) -> Head:
    seq, undecodable = _position(tx, EVENTS)
    if seq == 0:
        return Head(0, chain.GENESIS, undecodable)
    hash_ = tx.execute(select(tables.audit_chain.c.hash).where(tables.audit_chain.c.seq == seq)).scalar_one_or_none()
    if hash_ is None:
        raise StreamGap(
            f"the ledger stands at {seq}, but its audit chain has no hash there: the database was changed from outside"
        )
    return Head(seq, bytes(hash_), undecodable)


def _move(tx: Connection, stream: str, old: int, new: int, undecodable: int) -> None:
    at = tables.positions
    moved = tx.execute(update(at).where(at.c.stream == stream, at.c.seq == old).values(seq=new, undecodable=undecodable))
    if moved.rowcount != 1:
        raise Moved(f"{stream} moved on from {old} while this ledger was writing: another process writes to the same database")


def _chunks(items: list[str], size: int) -> Iterator[list[str]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
