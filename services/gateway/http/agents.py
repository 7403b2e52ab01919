"""Agents: who there is, who lives, what people do to them, and what came of their work."""

from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from agentos.contracts.agents import AgentRecord, AgentTerms, Heartbeat, agent_id
from agentos.contracts.base import Contract, Token
from agentos.contracts.commands import ControlAgent, RegisterAgent, UnregisterAgent, UpdateAgent
from agentos.contracts.errors import NotFound
from agentos.contracts.ids import new_id
from services.gateway import ledger
from services.gateway.agents import Agent
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.answers import EventPage
from services.gateway.http.console import WindowName
from services.gateway.http.etags import TAGGED, IfMatch, answered, require_match
from services.gateway.http.models import Reason
from services.gateway.http.models import Request as Body
from services.gateway.problems import Problem, documented
from services.gateway.state import Gateway, Parts, Scope, Sender

router = APIRouter(prefix="/agents", tags=["agents"], route_class=GuardedRoute)

PackName = Annotated[Token, Path(description="The pack's name.")]
AgentName = Annotated[Token, Path(description="The agent's name within the pack.")]
Description = Annotated[str, Field(max_length=500, description="It stands in the log, so name no person in it.")]
LabelText = Annotated[str, Field(min_length=1, max_length=100)]
Labels = Annotated[dict[LabelText, LabelText], Field(max_length=16)]
SilentAfter = Annotated[
    int, Field(ge=10, le=3_600, description="After how long without a heartbeat an external agent counts as gone.")
]
LATE = "The command is kept and will be done."


class NewAgent(Body):
    """An agent to be registered. Its virtual keys, with their models and budgets, are made under `keys`: with its pack and agent."""

    pack: Token = Field(description="The pack as which its calls count; no such pack need be installed.")
    agent: Token
    description: Description = ""
    labels: Labels = Field(default={})
    silent_after_s: SilentAfter = 60


class AgentChange(Body):
    """What is to be different; what is left out stays."""

    description: Description | None = None
    labels: Labels | None = None
    silent_after_s: SilentAfter | None = None


class Control(Body):
    """Pause: nothing new starts, tasks wait, what runs may finish. Resume: it goes on, also with what has waited."""

    action: Literal["pause", "resume"]
    reason: Reason


class Beat(Body):
    """One instance of an external agent lives."""

    instance: Token = Field(default="main", description="Which of several; each has a name of its own.")
    version: str = Field(default="", max_length=64)
    active: int = Field(default=0, ge=0, le=1_000_000, description="What it works on right now.")
    max_active: int = Field(default=1, ge=1, le=1_000_000)


class Beaten(BaseModel):
    """The heartbeat counts until then."""

    id: str
    state: Literal["active", "paused"] = Field(description="paused: do not begin anything new; calls are refused.")
    silent_after_s: int
    at: datetime


class Agents(BaseModel):
    """Every agent that packs declare or people registered, also those that are not alive."""

    items: list[Agent]
    next_cursor: None = None


class AgentLatency(BaseModel):
    """How long settled tasks took, from submission to their end; null where none has settled."""

    p50_ms: int | None
    p95_ms: int | None
    p99_ms: int | None


class AgentMetrics(BaseModel):
    """What came of the tasks that were submitted within the window, and of the model calls made in it."""

    window: WindowName
    tasks: int
    by_outcome: dict[str, int]
    open: dict[str, int] = Field(description="Those that are not over, by state.")
    settled: int
    success_rate: float | None = Field(
        description="Of the settled ones, how many completed: 0 to 1; null where none has settled."
    )
    latency: AgentLatency
    tool_calls: int
    refusals: int
    cost_usd: str = Field(description="The known money of its model calls, those through the governed endpoint included.")
    calls: int
    attempts: int
    unpriced_attempts: int
    simulated_attempts: int
    input_tokens: int
    output_tokens: int
    position: int


