"""The SQL port: position, chain and rows move together in one transaction, on SQLite and on PostgreSQL."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import structlog
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, func, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url

from agentos.contracts.errors import AgentOSError
from services.ledger import projections, rebuilding, tables
from services.ledger.audit import chain, merkle
from services.ledger.audit.chain import Checkpoint
from services.ledger.domain import rollups
from services.ledger.domain.deadletters import dead_letter_row
from services.ledger.domain.facts import Incoming, Row
from services.ledger.driver import Cursor, Statements, transaction
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
        """Bring the database to the newest revision, with all its indexes. Idempotent."""
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

    def signed_at(self) -> tuple[int, datetime | None]:
        """How many checkpoints are recorded, and when the newest was."""
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
        """Forget everything, in one transaction: the next fold begins from nothing, and without indexes until ``complete``."""
        ...

    def complete(self) -> None:
        """Make the indexes that ``reset`` left out. Idempotent."""
        ...

    def close(self) -> None:
        """Give every connection back."""
        ...


class SqlStore:
    """The Store over SQLAlchemy, for a ``sqlite:///`` or ``postgresql://`` URL. Connects on first use."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
            self._upsert: Any = postgresql.insert
            self._writer = create_engine(parsed, pool_size=1, max_overflow=1, pool_pre_ping=True)
            reads = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            # Which index is best depends on what is asked for: a plan that is kept for any value reads ten times as much.
            planned_each_time = {"prepare_threshold": None}
            reader = create_engine(parsed, pool_size=4, pool_pre_ping=True, connect_args=planned_each_time)
            self._reader = reader.execution_options(**reads)
        elif parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:"):
            Path(parsed.database or "").parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._upsert = sqlite.insert
            self._writer = create_engine(parsed, pool_size=1, max_overflow=1)
            self._reader = create_engine(parsed, pool_size=4)
            prepare_sqlite(self._writer, begin="BEGIN IMMEDIATE")
            prepare_sqlite(self._reader, begin="BEGIN")
        else:
            raise ValueError(f"the ledger keeps its rows in sqlite:///<file> or postgresql://…, not in {parsed.drivername}")
        self._say = Statements(self._writer.dialect)

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
        self.complete()

    def head(self) -> Head:
        return self.read(_head)

    def apply(self, batch: Sequence[Incoming]) -> Applied:
        with transaction(self._writer) as tx:
            head = _checked(*self._say.head(tx, EVENTS))
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
            todo = projections.changes(read.facts)
            before = self._load(tx, {key for key, _, _ in todo})
            changed = projections.fold(before, todo)
            self._say.append(tx, "events", read.events)
            self._say.append_hashes(tx, head.seq + 1, hashes)
            self._grow_tree(tx, head.seq, hashes)
            self._save(tx, changed)
            for name, more in rollups.changes(before, changed).items():
                self._say.add(tx, name, more)
            undecodable = head.undecodable + len(fresh) - len(read.facts)
            self._move(tx, EVENTS, head.seq, fresh[-1].seq, undecodable)
        checkpoints = sum(1 for fact in read.facts if fact.channel.name == "audit.checkpointed")
        return Applied(Head(fresh[-1].seq, hashes[-1], undecodable), len(batch) - len(fresh), len(fresh) - checkpoints)

    def dead_letter_position(self) -> int:
        return self.read(lambda tx: _position(tx, DLQ)[0])

    def apply_dead_letters(self, batch: Sequence[Incoming]) -> int:
        with transaction(self._writer) as tx:
            position, undecodable, _ = self._say.head(tx, DLQ)
            fresh = [incoming for incoming in batch if incoming.seq > position]
            if not fresh:
                return position
            rows = [projections.storable(dead_letter_row(incoming)) for incoming in fresh]
            self._say.append(tx, "dead_letters", rows)
            self._move(tx, DLQ, position, fresh[-1].seq, undecodable + sum(row["problem"] is not None for row in rows))
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

    def signed_at(self) -> tuple[int, datetime | None]:
        c = tables.audit_checkpoints.c
        newest = select(c.time).order_by(c.seq.desc()).limit(1)

        def read(tx: Connection) -> tuple[int, datetime | None]:
            return tx.execute(select(func.count()).select_from(tables.audit_checkpoints)).scalar_one(), tx.execute(
                newest
            ).scalar()

        return self.read(read)

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
            rebuilding.empty(tx)
            tx.execute(update(tables.positions).values(seq=0, undecodable=0))

    def complete(self) -> None:
        rebuilding.complete(self._writer)

    def close(self) -> None:
        self._reader.dispose()
        self._writer.dispose()

    def _move(self, tx: Cursor, stream: str, old: int, new: int, undecodable: int) -> None:
        if not self._say.move(tx, stream, old, new, undecodable):
            raise Moved(
                f"{stream} moved on from {old} while this ledger was writing: another process writes to the same database"
            )

    def _load(self, tx: Cursor, keys: Iterable[Key]) -> dict[Key, Row]:
        wanted: dict[tuple[str, str], list[str]] = {}
        for table, tenant, id_ in keys:
            wanted.setdefault((table, tenant), []).append(id_)
        return {
            (table, tenant, row["id"]): row
            for (table, tenant), ids in wanted.items()
            for row in self._say.find(tx, table, tenant, ids)
        }

    def _save(self, tx: Cursor, changed: Mapping[Key, Row]) -> None:
        by_table: dict[str, list[Row]] = {}
        for (name, _, _), row in changed.items():
            by_table.setdefault(name, []).append(row)
        for name, rows in by_table.items():
            self._say.put(tx, name, rows)

    def _grow_tree(self, tx: Cursor, size: int, more: Sequence[bytes]) -> None:
        def leaves(first: int, count: int) -> list[bytes]:
            stored = min(count, max(0, size - first))
            ahead = first + stored - size
            return [*_all(self._say.leaves(tx, first, stored), first, stored), *more[ahead : ahead + count - stored]]

        def node(level: int, place: int) -> bytes:
            return _there(self._say.node(tx, level, place), level, place)

        try:
            nodes = merkle.completed(size, len(more), leaves, node)
        except StreamGap as gap:
            # Folding goes on, so that the verification can be asked and names the place; nothing is signed over such a tree.
            log.error("audit_tree_broken", detail=gap.detail)
            return
        if nodes:
            rows = [{"level": level, "place": place, "hash": hash_} for (level, place), hash_ in nodes.items()]
            self._say.append(tx, "audit_nodes", rows)


