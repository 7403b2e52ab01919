"""Lists of tasks: filtered, searched and sorted by what has an index, in pages that begin after a row, however many tasks there are."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field
from sqlalchemy import (
    Connection,
    Integer,
    Select,
    and_,
    bindparam,
    false,
    func,
    literal,
    literal_column,
    select,
    table,
    text,
    tuple_,
)
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
    found_by = _narrow(tx, tenant, args)
    query = found_by.of(select(t.tasks))
    if args.cursor is not None:
        after = [int(part) for part in args.cursor.split(".")]
        if len(after) == len(order):
            beyond: Any = tuple_(*order) if len(after) > 1 else order[0]
            edge: Any = tuple(after) if len(after) > 1 else after[0]
            query = query.where(beyond < edge if args.order == "desc" else beyond > edge)
    # Few tasks are sorted; of many, the index of this order is followed until the page is full.
    sorting = [column + 0 for column in order] if found_by.few else [*order]
    ordered = query.order_by(*(column.desc() if args.order == "desc" else column.asc() for column in sorting))
    found = rows_of(tx, ordered.limit(args.limit + 1))
    more = len(found) > args.limit
    found = found[: args.limit]
    cursor = ".".join(str(found[-1][str(column.key)]) for column in order) if more else None
    return {
        "tasks": [_shown(row) for row in found],
        "cursor": cursor,
        "count": _count(tx, found_by) if args.count else None,
        "position": position(tx),
    }


def tasks_stats(tx: Connection, tenant: str, args: TaskStats) -> Json:
    """How many tasks stand in each state and outcome, each counted up to 10,000; under a filter, among its newest 10,000."""
    c = t.tasks.c
    found_by = _narrow(tx, tenant, args)
    counted: dict[str, int] = {}
    if found_by.filtered:
        newest = found_by.of(select(c.state, c.outcome)).order_by((c.first_seq + 0 if found_by.few else c.first_seq).desc())
        some = newest.limit(MOST_COUNTED).subquery()
        grouped = select(some.c.state, some.c.outcome, func.count().label("n")).group_by(some.c.state, some.c.outcome)
        for row in tx.execute(grouped):
            counted[row.outcome if row.state == "settled" else row.state] = row.n
    else:
        wanted: list[tuple[str, ColumnElement[bool]]] = [(state, c.state == state) for state in OPEN_STATES]
        wanted += [(outcome, c.outcome == outcome) for outcome in ("completed", "failed", "refused", "cancelled", "expired")]
        for name, condition in wanted:
            counted[name] = counted_up_to(tx, select(literal(1)).where(c.tenant == tenant, condition))
    return {"by_state": {name: n for name, n in counted.items() if n}, "most_counted": MOST_COUNTED, "position": position(tx)}


def position(tx: Connection) -> int:
    """The stream position that this answer is as of."""
    return tx.execute(select(t.positions.c.seq).where(t.positions.c.stream == "EVENTS")).scalar_one()


def counted_up_to(tx: Connection, query: Select[Any], most: int = MOST_COUNTED) -> int:
    """How many rows, as far as one more than ``most``."""
    return tx.execute(select(func.count()).select_from(query.limit(most + 1).subquery())).scalar_one()


def _count(tx: Connection, found_by: "_Narrowed") -> Json:
    n = counted_up_to(tx, found_by.of(select(literal(1))))
    return {"n": min(n, MOST_COUNTED), "more": n > MOST_COUNTED}


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    lasted = row["duration_ms"]
    hidden = ("words", "cost_nano_usd")
    return {name: value for name, value in row.items() if name not in hidden} | {"duration_ms": None if lasted < 0 else lasted}


FEW = 5_000
"""As many are quickly sorted; and where a filter finds more, a page of them is full after some ten thousand of a million."""


@dataclass(frozen=True, slots=True)
class _Narrowed:
    """How the tasks of a list are found: ``narrow`` is the filter that leaves few, where there is one."""

    conditions: tuple[ColumnElement[bool], ...]
    narrow: Select[Any] | None
    filtered: bool

    @property
    def few(self) -> bool:
        return self.narrow is not None

    def of(self, query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
        query = query.select_from(t.tasks).where(*self.conditions)
        return query if self.narrow is None else query.where(t.tasks.c.first_seq.in_(self.narrow))


def _narrow(tx: Connection, tenant: str, args: TaskFilters) -> _Narrowed:
    """Look which of the filters leaves the fewest, each in its own index and no further than FEW: no planner knows that of a value."""
    c = t.tasks.c
    filters: list[ColumnElement[bool]] = []
    if args.state:
        filters.append(c.state == args.state[0] if len(args.state) == 1 else c.state.in_(args.state))
    for column, wanted in (
        (c.outcome, args.outcome), (c.type, args.type), (c.pack, args.pack), (c.agent, args.agent), (c.requester, args.requester),
        (c.parent, args.parent), (c.priority, args.priority),
    ):  # fmt: skip
        if wanted is not None:
            filters.append(column == wanted)
    if args.since is not None:
        filters.append(c.first_seq >= seq_at(tx, args.since))
    if args.until is not None:
        filters.append(c.first_seq < seq_at(tx, args.until))
    if args.cost_from is not None:
        filters.append(c.cost_nano_usd >= int(args.cost_from * 1_000_000_000))
    if args.cost_to is not None:
        filters.append(c.cost_nano_usd <= int(args.cost_to * 1_000_000_000))
    candidates = [(each, select(c.first_seq).where(c.tenant == tenant, each)) for each in filters]
    conditions = [c.tenant == tenant]
    if args.id_prefix is not None:
        conditions.append(c.id.startswith(args.id_prefix, autoescape=True))
    for typed in (args.q, args.id_prefix):
        # Words find the few that an id may be: no index answers LIKE whatever the database's collation is.
        if typed is not None:
            found, each = _searched(tx, tenant, typed)
            candidates.append((each, found))
    counted = [(counted_up_to(tx, found, FEW), number) for number, (_, found) in enumerate(candidates)]
    least, narrowest = min(counted, default=(FEW + 1, -1))
    rest = [each for number, (each, _) in enumerate(candidates) if number != narrowest or least > FEW]
    return _Narrowed((*conditions, *rest), candidates[narrowest][1] if least <= FEW else None, bool(candidates))


def _searched(tx: Connection, tenant: str, typed: str) -> tuple[Select[Any], ColumnElement[bool]]:
    """The places of the tasks that what was typed finds, from the index of words; and, of a row that is read anyway, whether it has them."""
    c = t.tasks.c
    sqlite = tx.dialect.name == "sqlite"
    wanted = words.for_sqlite(typed) if sqlite else words.for_postgresql(typed)
    if wanted is None:
        return select(c.first_seq).where(false()), false()
    stands = func.instr if sqlite else func.strpos
    has = and_(*(stands(" " + c.words, f" {word}") > 0 for word in words.typed(typed)))
    if sqlite:
        matching = text("tasks_words MATCH :wanted").bindparams(bindparam("wanted", wanted, unique=True))
        return select(literal_column("tasks_words.rowid", Integer).label("first_seq")).select_from(_WORDS).where(matching), has
    matching = text("array_to_tsvector(string_to_array(tasks.words, ' ')) @@ CAST(:wanted AS tsquery)")
    return select(c.first_seq).where(c.tenant == tenant, matching.bindparams(bindparam("wanted", wanted, unique=True))), has


_WORDS = table("tasks_words")


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
