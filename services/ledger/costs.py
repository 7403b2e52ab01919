"""What was spent, and on what: answered from sums that are kept (``domain.rollups``), however many calls there were."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, get_args

from pydantic import Field
from sqlalchemy import Connection, Table, and_, case, func, not_, select
from sqlalchemy.sql.elements import ColumnElement

from agentos.contracts.base import Json, Utc
from services.ledger import tables as t
from services.ledger.answering import Arguments, money, present
from services.ledger.domain.rollups import ALL, DIMENSIONS, MONEY, OUTCOMES, SPENT, TOKENS, TOTALLED, day_of, hour_of
from services.ledger.money import decimal_sum
from services.ledger.task_lists import OPEN_STATES

Dimension = Literal["tenant", "pack", "agent", "model", "provider", "task_type", "api_key", "user", "day"]
Figures = dict[str, int | Decimal]
Found = Iterator[tuple[tuple[Any, ...], Figures]]
Stretch = tuple[datetime, datetime]

MOST_GROUPS = 10_000
"""Of one answer; the total is of all."""


class CostBy(Arguments):
    """Money by one dimension or by several together; ``since`` and ``until`` are of the attempts' beginnings."""

    by: tuple[Dimension, ...] = Field(default=("pack",), min_length=1, max_length=len(get_args(Dimension)))
    since: Utc | None = None
    until: Utc | None = None
    pack: str | None = Field(default=None, max_length=128)

    @property
    def columns(self) -> tuple[str, ...]:
        """What is asked for, each once, as the tables name it."""
        return tuple("end_user" if name == "user" else name for name in dict.fromkeys(self.by))


def cost(tx: Connection, tenant: str, args: CostBy) -> Json:
    """What attempts at providers cost, failed and broken off ones included, and what cached answers saved.

    ``cost_usd`` is the known money only: attempts of which something has no price are counted beside it. A call counts once, where and
    when its first attempt was made, or its cached answer given.
    """
    groups: dict[tuple[Any, ...], Figures] = {}
    total = _nothing()
    for key, figures in _summed(tx, tenant, args):
        _add(groups.setdefault(key, _nothing()), figures)
        _add(total, figures)
    told = sorted((key for key, sums in groups.items() if sums["attempts"] or sums["cached_calls"]), key=_order)
    by = list(dict.fromkeys(args.by))
    return {
        "by": by,
        "groups": [dict(zip(by, key, strict=True)) | _shown(groups[key]) for key in told[:MOST_GROUPS]],
        "total": _shown(total),
        "more": len(told) > MOST_GROUPS,
    }


def packs_stats(tx: Connection, tenant: str, _: Arguments) -> Json:
    """Per pack: its tasks by state and outcome, and what its calls came to."""
    packs: dict[str, dict[str, Any]] = {}
    for row in tx.execute(select(t.pack_totals).where(t.pack_totals.c.tenant == tenant)).mappings():
        totals = present(row)
        by_state = {name: totals.pop(name) for name in OUTCOMES}
        if any(by_state.values()) or any(totals[name] for name in TOTALLED if name in totals):
            totals["tasks"] = sum(by_state.values())
            packs[row["pack"]] = totals | {"by_state": {name: n for name, n in by_state.items() if n}}
    c = t.tasks.c
    # Spelt so that the few that are open are found by their state, not all by their pack.
    pack = func.coalesce(c.pack, "")
    unsettled = select(pack.label("pack"), c.state, func.count().label("n")).where(
        c.tenant == tenant, c.state.in_(OPEN_STATES), pack != ""
    )
    for row in tx.execute(unsettled.group_by(pack, c.state)):
        stats = packs.setdefault(row.pack, _no_stats(tenant, row.pack))
        stats["tasks"] += row.n
        stats["by_state"][row.state] = row.n
    return {"packs": [{name: value for name, value in packs[pack].items() if name != "tenant"} for pack in sorted(packs)]}


def _no_stats(tenant: str, pack: str) -> dict[str, Any]:
    counts = dict.fromkeys((name for name in TOTALLED if name not in OUTCOMES), 0)
    return {"tenant": tenant, "pack": pack, "tasks": 0, "by_state": {}, "cost_usd": "0", **counts}


# --- figures ----------------------------------------------------------------------------------------------------------


def _nothing() -> Figures:
    return dict.fromkeys(SPENT, 0) | {name: Decimal(0) for name in MONEY}


def _add(into: Figures, more: Mapping[str, int | Decimal]) -> None:
    for name, n in more.items():
        into[name] += n


def _shown(sums: Figures) -> dict[str, Any]:
    return {name: money(value) if isinstance(value, Decimal) else value for name, value in sums.items()}


