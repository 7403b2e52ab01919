"""The rules: which versions there are, publishing another, and the decisions that they made."""

from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from agentos.contracts.base import Utc
from agentos.contracts.commands import PublishBundle
from agentos.contracts.ids import new_id
from services.gateway import asking, ledger
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.answers import done
from services.gateway.http.models import Cursor, IdPrefix, Request
from services.gateway.problems import documented
from services.gateway.state import Parts, Scope, Sender

router = APIRouter(prefix="/policy", tags=["policy"], route_class=GuardedRoute)

CATALOGUE = "catalogue.published"


class _Version(BaseModel):
    """What the policy service lists of a version; the content's place is nobody's business here."""

    model_config = ConfigDict(extra="ignore")

    version: int
    revision: str
    key_id: str
    created_at: str
    published_at: str
    by: dict[str, Any]


class _Catalogue(BaseModel):
    model_config = ConfigDict(extra="ignore")

    versions: list[_Version] = []


class Publication(BaseModel):
    """A signed bundle, as `agentos policy sign` writes it."""

    model_config = ConfigDict(extra="forbid")

    bundle: dict[str, Any]


class BundleList(BaseModel):
    """Published versions."""

    items: list[_Version]
    next_cursor: None = None


class RuleItem(BaseModel):
    """A rule by its id, and the package that asks it."""

    id: str
    package: str


class ActiveRules(BaseModel):
    """The rules that decide now. Version 0 is what AgentOS ships."""

    version: int
    revision: str
    rules: list[RuleItem]
    config: dict[str, Any]


class Decided(BaseModel):
    """A decision: what was asked, what the rules said, and which of which revision said it."""

    model_config = ConfigDict(extra="allow")

    verdict: str
    reasons: list[str] = []
    rules: list[str] = []
    monitored: list[str] = Field(default=[], description="Rules that would have decided but are only watched.")
    bundle: str = ""
    package: str = ""
    question: dict[str, Any] | None = None
    obligations: dict[str, Any] | None = None
    context: dict[str, Any] | None = None


class DecisionItem(BaseModel):
    """The event of a decision."""

    seq: int
    subject: str
    type: str
    time: str
    event_id: str | None = None
    correlation_id: str | None
    causation_id: str | None = None
    data: Decided


class Published(BaseModel):
    """These rules decide from now on. `previous` is the version that did before; null for those that AgentOS ships."""

    id: str
    status: Literal["published"] = "published"
    version: int | None = None
    revision: str | None = None
    previous: int | None = None
    created_at: Utc | None = None
    key_id: str | None = None
    request: str | None = None


class DecisionList(BaseModel):
    """Decisions, newest first."""

    items: list[DecisionItem]
    next_cursor: str | None = None


class Candidate(Request):
    """Rules to ask what was really asked: a signed bundle, or another configuration of the rules that decide now."""

    bundle: dict[str, Any] | None = Field(
        default=None, description="As `agentos policy sign` writes it; its signature is not looked at."
    )
    config: dict[str, Any] | None = Field(default=None, description="The whole `config` document.")
    last: int = Field(default=500, ge=1, le=2_000, description="How many decisions, newest first.")
    kind: Literal["admission", "model", "tool", "approval", "edit", "checkpoint"] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.bundle is None) == (self.config is None):
            raise ValueError("give either bundle or config")
        return self


class Changed(BaseModel):
    """A decision that would have been another one."""

    kind: str
    id: str
    whom: str
    was: str
    becomes: str
    reasons: list[str]
    rules_then: list[str]
    rules: list[str]


class Difference(BaseModel):
    """A rule's text, or a setting, that differs; null or empty where it is not there."""

    what: str
    before: Any
    after: Any


class Backtested(BaseModel):
    """What the candidate would have decided. `changes` holds the first 500."""

    revision: str
    asked: int
    unanswerable: int
    changed: int
    changes: list[Changed]
    differences: list[Difference]


