"""The rules: which versions there are, publishing another, and the decisions that they made."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from agentos.contracts.commands import PublishBundle
from agentos.contracts.ids import new_id
from services.gateway import ledger
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.answers import Done, Page, done
from services.gateway.http.models import IdPrefix
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


@router.get("/bundles", response_model=Page, responses=documented())
@needs("policy.read")
async def bundles(gateway: Parts) -> Any:
    """Published versions, newest first. An empty list means that the rules that AgentOS ships decide."""
    entry = await gateway.bus.bucket("bundles").get(CATALOGUE)
    listed = _Catalogue() if entry is None or entry.value is None else _Catalogue.model_validate_json(entry.value)
    return {"items": [version.model_dump() for version in reversed(listed.versions)], "next_cursor": None}


@router.post("/bundles", status_code=201, response_model=Done, responses=documented(409, 413, 415))
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


@router.get("/decisions", response_model=Page, responses=documented())
@needs("policy.read")
async def decisions(
    gateway: Parts,
    caller: Sender,
    last: Annotated[int, Query(ge=1, le=500, description="How many, newest first.")] = 100,
    kind: Annotated[Literal["admission", "model", "tool", "approval", "edit", "checkpoint"] | None, Query()] = None,
    before: Annotated[int | None, Query(ge=1, le=2**53, description="The `next_cursor` of the page before.")] = None,
    call: Annotated[str | None, Query(max_length=300, description="Only the decisions on this id.")] = None,
    id_prefix: IdPrefix = None,
) -> Any:
    """Decisions with the questions they answer: what `agentos policy backtest` asks of other rules."""
    cursor = None if before is None else str(before)
    data = await ledger.ask(
        gateway.bus, gateway.answers, caller.tenant, "decisions.list",
        limit=last, kind=kind, cursor=cursor, id=call, id_prefix=id_prefix,
    )  # fmt: skip
    items = [ledger.event(row) for row in data.get("decisions", [])]
    return {"items": items, "next_cursor": data.get("cursor")}
