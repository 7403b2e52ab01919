"""Redaction with a task family's placeholders: they are kept before anyone can see what they stand in."""

import asyncio
from collections.abc import Sequence
from typing import Protocol, TypeVar

from agentos.bus import Bus
from agentos.contracts.base import Sealed
from agentos.contracts.errors import Conflict
from agentos.keyring import KeyRing
from agentos.sealing import PlaceholderVault
from agentos.subjects import SubjectIndex
from services.policy.redacting.finding import Analysis
from services.policy.redaction import Plan, Read, Redacted, Segment, redact

T = TypeVar("T")

PLACEHOLDERS = "placeholders"


class Analyser(Protocol):
    """Says what is in texts, off the event loop: ``analysis.AnalysisPool``."""

    async def analyses(self, segments: Sequence[Segment]) -> list[Analysis]:
        """The analysis of each segment, in order. Raises Unavailable."""
        ...


class Vaults:
    """The placeholder maps of all task families, sealed in bucket ``placeholders``."""

    def __init__(self, bus: Bus, keys: KeyRing, pool: Analyser) -> None:
        self._subjects = SubjectIndex(bus, keys)
        self._bucket = bus.bucket("placeholders")
        self._keys = keys
        self._pool = pool

    async def analyses(self, read: Read[T]) -> list[Analysis]:
        """What is in each segment, worked out off the event loop. Raises Unavailable."""
        return await self._pool.analyses(read.segments)

    async def redact(self, tenant: str, family: str, read: Read[T], analyses: list[Analysis], plan: Plan) -> Redacted[T]:
        """Redact by ``plan``; what was added to the family's map stands in the bucket when this returns.

        Raises Blocked, Unavailable when the redactor fails, and KeyErased.
        """
        name = f"{tenant}.{family}"
        keyed = plan.keyed(await self._keys.data_key(tenant, family))
        while True:
            entry = await self._bucket.get(name)
            vault = PlaceholderVault()
            if entry is not None and entry.value is not None:
                sealed = Sealed.model_validate_json(entry.value)
                vault = await self._keys.open_model(tenant, PLACEHOLDERS, sealed, PlaceholderVault)
            done = await redact(read, analyses, vault, keyed)
            if done.vault == vault:
                return done
            known = [(name.partition("_")[0], text) for name, text in done.vault.values.items() if name not in vault.values]
            value = (await self._keys.seal_model(tenant, family, PLACEHOLDERS, done.vault)).model_dump_json().encode()
            # Whose data this is can be found again before anyone sees it redacted: else nobody could have it erased.
            noted = asyncio.create_task(self._subjects.note(tenant, family, known))
            try:
                # ``create`` where there is none: it also takes the place of one that was erased.
                await (self._bucket.create(name, value) if entry is None else self._bucket.update(name, value, entry.revision))
            except Conflict:
                # Another call of the same task added placeholders meanwhile; number ours after those.
                continue
            finally:
                await noted
            return done

    async def seal(self, tenant: str, family: str, vault: PlaceholderVault) -> Sealed:
        """The map as it travels in a decision."""
        return await self._keys.seal_model(tenant, family, PLACEHOLDERS, vault)

    async def open(self, tenant: str, sealed: Sealed) -> PlaceholderVault:
        """A map from a decision."""
        return await self._keys.open_model(tenant, PLACEHOLDERS, sealed, PlaceholderVault)
