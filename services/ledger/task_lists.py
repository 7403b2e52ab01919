"""Lists of tasks: filtered, searched and sorted by what has an index, in pages that begin after a row, however many tasks there are."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field
from sqlalchemy import (
    BindParameter,
    Column,
    Connection,
    Integer,
    Select,
    and_,
    bindparam,
    case,
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
from services.ledger.answering import Arguments, Ids, Prefix, rows_of

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
    ids: Ids = ()


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
    """One page, in the order asked for; with ``count`` also how many there are, counted up to 10,000.

    Where a search finds many, those of them are counted that are among the newest 30,000 tasks; ``more`` says that there may be others.
    """
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
    sorting = [column + 0 for column in order] if found_by.few or (found_by.driven and args.sort != "created") else [*order]
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
    """How many tasks stand in each state and outcome, each counted up to 10,000; under a filter, among its newest 10,000.

    Where a search finds many, those of them are counted that are among the newest 30,000 tasks.
    """
    c = t.tasks.c
    found_by = _narrow(tx, tenant, args)
    counted: dict[str, int] = {}
    if found_by.filtered:
        some = found_by.newest(c.state, c.outcome).limit(MOST_COUNTED).subquery()
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
    n = counted_up_to(
        tx, found_by.newest(t.tasks.c.first_seq) if found_by.sifted is not None else found_by.of(select(literal(1)))
    )
    more = n > MOST_COUNTED
    if found_by.sifted is not None and not more:
        more = counted_up_to(tx, found_by.of(select(literal(1)), sifting=False), LOOKED_THROUGH) > LOOKED_THROUGH
    return {"n": min(n, MOST_COUNTED), "more": more}


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    del row["words"], row["cost_nano_usd"]
    if row["duration_ms"] < 0:
        row["duration_ms"] = None
    return row


FEW = 5_000
"""As many are quickly sorted; and where a filter finds more, a page of them is full after some ten thousand of a million."""


SOME = 50_000
"""As many of one of several filters are still sooner read and sorted than all of the others' are looked through."""
LOOKED_THROUGH = 30_000
"""How many tasks are read to count what a search finds that finds many."""


@dataclass(frozen=True, slots=True)
class _Narrowed:
    """How the tasks of a list are found: ``narrow`` is the filter that leaves few, where there is one.

    ``sifted`` is what each row has to be looked at for, where no index finds it: a search that finds many.
    """

    conditions: tuple[ColumnElement[bool], ...]
    sifted: ColumnElement[bool] | None
    narrow: Select[Any] | None
    driven: bool
    """One of several filters leaves some thousands: they are found by its index, and are to be sorted where that is in another order."""
    filtered: bool

    @property
    def few(self) -> bool:
        return self.narrow is not None

    def of(self, query: Select[*tuple[Any, ...]], *, sifting: bool = True) -> Select[*tuple[Any, ...]]:
        query = query.select_from(t.tasks).where(*self.conditions)
        if sifting and self.sifted is not None:
            query = query.where(self.sifted)
        return query if self.narrow is None else query.where(t.tasks.c.first_seq.in_(self.narrow))

    def newest(self, *columns: Column[Any]) -> Select[*tuple[Any, ...]]:
        """The newest first; of a search that finds many, those among the newest tasks."""
        c = t.tasks.c
        order = (c.first_seq + 0 if self.few else c.first_seq).desc()
        if self.sifted is None:
            return self.of(select(*columns)).order_by(order)
        looked = (
            self.of(select(*columns, self.sifted.label("has")), sifting=False).order_by(order).limit(LOOKED_THROUGH).subquery()
        )
        return select(*(looked.c[column.name] for column in columns)).where(looked.c.has)


def _narrow(tx: Connection, tenant: str, args: TaskFilters) -> _Narrowed:
    """Look which of the filters leaves the fewest, each in its own index, and no further than matters: no planner knows that of a value."""
    c = t.tasks.c
    filters: list[tuple[ColumnElement[bool], ColumnElement[bool]]] = []
    if args.state:
        spelt = func.coalesce(c.state, "").in_(args.state)
        filters.append((c.state == args.state[0] if len(args.state) == 1 else c.state.in_(args.state), spelt))
    for column, wanted in (
        (c.outcome, args.outcome), (c.type, args.type), (c.pack, args.pack), (c.agent, args.agent), (c.requester, args.requester),
        (c.parent, args.parent), (c.priority, args.priority),
    ):  # fmt: skip
        if wanted is not None:
            filters.append((column == wanted, func.coalesce(column, "") == wanted))
    bounds: list[tuple[ColumnElement[int], Any, Any]] = [
        (c.first_seq, args.since and seq_at(tx, args.since), args.until and seq_at(tx, args.until) - 1),
        (c.cost_nano_usd, _nano(args.cost_from), _nano(args.cost_to)),
    ]
    for column, lowest, highest in bounds:
        filters += [] if lowest is None else [(column >= lowest, column + 0 >= lowest)]
        filters += [] if highest is None else [(column <= highest, column + 0 <= highest)]
    if args.ids:
        return _of_these(tx, tenant, args, [spelt for _, spelt in filters])
    conditions = [c.tenant == tenant]
    candidates = [_Candidate(select(c.first_seq).where(c.tenant == tenant, each), each, None, spelt) for each, spelt in filters]
    if args.id_prefix is not None:
        conditions.append(c.id.startswith(args.id_prefix, autoescape=True))
    sifted: list[ColumnElement[bool]] = []
    for typed in (args.q, args.id_prefix):
        # Words find the few that an id may be: no index answers LIKE whatever the database's collation is.
        if typed is not None:
            found = _searched(tx, tenant, typed)
            if found.rows is None:
                sifted.append(found.whole)
            else:
                candidates.append(found)
    most = FEW if len(candidates) < 2 else SOME
    counted = [(counted_up_to(tx, each.rows, most), place) for place, each in enumerate(candidates) if each.rows is not None]
    least, narrowest = min(counted, default=(SOME + 1, -1))
    narrow = candidates[narrowest] if least <= FEW else None
    driving = candidates[narrowest] if FEW < least <= most and candidates[narrowest].spelt is not None else None
    for each in candidates:
        if each is narrow:
            conditions += [] if each.rest is None else [each.rest]
        elif each.spelt is None:
            sifted.append(each.whole)
        else:
            conditions.append(each.whole if driving in (None, each) else each.spelt)
    if narrow is not None:
        # Few are read in any case.
        conditions, sifted = [*conditions, *sifted], []
    return _Narrowed(
        tuple(conditions), and_(*sifted) if sifted else None, None if narrow is None else narrow.rows, driving is not None,
        filtered=bool(candidates or sifted),
    )  # fmt: skip


