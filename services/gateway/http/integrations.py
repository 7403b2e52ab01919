"""Webhook sources and notification targets: who may send us work, and whom we tell; each can be tried."""

import json
from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from agentos.contracts.base import Token
from agentos.contracts.ids import new_id
from services.gateway import asking
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.answers import Delivered
from services.gateway.http.models import Request
from services.gateway.http.webhooks import deliver, verify
from services.gateway.problems import Problem, documented
from services.gateway.state import Parts, Sender
from services.gateway.webhooks import github, sources, standard
from services.gateway.webhooks.verdict import Rejected

router = APIRouter(tags=["settings"], route_class=GuardedRoute)


class SourceItem(BaseModel):
    """A configured webhook source. Its secret is nowhere."""

    name: str
    kind: Literal["github", "standard"]
    path: str = Field(description="Where its sender delivers to, on the gateway's address.")
    events: dict[str, str] = Field(description="Task type by event; `*` for all others.")
    pack: str | None
    priority: str


class Sources(BaseModel):
    """The sources of your tenant."""

    items: list[SourceItem]


class TestDelivery(Request):
    """A delivery to sign and take as the source's sender would send it."""

    event: str = Field(
        min_length=1,
        max_length=100,
        pattern=r"^[A-Za-z0-9_.:/-]+$",
        description="Such as issues.opened; ping for GitHub's ping.",
    )
    body: dict[str, Any] = Field(
        default={}, description="The payload; the event's name is put into it where its kind wants it."
    )


class Tested(Delivered):
    """What became of the delivery."""

    verified: bool


class TargetItem(BaseModel):
    """A configured notification target, without its secret."""

    name: str
    transport: Literal["webhook", "smtp"]
    address: str = Field(description="Its host; the rest of the address may be a secret.")
    events: list[str]
    roles: list[str] = Field(description="For mail: the roles that have recipients.")
    disabled: bool = Field(description="It said that it is gone.")


class TargetList(BaseModel):
    """Who is told what happens in your tenant."""

    items: list[TargetItem]


class Tried(BaseModel):
    """What a target said to a test."""

    ok: bool
    code: str
    detail: str
    status: int | None


@router.get("/webhook-sources", response_model=Sources, responses=documented())
@needs("keys.manage")
async def list_sources(gateway: Parts, caller: Sender) -> Sources:
    """Who may send work, and what each event becomes. The sources file is the operator's; it is read at start."""
    return Sources(
        items=[
            SourceItem(
                name=source.name,
                kind=source.kind,
                path=f"/api/v1/webhooks/{source.name}",
                events=dict(source.events),
                pack=source.pack,
                priority=source.priority,
            )
            for source in gateway.sources.values()
            if source.tenant == caller.tenant
        ]
    )


@router.post("/webhook-sources/{source}/test", response_model=Tested, responses=documented(404, 413, 415))
@needs("keys.manage")
async def test(source: Token, body: TestDelivery, gateway: Parts, caller: Sender) -> Any:
    """Sign a delivery with the source's own secret and take it: what becomes of it is real, so a wanted event makes a task."""
    configured = gateway.sources.get(source)
    if configured is None or configured.tenant != caller.tenant:
        raise Problem(404, "unknown_source", "no such webhook source: an operator adds it to the sources file")
    headers, raw = signed(configured, body.event, body.body)
    verdict = verify(configured, headers, raw)
    if isinstance(verdict, Rejected):
        raise Problem(verdict.status, verdict.code, verdict.detail)
    answer: JSONResponse = await deliver(gateway, configured, verdict.identity, headers, raw)
    return {"verified": True, **json.loads(bytes(answer.body))}


def signed(source: sources.Source, event: str, payload: dict[str, Any]) -> tuple[dict[str, str], bytes]:
    """Headers and body as the sender of ``source`` makes them. Each has an identity of its own, so no test is taken for a repeat."""
    delivery = new_id()
    if source.kind == "github":
        name, _, action = event.partition(".")
        filled = {**payload, **({"action": action} if action else {}), "agentos_test": delivery}
        raw = json.dumps(filled).encode()
        return {
            "content-type": "application/json",
            "x-github-event": name,
            "x-github-delivery": delivery,
            github.SIGNATURE: github.sign(source.key, raw),
        }, raw
    raw = json.dumps({**payload, "type": event}).encode()
    timestamp = str(int(datetime.now(UTC).timestamp()))
    return {
        "content-type": "application/json",
        standard.ID: delivery,
        standard.TIMESTAMP: timestamp,
        standard.SIGNATURE: standard.sign(source.key, delivery, timestamp, raw),
    }, raw


@router.get("/notification-targets", response_model=TargetList, responses=documented())
@needs("keys.manage")
async def list_targets(gateway: Parts, caller: Sender) -> Any:
    """Who is told of approvals and kill switches. The file of notifications is the operator's; the gates read it at start."""
    return {"items": (await asking.ask(gateway, caller.tenant, "gates", "targets"))["targets"]}


@router.post("/notification-targets/{target}/test", response_model=Tried, responses=documented(404, 413, 415))
@needs("keys.manage")
async def try_target(target: Token, gateway: Parts, caller: Sender) -> Any:
    """Send a test, once, now; what the target says to it."""
    return await asking.ask(gateway, caller.tenant, "gates", "try-target", {"name": target})
