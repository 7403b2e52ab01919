"""Which packs are alive, followed from bucket ``presence``."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import structlog

from agentos.bus import Bus
from agentos.contracts.packs import Presence
from agentos.ending import end

log = structlog.get_logger(__name__)

SILENT_AFTER = timedelta(seconds=15)
"""A runner says that it lives every 5 s; the bucket drops entries silently, so their age is looked at here."""


class LivePacks:
    """A live copy of the presence bucket."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._known: dict[str, Presence] = {}
        self._following: asyncio.Task[None] | None = None
        self._first = asyncio.Event()
        self.changed = asyncio.Event()
        """Set when a pack came (back): what waits for one may go on. For one waiter, who clears it."""

    async def start(self) -> None:
        """Read the bucket, then follow it."""
        self._following = asyncio.create_task(self._follow(), name="presence")
        await self._first.wait()

    async def stop(self) -> None:
        """Stop following."""
        if self._following is not None:
            await end(self._following)

    def alive(self) -> list[Presence]:
        """The packs heard of lately."""
        since = datetime.now(UTC) - SILENT_AFTER
        for key in [key for key, presence in self._known.items() if presence.at < since]:
            # The bucket drops what is too old without a word, so nothing else would ever remove it here.
            del self._known[key]
        return list(self._known.values())

    def _note(self, key: str, presence: Presence) -> None:
        before = self._known.get(key)
        self._known[key] = presence
        if before is None or before.agents != presence.agents or presence.at - before.at > SILENT_AFTER:
            self.changed.set()

    async def _follow(self) -> None:
        async with aclosing(self._bus.bucket("presence").watch()) as entries:
            async for entry in entries:
                if entry is None:
                    self._first.set()
                elif entry.value is None:
                    self._known.pop(entry.key, None)
                else:
                    try:
                        self._note(entry.key, Presence.model_validate_json(entry.value))
                    except ValueError:
                        log.exception("presence_unreadable", key=entry.key)