def _of_these(tx: Connection, tenant: str, args: TaskFilters, spelt: list[ColumnElement[bool]]) -> _Narrowed:
    """Those of some ids that a filter lets through: the ids leave few, whatever else is asked, so that nothing is counted first."""
    c = t.tasks.c
    conditions = [c.tenant == tenant, *spelt]
    if args.id_prefix is not None:
        conditions.append(c.id.startswith(args.id_prefix, autoescape=True))
    for typed in (args.q, args.id_prefix):
        if typed is not None:
            found = words.typed(typed)
            conditions += [_has(tx, c.words, word) for word in found] or [false()]
    these = select(c.first_seq).where(c.tenant == tenant, c.id.in_(args.ids))
    return _Narrowed(tuple(conditions), None, these, driven=False, filtered=True)


def _nano(usd: Decimal | None) -> int | None:
    return None if usd is None else int(usd * 1_000_000_000)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A filter: the places of the tasks that an index finds by it, ``rest`` of it that these have to be looked at for, and all of it.

    ``rows`` is None for a search that an index had better not be asked for. ``spelt`` says the same as ``whole``, so that no index is used
    for it; a search has none.
    """

    rows: Select[Any] | None
    whole: ColumnElement[bool]
    rest: ColumnElement[bool] | None
    spelt: ColumnElement[bool] | None = None


SAMPLE = 2_000
COMMON = 20
"""Among so many of the newest tasks, a word that as many have is common: reading through tasks finds a page of them sooner than the index
of words, which has to gather all that have it first."""


def _searched(tx: Connection, tenant: str, text_typed: str) -> _Candidate:
    """What was typed: its rare words are looked up in the index, its common ones are looked for in the rows."""
    typed = words.typed(text_typed)
    if not typed:
        return _Candidate(select(t.tasks.c.first_seq).where(false()), false(), None)
    c = t.tasks.c
    newest = select(c.words).where(c.tenant == tenant).order_by(c.first_seq.desc()).limit(SAMPLE).subquery()
    having = [
        func.sum(case((_has(tx, newest.c.words, word), 1), else_=0)).label(f"n{place}") for place, word in enumerate(typed)
    ]
    counted = tx.execute(select(*having)).one()
    rare = [word for word, n in zip(typed, counted, strict=True) if (n or 0) < COMMON]
    whole = and_(*(_has(tx, c.words, word) for word in typed))
    if not rare:
        return _Candidate(None, whole, None)
    common = [_has(tx, c.words, word) for word in typed if word not in rare]
    return _Candidate(_having(tx, tenant, rare), whole, and_(*common) if common else None)


def _has(tx: Connection, column: ColumnElement[str], word: str) -> ColumnElement[bool]:
    """Whether a word in the column begins so."""
    stands = func.instr if tx.dialect.name == "sqlite" else func.strpos
    return stands(" " + column, f" {word}") > 0


def _having(tx: Connection, tenant: str, typed: list[str]) -> Select[Any]:
    """The places of the tasks that have words which begin so, from the index of words."""
    c = t.tasks.c
    if tx.dialect.name == "sqlite":
        wanted: BindParameter[str] = bindparam("wanted", words.for_sqlite(typed), unique=True)
        matching = text("tasks_words MATCH :wanted").bindparams(wanted)
        return select(literal_column("tasks_words.rowid", Integer).label("first_seq")).select_from(_WORDS).where(matching)
    wanted: BindParameter[str] = bindparam("wanted", words.for_postgresql(typed), unique=True)
    matching = text("array_to_tsvector(string_to_array(tasks.words, ' ')) @@ CAST(:wanted AS tsquery)").bindparams(wanted)
    return select(c.first_seq).where(c.tenant == tenant, matching)


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
