"""What routing saved in a stretch of time, from sums that are kept of each minute, hour and day."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, and_, false, func, or_, select

from agentos.contracts.base import Json, Utc
from services.ledger import tables as t
from services.ledger.answering import Arguments, money
from services.ledger.costs import divided
from services.ledger.money import decimal_sum
from services.ledger.task_lists import position

_MINUTE = timedelta(minutes=1)


class RoutingSaved(Arguments):
    """``since`` and ``until`` are of the calls' settlements, to the minute: each one's minute counts whole."""

    since: Utc | None = None
    until: Utc | None = None


def costs_routing(tx: Connection, tenant: str, args: RoutingSaved) -> Json:
    """How many calls were settled, how many of them had a choice between prices, and what these cost here and would have at the dearest."""
    c = t.savings.c
    spans, edges = divided(args.since, args.until)
    spans += [(_minute(first), _minute(end + _MINUTE if end != _floor(end) else end)) for first, end in edges]
    query = select(
        func.coalesce(func.sum(c.calls), 0).label("calls"), func.coalesce(func.sum(c.compared), 0).label("compared"),
        decimal_sum(c.cost_usd).label("cost_usd"), decimal_sum(c.dearest_usd).label("dearest_usd"), func.min(c.first_at).label("since"),
    ).where(c.tenant == tenant, or_(false(), *(and_(c.id >= first, c.id < end) for first, end in spans)))  # fmt: skip
    row = tx.execute(query).one()
    cost, dearest = row.cost_usd or Decimal(0), row.dearest_usd or Decimal(0)
    return {
        "calls": int(row.calls),
        "compared": int(row.compared),
        "since": None if row.since is None else row.since.isoformat().replace("+00:00", "Z"),
        "cost_usd": money(cost),
        "dearest_usd": money(dearest),
        "saved_usd": money(dearest - cost),
        "position": position(tx),
    }


def _floor(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _minute(at: datetime) -> str:
    return f"m{at.astimezone(UTC).isoformat()[:16]}"


__all__ = ["RoutingSaved", "costs_routing"]
