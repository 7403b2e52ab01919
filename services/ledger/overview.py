"""The figures of an installation: what moves right now, and the curves of a window of time."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import Connection, Select, func, select

from agentos.contracts.base import Json, Utc
from services.ledger import dead_letters
from services.ledger import tables as t
from services.ledger.answering import Arguments, money
from services.ledger.domain.rhythm import CLASSES_MS, COUNTS, percentile_ms
from services.ledger.task_lists import MOST_COUNTED, OPEN_STATES, counted_up_to, position

SPANS = {
    "15m": (timedelta(minutes=15), "m", timedelta(minutes=1)),
    "1h": (timedelta(hours=1), "m", timedelta(minutes=1)),
    "6h": (timedelta(hours=6), "m", timedelta(minutes=5)),
    "24h": (timedelta(hours=24), "m", timedelta(minutes=15)),
    "7d": (timedelta(days=7), "h", timedelta(hours=1)),
    "30d": (timedelta(days=30), "h", timedelta(hours=6)),
}
"""How far back, from rows of minutes or of hours, in steps of what."""


class Window(Arguments):
    """How far back."""

    window: Literal["15m", "1h", "6h", "24h", "7d", "30d"] = "1h"
    until: Utc | None = None
    """Its end, now unless told."""
    nobodys: bool = False
    """Whether dead letters that do not say whose they are count too."""


def pulse(tx: Connection, tenant: str, _: Arguments) -> Json:
    """What stands open now, and the last full minute."""
    now = datetime.now(UTC)
    last = _sum(_rows(tx, tenant, "m", now - timedelta(minutes=1), now))
    # The minute that runs counts together with the one before it: the figure moves at once, and does not drop at each full minute.
    seconds = 60 + now.second
    return {
        "tasks": open_tasks(tx, tenant),
        "approvals_pending": _open(tx, t.approvals, tenant, "pending"),
        "kill_engaged": _open(tx, t.kill_switches, tenant, "engaged"),
        "calls_per_s": round(last["calls"] / seconds, 2),
        "tasks_per_min": round(last["submitted"] * 60 / seconds, 1),
        "failed": last["failed"],
        "spend_usd_per_min": money(last["cost_usd"] * 60 / seconds),
        "denial_rate": _share(last["denied"], last["decisions"]),
        "held": last["held"],
    }


def overview(tx: Connection, tenant: str, args: Window) -> Json:
    """The window's curves, each step with its figures, and their sum; what stands open now beside them."""
    back, unit, step = SPANS[args.window]
    now = (args.until or datetime.now(UTC)).astimezone(UTC)
    begin = _floor(now - back, step) + step
    steps: dict[datetime, list[dict[str, Any]]] = {}
    at = begin
    while at <= now:
        steps[at] = []
        at += step
    for row in _rows(tx, tenant, unit, begin, now):
        steps.setdefault(_floor(row["at"], step), []).append(row)
    summed = {at: _sum(steps[at]) for at in sorted(steps)}
    return {
        "window": args.window,
        "step_s": int(step.total_seconds()),
        "points": [{"at": at.isoformat().replace("+00:00", "Z"), **_figures(figures)} for at, figures in summed.items()],
        "total": _figures(_sum([*summed.values()])),
        "tasks": open_tasks(tx, tenant),
        "approvals_pending": _open(tx, t.approvals, tenant, "pending"),
        "kill_engaged": _open(tx, t.kill_switches, tenant, "engaged"),
        "dead_letters": counted_up_to(tx, _letters(tenant, nobodys=args.nobodys)),
        "most_counted": MOST_COUNTED,
        "position": position(tx),
    }


def open_tasks(tx: Connection, tenant: str) -> dict[str, int]:
    """Tasks that are not settled, by state."""
    c = t.tasks.c
    query = select(c.state, func.count().label("n")).where(c.tenant == tenant, c.state.in_(OPEN_STATES)).group_by(c.state)
    return {row.state: row.n for row in tx.execute(query)}


def _letters(tenant: str, *, nobodys: bool) -> Select[Any]:
    return dead_letters.letters(tenant, nobodys=nobodys).where(t.settled_letters.c.outcome.is_(None))


def _open(tx: Connection, table: Any, tenant: str, state: str) -> int:
    return tx.execute(
        select(func.count()).select_from(table).where(table.c.tenant == tenant, table.c.state == state)
    ).scalar_one()


def _rows(tx: Connection, tenant: str, unit: str, begin: datetime, end: datetime) -> list[dict[str, Any]]:
    c, length = t.rhythm.c, {"m": 16, "h": 13}[unit]
    first, last = (f"{unit}{moment.isoformat()[:length]}" for moment in (begin, end))
    found = tx.execute(select(t.rhythm).where(c.tenant == tenant, c.id >= first, c.id <= last).order_by(c.id))
    names = [str(name) for name in found.keys()]  # noqa: SIM118 - a result is not a mapping
    # Not as mappings: those of SQLAlchemy look each name up anew, and a day has 1,440 rows.
    rows = [dict(zip(names, row, strict=True)) for row in found]
    for row in rows:
        row["at"] = datetime.fromisoformat(row["id"][1:] + (":00" if unit == "h" else "")).replace(tzinfo=UTC)
    return rows


def _floor(moment: datetime, step: timedelta) -> datetime:
    seconds = int(step.total_seconds())
    return datetime.fromtimestamp(int(moment.timestamp()) // seconds * seconds, UTC)


def _sum(rows: list[dict[str, Any]]) -> dict[str, Any]:
    none = [0] * (len(CLASSES_MS) + 1)
    latencies = [sum(counts) for counts in zip(none, *(row["latencies"] for row in rows if row["latencies"]), strict=True)]
    counted: dict[str, Any] = {name: sum(row[name] for row in rows) for name in COUNTS}
    dear = {name: sum((row[name] for row in rows), Decimal(0)) for name in ("cost_usd", "saved_usd")}
    return counted | dear | {"latencies": latencies}


def _figures(summed: dict[str, Any]) -> dict[str, Any]:
    latencies: list[int] = summed["latencies"]
    shares = {f"p{percent}_ms": percentile_ms(latencies, percent / 100) for percent in (50, 95, 99)}
    dear = {name: money(summed[name]) for name in ("cost_usd", "saved_usd")}
    counted = {name: summed[name] for name in COUNTS}
    return counted | dear | {"latency": shares, "denial_rate": _share(summed["denied"], summed["decisions"])}


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


__all__ = ["Window", "open_tasks", "overview", "pulse"]
