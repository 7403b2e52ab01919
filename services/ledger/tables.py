"""The ledger's tables (SQLAlchemy Core), the same on SQLite and PostgreSQL; the Alembic revisions create them."""

# ruff: noqa: ARG002 - SQLAlchemy's signatures name a dialect, also where it makes no difference
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.dialects.postgresql import TEXT, TIMESTAMP
from sqlalchemy.types import TypeEngine

from services.ledger.domain import rollups
from services.ledger.domain.rhythm import COUNTS as RHYTHM


class Money(TypeDecorator[Decimal]):
    """Exact on both: NUMERIC on PostgreSQL, text on SQLite (whose NUMERIC is a float). Sum it with ``decimal_sum``."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return Numeric(38, 12) if dialect.name == "postgresql" else Text()

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else format(value, "f")

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


def utc(value: datetime) -> datetime:
    """The same moment, told in UTC."""
    if value.tzinfo is UTC:
        return value
    try:
        return value.astimezone(UTC)
    except OverflowError:  # the first or last day of the calendar, in another zone
        return value.replace(tzinfo=UTC)


def utc_text(value: datetime) -> str:
    """A moment as SQLite has it."""
    return utc(value).isoformat("T", "microseconds")


class UtcTime(TypeDecorator[datetime]):
    """A moment in UTC: TIMESTAMPTZ on PostgreSQL, ISO 8601 text of fixed width (so that it sorts) on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return TIMESTAMP(timezone=True) if dialect.name == "postgresql" else Text()

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        return utc(value) if dialect.name == "postgresql" else utc_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return (value if isinstance(value, datetime) else datetime.fromisoformat(value)).astimezone(UTC)


_compact = json.JSONEncoder(separators=(",", ":")).encode


class Json(TypeDecorator[Any]):
    """JSON as ASCII text: PostgreSQL's own type refuses escaped NUL characters, which a payload may hold."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else _compact(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


class Blob(LargeBinary):
    """Bytes, handed to the driver as they are: the usual wrapping costs more than all else that is done to a hash."""

    def bind_processor(self, dialect: Dialect) -> None:
        return None


Sequence = BigInteger().with_variant(Integer(), "sqlite")
"""A stream sequence as primary key: on SQLite it has to be INTEGER to be the table's own row id."""

Bytewise = Text().with_variant(TEXT(collation="C"), "postgresql")
"""Text that an index finds by its beginning, whatever the language of the database is."""

metadata = MetaData()


def _key() -> tuple[Column[Any], Column[Any]]:
    return Column("tenant", Text, primary_key=True), Column("id", Text, primary_key=True)


def _texts(*names: str) -> list[Column[Any]]:
    return [Column(name, Text) for name in names]


def _numbers(*names: str) -> list[Column[Any]]:
    return [Column(name, BigInteger, nullable=False) for name in names]


def _times(*names: str) -> list[Column[Any]]:
    return [Column(name, UtcTime) for name in names]


def _jsons(*names: str) -> list[Column[Any]]:
    return [Column(name, Json) for name in names]


_TOKENS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")

