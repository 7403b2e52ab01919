"""The audit trail: where it stands, whether it is whole, and a copy to verify elsewhere."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from agentos.contracts.base import Token, Utc
from services.gateway import ledger
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.answers import EventItem, EventPage
from services.gateway.http.models import Verification
from services.gateway.identity.callers import Caller
from services.gateway.problems import documented
from services.gateway.state import Gateway, Parts, Sender

router = APIRouter(prefix="/audit", tags=["audit"], route_class=GuardedRoute)

JSONL = "application/jsonl"


class Proof(BaseModel):
    """``proof`` is the one line that the proof's file holds."""

    proof: str


class Checkpoint(BaseModel):
    """A signed statement of what the chain is up to an event."""

    seq: int
    count: int
    chain: str
    root: str
    time: Utc
    key_id: str
    signature: str


class AnchorState(BaseModel):
    """How far a place outside holds what the chain was."""

    place: str
    anchored: int = Field(description="Up to which event.")
    fault: str | None = Field(description="What is in the way, if anything is.")


class AuditStatus(BaseModel):
    """How far the chain reaches, and what its last signed checkpoint says."""

    position: int
    chain: str
    key_id: str
    public_key: str
    checkpoints: int
    last_checkpoint: Checkpoint | None
    uncovered: int = Field(description="Events that no checkpoint signs yet.")
    anchors: list[AnchorState]


class Wrong(BaseModel):
    """What is wrong, and where."""

    place: str
    kind: str
    detail: str


class Verified(BaseModel):
    """What a verification found; `problems` holds the first hundred."""

    ok: bool
    events: int
    last_seq: int
    checkpoints: int
    anchors: int
    problems: list[Wrong]


@router.get("/status", response_model=AuditStatus, responses=documented())
@needs("audit.read")
async def status(gateway: Parts, caller: Sender) -> Any:
    """How far the chain reaches and what its last signed checkpoint says."""
    return await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "audit.status")


@router.get("/events", response_model=EventPage, responses=documented())
@needs("audit.read")
async def search(
    gateway: Parts,
    caller: Sender,
    type: Annotated[  # noqa: A002 - the field's name
        str | None, Query(pattern=r"^[a-z-]{1,64}(\.[a-z-]{1,64})?$", description="`kill`, or `kill.engaged`.")
    ] = None,
    id: Annotated[Token | None, Query(description="What the event is about.")] = None,  # noqa: A002 - as above
    task: Annotated[Token | None, Query(description="All that was done for this task.")] = None,
    actor: Annotated[
        str | None, Query(pattern=r"^[^\x00]{1,300}$", description="Who did it, or asked for it: their id.")
    ] = None,
    q: Annotated[
        str | None, Query(pattern=r"^[^\x00]{2,200}$", description="Stands in the subject or in what is not sealed.")
    ] = None,
    since: Annotated[Utc | None, Query()] = None,
    until: Annotated[Utc | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$", description="`next_cursor` of the page before.")] = None,
) -> EventPage:
    """Search the log, newest first. With `actor` or `q` one answer looks at 20,000 events: go on while there is a `next_cursor`."""
    data = await ledger.ask(
        gateway.bus, gateway.answers, caller.tenant, "events.search",
        type=type, id=id, task=task, actor=actor, q=q, since=since.isoformat() if since else None,
        until=until.isoformat() if until else None, limit=limit, cursor=cursor,
    )  # fmt: skip
    items = [EventItem.model_validate(ledger.event(row)) for row in data.get("events", [])]
    return EventPage(items=items, next_cursor=data.get("cursor"), position=data.get("position", 0))


@router.post("/verify", response_model=Verified, responses=documented(413, 415))
@needs("audit.read")
async def verify(gateway: Parts, caller: Sender, body: Verification | None = None) -> Any:
    """Recompute the chain from the stream, and hold it against anchors where they are given.

    A broken chain is an answer, not an error: look at ``ok`` and ``problems``.
    """
    anchors = list(body.anchors) if body is not None else []
    return await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "audit.verify", anchors=anchors)


@router.get("/proof", response_model=Proof, responses=documented(404, 409))
@needs("audit.export")
async def prove(
    gateway: Parts,
    caller: Sender,
    event: Annotated[str, Query(min_length=1, max_length=600, description="The event's subject or its id.")],
    checkpoint: Annotated[
        int | None, Query(ge=1, le=2**53, description="The sequence that the checkpoint to prove against signs.")
    ] = None,
) -> Any:
    """The proof that one event is part of the signed log, for `agentos audit verify --proof`."""
    return await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "audit.prove", event=event, checkpoint=checkpoint)


@router.get("/consistency", response_model=Proof, responses=documented(404, 409))
@needs("audit.export")
async def consistency(
    gateway: Parts,
    caller: Sender,
    first: Annotated[int, Query(ge=1, le=2**53, description="The sequence that the earlier checkpoint signs.")],
    second: Annotated[int | None, Query(ge=1, le=2**53, description="That of the later one; the newest unless given.")] = None,
) -> Any:
    """The proof that the log which one checkpoint signs is the beginning of that which another signs."""
    return await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "audit.consistency", first=first, second=second)


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
