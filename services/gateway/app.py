"""The composition root: the application and everything that it stands on."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from agentos.bus import BrokerSettings, Bus
from agentos.sealing import MasterKey
from services.gateway import problems
from services.gateway.answers import Answers
from services.gateway.auth import ApiKeys
from services.gateway.authorizer import Authorizer, RoleTable, role_table
from services.gateway.http import approvals, audit, events, health, keys, kill, ops, tasks, webhooks
from services.gateway.idempotency import Idempotency
from services.gateway.keys import DataKeys
from services.gateway.middleware import Observed
from services.gateway.packs import Presence
from services.gateway.server import Served, serve_app
from services.gateway.settings import GatewaySettings
from services.gateway.state import Gateway
from services.gateway.webhooks import sources

log = structlog.get_logger(__name__)

ROUTERS = (webhooks, tasks, approvals, kill, audit, ops, events, keys)
"""Everything under /api/v1, one file per kind of resource."""


def create_app(gateway: Gateway | None = None) -> FastAPI:
    """The application. Without a gateway it describes itself (OpenAPI) and serves nothing else."""
    # The interactive pages load their scripts from a CDN; the document alone is served.
    app = FastAPI(title="AgentOS", version="1", docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    api = APIRouter(prefix="/api/v1")
    for module in ROUTERS:
        api.include_router(module.router)
    app.include_router(api)
    app.include_router(health.router)
    app.state.gateway = gateway
    app.add_middleware(Observed)
    problems.install(app)
    app.openapi = lambda: _openapi(app)
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(
        title=app.title,
        version=app.version,
        description="Tasks, approvals, the kill switch, audit and cost. Every error is an RFC 9457 problem document.",
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    components["securitySchemes"] = {
        "apiKey": {"type": "http", "scheme": "bearer", "description": "An API key: `aos_<id>_<secret>`."}
    }
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
            if path.startswith("/api/v1/") and "/webhooks/" not in path:
                operation["security"] = [{"apiKey": []}]
                if method == "post":
                    operation.setdefault("parameters", []).append(idempotency)
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    app.openapi_schema = document
    return document


@asynccontextmanager
async def open_gateway(settings: GatewaySettings, bus: Bus, authorizer: Authorizer | None = None) -> AsyncGenerator[Gateway]:
    """The gateway's parts over a connected bus, with its watches running. Raises when the configuration is refused."""
    role_table()
    master = await asyncio.to_thread(MasterKey.load_or_create, settings.master_key_path)
    configured = await asyncio.to_thread(sources.load, settings.sources_file)
    data_keys, api_keys = DataKeys(bus, master), ApiKeys(bus)
    gateway = Gateway(
        settings=settings,
        bus=bus,
        answers=Answers(bus, settings.answer_timeout),
        api_keys=api_keys,
        data_keys=data_keys,
        authorizer=authorizer or RoleTable(),
        idempotency=Idempotency(bus, data_keys, abandoned_after=settings.answer_timeout * 3),
        presence=Presence(bus),
        sources=configured,
    )
    watches = [
        asyncio.create_task(gateway.answers.follow(), name="gateway-answers"),
        asyncio.create_task(api_keys.watch(), name="gateway-apikeys"),
    ]
    try:
        await asyncio.gather(gateway.answers.ready(), api_keys.ready())
        await api_keys.ensure_first_admin(settings.admin_key_path, settings.tenant)
        log.info("gateway open", sources=sorted(configured))
        yield gateway
    finally:
        gateway.draining.set()
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)


@asynccontextmanager
async def serve(settings: GatewaySettings, bus: Bus) -> AsyncGenerator[Served]:
    """Serve on the configured address for as long as the context is open; ends gracefully. For one process of many services."""
    async with open_gateway(settings, bus) as gateway:
        app = create_app(gateway)
        async with serve_app(app, settings.host, settings.port, settings.drain_timeout, gateway.draining.set) as served:
            yield served


async def run(settings: GatewaySettings, broker: BrokerSettings, stop: asyncio.Event | None = None) -> None:
    """The service as a process of its own: until SIGTERM, SIGINT, ``stop``, or the loss of the broker connection for good."""
    bus = await Bus.connect(broker, "gateway")
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        # Where a loop runs outside the main thread its owner sets ``stop``.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(name, stop.set)
    try:
        await bus.start()
        async with serve(settings, bus) as served:
            log.info("gateway serving", url=served.url)
            ends = [
                asyncio.create_task(stop.wait()),
                asyncio.create_task(bus.closed.wait()),
                asyncio.create_task(served.ended()),
            ]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.cancel()
    finally:
        await bus.drain()
