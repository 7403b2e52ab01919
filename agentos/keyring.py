"""Data keys, fetched from bucket ``keys`` and unwrapped with the master key; sealing and opening by purpose.

Keys are cached for a moment only: once one is erased, what it sealed stays readable nowhere for longer than that.
"""

import time
from typing import TypeVar

from pydantic import BaseModel

from agentos.bus import Bus
from agentos.contracts.base import Sealed
from agentos.contracts.errors import Conflict
from agentos.sealing import KeyErased, MasterKey, new_data_key, open_sealed, seal

M = TypeVar("M", bound=BaseModel)

CACHE_S = 1.0
"""How long a service may go on with a key that was erased elsewhere."""
CACHE_SIZE = 4_096
_ERASED = b""
"""What stands in the place of a key that was erased."""


class KeyRing:
    """The data keys that this service may use."""

    def __init__(self, bus: Bus, master: MasterKey) -> None:
        self._bucket = bus.bucket("keys")
        self._master = master
        self._cache: dict[tuple[str, str], tuple[float, bytes]] = {}

    def derive(self, purpose: str) -> bytes:
        """A key of this installation for something else than sealing; see ``MasterKey.derive``."""
        return self._master.derive(purpose)

    async def create(self, tenant: str, key: str) -> None:
        """Make the data key of a new task family, unless it exists. For the gateway, which alone may write the bucket."""
        try:
            await self._bucket.create(f"{tenant}.{key}", self._master.wrap(key, new_data_key()))
        except Conflict:
            # A repeated submission: the key of the first one serves. One that was erased stays so: what it sealed must not come back.
            return

    async def make(self, tenant: str, key: str) -> bytes:
        """Make data key ``key``, which nobody has named yet, and give it in clear. For the gateway. Raises Conflict when it exists."""
        data_key = new_data_key()
        await self._bucket.create(f"{tenant}.{key}", self._master.wrap(key, data_key))
        return data_key

    def remember(self, tenant: str, key: str, data_key: bytes) -> None:
        """Have at hand, for a moment, what ``make`` gave."""
        self._keep(tenant, key, data_key)

    async def erase(self, tenant: str, key: str) -> bool:
        """Delete data key ``key`` for ever; whether it was still there. For the gateway. Idempotent.

        The wrapped key is overwritten in the broker's store, and an empty one takes its place. Other services forget theirs within
        ``CACHE_S``.
        """
        name = f"{tenant}.{key}"
        self._cache.pop((tenant, key), None)
        while True:
            entry = await self._bucket.get(name)
            if entry is not None and entry.value == _ERASED:
                return False
            found = await self._bucket.erase(name)
            try:
                await self._bucket.update(name, _ERASED, 0)
            except Conflict:
                continue  # a submission made the key in between, or another gateway erases it too
            return found

    async def exists(self, tenant: str, key: str) -> bool:
        """Whether data key ``key`` was made and not erased."""
        entry = await self._bucket.get(f"{tenant}.{key}")
        return entry is not None and bool(entry.value)

    async def seal(self, tenant: str, key: str, purpose: str, plaintext: bytes) -> Sealed:
        """Encrypt under data key ``key``. Raises KeyErased when it does not exist."""
        return seal(await self.data_key(tenant, key), key, purpose, plaintext)

    async def open(self, tenant: str, purpose: str, sealed: Sealed) -> bytes:
        """Decrypt. Raises KeyErased or SealBroken; neither is mended by trying again."""
        return open_sealed(await self.data_key(tenant, sealed.key), sealed.key, purpose, sealed)

    async def seal_model(self, tenant: str, key: str, purpose: str, value: BaseModel) -> Sealed:
        """Encrypt a pydantic model as JSON."""
        return await self.seal(tenant, key, purpose, value.model_dump_json().encode())

    async def open_model(self, tenant: str, purpose: str, sealed: Sealed, kind: type[M]) -> M:
        """Decrypt what ``seal_model`` made. The value was validated when it was sealed, so a misfit is a defect."""
        return kind.model_validate_json(await self.open(tenant, purpose, sealed))

    async def data_key(self, tenant: str, key: str) -> bytes:
        """Data key ``key`` in clear, for what keeps sealing with it. Raises KeyErased when it does not exist (any more)."""
        now = time.monotonic()
        cached = self._cache.get((tenant, key))
        if cached is not None and now - cached[0] < CACHE_S:
            return cached[1]
        entry = await self._bucket.get(f"{tenant}.{key}")
        if entry is None or not entry.value:
            self._cache.pop((tenant, key), None)
            raise KeyErased(f"The data key {key} does not exist (any more): what it sealed cannot be read.", key=key)
        data_key = self._master.unwrap(key, entry.value)
        self._keep(tenant, key, data_key)
        return data_key

    def _keep(self, tenant: str, key: str, data_key: bytes) -> None:
        if len(self._cache) >= CACHE_SIZE:
            self._cache.clear()
        self._cache[(tenant, key)] = (time.monotonic(), data_key)
