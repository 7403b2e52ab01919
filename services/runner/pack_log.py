"""What agents log, as events: gathered for a moment, sealed, and appended; each line once, however often the agent runs again."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from agentos.bus import Bus
from agentos.contracts.base import Sealed
from agentos.contracts.commands import WorkItem
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import AgentOSError, Conflict
from agentos.contracts.events.task import LogLevel, LogWritten
from agentos.ending import end
from agentos.packhost.child import MAX_LOG_LINES
from agentos.packhost.process import LogFrame

log = structlog.get_logger(__name__)

PURPOSE = "task.log"
GATHER_S = 1.0
MAX_BYTES = 256 * 1024
"""Of an attempt's lines."""
EVENT_BYTES = 32 * 1024
"""Of one event's: no payload that a claim check would be needed for."""
_TEXT, _FIELDS, _NAME = 500, 20, 64
Seal = Callable[[str, bytes], Awaitable[Sealed]]


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it is to be sealed."""

    level: LogLevel
    text: str


class Tally:
    """Which lines of an attempt are new and still fit. Pure. Once one was too many, all after it are: what is kept is a beginning."""

    def __init__(self, kept: int = 0, size: int = 0) -> None:
        """``kept`` lines of ``size`` bytes stand already."""
        self._kept = kept
        self._size = size
        self._full = False
        self._said = 0

    @property
    def dropped(self) -> int:
        """How many lines of the run so far are not kept."""
        return max(self._said - self._kept, 0)

    def again(self) -> None:
        """The agent runs from its beginning and says again what it has said."""
        self._said = 0

    def skip(self, lines: int) -> None:
        """So many lines were said that nobody sent."""
        self._said += lines
        self._full = self._full or lines > 0

    def take(self, size: int) -> bool:
        """Whether the next line, of ``size`` bytes, is to be kept."""
        self._said += 1
        if self._said <= self._kept:
            return False
        self._full = self._full or self._kept >= MAX_LOG_LINES or self._size + size > MAX_BYTES
        if self._full:
            return False
        self._kept += 1
        self._size += size
        return True


class PackLog:
    """The lines of one attempt. ``open`` it before the agent runs, ``close`` it after."""

    def __init__(self, bus: Bus, cause: Recorded, item: WorkItem, seal: Seal) -> None:
        self._bus, self._cause, self._item, self._seal = bus, cause, item, seal
        self._tally = Tally()
        self._written = 0
        self._waiting: list[Line] = []
        self._telling: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()

    async def open(self, *, replaying: bool) -> None:
        """Find out what stands already. ``replaying``: something may."""
        if not replaying:
            return
        said = [event.data for event in await self._bus.load(self._item.tenant, "log", self._item.task)]
        mine = [one for one in said if isinstance(one, LogWritten) and one.attempt == self._item.attempt]
        self._written = sum(one.count for one in mine)
        self._tally = Tally(self._written, sum(len(one.lines.ciphertext) for one in mine if one.lines is not None))

    def again(self) -> None:
        """The agent is run from its beginning."""
        self._tally.again()

    def take(self, frame: LogFrame) -> None:
        """Keep a line, to be written within a moment."""
        line = _line(frame, datetime.now(UTC))
        if not self._tally.take(len(line.text)):
            return
        self._waiting.append(line)
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell_soon())

    def unsent(self, lines: int) -> None:
        """The pack's process has not sent so many."""
        self._tally.skip(lines)

    async def close(self, *, over: bool) -> None:
        """Write the rest. ``over``: the attempt has ended, and how many lines were dropped is to be said."""
        if self._telling is not None:
            await end(self._telling)
        await self._write()
        if over and self._tally.dropped:
            await self._append(self._about(dropped=self._tally.dropped))

    async def _tell_soon(self) -> None:
        while self._waiting:
            await asyncio.sleep(GATHER_S)
            # Not to be cut short between two events.
            await asyncio.shield(asyncio.create_task(self._write()))

    async def _write(self) -> None:
        async with self._writing:
            while self._waiting:
                lines = _first(self._waiting)
                del self._waiting[: len(lines)]
                text = "[" + ",".join(line.text for line in lines) + "]"
                try:
                    sealed = await self._seal(PURPOSE, text.encode())
                except AgentOSError as unsealed:
                    # Such as an erased data key: what cannot be sealed is not kept.
                    log.error("pack_log_not_kept", task=self._item.task, lines=len(lines), code=unsealed.code)
                    continue
                stands = await self._append(self._about(levels=dict(Counter(line.level for line in lines)), lines=sealed))
                # Where another runner had the attempt as well and was there first, it has written these lines, or more or fewer of them.
                self._waiting = (lines + self._waiting)[stands:]
                self._written += stands

    def _about(self, **said: Any) -> LogWritten:
        item = self._item
        return LogWritten(pack=item.pack, agent=item.agent, attempt=item.attempt, first=self._written + 1, **said)

    async def _append(self, written: LogWritten) -> int:
        """How many lines stand in the event now: ours, or those of who was faster."""
        item, ordinal = self._item, f"{written.attempt}-{written.first}"
        try:
            appended = await self._bus.append(
                "log.written", item.task, written, tenant=item.tenant, ordinal=ordinal, cause=self._cause
            )
            if not appended.duplicate:
                return written.count
            standing = await self._bus.get(f"evt.{item.tenant}.log.{item.task}.written.{ordinal}")
        except Conflict as taken:
            standing = taken.fields.get("existing")
        except AgentOSError as away:
            # The attempt cannot end either without the broker, and will be made again: as will its lines.
            log.error("pack_log_not_recorded", task=item.task, lines=written.count, detail=away.detail)
            return written.count
        return standing.payload(LogWritten).count if isinstance(standing, Recorded) else written.count


def _first(lines: list[Line]) -> list[Line]:
    """As many of the first lines as fit into an event, and at least one."""
    size, fit = 0, 0
    for line in lines:
        size += len(line.text)
        if fit and size > EVENT_BYTES:
            break
        fit += 1
    return lines[:fit]


def _line(frame: LogFrame, at: datetime) -> Line:
    """A pack's text may be of any length and hold anything, lone surrogates included."""
    fields = {_plain(name, _NAME): _plain(value, _TEXT) for name, value in list(frame.fields.items())[:_FIELDS]}
    said = {
        "at": at.isoformat(timespec="milliseconds"),
        "level": frame.level,
        "text": _plain(frame.event, _TEXT),
        "fields": fields,
    }
    return Line(frame.level, json.dumps(said, separators=(",", ":")))


def _plain(text: str, most: int) -> str:
    return text[:most].encode("utf-8", "replace").decode()
