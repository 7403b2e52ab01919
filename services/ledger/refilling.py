"""The sums of ``domain.rollups`` made anew from the rows: for rows that did not come by the fold, and for those from before the sums."""

from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Text, and_, case, delete, func, insert, literal, not_, select, type_coerce
from sqlalchemy.sql.elements import ColumnElement

from services.ledger import tables as t
from services.ledger.domain import rollups
from services.ledger.money import decimal_sum

_DIMENSIONS = rollups.DIMENSIONS


def refill(tx: Connection) -> None:
    """Empty the tables of sums and fill them from ``charges``, ``tasks`` and ``calls``."""
    for table in t.ROLLED_UP.values():
        tx.execute(delete(table))
    _spend(tx)
    _pack_totals(tx)


def _spend(tx: Connection) -> None:
    x, s = t.charges.c, t.spend.c
    made = not_(x.cached)
    sums: dict[str, ColumnElement[Any]] = {
        "calls": _count_if(x.number <= 1),
        "attempts": _count_if(made),
        "cached_calls": _count_if(x.cached),
        "unpriced_attempts": _count_if(and_(made, x.unpriced)),
        "simulated_attempts": _count_if(and_(made, x.simulated)),
        "estimated_attempts": _count_if(and_(made, x.estimated)),
        **{name: _tokens(x[name]) for name in rollups.TOKENS},
        **{name: decimal_sum(x[name]) for name in rollups.MONEY},
    }
    values = {name: func.coalesce(x[name], "") for name in _DIMENSIONS}
    began = _iso(tx, x.started_at)
    hour = literal("h").concat(func.substr(began, 1, 13))
    for by in (*_DIMENSIONS, rollups.ALL):
        parted = _DIMENSIONS if by == rollups.ALL else (by,)
        cells = {name: values[name] if name in parted else literal("") for name in _DIMENSIONS}
        named = {"tenant": x.tenant, "by": literal(by), "span": hour, **cells, **sums}
        made_of = select(*(value.label(name) for name, value in named.items())).where(x.started_at.is_not(None))
        keys = [x.tenant, hour, *(values[name] for name in parted)]
        tx.execute(insert(t.spend).from_select([*named], made_of.group_by(*keys)))
    # A day is the sum of its hours.
    of_hours = {name: func.sum(s[name]) for name in rollups.SPENT} | {name: decimal_sum(s[name]) for name in rollups.MONEY}
    its_day = literal("d").concat(func.substr(s.span, 2, 10))
    keys_of = {"tenant": s.tenant, "by": s.by, "span": its_day} | {name: s[name] for name in _DIMENSIONS}
    days = select(*(value.label(name) for name, value in (keys_of | of_hours).items()))
    tx.execute(insert(t.spend).from_select([*keys_of, *of_hours], days.group_by(*keys_of.values())))


def _pack_totals(tx: Connection) -> None:
    c, k = t.tasks.c, t.calls.c
    settled = {name: _count_if(and_(c.state == "settled", c.outcome == name)) for name in rollups.OUTCOMES}
    of_tasks = settled | {"refusals": func.sum(c.refusals)}
    counts = {"calls": func.count(), "unpriced_calls": _count_if(k.unpriced), "simulated_calls": _count_if(k.simulated)}
    of_calls = counts | {name: _tokens(k[name]) for name in rollups.TOKENS} | {"cost_usd": decimal_sum(k.cost_usd)}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in tx.execute(
        select(c.tenant, c.pack, *(value.label(name) for name, value in of_tasks.items()))
        .where(c.pack.is_not(None))
        .group_by(c.tenant, c.pack)
    ).mappings():
        found.setdefault((row["tenant"], row["pack"]), {}).update(row)
    for row in tx.execute(
        select(k.tenant, k.pack, *(value.label(name) for name, value in of_calls.items()))
        .where(k.pack.is_not(None), k.kind == "model", k.state == "settled")
        .group_by(k.tenant, k.pack)
    ).mappings():
        found.setdefault((row["tenant"], row["pack"]), {}).update(row)
    if found:
        blank: dict[str, Any] = dict.fromkeys(rollups.TOTALLED, 0) | {"cost_usd": Decimal(0)}
        tx.execute(insert(t.pack_totals), [blank | row for row in found.values()])


def _iso(tx: Connection, at: ColumnElement[Any]) -> ColumnElement[str]:
    if tx.dialect.name == "sqlite":
        return type_coerce(at, Text)  # it is kept as text, in UTC
    return func.to_char(func.timezone("UTC", at), 'YYYY-MM-DD"T"HH24')


def _count_if(flag: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((flag, 1), else_=0))


def _tokens(n: ColumnElement[int]) -> ColumnElement[int]:
    most = rollups.MOST_TOKENS
    return func.sum(case((n > most, most), (n < -most, -most), else_=n))
