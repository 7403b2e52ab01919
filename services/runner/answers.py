"""Awaited facts: one live tail for the whole instance, and a look now and then in case the tail is behind."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta

import structlog

from agentos.bus import Bus, Raw
from agentos.contracts.channels import CHANNELS
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import NeverRetry, RetryLater
from agentos.ending import end

log = structlog.get_logger(__name__)


class Answers:
    """Hands each awaited fact to those who wait for its subject."""

    def __init__(self, bus: Bus, backstop: timedelta) -> None:
        self._bus = bus
        self._backstop = backstop.total_seconds()
        self._waiting: dict[str, list[asyncio.Future[Recorded]]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Follow the channels that the table lets this service tail; everything from now on is seen."""
        filters = tuple(row.pattern for row in CHANNELS if self._bus.service in row.tails)
        tail = self._bus.tail(filters)
        self._tasks = [asyncio.create_task(self._follow(tail.updates())), asyncio.create_task(self._look())]
        await tail.ready()

    async def stop(self) -> None:
        """Stop following."""
        await end(*self._tasks)

    def wait(self, subject: str) -> asyncio.Future[Recorded]:
        """The fact on ``subject``, once it stands there. Ask before causing it; cancel the future to stop waiting."""
        future: asyncio.Future[Recorded] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(subject, []).append(future)
        future.add_done_callback(lambda done: self._forget(subject, done))
        return future

    def _forget(self, subject: str, future: asyncio.Future[Recorded]) -> None:
        waiting = self._waiting.get(subject, [])
        if future in waiting:
            waiting.remove(future)
        if not waiting:
            self._waiting.pop(subject, None)

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
