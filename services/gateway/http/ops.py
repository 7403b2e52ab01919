"""What it cost, which packs are alive, what one call was."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query

from agentos.contracts.base import Token, Utc
from services.gateway import ledger
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.answers import Item, Page
from services.gateway.problems import Problem, documented
from services.gateway.state import Parts, Sender

router = APIRouter(tags=["operations"], route_class=GuardedRoute)


@router.get("/cost", response_model=Item, responses=documented())
@needs("cost.read")
async def cost(
    gateway: Parts,
    caller: Sender,
    by: Literal["tenant", "pack", "agent", "provider", "model", "day"] = "pack",
    since: Annotated[Utc | None, Query()] = None,
    until: Annotated[Utc | None, Query()] = None,
) -> Any:
    """Money and tokens of settled model calls, grouped. Calls whose model has no price are counted apart, never as free."""
    return await ledger.ask(
        gateway.bus, gateway.answers, caller.tenant, "cost",
        by=by, since=since.isoformat() if since else None, until=until.isoformat() if until else None,
    )  # fmt: skip


@router.get("/packs", response_model=Page, responses=documented())
@needs("packs.read")
async def packs(gateway: Parts, caller: Sender) -> Any:
    """Live packs, with what the ledger counted for each. Without the ledger the live part still answers."""
    items = await gateway.packs.packs()
    try:
        counted: Any = await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "packs.stats")
    except Problem as problem:
        return {"items": items, "next": None, "stats": f"not available: {problem.detail}"}
    stats = {row.get("pack"): row for row in counted.get("packs", [])}
    live: list[dict[str, Any]] = [item | {"live": True, "stats": stats.pop(item["name"], None)} for item in items]
    gone: list[dict[str, Any]] = [
        {"name": name, "live": False, "instances": [], "stats": row} for name, row in stats.items() if name
    ]
    return {"items": [*live, *gone], "next": None}


@router.get("/calls/recorded", response_model=Page, responses=documented())
@needs("tasks.read")
async def recorded(
    gateway: Parts,
    caller: Sender,
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
    before: Annotated[int | None, Query(ge=1, le=2**53, description="The `next` of the page before.")] = None,
) -> Any:
    """Decisions, attempts and settlements of model calls, newest first: what `agentos router simulate` replays."""
    cursor = None if before is None else str(before)
    data = await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "calls.recorded", limit=limit, cursor=cursor)
    return {"items": [ledger.event(row) for row in data.get("events", [])], "next": data.get("cursor")}


@router.get("/calls/{call}", response_model=Item, responses=documented(404))
@needs("tasks.read")
async def call(call: Annotated[Token, Path(description="The call's id.")], gateway: Parts, caller: Sender) -> Any:
    """One model or tool call: the redacted request, the decision with its rules, attempts, cost."""
    data = await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "calls.get", id=call)
    return {**data["call"], "events": ledger.events_page(data)["items"]}
