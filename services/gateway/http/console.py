"""What the console asks beside the resources themselves: timelines, curves, and how the installation is."""

from importlib.metadata import version
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from agentos.contracts.base import Token, Utc
from agentos.contracts.routing import ModelHealth
from services.gateway import deadletters, ledger
from services.gateway.authorizer import role_table
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.etags import answered
from services.gateway.http.models import Position
from services.gateway.problems import documented
from services.gateway.state import Parts, Sender

router = APIRouter(tags=["console"], route_class=GuardedRoute)

WindowName = Literal["15m", "1h", "6h", "24h", "7d", "30d"]


class Span(BaseModel):
    """Something that took time, or happened, within a task."""

    id: str
    parent: str | None = Field(description="The id of the span that it belongs to; null for the task itself.")
    kind: Literal["task", "queue", "decision", "route", "attempt", "wait", "call", "tool", "try", "approval", "step", "event"]
    name: str
    start: Utc | None
    end: Utc | None = Field(description="Null while it goes on.")
    position: int = Field(description="The stream position of the event that began it.")
    end_position: int | None
    event_id: str | None
    detail: dict[str, Any] = Field(description="Verdict, rules, reasons, cost_usd, outcome, fault … as far as there are.")


class Timeline(BaseModel):
    """A task's spans, in the order of their beginnings."""

    spans: list[Span]
    next_cursor: str | None = Field(description="The cursor of the next part; null when this is all.")
    position: int


class Latency(BaseModel):
    """Percentiles of model calls that were answered, in classes whose bounds grow by half; null where there was none."""

    p50_ms: int | None
    p95_ms: int | None
    p99_ms: int | None


class Figures(BaseModel):
    """What happened in a span of time."""

    submitted: int
    completed: int
    failed: int
    refused: int
    cancelled: int
    expired: int
    decisions: int
    denied: int
    held: int
    calls: int
    calls_failed: int
    tool_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: str
    saved_usd: str
    denial_rate: float
    latency: Latency


class Point(Figures):
    """One step of the window."""

    at: Utc


class Overview(BaseModel):
    """The curves of a window, and what stands open now."""

    window: WindowName
    step_s: int
    points: list[Point]
    total: Figures
    tasks: dict[str, int] = Field(description="Tasks that are not settled, by state.")
    approvals_pending: int
    kill_engaged: int
    dead_letters: int = Field(description="Counted up to `most_counted`; one more stands for more.")
    most_counted: int
    position: int


class TaskStats(BaseModel):
    """Tasks by state, settled ones by outcome; each counted up to `most_counted`, one more stands for more."""

    by_state: dict[str, int]
    most_counted: int
    position: int


class Status(BaseModel):
    """How the installation is."""

    status: Literal["ok", "stopped", "degraded"] = Field(description="`stopped` while a switch stops everything.")
    broker: bool
    live: bool = Field(description="Whether the live feed sees what is stored; it is only read while somebody listens.")
    ledger_position: int | None
    ledger_lag: int | None = Field(
        description="Events that are stored and not folded yet; null when the ledger does not answer."
    )
    undecodable: int | None
    packs: int
    instances: int
    routers: int
    sockets: int


class Metrics(BaseModel):
    """What stands open now, and the last full minute: what the live feed tells as `metrics.update`."""

    tasks: dict[str, int]
    approvals_pending: int
    kill_engaged: int
    calls_per_s: float
    tasks_per_min: float
    failed: int
    spend_usd_per_min: str
    denial_rate: float
    held: int


class Config(BaseModel):
    """How this gateway is set up, as far as it is nobody's secret."""

    version: str
    tenant: str
    public_url: str | None
    single_sign_on: str | None = Field(description="What the sign-in page calls it; null where there is none.")
    roles: dict[str, list[str]] = Field(description="What each role may do, as AgentOS ships it.")
    webhook_sources: list[str]
    limits: dict[str, int | float] = Field(description="Bytes, seconds and counts; each is an AGENTOS_GATEWAY_* setting.")


class Models(BaseModel):
    """What each router knows of the providers right now: keys and limits, breakers, latencies."""

    routers: dict[str, ModelHealth]


