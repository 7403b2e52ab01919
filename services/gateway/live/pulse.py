"""The figures that a page shows moving: asked of the ledger once a second for each tenant that somebody looks at, and for no other."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import structlog

from agentos.bus import Bus
from agentos.ending import end
from services.gateway import ledger
from services.gateway.answers import Answers
from services.gateway.live.feed import Feed
from services.gateway.live.frames import text
from services.gateway.problems import Problem

log = structlog.get_logger(__name__)

EVERY_S = 1.0


class Pulse:
    """The newest ``metrics.update`` frame of a tenant. Of one event loop."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.watchers = 0
        self.number = 0
        self.frame = ""
        self._beat = asyncio.Event()
        self.asking: asyncio.Task[None] | None = None

    def say(self, frame: str) -> None:
        """There is a new one."""
        self.number += 1
        self.frame = frame
        beat, self._beat = self._beat, asyncio.Event()
        beat.set()

    async def after(self, number: int) -> tuple[int, str]:
        """The newest frame, once there is one that is newer than ``number``: those in between are skipped."""
        while self.number <= number:
            await self._beat.wait()
        return self.number, self.frame


class Pulses:
    """One ``Pulse`` a tenant, however many look."""

    def __init__(self, bus: Bus, answers: Answers, feed: Feed) -> None:
        self._bus = bus
        self._answers = answers
        self._feed = feed
        self._pulses: dict[str, Pulse] = {}

    @asynccontextmanager
    async def of(self, tenant: str) -> AsyncGenerator[Pulse]:
        """The tenant's pulse; it beats while somebody holds it."""
        pulse = self._pulses.setdefault(tenant, Pulse(tenant))
        pulse.watchers += 1
        if pulse.asking is None:
            pulse.asking = asyncio.create_task(self._ask(pulse), name="gateway-live-pulse")
        try:
            yield pulse
        finally:
            pulse.watchers -= 1
            if not pulse.watchers:
                del self._pulses[tenant]
                await end(pulse.asking)

    async def _ask(self, pulse: Pulse) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            said: dict[str, Any] | None = None
            try:
                said = await ledger.ask(self._bus, self._answers, pulse.tenant, "system.pulse")
            except Problem as problem:
                # The page says that the figures stand still; events go on.
                log.info("the ledger did not say the figures", code=problem.code)
            except Exception:  # a defect of one second: the next one asks again, and the sockets go on
                log.exception("the figures could not be asked for")
            pulse.say(text("metrics.update", position=self._feed.position, live=self._feed.live, figures=said))
            await asyncio.sleep(max(0.1, EVERY_S - (loop.time() - began)))
