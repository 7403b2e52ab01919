"""Data keys for services that open what others sealed: looked up in bucket ``keys``, unwrapped, remembered briefly."""

import time
from collections import OrderedDict

from agentos.bus import Bus
from agentos.sealing import KeyErased, MasterKey

_KEPT = 1_024
_KEEP_S = 30.0
"""Erasing a key must take hold soon everywhere."""


class DataKeys:
    """A small cache in front of the bucket. ``name`` is the task whose family the key belongs to (``Sealed.key``)."""

    def __init__(self, bus: Bus, master: MasterKey) -> None:
        self._bucket = bus.bucket("keys")
        self._master = master
        self._known: OrderedDict[tuple[str, str], tuple[float, bytes]] = OrderedDict()

    async def get(self, tenant: str, name: str) -> bytes:
        """The data key. Raises KeyErased when there is none (any more), RetryLater when the broker is away."""
        known = self._known.get((tenant, name))
        if known is not None and time.monotonic() - known[0] < _KEEP_S:
            return known[1]
        entry = await self._bucket.get(f"{tenant}.{name}")
        if entry is None or entry.value is None:
            self._known.pop((tenant, name), None)
            raise KeyErased(f"The data key {name} was erased: what it sealed cannot be read any more.", key=name)
        key = self._master.unwrap(name, entry.value)
        self._known[tenant, name] = (time.monotonic(), key)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return key
