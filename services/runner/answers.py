"""Awaited facts: one live tail for the whole instance, and a look now and then in case the tail is behind.

The tail brings everybody's calls, also those of the endpoint's clients. So it is followed only while somebody waits, and a while longer.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import structlog

from agentos.bus import Bus, Raw
from agentos.contracts.channels import CHANNELS
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import NeverRetry, RetryLater
from agentos.ending import end

log = structlog.get_logger(__name__)

LINGER_S = 30.0
"""For so long the tail is followed after the last one who waited."""
_CLOCKS = timedelta(seconds=2)
"""How far our clock may be ahead of the broker's: from so long ago on the tail brings what came before it was made. What comes in a gap
that is longer is found by the look."""


class Answers:
    """Hands each awaited fact to those who wait for its subject."""

    def __init__(self, bus: Bus, backstop: timedelta) -> None:
        self._bus = bus
        self._backstop = backstop.total_seconds()
        self._waiting: dict[str, list[asyncio.Future[Recorded]]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._linger: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """From now on facts may be waited for."""
        self._looking = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """Stop following."""
        if self._linger is not None:
            self._linger.cancel()
        await end(*(task for task in (self._looking, self._following, *self._ending) if task is not None))

    def wait(self, subject: str) -> asyncio.Future[Recorded]:
        """The fact on ``subject``, once it stands there. Ask before causing it; cancel the future to stop waiting."""
        future: asyncio.Future[Recorded] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(subject, []).append(future)
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if self._following is None or self._following.done():
            # The channels that the table lets this service tail. From a moment before now: the tail is made while we go on.
            filters = tuple(row.pattern for row in CHANNELS if self._bus.service in row.tails)
            tail = self._bus.tail(filters, start=datetime.now(UTC) - _CLOCKS)
            self._following = asyncio.create_task(self._follow(tail.updates()))
        future.add_done_callback(lambda done: self._forget(subject, done))
        return future

    def _forget(self, subject: str, future: asyncio.Future[Recorded]) -> None:
        waiting = self._waiting.get(subject, [])
        if future in waiting:
            waiting.remove(future)
        if not waiting:
            self._waiting.pop(subject, None)
        if not self._waiting and self._linger is None:
            self._linger = asyncio.get_running_loop().call_later(LINGER_S, self._rest)

    def _rest(self) -> None:
        """Nobody has waited for long."""
        self._linger = None
        following, self._following = self._following, None
        if following is not None:
            ending = asyncio.create_task(end(following))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    async def _follow(self, updates: AsyncGenerator[Raw | None]) -> None:
        async with aclosing(updates) as raws:
            async for raw in raws:
                if raw is not None and raw.subject in self._waiting:
                    try:
                        self._settle(await self._bus.decode(raw))
                    except (NeverRetry, RetryLater) as fault:
                        log.warning("answer_unreadable", code=fault.code, detail=fault.detail)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._backstop)
            for subject in tuple(self._waiting):
                try:
                    found = await self._bus.get(subject)
                except (NeverRetry, RetryLater) as fault:
                    log.info("answer_not_looked_up", code=fault.code, detail=fault.detail)
                    break
                if found is not None:
                    self._settle(found)

    def _settle(self, recorded: Recorded) -> None:
        for future in self._waiting.pop(recorded.subject, []):
            if not future.done():
                future.set_result(recorded)