@router.get("", response_model=Agents, responses=documented())
@needs("packs.read")
async def agents(gateway: Parts, caller: Sender, request: Request) -> Response:
    """Every agent: what it is, whether it lives, what is paused."""
    return answered(request, Agents(items=await gateway.agents.all(caller.tenant, _keys(gateway, caller.tenant))))


@router.post(
    "",
    status_code=201,
    response_model=Agent,
    responses={201: {"description": "Registered", "headers": TAGGED}, **documented(409, 413, 415)},
)
@needs("agents.manage")
async def register(body: NewAgent, gateway: Parts, caller: Sender, scope: Scope, response: Response) -> Agent:
    """Register an external agent, or take back one that was unregistered. What a pack declares needs no registration."""
    terms = AgentTerms(description=body.description, labels=body.labels, silent_after_s=body.silent_after_s)
    made = RegisterAgent(tenant=caller.tenant, pack=body.pack, agent=body.agent, terms=terms, by=caller.principal)
    return await _done(gateway, "router.register", scope or new_id(), made, caller.tenant, response)


@router.get(
    "/{pack}/{agent}", response_model=Agent, responses={200: {"description": "The agent", "headers": TAGGED}, **documented(404)}
)
@needs("packs.read")
async def agent(pack: PackName, agent: AgentName, gateway: Parts, caller: Sender, response: Response) -> Agent:
    """One agent."""
    found = await _find(gateway, caller.tenant, pack, agent)
    response.headers["ETag"] = _tag(found.revision)
    return found


@router.patch(
    "/{pack}/{agent}", response_model=Agent,
    responses={200: {"description": "Changed", "headers": TAGGED}, **documented(404, 409, 412, 413, 415, 428)},
)  # fmt: skip
@needs("agents.manage")
async def update(
    pack: PackName,
    agent: AgentName,
    body: AgentChange,
    gateway: Parts,
    caller: Sender,
    response: Response,
    if_match: IfMatch = None,
) -> Agent:
    """Change what is said of an agent, if nobody else has meanwhile: send the ETag that you have read as If-Match."""
    found = await _find(gateway, caller.tenant, pack, agent)
    require_match(if_match, _tag(found.revision))
    terms = AgentTerms(
        description=found.description if body.description is None else body.description,
        labels=found.labels if body.labels is None else body.labels,
        silent_after_s=found.silent_after_s if body.silent_after_s is None else body.silent_after_s,
    )
    made = UpdateAgent(tenant=caller.tenant, pack=pack, agent=agent, revision=found.revision, terms=terms, by=caller.principal)
    return await _done(gateway, "router.update", new_id(), made, caller.tenant, response)


@router.delete(
    "/{pack}/{agent}", response_model=Agent,
    responses={200: {"description": "Unregistered", "headers": TAGGED}, **documented(404, 409, 412)},
)  # fmt: skip
@needs("agents.manage")
async def unregister(
    pack: PackName,
    agent: AgentName,
    gateway: Parts,
    caller: Sender,
    response: Response,
    reason: Annotated[str, Query(max_length=1_000, description="Why; it stands in the log, so name no person in it.")] = "",
    if_match: IfMatch = None,
) -> Agent:
    """Take an agent off: it gets no task of your tenant any more, and its calls are refused. What runs may finish; the log keeps all."""
    found = await _find(gateway, caller.tenant, pack, agent)
    if if_match is not None:
        require_match(if_match, _tag(found.revision))
    revision = None if if_match is None else found.revision
    made = UnregisterAgent(tenant=caller.tenant, pack=pack, agent=agent, revision=revision, reason=reason, by=caller.principal)
    return await _done(gateway, "router.unregister", new_id(), made, caller.tenant, response)


@router.post(
    "/{pack}/{agent}/control",
    response_model=Agent,
    responses={200: {"description": "Done", "headers": TAGGED}, **documented(404, 409, 413, 415)},
)
@needs("agents.control")
async def control(
    pack: PackName, agent: AgentName, body: Control, gateway: Parts, caller: Sender, scope: Scope, response: Response
) -> Agent:
    """Pause an agent, or let it go on. To stop at once what runs there, engage the kill switch for it."""
    made = ControlAgent(
        tenant=caller.tenant, pack=pack, agent=agent, action=body.action, reason=body.reason, by=caller.principal
    )
    return await _done(gateway, "router.control", scope or new_id(), made, caller.tenant, response)


