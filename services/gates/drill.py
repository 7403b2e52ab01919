"""Drills: how soon every instance sees a kill switch, measured on the running system with one clock."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from agentos.bus import Bus, Raw, Route
from agentos.bus.kv import entry_of
from agentos.contracts.commands import Answer, DrillKill
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import Conflict
from agentos.contracts.events.kill import KillDrilled
from agentos.ending import end
from agentos.killswitch import KillEntry
from services.gates.answers import answer_command
from services.gates.domain import drill as domain

log = structlog.get_logger(__name__)

PATIENCE = timedelta(seconds=1.5)
"""How long an instance may take in one round before it counts as killed. The service's own patience with a stale view is the same."""


@dataclass(slots=True)
class _Round:
    """One engagement of a switch that covers nothing."""

    began: float
    waiting: set[str]
    seen_ms: dict[str, float] = field(default_factory=dict[str, float])
    complete: asyncio.Event = field(default_factory=asyncio.Event)


class Drills:
    """Handlers of the gates for drills."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._kill = bus.bucket("kill")
        self._rounds: dict[str, _Round] = {}

    def routes(self) -> list[Route]:
        """The handler table. One at a time: two drills would measure each other."""
        return [Route("gates.drill", self.on_drill, concurrency=1)]

    async def on_drill(self, message: Recorded) -> None:
        """Engage, wait for every instance's word, release; as often as asked. Then write down what came of it."""
        command = message.payload(DrillKill)
        drill = message.subject.rsplit(".", 1)[-1]
        standing = await self._bus.get(f"evt.{command.tenant}.kill.{drill}.drilled")
        if standing is None:
            measured = await self._measure(message, drill, command)
            drilled = domain.drilled(command, measured)
            try:
                await self._bus.append(
                    "kill.drilled", drill, drilled, tenant=command.tenant, cause=message, correlation_id=drill
                )
            except Conflict:
                log.info("drilled_already", drill=drill)
        else:
            drilled = standing.payload(KillDrilled)
        await answer_command(self._bus, message, Answer(ok=True, data={"drill": drill, **drilled.model_dump(mode="json")}))

    async def _measure(self, message: Recorded, drill: str, command: DrillKill) -> dict[str, list[float | None]]:
        """Milliseconds by round for each instance; None where it did not answer in time."""
        instances = sorted(await self._bus.bucket("instances").keys())
        measured: dict[str, list[float | None]] = {name: [] for name in instances}
        tail = self._bus.bucket("killacks").follow()
        listening = asyncio.create_task(self._listen(tail.updates()), name="drill-acks")
        try:
            await tail.ready()
            expected = set(instances)
            for number in range(command.rounds):
                seen = await self._round(message, f"{drill}-{number}", command, expected)
                for name in instances:
                    measured[name].append(seen.get(name))
                # Who was silent once is not waited for again, but heard when it speaks in time.
                expected &= seen.keys()
        finally:
            await end(listening)
        return measured

    async def _round(self, message: Recorded, switch: str, command: DrillKill, expected: set[str]) -> dict[str, float]:
        entry = KillEntry(
            switch=switch, tenant=command.tenant, scope="task", target=switch, reason=command.reason, by=command.by,
            engaged_at=message.meta.time, drill=True,
        )  # fmt: skip
        running = self._rounds[switch] = _Round(time.perf_counter(), set(expected))
        try:
            await self._kill.put(switch, entry.model_dump_json().encode())
            if expected:
                try:
                    async with asyncio.timeout(PATIENCE.total_seconds()):
                        await running.complete.wait()
                except TimeoutError:
                    log.warning("drill_instances_silent", drill=switch, missing=sorted(running.waiting))
        finally:
            del self._rounds[switch]
            await self._kill.delete(switch)
        return running.seen_ms

    async def _listen(self, updates: AsyncGenerator[Raw | None]) -> None:
        async with aclosing(updates):
            async for raw in updates:
                if raw is None:
                    continue
                switch, _, name = entry_of(raw, "killacks").key.partition(".")
                running = self._rounds.get(switch)
                if running is None:
                    continue
                running.seen_ms.setdefault(name, (time.perf_counter() - running.began) * 1000)
                running.waiting.discard(name)
                if not running.waiting:
                    running.complete.set()
