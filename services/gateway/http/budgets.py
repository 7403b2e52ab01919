"""Budgets: what is spent, held back and left of each, from the bucket that policy keeps them in."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import structlog
from fastapi import APIRouter
from pydantic import BaseModel, Field, ValidationError

from agentos.bus import Entry
from agentos.contracts.budgets import Budget, BudgetState, Sliding
from services.gateway.edge import GuardedRoute, needs
from services.gateway.problems import documented
from services.gateway.state import Parts, Sender

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/budgets", tags=["budgets"], route_class=GuardedRoute)

MOST = 1_000


class BudgetItem(BaseModel):
    """A budget account. Amounts are strings in the budget's own unit; an account that cannot be read has a state only."""

    id: str
    account: str
    state: Literal["open", "full", "exceeded", "unreadable"]
    key: dict[str, str] = {}
    metric: str = ""
    mode: str = ""
    window: str | dict[str, int] = ""
    begins_at: str | None = None
    ends_at: str | None = None
    limit: str = "0"
    spent: str = "0"
    reserved: str = "0"
    remaining: str = "0"
    forecast: str | None = Field(default=None, description="What it will have come to at the window's end.")
    calls: int = 0
    used: float = 0.0
    changed_at: str | None = None


class BudgetList(BaseModel):
    """The fullest first."""

    items: list[BudgetItem]
    next_cursor: None = None
    left_out: int


@router.get("", response_model=BudgetList, responses=documented())
@needs("budgets.read")
async def budgets(gateway: Parts, caller: Sender, id: str | None = None) -> Any:  # noqa: A002 - the field's name in the answer
    """Every budget account that has been drawn on, the fullest first: limit, spent, reserved, remaining and, for a fixed window,
    what it will have come to at its end if spending goes on as until now. Amounts are strings in the budget's own unit."""
    now = datetime.now(UTC)
    found = [_item(entry, now) for entry in await gateway.bus.bucket("budgets").entries(f"{caller.tenant}.")]
    items = [item for item in found if id is None or item["id"] == id]
    items.sort(key=lambda item: (-item.get("used", 0.0), item["id"], item["account"]))
    return {"items": items[:MOST], "next_cursor": None, "left_out": max(0, len(items) - MOST)}


def _item(entry: Entry, now: datetime) -> dict[str, Any]:
    account = entry.key.partition(".")[2]
    try:
        state = BudgetState.model_validate_json(entry.value or b"")
    except ValidationError:
        # Policy refuses what draws on it; whoever looks here should see why.
        log.warning("budget_unreadable", account=entry.key)
        return {"id": account, "account": account, "state": "unreadable"}
    budget = state.budget
    spent, reserved, limit = state.counted(now), state.reserved(now), budget.limit_units
    begins, leaves = budget.begins(budget.slot(now)), budget.leaves(budget.slot(now))
    forecast = _forecast(budget, spent, now)
    return {
        "id": budget.id,
        "account": account,
        "state": "exceeded" if spent >= limit else "full" if spent + reserved >= limit else "open",
        "key": budget.key,
        "metric": budget.metric,
        "mode": budget.mode,
        "window": budget.window if isinstance(budget.window, str) else {"sliding_s": budget.window.sliding_s},
        "begins_at": begins.isoformat() if begins else None,
        "ends_at": leaves.isoformat() if begins and leaves else None,
        "limit": _text(budget, limit),
        "spent": _text(budget, spent),
        "reserved": _text(budget, reserved),
        "remaining": _text(budget, max(0, limit - spent - reserved)),
        "forecast": None if forecast is None else _text(budget, forecast),
        "calls": len(state.holds),
        "used": round(spent / limit, 4) if limit else 1.0,
        "changed_at": entry.created.isoformat(),
    }


def _forecast(budget: Budget, spent: int, now: datetime) -> int | None:
    """Linear to the window's end. A sliding window and a total have none."""
    slot = budget.slot(now)
    begins, leaves = budget.begins(slot), budget.leaves(slot)
    if isinstance(budget.window, Sliding) or begins is None or leaves is None:
        return None
    elapsed = (now - begins) / (leaves - begins)
    # From the first moments nothing can be told.
    return int(spent / elapsed) if elapsed >= 0.02 else None


def _text(budget: Budget, units: int) -> str:
    amount: Decimal = budget.amount(units)
    return f"{amount.normalize():f}" if amount else "0"