@router.get("/tasks/{task}/timeline", response_model=Timeline, responses=documented(404))
@needs("tasks.read")
async def timeline(
    task: Annotated[Token, Path(description="The task's id.")],
    gateway: Parts,
    caller: Sender,
    request: Request,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Events that are read for one answer.")] = 10_000,
    cursor: Position = None,
) -> Response:
    """Every step, call, try, decision, wait, tool and approval of a task, with its beginning, its end and what it belongs to."""
    after = int(cursor or 0)
    data = await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "tasks.timeline", id=task, after=after, limit=limit)
    more = data.get("next_cursor")
    return answered(request, Timeline.model_validate(data | {"next_cursor": None if more is None else str(more)}))


@router.get("/system/overview", response_model=Overview, responses=documented())
@needs("tasks.read")
async def overview(
    gateway: Parts,
    caller: Sender,
    window: WindowName = "1h",
    until: Annotated[Utc | None, Query(description="Now, unless told.")] = None,
) -> Any:
    """Throughput, latency, spend and denials over a window, in steps; and what is open now."""
    end = until.isoformat() if until else None
    ours = deadletters.sees_nobodys(gateway, caller.tenant)
    return await ledger.ask(
        gateway.bus, gateway.answers, caller.tenant, "system.overview", window=window, until=end, nobodys=ours
    )


@router.get("/system/status", response_model=Status, responses=documented())
@needs("packs.read")
async def status(gateway: Parts, caller: Sender) -> Status:
    """Whether everything is there, and how far behind the ledger is."""
    said = await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "ledger.status")
    pulse = await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "system.pulse")
    packs = await gateway.packs.alive()
    routers = await gateway.bus.bucket("health").keys()
    lag = said.get("lag")
    degraded = not routers or not packs or (lag or 0) > 10_000
    return Status(
        status="stopped" if pulse.get("kill_engaged") else "degraded" if degraded else "ok",
        broker=gateway.bus.connected,
        live=gateway.feed.live,
        ledger_position=said.get("position"),
        ledger_lag=lag,
        undecodable=said.get("undecodable"),
        packs=len(packs),
        instances=sum(len(pack["instances"]) for pack in packs),
        routers=len(routers),
        sockets=gateway.load.sockets,
    )


@router.get("/system/metrics", response_model=Metrics, responses=documented())
@needs("tasks.read")
async def metrics(gateway: Parts, caller: Sender) -> Any:
    """The figures of this moment. For a collector there is `/metrics`."""
    return await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "system.pulse")


@router.get("/system/config", response_model=Config, responses=documented())
@needs("users.manage")
async def config(gateway: Parts, caller: Sender) -> Config:
    """How this gateway is set up."""
    s = gateway.settings
    counts = {
        name: getattr(s, name)
        for name in (
            "max_body_bytes", "max_in_flight", "max_streams", "max_sockets", "endpoint_max_calls", "endpoint_max_body_bytes",
            "rate_per_s", "rate_burst", "unknown_rate_per_s", "unknown_rate_burst", "lock_account_after", "lock_address_after",
        )
    }  # fmt: skip
    times = {
        f"{name}_s": getattr(s, name).total_seconds()
        for name in ("answer_timeout", "access_token_lifetime", "session_idle", "session_longest", "hold_wait")
    }
    return Config(
        version=version("agentos"),
        tenant=caller.tenant,
        public_url=s.public_url,
        single_sign_on=s.oidc_name if s.oidc_issuer else None,
        roles={role: sorted(actions) for role, actions in role_table().items()},
        webhook_sources=sorted(gateway.sources),
        limits=counts | times,
    )


@router.get("/models", response_model=Models, responses=documented())
@needs("packs.read")
async def models(gateway: Parts, caller: Sender) -> Models:  # noqa: ARG001 - the guard reads it
    """The providers' health as the routers that are alive see it."""
    entries = await gateway.bus.bucket("health").entries()
    return Models(routers={entry.key: ModelHealth.model_validate_json(entry.value or b"{}") for entry in entries})
