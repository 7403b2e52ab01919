"""The placeholder vaults of task families: sealed in bucket ``placeholders``, in clear only for a short while here."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from agentos.bus import Bus
from agentos.contracts.base import Sealed
from agentos.keyring import KeyRing
from agentos.sealing import PlaceholderVault

KEPT, KEPT_FOR_S = 256, 30.0
"""Few and briefly, as data keys are: an erased task must be unreadable everywhere soon."""


@dataclass(slots=True)
class Seen:
    """A vault as it stood at ``revision`` of its entry (0: there was none). ``sealed`` is its entry's value."""

    revision: int
    vault: PlaceholderVault
    sealed: Sealed | None
    at: float = 0.0


class Vaults:
    """Every read asks the broker; what was seen last only spares the opening, and lets a caller begin before the answer is there."""

    def __init__(self, bus: Bus, keys: KeyRing) -> None:
        self._bucket = bus.bucket("placeholders")
        self._keys = keys
        self._last: OrderedDict[str, Seen] = OrderedDict()

    def supposed(self, tenant: str, key: str) -> Seen:
        """The vault as it stood last time; perhaps it has moved since."""
        return self._last.get(f"{tenant}.{key}") or Seen(0, PlaceholderVault(), None)

    async def read(self, tenant: str, key: str, supposed: Seen) -> Seen:
        """The vault as it stands: ``supposed`` itself when it has not moved."""
        entry = await self._bucket.get(f"{tenant}.{key}")
        if (entry.revision if entry is not None else 0) == supposed.revision:
            return supposed
        if entry is None or entry.value is None:
            return Seen(0, PlaceholderVault(), None)
        sealed = Sealed.model_validate_json(entry.value)
        return Seen(entry.revision, await self._keys.open_model(tenant, "placeholders", sealed, PlaceholderVault), sealed)

    async def keep(self, tenant: str, key: str, last: Seen, grown: PlaceholderVault) -> tuple[Seen, Sealed]:
        """Write what was added, if anything was. Raises Conflict when the vault moved since ``last``."""
        if grown == last.vault and last.sealed is not None:
            self._remember(f"{tenant}.{key}", last)
            return last, last.sealed
        sealed = await self._keys.seal_model(tenant, key, "placeholders", grown)
        if grown == last.vault:
            # Empty, and not stored: the decision carries it all the same.
            return last, sealed
        revision = await self._bucket.update(f"{tenant}.{key}", sealed.model_dump_json().encode(), last.revision)
        seen = Seen(revision, grown, sealed)
        self._remember(f"{tenant}.{key}", seen)
        return seen, sealed

    def _remember(self, name: str, seen: Seen) -> None:
        seen.at = asyncio.get_running_loop().time()
        self._last[name] = seen
        self._last.move_to_end(name)
        while len(self._last) > KEPT or next(iter(self._last.values())).at < seen.at - KEPT_FOR_S:
            self._last.popitem(last=False)
