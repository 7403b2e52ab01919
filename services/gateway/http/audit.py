"""The audit trail: where it stands, whether it is whole, and a copy to verify elsewhere."""

from collections.abc import AsyncIterator
from typing import Any, cast

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from services.gateway import ledger
from services.gateway.auth import Caller
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.answers import Item
from services.gateway.problems import documented
from services.gateway.state import Gateway, Parts, Sender

router = APIRouter(prefix="/audit", tags=["audit"], route_class=GuardedRoute)

JSONL = "application/jsonl"


@router.get("/status", response_model=Item, responses=documented())
@needs("audit.read")
async def status(gateway: Parts, caller: Sender) -> Any:
    """How far the chain reaches and what its last signed checkpoint says."""
    return await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "audit.status")


@router.post("/verify", response_model=Item, responses=documented(413, 415))
@needs("audit.read")
async def verify(gateway: Parts, caller: Sender) -> Any:
    """Recompute the chain from the stream. A broken chain is an answer, not an error: look at ``ok`` and ``problems``."""
    return await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "audit.verify")


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {JSONL: {}}, "description": "One JSON object a line"}, **documented()},
)
@needs("audit.export")
async def export(gateway: Parts, caller: Sender) -> Response:
    """The chain as JSON lines, exactly as the ledger spells them, for `agentos audit verify --file`."""
    # The first page is asked for before the status line goes out, so that a refusal is a problem document.
    first = await _page(gateway, caller, None)
    headers = {"Content-Disposition": 'attachment; filename="agentos-audit.jsonl"', "Cache-Control": "no-store"}
    return StreamingResponse(_lines(gateway, caller, first), media_type=JSONL, headers=headers)


async def _page(gateway: Gateway, caller: Caller, cursor: str | None) -> dict[str, Any]:
    return await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "audit.export", cursor=cursor)


async def _lines(gateway: Gateway, caller: Caller, page: dict[str, Any]) -> AsyncIterator[bytes]:
    """Where a page fails the connection is cut; the file then lacks its closing line, and the offline verification says so."""
    while True:
        for line in cast("list[str]", page["lines"]):
            yield line.encode() + b"\n"
        cursor = page.get("cursor")
        if cursor is None:
            return
        page = await _page(gateway, caller, str(cursor))
