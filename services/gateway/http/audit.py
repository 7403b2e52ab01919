"""The audit trail: where it stands, whether it is whole, and a copy to verify elsewhere."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from services.gateway import ledger
from services.gateway.auth import Caller
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.answers import Item
from services.gateway.http.models import VerifyAudit
from services.gateway.problems import documented
from services.gateway.state import Gateway, Parts, Sender

router = APIRouter(prefix="/audit", tags=["audit"], route_class=GuardedRoute)

PAGE = 200
JSONL = "application/jsonl"


@router.get("/status", response_model=Item, responses=documented())
@needs("audit.read")
async def status(gateway: Parts, caller: Sender) -> Any:
    """How far the chain reaches and what its last signed checkpoint says."""
    return await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "audit.status")


@router.post("/verify", response_model=Item, responses=documented(413, 415))
@needs("audit.read")
async def verify(gateway: Parts, caller: Sender, body: VerifyAudit | None = None) -> Any:
    """Recompute the chain from the stream. A broken chain is an answer, not an error: look at ``ok`` and ``problems``."""
    span = body.model_dump(exclude_none=True) if body else {}
    return await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "audit.verify", **span)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {JSONL: {}}, "description": "One JSON object a line"}, **documented()},
)
@needs("audit.export")
async def export(
    gateway: Parts,
    caller: Sender,
    after: Annotated[int, Query(ge=0, description="Only events after this sequence.")] = 0,
) -> Response:
    """The chain as JSON lines, for `agentos audit verify --file`."""
    # The first page is asked for before the status line goes out, so that a refusal is a problem document.
    first = await _page(gateway, caller, after, None)
    headers = {"Content-Disposition": 'attachment; filename="agentos-audit.jsonl"', "Cache-Control": "no-store"}
    return StreamingResponse(_lines(gateway, caller, first), media_type=JSONL, headers=headers)


async def _page(gateway: Gateway, caller: Caller, after: int, until: int | None) -> Any:
    return await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "audit.export", after=after, until=until, limit=PAGE)


async def _lines(gateway: Gateway, caller: Caller, page: Any) -> AsyncIterator[bytes]:
    """Cut off in the middle, the file lacks its last line, and the offline verification says so."""
    until = page.get("until")
    while True:
        for item in page["items"]:
            yield json.dumps(item, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        if page.get("next") is None:
            return
        page = await _page(gateway, caller, int(page["next"]), until)
