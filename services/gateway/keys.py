"""Data keys: one per task family, made here, wrapped by the master key, kept in bucket ``keys`` under ``<tenant>.<task>``."""

import asyncio

from agentos.bus import Bus
from agentos.contracts.base import Sealed
from agentos.contracts.errors import Conflict, NotFound
from agentos.sealing import MasterKey, new_data_key, open_sealed, seal


class DataKeys:
    """Makes, finds and uses data keys. A key's name in ``Sealed.key`` (and in the wrapping) is the task's id."""

    def __init__(self, bus: Bus, master: MasterKey) -> None:
        self._bucket = bus.bucket("keys")
        self._master = master

    async def ensure(self, tenant: str, name: str) -> bytes:
        """The data key of this name, made if there is none. Idempotent: of several makers one wins and all use that one."""
        fresh = new_data_key()
        try:
            await self._bucket.create(f"{tenant}.{name}", self._master.wrap(name, fresh))
        except Conflict:
            found = await self.find(tenant, name)
            if found is None:
                raise NotFound("the data key was erased while it was asked for", code="key_erased") from None
            return found
        return fresh

    async def find(self, tenant: str, name: str) -> bytes | None:
        """The data key of this name; None when there is none or it was erased."""
        entry = await self._bucket.get(f"{tenant}.{name}")
        return None if entry is None or entry.value is None else self._master.unwrap(name, entry.value)

    async def seal(self, tenant: str, name: str, purpose: str, plaintext: bytes) -> Sealed:
        """Seal under the key of this name, made if there is none."""
        key = await self.ensure(tenant, name)
        return await asyncio.to_thread(seal, key, name, purpose, plaintext)

    async def open(self, tenant: str, sealed: Sealed, purpose: str | None = None) -> bytes:
        """What ``sealed`` holds. Raises KeyErased when its key is gone, SealBroken when it was altered."""
        key = await self.find(tenant, sealed.key)
        return open_sealed(key, sealed.key, purpose or sealed.purpose, sealed)
