"""What the routes work with, put together by ``app.py``; and how a route gets at it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from agentos.bus import Bus
from agentos.keyring import KeyRing
from agentos.subjects import SubjectIndex
from services.gateway.agents import Agents
from services.gateway.answers import Answers
from services.gateway.auth import ApiKeys
from services.gateway.authorizer import Authorizer
from services.gateway.endpoint.parts import Endpoint
from services.gateway.idempotency import Idempotency
from services.gateway.identity.callers import Caller
from services.gateway.identity.parts import Identity
from services.gateway.live.feed import Feed
from services.gateway.live.pulse import Pulses
from services.gateway.packs import Packs
from services.gateway.settings import Settings
from services.gateway.webhooks.sources import Source


@dataclass
class Load:
    """How much is being done right now."""

    requests: int = 0
    streams: int = 0
    sockets: int = 0


@dataclass(frozen=True)
class Gateway:
    """The parts of a running gateway."""

    settings: Settings
    bus: Bus
    answers: Answers
    api_keys: ApiKeys
    identity: Identity
    keyring: KeyRing
    subjects: SubjectIndex
    authorizer: Authorizer
    idempotency: Idempotency
    packs: Packs
    agents: Agents
    sources: Mapping[str, Source]
    endpoint: Endpoint
    feed: Feed
    pulses: Pulses
    load: Load = field(default_factory=Load)
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """Set on SIGTERM: live streams end, so that the server can."""


def gateway_of(request: Request) -> Gateway:
    """The gateway that serves this request."""
    gateway: Gateway = request.app.state.gateway
    return gateway


def caller_of(request: Request) -> Caller:
    """The authenticated sender, as the route's guard left it."""
    caller: Caller = request.state.caller
    return caller


def scope_of(request: Request) -> str | None:
    """The id that ids are derived from when the request has an Idempotency-Key."""
    scope: str | None = getattr(request.state, "idempotency_scope", None)
    return scope


Parts = Annotated[Gateway, Depends(gateway_of)]
Sender = Annotated[Caller, Depends(caller_of)]
Scope = Annotated[str | None, Depends(scope_of)]
