"""A bucket as a service keeps it in memory: each change is taken in as the broker tells of it."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from agentos.bus.kv import Entry, KeyValue, entry_of


class LiveCopy:
    """Hands each entry of ``bucket`` that begins with ``prefix`` to ``take``: those that are there, and then every change.

    Run ``follow`` as a task.
    """

    def __init__(self, bucket: KeyValue, take: Callable[[Entry], object], prefix: str = "") -> None:
        self._name = bucket.name
        self._tail = bucket.follow(prefix)
        self._take = take
        self._complete = asyncio.Event()

    @property
    def complete(self) -> bool:
        """Whether every entry that was there at the beginning has been taken in."""
        return self._complete.is_set()

    @property
    def live(self) -> bool:
        """Whether changes are heard of right now."""
        return self._tail.live

    async def ready(self) -> None:
        """Wait until it is complete."""
        await self._complete.wait()

    async def follow(self) -> None:
        """Follow the bucket for ever."""
        async with aclosing(self._tail.updates()) as updates:
            async for raw in updates:
                if raw is None:
                    self._complete.set()
                else:
                    self._take(entry_of(raw, self._name))
