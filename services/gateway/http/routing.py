"""Models: what is served at which price, how targets behave, why a call went where it went, and where calls would go otherwise."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from agentos.contracts.base import Token
from agentos.contracts.budgets import ModelCatalogue
from agentos.contracts.model import Cost
from agentos.contracts.routing import Attempt, CacheHit, ModelRouting
from services.gateway import asking, ledger
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.models import Request
from services.gateway.problems import documented
from services.gateway.state import Parts, Sender

router = APIRouter(tags=["models"], route_class=GuardedRoute)

BOUNDS_MS = (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000)
MOST_EVENTS = 4_000
"""Of recorded calls; a call has three or more."""


class Served(BaseModel):
    """What the routers serve, as they said when they started or were configured anew."""

    catalogue: ModelCatalogue | None = Field(description="Null until a router has ever run.")


class Target(BaseModel):
    """How one model behaved lately."""

    target: str
    attempts: int
    completed: int
    failed: int
    p50_ms: int
    p95_ms: int
    p99_ms: int
    first_token_p50_ms: int | None
    durations: list[int] = Field(description="Attempts by how long they took: up to each of `bounds_ms`, then longer ones.")
    input_tokens: int
    output_tokens: int
    cost_usd: str
    faults: dict[str, int] = Field(description="Failures by code.")


class Targets(BaseModel):
    """Targets of the newest recorded calls, the busiest first."""

    bounds_ms: tuple[int, ...] = BOUNDS_MS
    calls: int
    items: list[Target]


class RecentCall(BaseModel):
    """A model call that came to an end lately."""

    call: str
    time: str
    pack: str
    agent: str
    requested: str | None
    target: str | None
    outcome: str
    attempts: int
    cached: bool


class RecentCalls(BaseModel):
    """The newest first."""

    items: list[RecentCall]


class Routing(BaseModel):
    """Why a call went where it went. `routing` is null while it runs, and where nothing was chosen."""

    call: str
    settled: bool
    outcome: str | None
    routing: ModelRouting | None
    attempts: list[Attempt]
    cached: CacheHit | None
    cost: Cost | None


class NewSimulation(Request):
    """A candidate to send recorded calls through."""

    configuration: str = Field(max_length=200_000, description="A routing configuration, as its YAML file has it.")
    last: int = Field(default=500, ge=1, le=1_000, description="How many recorded calls, newest first, at most.")
    seed: int = Field(default=0, description="The same seed gives the same result.")


class Sums(BaseModel):
    """What became of some calls."""

    calls: int
    completed: int
    attempts: int
    fallbacks: int
    cost_usd: str
    unpriced: int
    p50_s: float
    p95_s: float
    by_target: dict[str, int]
    unserved: dict[str, int]


class Compared(BaseModel):
    """As it was, and as it would have been."""

    requested: str | None = Field(description="What was asked for; null for all together.")
    was: Sums
    becomes: Sums


class Simulated(BaseModel):
    """The comparison. Assumed: as many tokens as recorded; limits of keys, queues and prompt caches are not simulated."""

    rows: list[Compared]
    guessed: dict[str, str] = Field(description="Targets that were never tried, and what each was taken to behave like.")
    unreadable: int
    config: str


@router.get("/models/served", response_model=Served, responses=documented())
@needs("packs.read")
async def served(gateway: Parts, caller: Sender) -> Any:  # noqa: ARG001 - the guard reads it
    """Providers that are on, aliases with their fallbacks, and the most that a token costs."""
    entry = await gateway.bus.bucket("models").get("catalogue")
    known = entry is not None and entry.value is not None
    return Served(catalogue=ModelCatalogue.model_validate_json(entry.value or b"") if entry is not None and known else None)


@router.get("/models/targets", response_model=Targets, responses=documented())
@needs("tasks.read")
async def targets(
    gateway: Parts,
    caller: Sender,
    last: Annotated[int, Query(ge=1, le=MOST_EVENTS, description="How many events of calls, newest first.")] = 1_500,
) -> Targets:
    """How long attempts took, how many failed and what they cost, by model, over the newest recorded calls."""
    events = await asking.recorded_calls(gateway, caller.tenant, last)
    behaviours: defaultdict[str, _Behaviour] = defaultdict(_Behaviour)
    for attempt in _attempts(events):
        behaviours[attempt.target].add(attempt)
    items = [_target(name, behaviour) for name, behaviour in behaviours.items()]
    items.sort(key=lambda item: (-item.attempts, item.target))
    return Targets(calls=sum(event["type"] == "call.settled" for event in events), items=items)


@dataclass(slots=True)
class _Behaviour:
    took_ms: list[int] = field(default_factory=list[int])
    first_ms: list[int] = field(default_factory=list[int])
    completed: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: Decimal = Decimal(0)
    faults: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, attempt: Attempt) -> None:
        self.took_ms.append(attempt.duration_ms)
        if attempt.first_token_ms is not None:
            self.first_ms.append(attempt.first_token_ms)
        self.completed += attempt.outcome == "completed"
        self.tokens_in += attempt.usage.input_tokens
        self.tokens_out += attempt.usage.output_tokens
        self.usd += attempt.cost.usd if attempt.cost is not None else 0
        if attempt.fault is not None:
            self.faults[attempt.fault.code] = self.faults.get(attempt.fault.code, 0) + 1


def _target(name: str, seen: _Behaviour) -> Target:
    took = sorted(seen.took_ms)
    classes = [0] * (len(BOUNDS_MS) + 1)
    for ms in took:
        classes[next((at for at, bound in enumerate(BOUNDS_MS) if ms <= bound), len(BOUNDS_MS))] += 1
    return Target(
        target=name,
        attempts=len(took),
        completed=seen.completed,
        failed=len(took) - seen.completed,
        p50_ms=_percentile(took, 0.5),
        p95_ms=_percentile(took, 0.95),
        p99_ms=_percentile(took, 0.99),
        first_token_p50_ms=_percentile(sorted(seen.first_ms), 0.5) if seen.first_ms else None,
        durations=classes,
        input_tokens=seen.tokens_in,
        output_tokens=seen.tokens_out,
        cost_usd=str(seen.usd),
        faults=seen.faults,
    )


def _percentile(ordered: list[int], share: float) -> int:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _attempts(events: Iterable[dict[str, Any]]) -> list[Attempt]:
    """Every attempt; the last one of a call stands in its settlement."""
    found = (
        event["data"].get({"call.attempted": "attempt", "call.settled": "last"}.get(event["type"], "")) for event in events
    )
    return [Attempt.model_validate(each) for each in found if each is not None]


@router.get("/calls/recent", response_model=RecentCalls, responses=documented())
@needs("tasks.read")
async def recent(gateway: Parts, caller: Sender, last: Annotated[int, Query(ge=1, le=200)] = 50) -> RecentCalls:
    """Model calls that came to an end lately: whose routing may be explained."""
    events = await asking.recorded_calls(gateway, caller.tenant, last * 3)
    items: list[RecentCall] = []
    for event in events:
        if event["type"] != "call.settled":
            continue
        data: dict[str, Any] = event["data"]
        provider, model = data.get("provider"), data.get("model")
        routing: dict[str, Any] = data.get("routing") or {}
        items.append(
            RecentCall(
                call=event["subject"].split(".")[3],
                time=str(event["time"]),
                pack=data["context"]["pack"],
                agent=data["context"]["agent"],
                requested=routing.get("requested"),
                target=f"{provider}/{model}" if provider and model else None,
                outcome=data["outcome"],
                attempts=data["attempts"],
                cached=data.get("cached") is not None,
            )
        )
    return RecentCalls(items=items[:last])


@router.get("/calls/{call}/routing", response_model=Routing, responses=documented(404))
@needs("tasks.read")
async def explain(call: Annotated[Token, Path(description="The call's id.")], gateway: Parts, caller: Sender) -> Routing:
    """Every candidate with what spoke for and against it, and every attempt with what it took and cost."""
    data = await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "calls.get", id=call)
    events = ledger.events_page(data)["items"]
    settled = next((event["data"] for event in events if event["type"] == "call.settled"), None)
    told: dict[str, Any] = settled or {}
    return Routing(
        call=call,
        settled=settled is not None,
        outcome=told.get("outcome"),
        routing=told.get("routing"),
        attempts=_attempts(events),
        cached=told.get("cached"),
        cost=told.get("cost"),
    )


@router.post("/models/simulate", response_model=Simulated, responses=documented(409, 413, 415))
@needs("tasks.read")
async def simulate(body: NewSimulation, gateway: Parts, caller: Sender) -> Any:
    """Send recorded calls, with the failures and latencies that they met, through another configuration. Changes nothing."""
    events = await asking.recorded_calls(gateway, caller.tenant, min(MOST_EVENTS, body.last * 3))
    recorded = [{"type": event["type"], "call": event["subject"].split(".")[3], "data": event["data"]} for event in events]
    asked = {"configuration": body.configuration, "events": recorded, "seed": body.seed}
    return await asking.ask(gateway, caller.tenant, "router", "simulate", asked)
