"""What packs try and are refused, as events: gathered for a moment, then appended, and never in the way of the work itself."""

import asyncio
from collections.abc import Callable

import structlog

from agentos.bus import Bus
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import AgentOSError, Conflict
from agentos.contracts.events.governance import ViolationNoted
from agentos.contracts.subjects import EventSubject
from agentos.ending import end
from agentos.packhost.listener import Tried
from agentos.telemetry import counter

log = structlog.get_logger(__name__)

SYSTEM = "system"
"""The tenant of what no tenant's task can be named for."""
GATHER_S = 1.0
MOST_EVENTS = 100
_MORE = Tried("other", "more tries than are told one by one")


class Tally:
    """Equal tries become one with a count; after ``most`` that were handed out, all others become one at the end. Pure."""

    def __init__(self, most: int = MOST_EVENTS) -> None:
        self._most = most
        self._told = 0
        self._more = 0
        self._waiting: dict[tuple[str, str], Tried] = {}
        self.serious = 0
        """Tries that no library makes by itself: all but looking for files."""

    def take(self, tried: Tried) -> None:
        """Count it."""
        if tried.what != "file":
            self.serious += tried.count
        key = (tried.what, tried.detail)
        if (same := self._waiting.get(key)) is not None:
            self._waiting[key] = Tried(tried.what, tried.detail, same.count + tried.count)
        elif self._told + len(self._waiting) < self._most:
            self._waiting[key] = tried
        else:
            self._more += tried.count

    def drain(self, *, last: bool = False) -> list[Tried]:
        """What is to be told now. ``last``: with the sum of what was one too many."""
        told = list(self._waiting.values())
        self._waiting.clear()
        self._told += len(told)
        if last and self._more:
            told.append(Tried(_MORE.what, _MORE.detail, self._more))
            self._more = 0
        return told


class Violations:
    """The tries of one attempt, one tool call, or one pack's process. ``close`` it."""

    def __init__(
        self, bus: Bus, channel: str, about: ViolationNoted, *, tenant: str, id_: str, hide: Callable[[str], str],
        cause: Recorded | None = None,
    ) -> None:  # fmt: skip
        """``about`` is what every event says alike; its ``what``, ``detail`` and ``count`` are replaced."""
        self._bus, self._channel, self._about, self._cause = bus, channel, about, cause
        self._tenant, self._id = tenant, id_
        self._hide = hide
        self._tally = Tally()
        self._telling: asyncio.Task[None] | None = None
        self._ordinal: int | None = None

    def take(self, tried: Tried) -> int:
        """Count a try, to be told within a moment. The result is how many there were that no library makes by itself."""
        counter(
            "agentos_violations_total", "Tries of packs at what their sandbox refuses.", ("service", "pack", "what")
        ).labels(self._bus.service, self._about.pack, tried.what).inc(tried.count)
        self._tally.take(tried)
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell_soon())
        return self._tally.serious

    async def close(self) -> None:
        """Tell the rest."""
        if self._telling is not None:
            await end(self._telling)
            await self._tell(self._tally.drain(last=True))

    async def _tell_soon(self) -> None:
        await asyncio.sleep(GATHER_S)
        # Not to be cut short between two events.
        await asyncio.shield(asyncio.create_task(self._tell(self._tally.drain())))

    async def _tell(self, tries: list[Tried]) -> None:
        for tried in tries:
            changes = {"what": tried.what, "detail": self._hide(tried.detail)[:300], "count": tried.count}
            noted = self._about.model_copy(update=changes)
            log.warning("violation", channel=self._channel, pack=noted.pack, task=noted.task, **changes)
            try:
                await self._append(noted)
            except AgentOSError as away:
                # The attempt cannot end either without the broker, and will be made again: as will its tries.
                log.error("violation_not_recorded", pack=noted.pack, task=noted.task, detail=away.detail)

    async def _append(self, noted: ViolationNoted) -> None:
        if self._ordinal is None:
            fact = self._channel.partition(".")[2]
            subjects = [EventSubject.parse(e.subject) for e in await self._bus.load(self._tenant, "violation", self._id)]
            self._ordinal = max((int(s.ordinal or 0) for s in subjects if s.fact == fact), default=0)
        while True:
            self._ordinal += 1
            try:
                appended = await self._bus.append(
                    self._channel, self._id, noted, tenant=self._tenant, ordinal=self._ordinal, cause=self._cause
                )
            except Conflict:
                continue
            # A duplicate: another runner that has the same message was there first, with a try of its own.
            if not appended.duplicate:
                return


__all__ = ["GATHER_S", "MOST_EVENTS", "SYSTEM", "Tally", "Violations"]