def _order(key: tuple[Any, ...]) -> list[tuple[bool, str]]:
    return [(value is not None, value or "") for value in key]


# --- from kept sums ---------------------------------------------------------------------------------------------------


def _summed(tx: Connection, tenant: str, args: CostBy) -> Found:
    """Every charge once: whole spans from the sums that are kept of them, what is left at either end from the charges themselves."""
    c, x = t.spend.c, t.charges.c
    parting = [name for name in DIMENSIONS if name in args.columns or (name == "pack" and args.pack is not None)]
    by = ALL if len(parting) > 1 else next(iter(parting), "provider")
    spans, edges = divided(args.since, args.until)
    for first, end in spans:
        mine = [c.tenant == tenant, c.by == by, c.span >= first, c.span < end]
        if args.pack is not None:
            mine.append(c.pack == args.pack)
        keys = {name: func.substr(c.span, 2, 10) if name == "day" else c[name] for name in args.columns if name != "tenant"}
        sums = {name: func.sum(c[name]) for name in SPENT} | {name: decimal_sum(c[name]) for name in MONEY}
        yield from _grouped(tx, tenant, args.columns, t.spend, mine, keys, sums)
    for began, over in edges:
        mine = [*_whose(tenant, args.pack), x.started_at >= began, x.started_at < over]
        yield from _grouped(tx, tenant, args.columns, t.charges, mine, _keys(args.columns), _charged(x))


def _whose(tenant: str, pack: str | None) -> list[ColumnElement[bool]]:
    x = t.charges.c
    return [x.tenant == tenant] if pack is None else [x.tenant == tenant, x.pack == pack]


def _keys(columns: Sequence[str]) -> dict[str, ColumnElement[Any]]:
    return {name: t.charges.c[name] for name in columns if name != "tenant"}


def _charged(x: Any) -> dict[str, ColumnElement[Any]]:
    made = not_(x.cached)
    counts = {
        "calls": _count_if(x.number <= 1),
        "attempts": _count_if(made),
        "cached_calls": _count_if(x.cached),
        "unpriced_attempts": _count_if(and_(made, x.unpriced)),
        "simulated_attempts": _count_if(and_(made, x.simulated)),
        "estimated_attempts": _count_if(and_(made, x.estimated)),
    }
    return counts | {name: func.sum(x[name]) for name in TOKENS} | {name: decimal_sum(x[name]) for name in MONEY}


def _count_if(flag: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((flag, 1), else_=0))


def _grouped(
    tx: Connection, tenant: str, columns: Sequence[str], table: Table, mine: Sequence[ColumnElement[bool]],
    keys: Mapping[str, ColumnElement[Any]], sums: Mapping[str, ColumnElement[Any]],
) -> Found:  # fmt: skip
    named = [*(column.label(f"by_{name}") for name, column in keys.items()), *(sum_.label(name) for name, sum_ in sums.items())]
    query = select(*named).select_from(table).where(*mine).group_by(*keys.values())
    for row in tx.execute(query).mappings():
        key = tuple(tenant if name == "tenant" else row[f"by_{name}"] or None for name in columns)
        # Without a group there is a row of nothing, of which all is null.
        yield key, {name: row[name] if name in MONEY else int(row[name]) for name in sums if row[name] is not None}


# --- time -------------------------------------------------------------------------------------------------------------

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_FIRST, _LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
"""Within which every moment has a day before and after it."""


def divided(since: datetime | None, until: datetime | None) -> tuple[list[tuple[str, str]], list[Stretch]]:
    """A stretch of time as ranges of spans (from one up to before another), and as the stretches at its ends that are no whole hour.

    Whole days first, whole hours around them.
    """
    began, over = _FIRST if since is None else _within(since), _LAST if until is None else _within(until)
    spans: list[tuple[str, str]] = []
    rest = [(began, over)]
    for unit, named in ((_DAY, day_of), (_HOUR, hour_of)):
        left: list[Stretch] = []
        for first, end in rest:
            inner, outer = _up(first, unit), _down(end, unit)
            if inner < outer:
                spans.append((named(inner), named(outer)))
                left += [(first, inner), (outer, end)]
            else:
                left.append((first, end))
        rest = left
    return spans, [(first, end) for first, end in rest if first < end]


def _within(at: datetime) -> datetime:
    try:
        return min(max(at.astimezone(UTC), _FIRST), _LAST)
    except OverflowError:  # the first or last day of the calendar, in another zone
        return _FIRST if at.year < 2 else _LAST


def _down(at: datetime, unit: timedelta) -> datetime:
    return at - (at - _FIRST) % unit


def _up(at: datetime, unit: timedelta) -> datetime:
    lower = _down(at, unit)
    return lower if lower == at else lower + unit
