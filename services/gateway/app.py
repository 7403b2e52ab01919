"""The composition root: the application and everything that it stands on."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.types import ASGIApp

from agentos.bus import BrokerSettings, Bus
from agentos.ending import end
from agentos.keyring import KeyRing
from agentos.sealing import MasterKey
from agentos.service import serve
from agentos.subjects import SubjectIndex
from services.gateway import problems
from services.gateway.agents import Agents
from services.gateway.answers import Answers
from services.gateway.auth import ApiKeys
from services.gateway.authorizer import Authorizer, RoleTable
from services.gateway.console import Console
from services.gateway.edge import ACCESS
from services.gateway.endpoint import http as endpoint_http
from services.gateway.endpoint.parts import open_endpoint
from services.gateway.http import (
    agents,
    approvals,
    audit,
    auth,
    budgets,
    console,
    deadletters,
    delegations,
    events,
    health,
    integrations,
    keys,
    kill,
    live,
    oidc,
    ops,
    pack_control,
    payloads,
    policy,
    privacy,
    routing,
    sessions,
    tasks,
    users,
    webhooks,
)
from services.gateway.idempotency import Idempotency
from services.gateway.identity.parts import open_identity
from services.gateway.live.feed import Feed
from services.gateway.live.pulse import Pulses
from services.gateway.middleware import Observed
from services.gateway.packs import Packs
from services.gateway.server import serve_app
from services.gateway.settings import Settings
from services.gateway.state import Gateway
from services.gateway.webhooks import sources

log = structlog.get_logger(__name__)

ROUTERS = (
    webhooks,
    console,
    routing,
    integrations,
    tasks,
    approvals,
    delegations,
    kill,
    audit,
    deadletters,
    ops,
    agents,
    pack_control,
    budgets,
    events,
    keys,
    policy,
    payloads,
    privacy,
    auth,
    oidc,
    users,
    sessions,
    live,
)
"""Everything under /api/v1, one file per kind of resource."""


def create_app(gateway: Gateway) -> ASGIApp:
    """The application: the governed endpoint under /v1, the API under /api, and the console's pages for the rest."""
    api = endpoint_http.Endpoints(gateway.endpoint, create_api(gateway))
    return Observed(Console(gateway.settings.console, api), gateway.identity.peers)


def create_api(gateway: Gateway | None = None) -> FastAPI:
    """The API. Without a gateway it describes itself (OpenAPI) and serves nothing else."""
    # The interactive pages load their scripts from a CDN; the document alone is served.
    app = FastAPI(title="AgentOS", version="1", docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    for module in ROUTERS:
        app.include_router(module.router, prefix="/api/v1")
    app.include_router(health.router)
    app.state.gateway = gateway
    problems.install(app)
    app.openapi = lambda: _openapi(app)
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=(
            "Tasks, approvals, the kill switch, audit and cost. Every error is an RFC 9457 problem document. What is read with "
            "`Agentos-Position: <position>` is as new as that event of the live feed; `Agentos-Behind` in the answer says that it "
            "could not be so within a second."
        ),
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    components["securitySchemes"] = {
        "apiKey": {"type": "http", "scheme": "bearer", "description": "An API key: `aos_<id>_<secret>`."},
        "accessToken": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "From POST /api/v1/auth/login; for some minutes.",
        },
        "refreshCookie": {
            "type": "apiKey", "in": "cookie", "name": auth.COOKIE, "description": "From signing in; send X-Agentos-CSRF: 1 with it.",
        },
    }  # fmt: skip
    problem = problems.ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    components.setdefault("schemas", {}).update({**problem.pop("$defs", {}), "ProblemDocument": problem})
    idempotency = {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        "description": "The same key with the same body answers the first result (Idempotent-Replayed: true).",
    }
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            # FastAPI's own 422 describes its default error shape, which is not what is sent.
            access = operation.get(ACCESS)
            if access == "anyone":
                cookie = path in (f"{auth.COOKIE_PATH}/refresh", f"{auth.COOKIE_PATH}/logout")
                operation["security"] = [{"refreshCookie": []}] if cookie else []
            elif access is not None:
                operation["security"] = [{"apiKey": []}, {"accessToken": []}]
                if method in ("post", "patch"):
                    operation.setdefault("parameters", []).append(idempotency)
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    app.openapi_schema = document
    return document


@asynccontextmanager
async def open_gateway(settings: Settings, bus: Bus, authorizer: Authorizer | None = None) -> AsyncGenerator[Gateway]:
    """The gateway's parts over a connected bus, with its watches running. Raises when the configuration is refused."""
    master = await asyncio.to_thread(MasterKey.load_or_create, settings.master_key)
    configured = await asyncio.to_thread(sources.load, settings.sources_file)
    keyring, api_keys, table = KeyRing(bus, master), ApiKeys(bus), RoleTable(bus)
    answers = Answers(bus, settings.answer_timeout)
    watches = [
        asyncio.create_task(answers.follow(), name="gateway-answers"),
        asyncio.create_task(table.watch(), name="gateway-permissions"),
    ]
    draining = asyncio.Event()
    feed = Feed(bus)
    try:
        await answers.ready()
        async with (
            open_identity(settings, bus, keyring, api_keys) as identity,
            open_endpoint(settings, bus, keyring) as endpoint,
        ):
            log.info("gateway open", sources=sorted(configured))
            yield Gateway(
                settings=settings,
                bus=bus,
                answers=answers,
                api_keys=api_keys,
                identity=identity,
                keyring=keyring,
                subjects=SubjectIndex(bus, keyring),
                authorizer=authorizer or table,
                idempotency=Idempotency(bus, keyring, abandoned_after=settings.answer_timeout * 3),
                packs=Packs(bus),
                agents=Agents(bus),
                sources=configured,
                endpoint=endpoint,
                feed=feed,
                pulses=Pulses(bus, answers, feed),
                draining=draining,
            )
    finally:
        draining.set()
        await feed.close()
        await end(*watches)


async def run(
    settings: Settings, broker: BrokerSettings, stop: asyncio.Event, ready: Callable[[str], None] | None = None
) -> None:
    """Serve until ``stop``. ``ready`` is called with the real URL once requests are taken."""

    async def body(bus: Bus, stop: asyncio.Event) -> None:
        await bus.start()
        async with open_gateway(settings, bus) as gateway:
            app = create_app(gateway)
            async with serve_app(app, settings.host, settings.port, settings.drain_timeout, gateway.draining.set) as served:
                log.info("gateway serving", url=served.url)
                if ready is not None:
                    ready(served.url)
                ended = asyncio.create_task(served.ended())
                stopped = asyncio.create_task(stop.wait())
                await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
                ended.cancel()
                stopped.cancel()
                await asyncio.gather(ended, stopped, return_exceptions=True)

    await serve("gateway", broker, body, stop)
