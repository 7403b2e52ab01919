"""What an agent's tasks came to in a window of time, and what happened to the agent itself."""

from bisect import bisect_right
from collections import Counter
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from pydantic import Field
from sqlalchemy import Connection, func, select

from agentos.contracts.base import Json
from agentos.violations import SYSTEM
from services.ledger import costs
from services.ledger import tables as t
from services.ledger.answering import Page, rows_of
from services.ledger.overview import SPANS, Window
from services.ledger.task_lists import position, seq_at

SPENT = ("calls", "attempts", "unpriced_attempts", "simulated_attempts", "input_tokens", "output_tokens")


class AgentMetrics(Window):
    """Of one agent."""

    pack: str = Field(min_length=1, max_length=300)
    agent: str = Field(min_length=1, max_length=300)


def agents_metrics(tx: Connection, tenant: str, args: AgentMetrics) -> Json:
    """Its tasks of the window by outcome, how long they took, and what they cost: of all of them, counted in an index."""
    c = t.tasks.c
    since = (args.until or datetime.now(UTC)) - SPANS[args.window][0]
    mine = [c.tenant == tenant, c.agent == args.agent, c.pack == args.pack, c.first_seq >= seq_at(tx, since)]
    if args.until is not None:
        mine.append(c.first_seq < seq_at(tx, args.until))
    sums = (func.count().label("n"), func.sum(c.tool_calls).label("tool_calls"), func.sum(c.refusals).label("refusals"))
    rows = tx.execute(select(c.state, c.outcome, *sums).where(*mine).group_by(c.state, c.outcome)).all()
    took = select(c.duration_ms, func.count().label("n")).where(*mine, c.state == "settled").group_by(c.duration_ms)
    outcomes: Counter[str] = Counter()
    open_: Counter[str] = Counter()
    for row in rows:
        name, counts = (row.outcome, outcomes) if row.state == "settled" else (row.state, open_)
        counts[name] += row.n
    settled = outcomes.total()
    return {
        "window": args.window,
        "tasks": settled + open_.total(),
        "by_outcome": dict(outcomes),
        "open": dict(open_),
        "settled": settled,
        "success_rate": round(outcomes["completed"] / settled, 4) if settled else None,
        "latency": _percentiles([(row.duration_ms, row.n) for row in tx.execute(took.order_by(c.duration_ms))], settled),
        **{name: int(sum(getattr(row, name) for row in rows)) for name in ("tool_calls", "refusals")},
        **_spent(tx, tenant, args, since),
        "position": position(tx),
    }


def _percentiles(took: list[tuple[int, int]], settled: int) -> dict[str, int | None]:
    """``took`` is how many tasks took how long, the shortest first."""
    reached = [*accumulate(n for _, n in took)]
    places = {share: min(settled - 1, settled * share // 100) for share in (50, 95, 99)}
    return {f"p{share}_ms": took[bisect_right(reached, place)][0] if took else None for share, place in places.items()}


def _spent(tx: Connection, tenant: str, args: AgentMetrics, since: datetime) -> dict[str, Any]:
    """What its calls of models came to, also those that belong to no task, made through the governed endpoint."""
    asked = costs.CostBy(by=("agent",), pack=args.pack, since=since, until=args.until)
    groups: list[dict[str, Any]] = costs.cost(tx, tenant, asked)["groups"]
    nothing: dict[str, Any] = {}
    mine = next((group for group in groups if group["agent"] == args.agent), nothing)
    return {"cost_usd": mine.get("cost_usd", "0")} | {name: mine.get(name, 0) for name in SPENT}


class AgentLog(Page):
    """Of one agent, by the id that it has in subjects and by its names."""

    id: str = Field(min_length=1, max_length=300)
    pack: str = Field(min_length=1, max_length=300)
    agent: str = Field(min_length=1, max_length=300)


def agents_log(tx: Connection, tenant: str, args: AgentLog) -> Json:
    """A page, newest first: what people did to the agent, when it came and went, and what its sandbox refused it."""
    e = t.events.c
    before = position(tx) + 1 if args.cursor is None else int(args.cursor)
    v = t.violations.c
    refused = select(v.first_seq).where(v.tenant == tenant, v.pack == args.pack, v.agent == args.agent, v.first_seq < before)
    # One question for each index, instead of one that no index answers.
    sources = (
        (e.tenant == tenant, e.aggregate == "agent", e.id == args.id),
        (e.tenant == tenant, e.aggregate == "presence", e.id == args.id),
        (e.tenant == SYSTEM, e.aggregate == "presence", e.id == args.id),
        (e.seq.in_(refused.order_by(v.first_seq.desc()).limit(args.limit + 1)),),
    )
    found: list[dict[str, Any]] = []
    for wanted in sources:
        query = select(t.events).where(*wanted, e.seq < before).order_by(e.seq.desc()).limit(args.limit + 1)
        found += rows_of(tx, query)
    found.sort(key=lambda row: row["seq"], reverse=True)
    more = len(found) > args.limit
    shown = found[: args.limit]
    return {"events": shown, "cursor": str(shown[-1]["seq"]) if more else None, "position": position(tx)}


__all__ = ["AgentLog", "AgentMetrics", "agents_log", "agents_metrics"]
