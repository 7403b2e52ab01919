"""Where histories stand: bucket ``histories``, one entry a task family, changed by compare-and-set."""

import asyncio
import weakref
from collections.abc import Awaitable, Callable

from agentos.bus import Bus
from agentos.contracts.errors import Conflict
from services.policy.history.domain import FamilyHistory, Happened, note

Begin = Callable[[], Awaitable[FamilyHistory]]


class Histories:
    """The histories of all task families, as any policy instance sees them."""

    def __init__(self, bus: Bus) -> None:
        self._bucket = bus.bucket("histories")
        # Calls of one family that arrive together wait for each other here rather than in compare-and-set.
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def read(self, tenant: str, family: str) -> FamilyHistory | None:
        """The history so far, or None when nothing of the family was ever asked."""
        entry = await self._bucket.get(f"{tenant}.{family}")
        return None if entry is None or entry.value is None else FamilyHistory.model_validate_json(entry.value)

    async def note(self, tenant: str, family: str, begin: Begin, *happened: Happened) -> FamilyHistory:
        """Add what happened, each thing once, and give the history before it was added.

        ``begin`` makes the history of a family that has none. What was added stands in the bucket when this returns.
        """
        name = f"{tenant}.{family}"
        lock = self._locks.setdefault(name, asyncio.Lock())
        async with lock:
            while True:
                entry = await self._bucket.get(name)
                known = entry is not None and entry.value is not None
                before = FamilyHistory.model_validate_json(entry.value) if entry and entry.value else await begin()
                after = before
                for one in happened:
                    after = note(after, one)
                if known and after == before:
                    return before
                value = after.model_dump_json().encode()
                try:
                    if entry is None or entry.value is None:
                        await self._bucket.create(name, value)
                    else:
                        await self._bucket.update(name, value, entry.revision)
                except Conflict:
                    # Another instance was faster; its numbers are counted in, and ours after them.
                    continue
                return before
