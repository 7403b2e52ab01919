"""Where histories stand: bucket ``histories``, one entry a task family, changed by compare-and-set."""

import asyncio
import weakref
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from agentos.bus import Bus
from agentos.contracts.errors import Conflict
from services.policy.history.domain import FamilyHistory, Happened, note

KEPT = 2_000
"""Histories that stay in memory after they were written, of some kilobytes each."""

Begin = Callable[[], Awaitable[FamilyHistory]]


class Histories:
    """The histories of all task families, as any policy instance sees them."""

    def __init__(self, bus: Bus) -> None:
        self._bucket = bus.bucket("histories")
        self._written: OrderedDict[str, tuple[FamilyHistory, int]] = OrderedDict()
        """What this instance wrote last, for its next write: the broker refuses one that is based on anything older than what stands."""
        # Calls of one family that arrive together wait for each other here rather than in compare-and-set.
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def read(self, tenant: str, family: str) -> FamilyHistory | None:
        """The history so far, or None when nothing of the family was ever asked."""
        return (await self._read(f"{tenant}.{family}"))[0]

    async def note(self, tenant: str, family: str, begin: Begin, *happened: Happened) -> FamilyHistory:
        """Add what happened, each thing once, and give the history before it was added.

        ``begin`` makes the history of a family that has none. What was added stands in the bucket when this returns.
        """
        name = f"{tenant}.{family}"
        lock = self._locks.setdefault(name, asyncio.Lock())
        async with lock:
            while True:
                kept = self._written.pop(name, None)
                before, revision = kept or await self._read(name)
                after = before if before is not None else await begin()
                beginning = after
                for one in happened:
                    after = note(after, one)
                if after == before:
                    if kept is None:
                        return after
                    # It is in what we wrote, but is what we wrote still what stands?
                    continue
                value = after.model_dump_json().encode()
                try:
                    if revision is None:
                        revision = await self._bucket.create(name, value)
                    else:
                        revision = await self._bucket.update(name, value, revision)
                except Conflict:
                    # Another instance was faster; its numbers are counted in, and ours after them.
                    continue
                self._written[name] = (after, revision)
                if len(self._written) > KEPT:
                    self._written.popitem(last=False)
                return beginning

    async def _read(self, name: str) -> tuple[FamilyHistory | None, int | None]:
        entry = await self._bucket.get(name)
        if entry is None or entry.value is None:
            return None, None
        return FamilyHistory.model_validate_json(entry.value), entry.revision