@router.post("/{pack}/{agent}/heartbeat", response_model=Beaten, responses=documented(404, 409, 413, 415))
@needs("agents.heartbeat", kept=False)
async def heartbeat(pack: PackName, agent: AgentName, body: Beat, gateway: Parts, caller: Sender) -> Beaten:
    """An external agent says that it lives: several times within `silent_after_s`. Nothing is written to the log unless it comes or goes."""
    found = await _find(gateway, caller.tenant, pack, agent)
    if found.kind == "hosted":
        raise Problem(409, "hosted", "runners speak for an agent that a pack declares")
    if found.state == "unregistered":
        raise Problem(409, "agent_unregistered", "this agent was taken off: an administrator registers it again")
    at = datetime.now(UTC)
    said = Heartbeat(
        pack=pack,
        agent=agent,
        instance=body.instance,
        version=body.version,
        active=body.active,
        max_active=body.max_active,
        at=at,
    )
    await gateway.agents.beat(caller.tenant, said)
    return Beaten(id=found.id, state=found.state, silent_after_s=found.silent_after_s, at=at)


@router.get("/{pack}/{agent}/metrics", response_model=AgentMetrics, responses=documented(404))
@needs("packs.read")
async def metrics(
    pack: PackName, agent: AgentName, gateway: Parts, caller: Sender, window: Annotated[WindowName, Query()] = "24h"
) -> AgentMetrics:
    """Its tasks by outcome, how long they took, and what they cost."""
    await _find(gateway, caller.tenant, pack, agent)
    data = await ledger.ask(
        gateway.bus, gateway.answers, caller.tenant, "agents.metrics", pack=pack, agent=agent, window=window
    )
    return AgentMetrics.model_validate(data)


@router.get("/{pack}/{agent}/logs", response_model=EventPage, responses=documented(404))
@needs("packs.read")
async def logs(
    pack: PackName,
    agent: AgentName,
    gateway: Parts,
    caller: Sender,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$", description="The `next_cursor` of the page before.")] = None,
) -> Any:
    """What happened to the agent, newest first: what people did, when it came and went, what its sandbox refused.

    Its tasks have events of their own.
    """
    await _find(gateway, caller.tenant, pack, agent)
    data = await ledger.ask(
        gateway.bus, gateway.answers, caller.tenant, "agents.log",
        id=agent_id(pack, agent), pack=pack, agent=agent, limit=limit, cursor=cursor,
    )  # fmt: skip
    items = [ledger.event(row) for row in data["events"]]
    return {"items": items, "next_cursor": data["cursor"], "position": data["position"]}


def _tag(revision: int) -> str:
    return f'"r{revision}"'


def _keys(gateway: Gateway, tenant: str) -> dict[tuple[str, str], int]:
    now = datetime.now(UTC)
    return Counter((key.pack, key.agent) for key in gateway.endpoint.virtual_keys.list(tenant) if key.holds(now))


async def _find(gateway: Gateway, tenant: str, pack: str, agent: str) -> Agent:
    found = await gateway.agents.find(tenant, pack, agent, _keys(gateway, tenant))
    if found is None:
        raise NotFound(f"there is no agent {pack}/{agent}: no installed pack has it, and nobody has registered it")
    return found


async def _done(gateway: Gateway, channel: str, request: str, command: Contract, tenant: str, response: Response) -> Agent:
    async def send() -> None:
        await gateway.bus.send(channel, (request,), command, tenant=tenant, correlation_id=request)

    answer = await gateway.answers.need(request, send, late=LATE)
    record = AgentRecord.model_validate(answer.data)
    response.headers["ETag"] = _tag(record.revision)
    return await _find(gateway, tenant, record.pack, record.agent)
