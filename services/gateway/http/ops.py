"""What it cost, which packs are alive, what one call was."""

import csv
from io import StringIO
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from agentos.contracts.base import Token, Utc
from services.gateway import ledger
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.answers import EventList
from services.gateway.http.models import Cursor
from services.gateway.http.task_answers import CallItem
from services.gateway.problems import Problem, documented
from services.gateway.state import Parts, Sender

router = APIRouter(tags=["operations"], route_class=GuardedRoute)

DIMENSIONS = ("tenant", "pack", "agent", "model", "provider", "task_type", "api_key", "user", "day")
CSV = "text/csv"
_FIGURES = (
    "calls", "attempts", "cached_calls", "unpriced_attempts", "simulated_attempts", "estimated_attempts", "cost_usd", "saved_usd",
    "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens",
)  # fmt: skip


class CostFigures(BaseModel):
    """What some calls came to. A call counts once, with its first attempt or its cached answer. `cost_usd` is the known money; attempts
    that have no price are counted apart."""

    calls: int = 0
    attempts: int = 0
    cached_calls: int = 0
    unpriced_attempts: int = 0
    simulated_attempts: int = 0
    estimated_attempts: int = 0
    cost_usd: str = "0"
    saved_usd: str = "0"
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


class CostGroup(CostFigures):
    """One group, by the dimensions that were asked for; a dimension is null where a call has none."""

    tenant: str | None = None
    pack: str | None = None
    agent: str | None = None
    model: str | None = None
    provider: str | None = None
    task_type: str | None = None
    api_key: str | None = None
    user: str | None = None
    day: str | None = None


class Costs(BaseModel):
    """The groups and their total."""

    by: list[str]
    groups: list[CostGroup]
    total: CostFigures
    more: bool = Field(default=False, description="Whether groups were left out.")


class RoutingSaved(BaseModel):
    """Of the model calls that were settled in the time that was asked for."""

    calls: int
    compared: int = Field(description="Those for which routing had a choice between targets with a price.")
    since: str | None = Field(description="When the oldest of the calls was settled; null where there are none.")
    cost_usd: str = Field(description="What the compared ones cost.")
    dearest_usd: str = Field(description="What the dearest eligible target would have asked for as many tokens.")
    saved_usd: str
    position: int


class PackInstance(BaseModel):
    """A runner that hosts the pack."""

    id: str
    seen_at: str
    active: int
    max_active: int


class PackStats(BaseModel):
    """What the ledger counted for a pack."""

    tasks: int = 0
    refusals: int = 0
    by_state: dict[str, int] = {}
    cost_usd: str = "0"
    calls: int = 0
    unpriced_calls: int = 0
    simulated_calls: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


class PackItem(BaseModel):
    """A pack that is alive, or that has been."""

    name: str
    description: str = ""
    live: bool = True
    instances: list[PackInstance] = []
    versions: list[str] = []
    agents: list[str] = []
    task_types: list[str] = []
    types_of: dict[str, list[str]] = Field(default={}, description="Task types by agent.")
    stats: PackStats | None = None


class Packs(BaseModel):
    """Live packs first."""

    items: list[PackItem]
    next_cursor: None = None
    stats: str | None = Field(default=None, description="Why there are no figures, where there are none.")


