"""One WebSocket of the live feed: who, what was missed, what comes, until either side ends it.

The order of a client's events is the stream's, without gaps and without doubles: the place at the feed is taken first, what was missed
is read up to that place, and what comes after it waits meanwhile.
"""

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, cast

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from agentos.contracts.errors import NeverRetry, RetryLater
from agentos.ending import end
from services.gateway.authorizer import ACTIONS, Action
from services.gateway.identity.callers import Caller
from services.gateway.live import topics
from services.gateway.live.feed import Listener
from services.gateway.live.frames import BadFrame, Event, Hello, NewToken, NewTopics, read, text
from services.gateway.live.pulse import Pulse
from services.gateway.problems import Problem
from services.gateway.state import Gateway

log = structlog.get_logger(__name__)

TOKEN, FORBIDDEN, NO_HELLO, SLOW, RESTART, UNREADABLE = 4401, 4403, 4408, 4429, 1012, 1007
"""Why a socket is closed, as its code."""

HELLO_S = 5.0
SEND_S = 10.0
"""How long a client may leave one frame untaken."""
PING_S = 15.0
SILENT_S = 45.0
"""How long a client may say nothing, pongs included."""
FRAMES_AT_ONCE, FRAMES_PER_S = 40, 10.0
CHECK_S = 1.0
"""How often the token and the roles behind an open socket are looked at again; a change of the keys is looked at when it happens."""


