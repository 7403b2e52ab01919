"""``POST /webhooks/{source}``: verify the raw bytes, defend against replay, make one task of one delivery."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from agentos.contracts.base import Principal
from agentos.contracts.envelope import digest
from agentos.contracts.errors import Conflict
from agentos.contracts.events.governance import DeliveryReceived
from agentos.contracts.ids import derived_id, is_token
from services.gateway import strict_json, submission
from services.gateway.edge import Admission, LimitedRequest, require_json
from services.gateway.http.answers import Delivered
from services.gateway.problems import Problem, documented
from services.gateway.state import Gateway, gateway_of
from services.gateway.webhooks import github, sources, standard
from services.gateway.webhooks.verdict import Rejected, Verdict

router = APIRouter(prefix="/webhooks", tags=["webhooks"])
log = structlog.get_logger(__name__)


@router.post(
    "/{source}",
    status_code=202,
    response_model=Delivered,
    responses={200: {"model": Delivered, "description": "Seen before, or a ping"}, **documented(404, 413, 415)},
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def receive(source: str, request: Request) -> JSONResponse:
    """Take a signed delivery. The signature is the authentication; the same delivery again answers with the same task."""
    gateway = gateway_of(request)
    with Admission(gateway):
        configured = gateway.sources.get(source) if is_token(source) else None
        if configured is None:
            raise Problem(404, "unknown_source", "no such webhook source: an operator adds it to the sources file")
        body = await LimitedRequest(request, gateway.settings.max_body_bytes).body()
        headers = joined(request)
        verdict = verify(configured, headers, body)
        if isinstance(verdict, Rejected):
            log.warning("webhook refused", source=source, code=verdict.code)
            challenge = {"WWW-Authenticate": f'Webhook realm="{source}"'} if verdict.status == 401 else None
            raise Problem(verdict.status, verdict.code, verdict.detail, headers=challenge)
        require_json(request)
        return await deliver(gateway, configured, verdict.identity, headers, body)


def verify(source: sources.Source, headers: Mapping[str, str], body: bytes) -> Verdict:
    """The verdict of the source's kind."""
    if source.kind == "github":
        return github.verify(source.key, headers, body)
    return standard.verify(source.key, headers, body, datetime.now(UTC))


def joined(request: Request) -> dict[str, str]:
    """Headers by lower-case name; a repeated one joined by a comma (RFC 9110 §5.3), so that none is passed over."""
    found: dict[str, str] = {}
    for name, value in request.headers.items():
        found[name.lower()] = f"{found[name.lower()]}, {value}" if name.lower() in found else value
    return found


async def deliver(
    gateway: Gateway, source: sources.Source, identity: str, headers: Mapping[str, str], body: bytes
) -> JSONResponse:
    """Take a verified delivery. Raises the problem of a body that is none."""
    try:
        parsed: Any = strict_json.parse(body)
    except strict_json.BadJson as bad:
        raise Problem(400, bad.code, bad.detail) from None
    if not isinstance(parsed, dict):
        raise Problem(400, "not_an_object", "the body must be a JSON object")
    payload = cast("dict[str, Any]", parsed)
    try:
        event, action = sources.event_of(source.kind, headers, payload)
    except ValueError as missing:
        raise Problem(400, "event_missing", str(missing)) from None
    match sources.meaning(source, event, action):
        case sources.Ping():
            return JSONResponse({"pong": True})
        case sources.Ignored(event=name, reason=reason):
            log.info("webhook ignored", source=source.name, event_name=name)
            return JSONResponse({"ignored": True, "reason": f"{reason}: {name}"}, status_code=202)
        case sources.Wanted() as wanted:
            return await _submit(gateway, source, wanted, identity, body, sources.task_input(source, wanted, headers, payload))


async def _submit(
    gateway: Gateway, source: sources.Source, wanted: sources.Wanted, identity: str, body: bytes, task_input: dict[str, object]
) -> JSONResponse:
    delivery = derived_id("delivery", source.name, identity)
    task = derived_id("task", source.name, identity)
    structlog.contextvars.bind_contextvars(correlation_id=task, tenant=source.tenant)
    made = await submission.command(
        gateway.keyring, source.tenant, task, task_input, Principal(kind="webhook", id=source.name),
        type=wanted.task_type, pack=source.pack, priority=source.priority, untrusted=True, labels={"source": source.name},
    )  # fmt: skip
    fact = DeliveryReceived(source=source.name, delivery=delivery, task=task, body_digest=digest(body))
    duplicate = False
    try:
        appended = await gateway.bus.append("delivery.received", delivery, fact, tenant=source.tenant, correlation_id=task)
        duplicate = appended.duplicate
    except Conflict:
        duplicate = True
    # Also for a repeat: whoever crashed between the fact and the command left a delivery without a task.
    await submission.send(gateway, task, made)
    log.info("webhook taken", source=source.name, task=task, duplicate=duplicate)
    return JSONResponse({"task": task, "duplicate": duplicate}, status_code=200 if duplicate else 202)
