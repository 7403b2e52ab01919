"""A streamed answer: pieces from the token stream, restored and written as they come; the settlement makes it whole.

The head is sent with the first piece, so that a call which fails before is answered with its status, as SDKs expect. Where nothing comes
for long the stream is begun all the same, and pinged; a call that waits for an approval is not begun, for it may end in a 429.
"""

import asyncio
from time import monotonic

import structlog
from pydantic import TypeAdapter
from starlette.types import Send

from agentos.bus import Raw
from agentos.contracts.errors import AgentOSError, NeverRetry
from agentos.contracts.events.call import AnswerStreamed
from agentos.contracts.model import Delta
from services.gateway.endpoint.calls import Call, Gone
from services.gateway.endpoint.dialect import StreamWriter
from services.gateway.endpoint.errors import EndpointError
from services.gateway.endpoint.live import Diverged, LiveAnswer, restored
from services.gateway.endpoint.parts import Endpoint

log = structlog.get_logger(__name__)

_DELTAS = TypeAdapter[tuple[Delta, ...]](tuple[Delta, ...])
_SLICE_BYTES = 65_536
"""What is handed to the connection at once."""


class SlowReader(Exception):
    """The client leaves unread what it was sent."""


class _Pieces:
    """Opens the pieces in their order. What comes after a gap waits; what never comes has the settlement."""

    def __init__(self, endpoint: Endpoint, call: Call) -> None:
        self._endpoint = endpoint
        self._call = call
        self._attempt = 0
        self._next = 0
        self._early: dict[int, AnswerStreamed] = {}
        self._given_up = False

    def give_up(self) -> None:
        """Give no more."""
        self._given_up = True

    async def open(self, raws: list[Raw]) -> list[Delta]:
        """The deltas of the pieces, as far as there is no gap before them."""
        found: list[Delta] = []
        for raw in raws:
            piece = (await self._endpoint.bus.decode(raw)).payload(AnswerStreamed)
            if self._given_up or piece.attempt < self._attempt:
                continue
            if piece.attempt > self._attempt:
                if self._early:
                    # Something of the attempt before is missing, and what goes on from there makes no sense.
                    self.give_up()
                    continue
                self._attempt, self._next = piece.attempt, 0
            self._early[piece.seq] = piece
            while (following := self._early.pop(self._next, None)) is not None:
                self._next += 1
                tenant = self._call.key.tenant
                opened = await self._endpoint.keys.open(tenant, AnswerStreamed.PURPOSE, following.deltas)
                found.extend(_DELTAS.validate_json(opened))
        return found


class _Line:
    """The connection: what was sent, and when."""

    def __init__(self, send: Send, call: str, patience_s: float) -> None:
        self._send = send
        self._call = call
        self._patience_s = patience_s
        self.begun = False
        self.spoke_at = monotonic()

    async def write(self, data: bytes, *, last: bool = False) -> None:
        """Raises SlowReader when nobody reads."""
        if not data and not last:
            return
        try:
            if not self.begun:
                self.begun = True
                async with asyncio.timeout(self._patience_s):
                    await self._send({"type": "http.response.start", "status": 200, "headers": self._headers()})
            # Slice by slice: whoever reads at all is waited for, however much there is to read.
            for at in range(0, max(1, len(data)), _SLICE_BYTES):
                more = not last or at + _SLICE_BYTES < len(data)
                async with asyncio.timeout(self._patience_s):
                    await self._send({"type": "http.response.body", "body": data[at : at + _SLICE_BYTES], "more_body": more})
        except TimeoutError:
            raise SlowReader from None
        self.spoke_at = monotonic()

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-cache"),
            (b"x-accel-buffering", b"no"),
            (b"agentos-call", self._call.encode()),
            (b"request-id", self._call.encode()),
        ]


async def stream(endpoint: Endpoint, call: Call, writer: StreamWriter, send: Send) -> None:
    """Stream the call's answer. Raises EndpointError before anything was sent, Gone and SlowReader when nobody is there to read."""
    settings = endpoint.settings
    line = _Line(send, call.id, settings.slow_reader_after.total_seconds())
    is_json = call.asked.request.response_format is not None
    pieces, live = _Pieces(endpoint, call), None
    began = monotonic()
    tick_s = min(settings.stream_begin_after, settings.stream_ping).total_seconds()
    try:
        async for raws in endpoint.calls.progress(call, tick_s):
            live = live or await _prepared(endpoint, call, is_json=is_json, came=bool(raws))
            if raws and live is not None:
                deltas = live.feed(await _opened(pieces, raws, call))
                if deltas:
                    await line.write(_head(line, writer) + b"".join(map(writer.delta, deltas)))
            elif line.begun:
                if monotonic() - line.spoke_at >= settings.stream_ping.total_seconds():
                    await line.write(writer.ping())
            elif monotonic() - began >= settings.stream_begin_after.total_seconds() and await endpoint.calls.allowed(call):
                await line.write(writer.begin())
        response, vault = await endpoint.calls.outcome(call)
        if live is None:
            live = LiveAnswer(vault, is_json=is_json)
        rest = live.finish(response)
        whole = restored(response, vault, is_json=is_json)
        await line.write(_head(line, writer) + b"".join(map(writer.delta, rest)) + writer.end(whole), last=True)
    except EndpointError as error:
        if not line.begun:
            raise
        await _broken_off(endpoint, call, line, writer, error)
    except Diverged:
        log.error("stream_diverged", call=call.id)
        error = EndpointError(
            502, "api", "stream_diverged", "what was streamed is not the answer: ask again", call=call.id, retry=True
        )
        if not line.begun:
            raise error from None
        await line.write(writer.error(error), last=True)
    except AgentOSError as fault:
        if not line.begun:
            raise
        log.warning("stream_broken_off", call=call.id, code=fault.code, detail=fault.detail)
        error = EndpointError(
            503, "api", fault.code, "the answer cannot be read at the moment: ask again", call=call.id, retry=True
        )
        await line.write(writer.error(error), last=True)


async def _prepared(endpoint: Endpoint, call: Call, *, is_json: bool, came: bool) -> LiveAnswer | None:
    """What restores pieces: ready as soon as the verdict is heard of, not only when the first one that ``came`` waits for it."""
    if not came and not await endpoint.calls.allowed(call):
        return None
    try:
        return LiveAnswer(await endpoint.calls.vault(call), is_json=is_json)
    except AgentOSError:
        if came:
            raise
        # Nobody needs it yet: who does hears of it.
        return None


def _head(line: _Line, writer: StreamWriter) -> bytes:
    return b"" if line.begun else writer.begin()


async def _opened(pieces: _Pieces, raws: list[Raw], call: Call) -> list[Delta]:
    try:
        return await pieces.open(raws)
    except (NeverRetry, ValueError) as unreadable:
        # A preview: the settlement says what the answer is.
        log.warning("piece_unreadable", call=call.id, fault=type(unreadable).__name__)
        pieces.give_up()
        return []


async def _broken_off(endpoint: Endpoint, call: Call, line: _Line, writer: StreamWriter, error: EndpointError) -> None:
    """The stream has begun and cannot be taken back: the error is its last event, and who must know is told as for any other."""
    await line.write(writer.error(error), last=True)
    if error.code == "invalid_api_key":
        await endpoint.calls.abandon(call, "key_revoked")
    elif error.code == "call_timeout":
        await endpoint.calls.abandon(call, "timed_out")


__all__ = ["Gone", "SlowReader", "stream"]
