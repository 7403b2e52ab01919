"""A task's timeline: everything that was done for it, each with its beginning, its end and what it belongs to."""

from pydantic import Field
from sqlalchemy import Connection, and_, or_, select

from agentos.contracts.base import Json
from agentos.contracts.errors import NotFound
from services.ledger import tables as t
from services.ledger.answering import Arguments, rows_of
from services.ledger.task_lists import position
from services.ledger.timeline import spans

MOST_EVENTS = 10_000


class Timeline(Arguments):
    """Of which task; ``after`` is the position to go on from."""

    id: str = Field(min_length=1, max_length=300)
    after: int = Field(default=0, ge=0, lt=2**63)
    limit: int = Field(default=MOST_EVENTS, ge=1, le=MOST_EVENTS)


def tasks_timeline(tx: Connection, tenant: str, args: Timeline) -> Json:
    """The spans of the task and of its calls, tools, approvals, waits and steps, in the order of their beginnings.

    Bodies are read of the few events that are nothing but their body; calls and approvals have rows that say more in less.
    """
    e = t.events.c
    columns = (e.seq, e.time, e.aggregate, e.id, e.fact, e.ordinal, e.event_id, e.causation_id)
    mine = and_(e.tenant == tenant, e.correlation_id == args.id, e.seq > args.after)
    events = rows_of(tx, select(*columns).where(mine).order_by(e.seq).limit(args.limit + 1))
    if not events and args.after == 0:
        raise NotFound(f"there is no task {args.id!r}")
    more = len(events) > args.limit
    events = events[: args.limit]
    last = events[-1]["seq"] if events else args.after
    small = or_(e.aggregate.in_(("task", "step", "violation")), e.fact == "attempted")
    said = {row["seq"]: row["body"] for row in rows_of(tx, select(e.seq, e.body).where(mine, small, e.seq <= last))}
    c, a = t.calls.c, t.approvals.c
    calls = {row["id"]: row for row in rows_of(tx, select(t.calls).where(c.tenant == tenant, c.task == args.id))}
    approvals = {row["id"]: row for row in rows_of(tx, select(t.approvals).where(a.tenant == tenant, a.task == args.id))}
    return {
        "spans": spans(args.id, events, said, calls, approvals),
        "next_cursor": last if more else None,
        "position": position(tx),
    }