class Closed(Exception):
    """End the socket with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Socket:
    """An accepted connection."""

    def __init__(self, websocket: WebSocket, gateway: Gateway) -> None:
        self._ws = websocket
        self._gateway = gateway
        self._token = ""
        self._caller: Caller
        self._actions: frozenset[Action] = frozenset()
        self._topics: tuple[str, ...] = ("*",)
        self._sending = asyncio.Lock()
        self._allowance = float(FRAMES_AT_ONCE)
        self._counted_at = self._heard_at = time.monotonic()

    async def serve(self) -> None:
        """Until it ends. Raises nothing."""
        try:
            await self._serve()
        except Closed as closed:
            await self._close(closed.code, closed.reason)
        except (RetryLater, NeverRetry):
            await self._close(RESTART, "the broker is not connected")
        except (WebSocketDisconnect, OSError):
            return

    async def _serve(self) -> None:
        feed = self._gateway.feed
        hello = await self._hello()
        async with AsyncExitStack() as open_:
            listener = await open_.enter_async_context(feed.listen(self._wants))
            pulse = await open_.enter_async_context(self._gateway.pulses.of(self._caller.tenant))
            await self._send(text("welcome", position=listener.position))
            await self._catch_up(hello.since, listener.position)
            await _first_ends(
                self._tell(listener),
                self._overflow(listener),
                self._beat(pulse),
                self._ping(),
                self._listen(),
                self._recheck(),
                self._drain(),
            )

    async def _hello(self) -> Hello:
        try:
            async with asyncio.timeout(HELLO_S):
                said = read(await self._receive())
        except TimeoutError:
            raise Closed(NO_HELLO, "no hello came in time") from None
        except BadFrame as bad:
            raise Closed(NO_HELLO, str(bad)) from None
        if not isinstance(said, Hello):
            raise Closed(NO_HELLO, "the first frame must be hello")
        self._token, self._topics = said.token, said.topics
        self._caller = self._authenticated()
        await self._take_roles()
        structlog.contextvars.bind_contextvars(tenant=self._caller.tenant, caller=self._caller.principal.id)
        return said

    # --- who ----------------------------------------------------------------------------------------------------------

    def _authenticated(self) -> Caller:
        try:
            caller = self._gateway.identity.standing.recognise(self._token)
        except Problem as problem:
            raise Closed(TOKEN if problem.status == 401 else RESTART, problem.code) from None
        if caller.must_change:
            raise Closed(FORBIDDEN, "password_change_required")
        return caller

    async def _take_roles(self) -> None:
        may, caller = self._gateway.authorizer.allowed, self._caller
        self._actions = frozenset([action for action in ACTIONS if await may(caller, action)])
        if "events.read" not in self._actions:
            raise Closed(FORBIDDEN, "the roles do not include events.read")

    async def _recheck(self) -> None:
        while True:
            with self._gateway.identity.standing.watched(self._caller) as changed, contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECK_S):
                    await changed.wait()
            # Also where nobody changed anything: a token expires, and the rules may let a role do something else now.
            await self._look_again()

    async def _look_again(self) -> None:
        caller = self._authenticated()
        mine = self._caller
        if (caller.principal.id, caller.tenant, caller.session) != (mine.principal.id, mine.tenant, mine.session):
            raise Closed(TOKEN, "the token is of another session")
        self._caller = caller
        await self._take_roles()

    # --- out ----------------------------------------------------------------------------------------------------------

    def _wants(self, event: Event) -> bool:
        """What this socket is told: its tenant's, what its roles may read, what it asked for. Asked when an event comes, and when it goes."""
        return (
            event.readable
            and event.action in self._actions
            and topics.matches(self._topics, event.name)
            and self._gateway.feed.concerns(event, self._caller.tenant)
        )

    async def _catch_up(self, since: int | None, position: int) -> None:
        if since is None or since == position:
            return
        missed = await self._gateway.feed.missed(self._caller.tenant, since, position) if since < position else None
        if missed is None:
            await self._send(text("gap", position=position))
            return
        for event in missed:
            if self._wants(event):
                await self._send(event.frame)

    async def _tell(self, listener: Listener) -> None:
        while True:
            event = await listener.waiting.get()
            # Roles, and what was asked for, may have changed while it waited.
            if self._wants(event):
                await self._send(event.frame)

    async def _overflow(self, listener: Listener) -> None:
        await listener.overflowed.wait()
        raise Closed(SLOW, "too slow: events were stored faster than they were taken")

    async def _beat(self, pulse: Pulse) -> None:
        number = 0
        while True:
            number, frame = await pulse.after(number)
            if topics.matches(self._topics, "metrics.update") and "tasks.read" in self._actions:
                await self._send(frame)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_S)
            if time.monotonic() - self._heard_at > SILENT_S:
                raise Closed(NO_HELLO, "nothing was heard for too long: answer each ping with a pong")
            await self._send(text("ping"))

    async def _send(self, frame: str) -> None:
        try:
            async with asyncio.timeout(SEND_S), self._sending:
                await self._ws.send_text(frame)
        except TimeoutError:
            raise Closed(SLOW, "too slow: a frame was not taken in time") from None

    async def _drain(self) -> None:
        await self._gateway.draining.wait()
        raise Closed(RESTART, "the gateway restarts: connect again")

    async def _close(self, code: int, reason: str) -> None:
        log.info("live socket closed", code=code, reason=reason)
        if self._ws.application_state != WebSocketState.CONNECTED:
            return
        try:
            async with asyncio.timeout(1):
                await self._ws.close(code, reason.encode()[:120].decode("utf-8", "ignore"))
        except (TimeoutError, WebSocketDisconnect, OSError, RuntimeError):
            # It is gone already, or takes nothing any more: the server drops the connection when this request ends.
            return

    # --- in -----------------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            try:
                said = read(await self._receive())
            except BadFrame as bad:
                raise Closed(UNREADABLE, str(bad)) from None
            match said:
                case Hello():
                    raise Closed(UNREADABLE, "hello was said before")
                case NewTopics():
                    self._topics = said.topics
                case NewToken():
                    self._token = said.token
                    await self._look_again()
                case _:
                    continue

    async def _receive(self) -> str:
        message = await self._ws.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        now = time.monotonic()
        self._allowance = min(FRAMES_AT_ONCE, self._allowance + (now - self._counted_at) * FRAMES_PER_S) - 1
        self._counted_at = self._heard_at = now
        if self._allowance < 0:
            raise Closed(SLOW, "too many frames: slow down")
        if message.get("text") is None:
            raise BadFrame("frames are text")
        return cast("str", message["text"])


async def _first_ends(*work: Coroutine[Any, Any, None]) -> None:
    """Run all until one ends, end the others, and raise what the first ended with."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(*tasks)
    for task in done:
        task.result()
