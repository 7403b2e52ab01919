"""Data keys made ahead: a call has one of its own, and does not wait until the broker has it.

A key stands in its bucket before a call may use it, for policy opens the call with it as soon as it sees it. So a few are made before
they are needed. Those that are left over at the end seal nothing.
"""

import asyncio
from collections import deque

import structlog

from agentos.contracts.errors import RetryLater
from agentos.contracts.ids import new_id
from agentos.ending import end
from agentos.keyring import KeyRing

log = structlog.get_logger(__name__)

AHEAD = 64


class DataKeys:
    """By tenant."""

    def __init__(self, keys: KeyRing, ahead: int = AHEAD) -> None:
        self._keys = keys
        self._ahead = ahead
        self._made: dict[str, deque[tuple[str, bytes]]] = {}
        self._making: dict[str, asyncio.Task[None]] = {}

    async def take(self, tenant: str) -> str:
        """The name of a fresh key. Raises RetryLater when the broker does not answer."""
        made = self._made.setdefault(tenant, deque())
        if len(made) * 2 < self._ahead and tenant not in self._making:
            self._making[tenant] = task = asyncio.create_task(self._make(tenant, made), name="endpoint-data-keys")
            task.add_done_callback(lambda _: self._making.pop(tenant, None))
        if not made:
            name = new_id()
            await self._keys.create(tenant, name)
            return name
        name, key = made.popleft()
        self._keys.remember(tenant, name, key)
        return name

    async def _make(self, tenant: str, made: deque[tuple[str, bytes]]) -> None:
        try:
            while len(made) < self._ahead:
                names = [new_id() for _ in range(8)]
                keys = await asyncio.gather(*(self._keys.make(tenant, name) for name in names))
                made.extend(zip(names, keys, strict=True))
        except RetryLater as away:
            log.info("no_data_keys_ahead", code=away.code)

    async def close(self) -> None:
        """Stop making keys."""
        await end(*self._making.values())