positions = Table(
    "positions",
    metadata,
    Column("stream", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("undecodable", BigInteger, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=False),
    Column("time", UtcTime),
    *(Column(name, Text, nullable=False) for name in ("tenant", "subject", "aggregate")),
    Column("id", Bytewise, nullable=False),
    Column("fact", Text, nullable=False),
    *_texts("ordinal", "event_id", "correlation_id", "causation_id", "schema", "traceparent", "body_digest"),
    Column("body_bytes", BigInteger, nullable=False),
    Column("body", Text),
    Column("raw", Blob),
    Column("problem", Text),
    Index("events_id", "event_id"),
    Index("events_correlation", "tenant", "correlation_id", "seq"),
    Index("events_aggregate", "tenant", "aggregate", "id", "seq"),
    Index("events_fact", "tenant", "aggregate", "fact", "seq"),
    Index(
        "events_broken", "tenant", "seq", sqlite_where=text("problem IS NOT NULL"), postgresql_where=text("problem IS NOT NULL")
    ),
)

tasks = Table(
    "tasks",
    metadata,
    *_key(),
    *_texts("type", "pack", "agent", "version", "priority"),
    Column("state", Text, nullable=False),
    *_texts("requester_kind", "requester", "parent", "waiting_for", "waiting_on", "outcome", "fault_code", "fault_message"),
    *_texts("family", "input_digest", "result_digest"),
    Column("untrusted", Boolean, nullable=False),
    *_jsons("labels", "depends_on", "reasons"),
    *_numbers("attempt", "max_attempts", "calls", "tool_calls", "unpriced_calls", "simulated_calls", "refusals", *_TOKENS),
    Column("cost_usd", Money, nullable=False),
    *_times("deadline", "submitted_at", "started_at", "retry_at", "settled_at", "erased_at", "updated_at"),
    *_numbers("first_seq", "last_seq"),
    Column("words", Text, nullable=False),
    *_numbers("cost_nano_usd", "duration_ms"),
    Index("tasks_newest", "tenant", "first_seq"),
    Index("tasks_family", "tenant", "family"),
    # With state and outcome, by which a list is filtered most: it reads the rows of its page, and none of what the filter leaves out.
    Index("tasks_changed", "tenant", "last_seq", "state", "outcome"),
    Index("tasks_dearest", "tenant", "cost_nano_usd", "first_seq", "state", "outcome"),
    Index("tasks_longest", "tenant", "duration_ms", "first_seq", "state", "outcome"),
    Index("tasks_state", "tenant", "state", "first_seq", "pack"),
    Index("tasks_outcome", "tenant", "outcome", "first_seq", "pack"),
    Index("tasks_type", "tenant", "type", "first_seq"),
    Index("tasks_pack", "tenant", "pack", "first_seq"),
    Index("tasks_requester", "tenant", "requester", "first_seq"),
    # What an agent's figures are counted from, so that counting reads no row.
    Index("tasks_agent", "tenant", "agent", "first_seq", "pack", "state", "outcome", "duration_ms", "tool_calls", "refusals"),
    Index("tasks_priority", "tenant", "priority", "first_seq"),
    Index(
        "tasks_parent",
        "tenant",
        "parent",
        "first_seq",
        sqlite_where=text("parent IS NOT NULL"),
        postgresql_where=text("parent IS NOT NULL"),
    ),
)

calls = Table(
    "calls",
    metadata,
    *_key(),
    *_texts("kind", "task", "task_type", "pack", "agent", "api_key", "end_user"),
    Column("state", Text, nullable=False),
    *_texts("requested_model", "model", "provider", "tool", "effect", "verdict", "bundle", "digest", "response_digest"),
    *_texts("outcome", "finish_reason", "fault_code", "fault_message", "cached_from"),
    *_jsons("reasons", "rules", "entities"),
    *_numbers("attempt", "step", "attempts", "duration_ms", *_TOKENS),
    Column("simulated", Boolean, nullable=False),
    Column("priced", Boolean),
    Column("unpriced", Boolean, nullable=False),
    Column("cost_usd", Money, nullable=False),
    *_times("requested_at", "decided_at", "started_at", "settled_at"),
    *_numbers("first_seq", "last_seq"),
    Index("calls_task", "tenant", "task", "first_seq"),
)

charges = Table(
    "charges",
    metadata,
    *_key(),
    Column("call", Text),
    Column("number", BigInteger, nullable=False),
    *_texts("task_type", "pack", "agent", "api_key", "end_user", "provider", "model", "key", "outcome", "day"),
    *_times("started_at"),
    *(Column(name, Boolean, nullable=False) for name in ("estimated", "simulated", "cached", "unpriced")),
    Column("cost_usd", Money, nullable=False),
    Column("saved_usd", Money, nullable=False),
    *_numbers(*_TOKENS),
    *_numbers("first_seq", "last_seq"),
    Index("charges_time", "tenant", "started_at"),
)

spend = Table(
    "spend",
    metadata,
    *(Column(name, Text, primary_key=True) for name in rollups.KEYS["spend"]),
    *_numbers(*rollups.SPENT),
    *(Column(name, Money, nullable=False) for name in rollups.MONEY),
    sqlite_with_rowid=False,
)
"""Sums of ``charges``; see ``domain.rollups``. A dimension that does not part the sum, or has no value, is empty."""

pack_totals = Table(
    "pack_totals",
    metadata,
    *(Column(name, Text, primary_key=True) for name in rollups.KEYS["pack_totals"]),
    *_numbers(*rollups.TOTALLED),
    Column("cost_usd", Money, nullable=False),
    sqlite_with_rowid=False,
)

approvals = Table(
    "approvals",
    metadata,
    *_key(),
    *_texts("kind", "target", "task", "task_type", "pack", "agent", "requester"),
    Column("state", Text, nullable=False),
    *_texts("summary", "digest", "resolved_kind", "resolved_by", "reason"),
    *_jsons("preview", "reasons", "approver_roles", "votes", "answers", "edits", "diff"),
    *_numbers("attempt", "step", "revision", "quorum", "comments", "escalations"),
    *(Column(name, Boolean, nullable=False) for name in ("four_eyes", "editable", "frozen")),
    *_times("expires_at", "requested_at", "resolved_at"),
    *_numbers("first_seq", "last_seq"),
    Index("approvals_newest", "tenant", "first_seq"),
    Index("approvals_state", "tenant", "state", "first_seq"),
    Index("approvals_task", "tenant", "task"),
    Index("approvals_alike", "tenant", "pack", "target", "state"),
)

rhythm = Table(
    "rhythm",
    metadata,
    *_key(),
    *_numbers(*RHYTHM),
    Column("cost_usd", Money, nullable=False),
    Column("saved_usd", Money, nullable=False),
    *_jsons("latencies"),
    *_numbers("first_seq", "last_seq"),
)

rule_hits = Table(
    "rule_hits",
    metadata,
    *_key(),
    *_texts("rule"),
    *_numbers("decided", "watched"),
    *_times("last_at"),
    *_numbers("first_seq", "last_seq"),
)

savings = Table(
    "savings",
    metadata,
    *_key(),
    *_numbers("calls", "compared"),
    Column("cost_usd", Money, nullable=False),
    Column("dearest_usd", Money, nullable=False),
    *_times("first_at"),
    *_numbers("first_seq", "last_seq"),
)

violations = Table(
    "violations",
    metadata,
    *_key(),
    *_texts("pack", "agent"),
    *_numbers("first_seq", "last_seq"),
    Index("violations_agent", "tenant", "pack", "agent", "first_seq"),
)
"""Whose each ``violation.noted`` is; all else of it stands in ``events``."""

kill_switches = Table(
    "kill_switches",
    metadata,
    *_key(),
    *_texts("scope", "target", "mode", "trigger"),
    Column("state", Text, nullable=False),
    *_numbers("share_percent", "cancelled", "unconfirmed", "running"),
    *_texts("reason", "engaged_by", "release_reason", "released_by"),
    *_times("engaged_at", "released_at"),
    *_numbers("first_seq", "last_seq"),
)

deliveries = Table(
    "deliveries",
    metadata,
    *_key(),
    *_texts("source", "delivery", "task", "body_digest"),
    *_times("received_at"),
    *_numbers("first_seq", "last_seq"),
)

audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    *_key(),
    *_numbers("seq", "count"),
    *_texts("chain", "root", "key_id", "signature"),
    *_times("time"),
    *_numbers("first_seq", "last_seq"),
    Index("audit_checkpoints_seq", "seq"),
)