@router.get(
    "/costs",
    response_model=Costs,
    response_model_exclude_unset=True,
    responses={200: {"content": {CSV: {}}, "description": "The groups and the total; as CSV, the groups"}, **documented()},
)
@needs("cost.read")
async def costs(
    gateway: Parts,
    caller: Sender,
    by: Annotated[
        str,
        Query(
            pattern=rf"^({'|'.join(DIMENSIONS)})(,({'|'.join(DIMENSIONS)}))*$",
            max_length=200,
            description=f"One or several of {', '.join(DIMENSIONS)}, with commas.",
        ),
    ] = "pack",
    since: Annotated[Utc | None, Query(alias="from", description="Attempts that began then or later.")] = None,
    until: Annotated[Utc | None, Query(alias="to", description="Attempts that began before.")] = None,
    pack: Annotated[Token | None, Query()] = None,
    format: Literal["json", "csv"] = "json",  # noqa: A002 - the parameter's name
) -> Any:
    """What model calls cost: every attempt counts, also failed ones and what came of a stream that broke off, on the day (UTC) on which
    it began. ``cost_usd`` is the known money: calls of which something has no price are counted apart, never as free."""
    data = await ledger.ask(
        gateway.bus, gateway.answers, caller.tenant, "cost",
        by=by.split(","), since=since.isoformat() if since else None, until=until.isoformat() if until else None, pack=pack,
    )  # fmt: skip
    if format == "json":
        return data
    headers = {"Content-Disposition": 'attachment; filename="agentos-costs.csv"', "Cache-Control": "no-store"}
    return Response(_csv(data), media_type=CSV, headers=headers)


@router.get("/costs/routing", response_model=RoutingSaved, responses=documented())
@needs("cost.read")
async def routing_saved(
    gateway: Parts,
    caller: Sender,
    since: Annotated[Utc | None, Query(alias="from", description="Settled then or later; the whole minute counts.")] = None,
    until: Annotated[Utc | None, Query(alias="to", description="Settled before; a minute that has begun counts whole.")] = None,
) -> RoutingSaved:
    """What the choice of targets saved, against the dearest target that could have served each call: an estimate that supposes as many
    tokens there. Calls without a choice between prices are left out."""
    asked = {name: at.isoformat() for name, at in (("since", since), ("until", until)) if at is not None}
    data = await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "costs.routing", **asked)
    return RoutingSaved.model_validate(data)


def _csv(data: dict[str, Any]) -> str:
    text = StringIO()
    columns = [*data["by"], *_FIGURES]
    rows = csv.writer(text)
    rows.writerow(columns)
    rows.writerows([_cell(group.get(column)) for column in columns] for group in data["groups"])
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Names come from outside: none becomes a formula of a spreadsheet."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


@router.get("/packs", response_model=Packs, responses=documented())
@needs("packs.read")
async def packs(gateway: Parts, caller: Sender) -> Any:
    """Live packs, with what the ledger counted for each. Without the ledger the live part still answers."""
    items = await gateway.packs.alive()
    try:
        counted: Any = await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "packs.stats")
    except Problem as problem:
        return {"items": items, "next_cursor": None, "stats": f"not available: {problem.detail}"}
    stats = {row.get("pack"): row for row in counted.get("packs", [])}
    live: list[dict[str, Any]] = [item | {"live": True, "stats": stats.pop(item["name"], None)} for item in items]
    gone: list[dict[str, Any]] = [
        {"name": name, "live": False, "instances": [], "stats": row} for name, row in stats.items() if name
    ]
    return {"items": [*live, *gone], "next_cursor": None}


@router.get("/calls/recorded", response_model=EventList, responses=documented())
@needs("tasks.read")
async def recorded(
    gateway: Parts,
    caller: Sender,
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
    cursor: Cursor = None,
) -> Any:
    """Decisions, attempts and settlements of model calls, newest first: what `agentos router simulate` replays."""
    data = await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "calls.recorded", limit=limit, cursor=cursor)
    return {"items": [ledger.event(row) for row in data.get("events", [])], "next_cursor": data.get("cursor")}


@router.get("/calls/{call}", response_model=CallItem, response_model_exclude_unset=True, responses=documented(404))
@needs("tasks.read")
async def call(call: Annotated[Token, Path(description="The call's id.")], gateway: Parts, caller: Sender) -> Any:
    """One model or tool call: the redacted request, the decision with its rules, attempts, cost."""
    data = await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "calls.get", id=call)
    return {**data["call"], "events": ledger.events_page(data)["items"]}
