"""Health, readiness, metrics. Outside /api/v1, where orchestrators and collectors look for them."""

import asyncio

import prometheus_client
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from services.gateway import ledger
from services.gateway.http.answers import Health
from services.gateway.problems import Problem, documented
from services.gateway.state import gateway_of

router = APIRouter(tags=["health"])


@router.get("/healthz", response_model=Health, responses=documented())
async def healthz() -> Health:
    """The process is alive. Says nothing of its parts: restarting it would not mend them."""
    return Health(status="ok")


@router.get("/readyz", response_model=Health, responses={503: {"model": Health, "description": "Not ready"}, **documented()})
async def readyz(request: Request) -> JSONResponse:
    """Whether requests can be served now: the broker is connected, keys are loaded, the ledger answers."""
    gateway = gateway_of(request)
    checks = {
        "broker": "ok" if gateway.bus.connected else "not connected",
        "keys": "ok" if gateway.identity.standing.loaded else "not loaded",
        "draining": "yes" if gateway.draining.is_set() else "no",
        "ledger": "ok",
    }
    try:
        async with asyncio.timeout(2):
            await ledger.ask(gateway.bus, gateway.answers, gateway.settings.tenant, "ledger.status")
    except (Problem, TimeoutError) as fault:
        # A refusal is an answer: the ledger is there.
        if not (isinstance(fault, Problem) and fault.settled):
            checks["ledger"] = "does not answer"
    ready = checks == {"broker": "ok", "keys": "ok", "draining": "no", "ledger": "ok"}
    body = Health(status="ok" if ready else "unavailable", checks=checks)
    return JSONResponse(body.model_dump(), status_code=200 if ready else 503, headers={} if ready else {"Retry-After": "2"})


@router.get("/metrics", response_class=Response, responses=documented(), openapi_extra={"security": [{"apiKey": []}, {}]})
async def metrics(request: Request) -> Response:
    """Prometheus metrics of the whole process."""
    gateway = gateway_of(request)
    if not gateway.settings.metrics_open:
        caller = gateway.identity.standing.authenticate(request.headers.get("authorization"))
        if caller.must_change or not await gateway.authorizer.allowed(caller, "metrics.read"):
            raise Problem(403, "forbidden", "this key's roles do not include metrics.read")
    return Response(prometheus_client.generate_latest(), media_type=prometheus_client.CONTENT_TYPE_LATEST)