def _checkpoint(row: Mapping[Any, Any]) -> Checkpoint:
    return Checkpoint(row["seq"], row["chain"], row["root"], row["count"], row["key_id"], bytes.fromhex(row["signature"]))


def _leaves(tx: Connection, first: int, count: int) -> list[bytes]:
    c = tables.audit_chain.c
    query = select(c.hash).where(c.seq > first, c.seq <= first + count).order_by(c.seq)
    return _all([bytes(hash_) for hash_ in tx.execute(query).scalars()], first, count)


def _all(found: list[bytes], first: int, count: int) -> list[bytes]:
    if len(found) != count:
        raise StreamGap(
            f"the audit chain has {len(found)} of {count} hashes after {first}: the database was changed from outside"
        )
    return found


def _node_reader(tx: Connection) -> merkle.Node:
    c = tables.audit_nodes.c

    def node(level: int, place: int) -> bytes:
        found = tx.execute(select(c.hash).where(c.level == level, c.place == place)).scalar_one_or_none()
        return _there(None if found is None else bytes(found), level, place)

    return node


def _there(found: bytes | None, level: int, place: int) -> bytes:
    if found is None:
        raise StreamGap(f"the Merkle tree has no node {place} of level {level}: the database was changed from outside")
    return found


def _position(tx: Connection, stream: str) -> tuple[int, int]:
    row = tx.execute(select(tables.positions).where(tables.positions.c.stream == stream)).one()
    return row.seq, row.undecodable


def _head(tx: Connection) -> Head:
    seq, undecodable = _position(tx, EVENTS)
    link = tables.audit_chain.c
    return _checked(seq, undecodable, tx.execute(select(link.hash).where(link.seq == seq)).scalar_one_or_none())


def _checked(seq: int, undecodable: int, hash_: bytes | None) -> Head:
    if seq == 0:
        return Head(0, chain.GENESIS, undecodable)
    if hash_ is None:
        raise StreamGap(
            f"the ledger stands at {seq}, but its audit chain has no hash there: the database was changed from outside"
        )
    return Head(seq, bytes(hash_), undecodable)
