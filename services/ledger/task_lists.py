"""Lists of tasks: filtered, searched and sorted by what has an index, in pages that begin after a row, however many tasks there are."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field
from sqlalchemy import Connection, Select, bindparam, func, literal_column, select, text, tuple_
from sqlalchemy.sql.elements import ColumnElement

from agentos.contracts.base import Json, Utc
from services.ledger import tables as t
from services.ledger import words
from services.ledger.answering import Arguments, Prefix, rows_of

MOST_COUNTED = 10_000
"""Where counting ends: nobody reads the difference, and everybody would wait for it."""

OPEN_STATES = (
    "submitted", "queued", "admitted", "denied", "routed", "unroutable", "running", "waiting", "ended", "retrying", "cancelling",
    "parked",
)  # fmt: skip


class TaskFilters(Arguments):
    """Which tasks. ``cost_from`` and ``cost_to`` are USD."""

    state: tuple[str, ...] = Field(default=(), max_length=13)
    outcome: str | None = Field(default=None, max_length=64)
    type: str | None = Field(default=None, max_length=128)
    pack: str | None = Field(default=None, max_length=128)
    agent: str | None = Field(default=None, max_length=128)
    requester: str | None = Field(default=None, max_length=300)
    parent: str | None = Field(default=None, max_length=128)
    priority: str | None = Field(default=None, max_length=16)
    since: Utc | None = None
    until: Utc | None = None
    cost_from: Decimal | None = Field(default=None, ge=0, le=1_000_000_000)
    cost_to: Decimal | None = Field(default=None, ge=0, le=1_000_000_000)
    q: str | None = Field(default=None, min_length=1, max_length=200)
    id_prefix: Prefix = None


class TasksList(TaskFilters):
    """A page of tasks. ``cursor`` is the one of the page before, of the same sort."""

    sort: Literal["created", "updated", "duration", "cost"] = "created"
    order: Literal["desc", "asc"] = "desc"
    limit: int = Field(default=50, ge=1, le=500)
    cursor: str | None = Field(default=None, pattern=r"^([0-9]{1,18}|-?[0-9]{1,18}\.[0-9]{1,18})$")
    count: bool = False


class TaskStats(TaskFilters):
    """Of which tasks."""


def tasks_list(tx: Connection, tenant: str, args: TasksList) -> Json:
    """One page, in the order asked for; with ``count`` also how many there are, counted up to 10,000."""
    c = t.tasks.c
    columns: dict[str, tuple[ColumnElement[int], ...]] = {
        "created": (c.first_seq,),
        "updated": (c.last_seq,),
        "duration": (c.duration_ms, c.first_seq),
        "cost": (c.cost_nano_usd, c.first_seq),
    }
    order = columns[args.sort]
    query = _filtered(tx, select(t.tasks), tenant, args)
    if args.cursor is not None:
        after = [int(part) for part in args.cursor.split(".")]
        if len(after) == len(order):
            beyond: Any = tuple_(*order) if len(after) > 1 else order[0]
            edge: Any = tuple(after) if len(after) > 1 else after[0]
            query = query.where(beyond < edge if args.order == "desc" else beyond > edge)
    ordered = query.order_by(*(column.desc() if args.order == "desc" else column.asc() for column in order))
    found = rows_of(tx, ordered.limit(args.limit + 1))
    more = len(found) > args.limit
    found = found[: args.limit]
    cursor = ".".join(str(found[-1][str(column.key)]) for column in order) if more else None
    return {
        "tasks": [_shown(row) for row in found],
        "cursor": cursor,
        "count": _count(tx, tenant, args) if args.count else None,
        "position": position(tx),
    }


def tasks_stats(tx: Connection, tenant: str, args: TaskStats) -> Json:
    """How many tasks stand in each state and outcome, each counted up to 10,000."""
    c = t.tasks.c
    counted: dict[str, int] = {}
    wanted: list[tuple[str, ColumnElement[bool]]] = [(state, c.state == state) for state in OPEN_STATES]
    outcomes = ("completed", "failed", "refused", "cancelled", "expired")
    wanted += [(outcome, (c.outcome == outcome) & (c.state == "settled")) for outcome in outcomes]
    for name, condition in wanted:
        counted[name] = counted_up_to(tx, _filtered(tx, select(literal_column("1")), tenant, args).where(condition))
    return {"by_state": {name: n for name, n in counted.items() if n}, "most_counted": MOST_COUNTED, "position": position(tx)}


def position(tx: Connection) -> int:
    """The stream position that this answer is as of."""
    return tx.execute(select(t.positions.c.seq).where(t.positions.c.stream == "EVENTS")).scalar_one()


def counted_up_to(tx: Connection, query: Select[Any]) -> int:
    """How many rows, as far as MOST_COUNTED."""
    return tx.execute(select(func.count()).select_from(query.limit(MOST_COUNTED + 1).subquery())).scalar_one()


def _count(tx: Connection, tenant: str, args: TaskFilters) -> Json:
    n = counted_up_to(tx, _filtered(tx, select(literal_column("1")), tenant, args))
    return {"n": min(n, MOST_COUNTED), "more": n > MOST_COUNTED}


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    lasted = row["duration_ms"]
    hidden = ("words", "cost_nano_usd")
    return {name: value for name, value in row.items() if name not in hidden} | {"duration_ms": None if lasted < 0 else lasted}


def _filtered(tx: Connection, query: Select[Any], tenant: str, args: TaskFilters) -> Select[Any]:
    c = t.tasks.c
    query = query.select_from(t.tasks).where(c.tenant == tenant)
    if len(args.state) == 1:
        query = query.where(c.state == args.state[0])
    elif args.state:
        query = query.where(c.state.in_(args.state))
    for column, wanted in (
        (c.outcome, args.outcome), (c.type, args.type), (c.pack, args.pack), (c.agent, args.agent), (c.requester, args.requester),
        (c.parent, args.parent), (c.priority, args.priority),
    ):  # fmt: skip
        if wanted is not None:
            query = query.where(column == wanted)
    if args.since is not None:
        query = query.where(c.first_seq >= seq_at(tx, args.since))
    if args.until is not None:
        query = query.where(c.first_seq < seq_at(tx, args.until))
    if args.cost_from is not None:
        query = query.where(c.cost_nano_usd >= int(args.cost_from * 1_000_000_000))
    if args.cost_to is not None:
        query = query.where(c.cost_nano_usd <= int(args.cost_to * 1_000_000_000))
    if args.id_prefix is not None:
        # Its words find the few that it may be: no index answers LIKE whatever the database's collation is.
        query = _searched(tx, query.where(c.id.startswith(args.id_prefix, autoescape=True)), args.id_prefix)
    return query if args.q is None else _searched(tx, query, args.q)


def _searched(tx: Connection, query: Select[Any], typed: str) -> Select[Any]:
    sqlite = tx.dialect.name == "sqlite"
    wanted = words.for_sqlite(typed) if sqlite else words.for_postgresql(typed)
    if wanted is None:
        return query.where(literal_column("1") == 0)
    condition = (
        "tasks.first_seq IN (SELECT rowid FROM tasks_words WHERE tasks_words MATCH :wanted)"
        if sqlite
        else "array_to_tsvector(string_to_array(tasks.words, ' ')) @@ CAST(:wanted AS tsquery)"
    )
    return query.where(text(condition).bindparams(bindparam("wanted", wanted, unique=True)))


def seq_at(tx: Connection, moment: datetime) -> int:
    """The first event at or after a moment, by bisection: the stream is as good as in the order of its times, and these have no index."""
    e = t.events.c
    low, high = 1, position(tx) + 1
    while low < high:
        middle = (low + high) // 2
        query = select(e.seq, e.time).where(e.seq >= middle, e.seq < high, e.time.is_not(None)).order_by(e.seq).limit(1)
        found = tx.execute(query).one_or_none()
        if found is None or found.time >= moment:
            high = middle
        else:
            low = found.seq + 1
    return low
