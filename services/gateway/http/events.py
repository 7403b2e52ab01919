"""Events: a list from the ledger, and live from the stream as Server-Sent Events."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, cast

import structlog
from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse

from agentos.bus import Raw
from agentos.bus.tail import Start
from agentos.contracts.base import Token
from agentos.contracts.envelope import CORRELATION, Recorded
from agentos.contracts.errors import NeverRetry, RetryLater
from agentos.ending import end
from services.gateway import ledger
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.answers import EventList
from services.gateway.http.models import Position
from services.gateway.identity.callers import Caller
from services.gateway.problems import Problem, documented
from services.gateway.state import Gateway, Parts, Sender

router = APIRouter(prefix="/events", tags=["events"], route_class=GuardedRoute)
log = structlog.get_logger(__name__)

HEARTBEAT_S = 10.0


@router.get("", response_model=EventList, responses=documented())
@needs("events.read")
async def list_events(
    gateway: Parts,
    caller: Sender,
    task: Annotated[Token | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    cursor: Position = None,
) -> Any:
    """Events in stream order."""
    data = await ledger.ask(
        gateway.bus, gateway.answers, caller.tenant, "events.list", correlation_id=task, after=int(cursor or 0), limit=limit
    )
    return ledger.events_page(data)


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "One event a message; id is the stream sequence"},
        **documented(),
    },
)
@needs("events.read")
async def stream(
    gateway: Parts,
    caller: Sender,
    task: Annotated[Token | None, Query(description="Only what belongs to this task.")] = None,
    after: Annotated[
        int | None, Query(ge=0, le=2**53, description="Begin after this sequence; otherwise with what comes next.")
    ] = None,
    last_event_id: Annotated[str | None, Header(max_length=15)] = None,
) -> Response:
    """Live events, ordered and without gaps. After a lost connection send Last-Event-ID: nothing is missed."""
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit():
        after = int(last_event_id)
    if not gateway.bus.connected:
        raise Problem(503, "unavailable", "the broker is not connected", headers={"Retry-After": "2"})
    if gateway.load.streams >= gateway.settings.max_streams:
        raise Problem(429, "busy", "too many live streams are open: close one", headers={"Retry-After": "5"})
    messages = _messages(gateway, caller, task, "new" if after is None else after + 1)
    return StreamingResponse(
        messages, media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )


async def _messages(gateway: Gateway, caller: Caller, task: str | None, start: Start) -> AsyncIterator[bytes]:
    """SSE messages until the client goes, the gateway drains, or the caller is not who they were."""
    with gateway.identity.standing.watched(caller) as changed:
        async with aclosing(_followed(gateway, caller.tenant, task, start, changed)) as messages:
            async for message in messages:
                yield message


async def _followed(
    gateway: Gateway, tenant: str, task: str | None, start: Start, changed: asyncio.Event
) -> AsyncGenerator[bytes]:
    """One reader task feeds a bounded queue, so a slow client slows only itself."""
    queue: asyncio.Queue[bytes] = asyncio.Queue(maxsize=256)
    tail = gateway.bus.tail((f"evt.{tenant}.>",), start=start)

    async def read() -> None:
        async with aclosing(cast("Any", aiter(tail))) as raws:
            async for raw in raws:
                if task is None or raw.headers.get(CORRELATION) == task:
                    await queue.put(await _message(gateway, raw))

    gateway.load.streams += 1
    revoked = asyncio.create_task(changed.wait(), name="sse-revoked")
    reader = asyncio.create_task(read(), name="sse-reader")
    draining = asyncio.create_task(gateway.draining.wait(), name="sse-draining")
    ready = asyncio.create_task(tail.ready())
    upcoming: asyncio.Task[bytes] | None = None
    try:
        await asyncio.wait({ready, draining, revoked, reader}, return_when=asyncio.FIRST_COMPLETED)
        yield b"retry: 1000\n: following\n\n"
        while not (draining.done() or revoked.done() or reader.done()):
            upcoming = asyncio.create_task(queue.get())
            await asyncio.wait({upcoming, draining, revoked, reader}, timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
            if upcoming.done():
                yield upcoming.result()
            else:
                upcoming.cancel()
                yield b": here\n\n"
    finally:
        gateway.load.streams -= 1
        running: list[asyncio.Task[Any]] = [each for each in (reader, draining, revoked, ready, upcoming) if each is not None]
        await end(*running)


async def _message(gateway: Gateway, raw: Raw) -> bytes:
    try:
        shown = view(await gateway.bus.decode(raw))
    except (NeverRetry, RetryLater) as unreadable:
        log.warning("an event cannot be shown", seq=raw.seq, subject=raw.subject, code=unreadable.code)
        shown = {"seq": raw.seq, "subject": raw.subject, "type": "unreadable", "data": {"code": unreadable.code}}
    text = json.dumps(shown, separators=(",", ":"))
    return f"id: {raw.seq}\nevent: {shown['type']}\ndata: {text}\n\n".encode()


def view(recorded: Recorded) -> dict[str, Any]:
    """An event as people see it: sealed parts are marked, not shown."""
    meta = recorded.meta
    return {
        "seq": recorded.seq,
        "type": recorded.channel.name,
        "subject": recorded.subject,
        "time": meta.time.isoformat(),
        "event_id": meta.event_id,
        "correlation_id": meta.correlation_id,
        "causation_id": meta.causation_id,
        "data": ledger.without_ciphertext(recorded.data.model_dump(mode="json")),
    }
