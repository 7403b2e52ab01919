"""Data keys made ahead, a block at a time: a call has one of its own, and does not wait until the broker has it.

A key stands in its bucket before a call may use it, for policy opens the call with it as soon as it sees it. So a block is made before it
is needed. What is left of the last one seals nothing.
"""

import asyncio
from collections import deque

import structlog

from agentos.ending import end
from agentos.keyring import KeyRing
from agentos.sealing.blocks import BLOCK_KEYS

log = structlog.get_logger(__name__)

FEW = BLOCK_KEYS // 2
"""With fewer left the next block is made."""


class DataKeys:
    """By tenant."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._made: dict[str, deque[tuple[str, bytes]]] = {}
        self._making: dict[str, asyncio.Task[None]] = {}

    async def take(self, tenant: str) -> str:
        """The name of a fresh key. Raises RetryLater when the broker does not answer."""
        made = self._made.setdefault(tenant, deque())
        if len(made) < FEW:
            self._next_block(tenant, made)
        while not made:
            # Others wait for the same block: who goes away does not take it with them.
            await asyncio.shield(self._next_block(tenant, made))
        name, wrapped = made.popleft()
        self._keys.remember(tenant, name, wrapped)
        return name

    def _next_block(self, tenant: str, made: deque[tuple[str, bytes]]) -> asyncio.Task[None]:
        task = self._making.get(tenant)
        if task is None:
            self._making[tenant] = task = asyncio.create_task(self._make(tenant, made), name="endpoint-data-keys")
            task.add_done_callback(lambda done: self._ended(tenant, done))
        return task

    async def _make(self, tenant: str, made: deque[tuple[str, bytes]]) -> None:
        made.extend(await self._keys.make_block(tenant))

    def _ended(self, tenant: str, task: asyncio.Task[None]) -> None:
        del self._making[tenant]
        if not task.cancelled() and (fault := task.exception()) is not None:
            # Who needs a key before the next try has worked is told by that try.
            log.warning("no_data_keys_ahead", fault=repr(fault))

    async def close(self) -> None:
        """Stop making keys."""
        await end(*self._making.values())
