"""How often each rule decided lately."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, func, select

from agentos.contracts.base import Json, Utc
from services.ledger import tables as t
from services.ledger.answering import Arguments, rows_of
from services.ledger.task_lists import position

WINDOWS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}


class RuleHits(Arguments):
    """``until`` is the window's end, now unless told."""

    window: Literal["24h", "7d", "30d"] = "24h"
    until: Utc | None = None


def policy_hits(tx: Connection, tenant: str, args: RuleHits) -> Json:
    """Each rule that decided or was watched in the window, the busiest first; the window begins with a full hour."""
    c = t.rule_hits.c
    end = (args.until or datetime.now(UTC)).astimezone(UTC)
    since = (end - WINDOWS[args.window]).replace(minute=0, second=0, microsecond=0)
    decided = func.sum(c.decided)
    # Bounds that differ in a digit: how a database's language sorts what is none does not matter.
    beyond = (end + timedelta(hours=1)).isoformat()[:13]
    query = (
        select(c.rule, decided.label("decided"), func.sum(c.watched).label("watched"), func.max(c.last_at).label("last_at"))
        .where(c.tenant == tenant, c.id >= since.isoformat()[:13], c.id < beyond)
        .group_by(c.rule)
        .order_by(decided.desc(), c.rule)
    )
    return {"since": since.isoformat().replace("+00:00", "Z"), "rules": rows_of(tx, query), "position": position(tx)}