@router.get("/active", response_model=ActiveRules, responses=documented())
@needs("policy.read")
async def active(gateway: Parts, caller: Sender) -> Any:
    """The rules that decide now, by id, with their configuration."""
    return await asking.ask(gateway, caller.tenant, "policy", "active")


@router.post("/backtest", response_model=Backtested, responses=documented(409, 413, 415))
@needs("policy.publish")
async def backtest(body: Candidate, gateway: Parts, caller: Sender) -> Any:
    """Ask other rules what was really asked, and show what would have been decided otherwise, and for whom. Changes nothing."""
    events = await asking.past_decisions(gateway, caller.tenant, body.last, body.kind)
    decisions = [{"type": each["type"], "id": each["subject"].split(".")[3], "data": each["data"]} for each in events]
    asked = {"decisions": decisions, **body.model_dump(include={"bundle", "config"}, exclude_none=True)}
    return await asking.ask(gateway, caller.tenant, "policy", "backtest", asked)


@router.get("/bundles", response_model=BundleList, responses=documented())
@needs("policy.read")
async def bundles(gateway: Parts) -> Any:
    """Published versions, newest first. An empty list means that the rules that AgentOS ships decide."""
    entry = await gateway.bus.bucket("bundles").get(CATALOGUE)
    listed = _Catalogue() if entry is None or entry.value is None else _Catalogue.model_validate_json(entry.value)
    return {"items": [version.model_dump() for version in reversed(listed.versions)], "next_cursor": None}


@router.post(
    "/bundles",
    status_code=201,
    response_model=Published,
    response_model_exclude_unset=True,
    responses=documented(409, 413, 415),
)
@needs("policy.publish")
async def publish(body: Publication, gateway: Parts, caller: Sender, scope: Scope) -> Any:
    """Let a signed bundle decide from now on. It is checked, compiled and tried out first; what is refused changes nothing."""
    request = scope or new_id()
    made = PublishBundle(tenant=caller.tenant, by=caller.principal, bundle=body.bundle)

    async def send() -> None:
        await gateway.bus.send("policy.publish", (request,), made, tenant=caller.tenant, correlation_id=request)

    late = "The command is kept: look at the list of bundles in a moment."
    answer = await gateway.answers.need(request, send, late=late, timeout=ledger.VERIFY_TIMEOUT)
    return done(request, "published", answer)


class RuleHit(BaseModel):
    """How often a rule decided, and how often it would have but is only watched."""

    rule: str
    decided: int
    watched: int
    last_at: Utc


class RuleHits(BaseModel):
    """The rules that decided in the window, the busiest first. A window begins with a full hour."""

    window: Literal["24h", "7d", "30d"]
    since: Utc
    items: list[RuleHit]
    position: int


@router.get("/hits", response_model=RuleHits, responses=documented())
@needs("policy.read")
async def hits(gateway: Parts, caller: Sender, window: Literal["24h", "7d", "30d"] = "24h") -> Any:
    """How often each rule decided, of all decisions in the window."""
    data = await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "policy.hits", window=window)
    return {"window": window, "since": data["since"], "items": data["rules"], "position": data["position"]}


@router.get("/decisions", response_model=DecisionList, responses=documented())
@needs("policy.read")
async def decisions(
    gateway: Parts,
    caller: Sender,
    kind: Annotated[Literal["admission", "model", "tool", "approval", "edit", "checkpoint"] | None, Query()] = None,
    call: Annotated[str | None, Query(max_length=300, description="Only the decisions on this id.")] = None,
    id_prefix: IdPrefix = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Cursor = None,
) -> Any:
    """Decisions, newest first, with the questions they answer: what `agentos policy backtest` asks of other rules."""
    data = await ledger.ask(
        gateway.bus, gateway.answers, caller.tenant, "decisions.list",
        limit=limit, kind=kind, cursor=cursor, id=call, id_prefix=id_prefix,
    )  # fmt: skip
    items = [ledger.event(row) for row in data.get("decisions", [])]
    return {"items": items, "next_cursor": data.get("cursor")}
