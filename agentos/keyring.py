"""Data keys, fetched from bucket ``keys`` and unwrapped with the master key; sealing and opening by purpose.

Keys are cached for a moment only: once one is erased, what it sealed stays readable nowhere for longer than that. What is in use is read
again before that moment is over, beside the work that goes on with it.
"""

import asyncio
import time
from collections import OrderedDict
from functools import partial
from typing import TypeVar

import structlog
from pydantic import BaseModel

from agentos.bus import Bus
from agentos.contracts.base import Sealed
from agentos.contracts.errors import Conflict
from agentos.contracts.ids import new_id
from agentos.sealing import KeyErased, MasterKey, new_data_key, open_sealed, seal
from agentos.sealing.blocks import block_entry, block_names, block_value, place_of

log = structlog.get_logger(__name__)

M = TypeVar("M", bound=BaseModel)

CACHE_S = 1.0
"""How long a service may go on with a key that was erased elsewhere."""


class KeyRing:
    """The data keys that this service may use."""

    def __init__(self, bus: Bus, master: MasterKey) -> None:
        self._bucket = bus.bucket("keys")
        self._master = master
        self._cache: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        """Entries of the bucket as they stood at that time, and keys of blocks that are new here; wrapped, as they came."""
        self._reading: dict[str, asyncio.Task[bytes]] = {}

    def derive(self, purpose: str) -> bytes:
        """A key of this installation for something else than sealing; see ``MasterKey.derive``."""
        return self._master.derive(purpose)

    async def create(self, tenant: str, key: str) -> None:
        """Make the data key of a new task family, unless it exists. For the gateway, which alone may write the bucket."""
        place = place_of(key)
        if place.nth is not None:
            raise ValueError(f"{key!r} is the name of a key in a block: those are made by the block")
        try:
            await self._bucket.create(f"{tenant}.{place.entry}", self._master.wrap(key, new_data_key()))
        except Conflict:
            # A repeated submission: the key of the first one serves. One that was erased stays so: what it sealed must not come back.
            return

    async def make_block(self, tenant: str) -> list[tuple[str, bytes]]:
        """Make a block of data keys; their names, and the keys as they are wrapped. For the gateway. Each is for one call: ``remember`` it."""
        block = new_id()
        made = [(name, self._master.wrap(name, new_data_key())) for name in block_names(block)]
        await self._bucket.create(f"{tenant}.{block_entry(block)}", block_value([wrapped for _, wrapped in made]))
        return made

    def remember(self, tenant: str, key: str, wrapped: bytes) -> None:
        """Have at hand, for a moment, a key of ``make_block`` that nobody has used yet: it does not matter when it was made."""
        self._keep(f"{tenant}.{key}", time.monotonic(), wrapped)

    async def erase(self, tenant: str, key: str) -> bool:
        """Delete data key ``key`` for ever; whether it was still there. For the gateway. Idempotent; of several at once all succeed.

        First an entry without the key takes the place of the one that holds it, so that nobody gets it any more and a block's other keys
        stand all the while; then the wrapped key is overwritten in the broker's store. Who is interrupted in between asks again: what is
        still to be overwritten is found. Other services forget theirs within ``CACHE_S``.
        """
        place = place_of(key)
        entry = f"{tenant}.{place.entry}"
        self._cache.pop(f"{tenant}.{key}", None)
        self._cache.pop(entry, None)
        found = False
        while True:
            revisions = await self._bucket.revisions(entry)
            # Before anything is written: two revisions are kept, and one that is pushed out can be overwritten no more. The broker refuses
            # a third; and ours is refused as well if another one was written since we looked.
            for earlier in revisions[:-1]:
                found |= await self._bucket.erase_revision(earlier.revision) and place.find(earlier.value) is not None
            value, revision = (revisions[-1].value, revisions[-1].revision) if revisions else (None, 0)
            left = place.without(value)
            if value == left or (place.nth is not None and not revisions):
                return found
            try:
                await self._bucket.update(entry, left, revision)
            except Conflict:
                continue  # another erasure of this entry, or a submission that made the key in between
            found |= place.find(value) is not None

    async def exists(self, tenant: str, key: str) -> bool:
        """Whether data key ``key`` was made and not erased."""
        place = place_of(key)
        entry = await self._bucket.get(f"{tenant}.{place.entry}")
        return entry is not None and place.find(entry.value) is not None

    async def made(self, tenant: str, key: str) -> bool:
        """Whether data key ``key`` was ever made, erased or not."""
        place = place_of(key)
        entry = await self._bucket.get(f"{tenant}.{place.entry}")
        return entry is not None and place.made(entry.value)

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
        place = place_of(key)
        wrapped = None if place.nth is None else self._at_hand(f"{tenant}.{key}")
        if wrapped is None:
            wrapped = place.find(await self._entry(f"{tenant}.{place.entry}"))
        if wrapped is None:
            raise KeyErased(f"The data key {key} does not exist (any more): what it sealed cannot be read.", key=key)
        return self._master.unwrap(key, wrapped)

    def _at_hand(self, name: str) -> bytes | None:
        held = self._cache.get(name)
        return held[1] if held is not None and time.monotonic() < held[0] + CACHE_S else None

    async def _entry(self, name: str) -> bytes:
        """The value of an entry, empty when it is not there."""
        value = self._at_hand(name)
        if value is None:
            # Whoever else needs it waits for the same read, and is not to lose it when this one is cancelled.
            return await asyncio.shield(self._read(name))
        if time.monotonic() - self._cache[name][0] >= CACHE_S / 2:
            self._read(name)
        return value

    def _read(self, name: str) -> asyncio.Task[bytes]:
        """The one read of an entry that is under way. It ends by itself, as the broker's answer is waited for so long and no longer."""
        task = self._reading.get(name)
        if task is None:
            self._reading[name] = task = asyncio.create_task(self._fetch(name), name="data-key")
            task.add_done_callback(partial(self._fetched, name))
        return task

    async def _fetch(self, name: str) -> bytes:
        # The moment counts from the question: by the time of the answer the key may have been erased.
        asked = time.monotonic()
        entry = await self._bucket.get(name)
        if entry is None or not entry.value:
            self._cache.pop(name, None)
            return b""
        self._keep(name, asked, entry.value)
        return entry.value

    def _fetched(self, name: str, task: "asyncio.Task[bytes]") -> None:
        del self._reading[name]
        if not task.cancelled() and (fault := task.exception()) is not None:
            # Whoever waits hears of it. One that was read ahead is read again when it is needed.
            log.info("data_key_not_read", fault=repr(fault))

    def _keep(self, name: str, at: float, value: bytes) -> None:
        self._cache.pop(name, None)
        self._cache[name] = (at, value)
        while next(iter(self._cache.values()))[0] + CACHE_S < at:
            self._cache.popitem(last=False)