audit_chain = Table(
    "audit_chain",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=False),
    Column("hash", Blob, nullable=False),
)

audit_nodes = Table(
    "audit_nodes",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", Blob, nullable=False),
)
"""The complete subtrees of the Merkle tree over ``audit_chain``, from ``merkle.BLOCK`` up: one row in some 250 events."""

audit_anchored = Table(
    "audit_anchored",
    metadata,
    Column("target", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)
"""Up to which sequence each place outside holds an anchor. No projection: a rebuild leaves it alone."""

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=False),
    Column("time", UtcTime),
    Column("tenant", Text, nullable=False),
    *_texts("subject", "correlation_id", "service", "consumer", "message_subject", "stream"),
    *_numbers("message_seq"),
    Column("deliveries", BigInteger, nullable=False),
    *_texts("code", "detail", "body_digest", "problem"),
    Column("kept", Boolean, nullable=False),
    Index("dead_letters_newest", "tenant", "seq"),
)

settled_letters = Table(
    "settled_letters",
    metadata,
    *_key(),
    Column("letter", BigInteger, nullable=False),
    *_texts("outcome", "reason", "settled_by"),
    *_times("settled_at"),
    *_numbers("first_seq", "last_seq"),
    Index("settled_letters_letter", "letter"),
)
"""What a person made of a dead letter. Apart from it, for the two come from two streams, in any order."""

PROJECTED: dict[str, Table] = {
    table.name: table
    for table in (
        tasks,
        calls,
        charges,
        approvals,
        rhythm,
        rule_hits,
        savings,
        violations,
        kill_switches,
        deliveries,
        audit_checkpoints,
        settled_letters,
    )
}
"""Tables whose rows are folded, by (tenant, id)."""

ROLLED_UP: dict[str, Table] = {table.name: table for table in (spend, pack_totals)}
"""Tables of sums over projected rows."""

ALL: tuple[Table, ...] = (positions, events, audit_chain, audit_nodes, dead_letters, *PROJECTED.values(), *ROLLED_UP.values())
"""What is folded from the streams."""
