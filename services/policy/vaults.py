"""Redaction with a task family's placeholders: they are kept before anyone can see what they stand in."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from agentos.bus import Bus
from agentos.contracts.base import Sealed
from agentos.contracts.errors import Conflict
from agentos.contracts.events.call import RedactedEntity
from agentos.keyring import KeyRing
from agentos.sealing import PlaceholderVault
from agentos.subjects import SubjectIndex
from services.policy.redacting.finding import Analysis
from services.policy.redaction import Plan, Read, Segment, redact

T = TypeVar("T")

PLACEHOLDERS = "placeholders"


class Analyser(Protocol):
    """Says what is in texts, off the event loop: ``analysis.AnalysisPool``."""

    async def analyses(self, segments: Sequence[Segment]) -> list[Analysis]:
        """The analysis of each segment, in order. Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """A family's map as it was read: ``sealed`` and ``revision`` are None where there is none."""

    vault: PlaceholderVault
    sealed: Sealed | None
    revision: int | None


@dataclass(frozen=True)
class Kept(Generic[T]):
    """What was redacted, each replacement in it once, and the map that restores it, as it travels in a decision."""

    value: T
    entities: tuple[RedactedEntity, ...]
    placeholders: Sealed


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

    async def standing(self, tenant: str, family: str) -> Standing:
        """The family's map as it stands. To be read while texts are analysed. Raises KeyErased, and RetryLater without the broker."""
        entry = await self._bucket.get(f"{tenant}.{family}")
        if entry is None or entry.value is None:
            return Standing(PlaceholderVault(), None, None)
        sealed = Sealed.model_validate_json(entry.value)
        return Standing(await self.open(tenant, sealed), sealed, entry.revision)

    async def redact(
        self, tenant: str, family: str, read: Read[T], analyses: list[Analysis], plan: Plan, standing: Standing | None
    ) -> Kept[T]:
        """Redact by ``plan``; what was added to the family's map, of which ``standing`` was read, stands in the bucket when this returns.

        Without ``standing`` the family has no map and gets none: its one call carries it, and ``keep`` puts it into the bucket where more
        is to come. Raises Blocked, Unavailable when the redactor fails, and KeyErased.
        """
        name = f"{tenant}.{family}"
        keyed = plan.keyed(await self._keys.data_key(tenant, family))
        while True:
            vault = PlaceholderVault() if standing is None else standing.vault
            done = await redact(read, analyses, vault, keyed)
            if done.vault == vault and standing is not None and standing.sealed is not None:
                return Kept(done.value, done.entities, standing.sealed)
            sealed = await self._keys.seal_model(tenant, family, PLACEHOLDERS, done.vault)
            if done.vault == vault:
                return Kept(done.value, done.entities, sealed)
            known = [(name.partition("_")[0], text) for name, text in done.vault.values.items() if name not in vault.values]
            if standing is None:
                await self._subjects.note(tenant, family, known, remembered=False)
                return Kept(done.value, done.entities, sealed)
            value = sealed.model_dump_json().encode()
            # Whose data this is can be found again before anyone sees it redacted: else nobody could have it erased.
            noted = asyncio.create_task(self._subjects.note(tenant, family, known))
            try:
                # ``create`` where there is none: it also takes the place of one that was erased.
                if standing.revision is None:
                    await self._bucket.create(name, value)
                else:
                    await self._bucket.update(name, value, standing.revision)
            except Conflict:
                # Another call of the same task added placeholders meanwhile; number ours after those.
                standing = await self.standing(tenant, family)
                continue
            finally:
                await noted
            return Kept(done.value, done.entities, sealed)

    async def keep(self, tenant: str, family: str, placeholders: Sealed) -> None:
        """Put the map that one call carries into the bucket, for what will be redacted beside it. Idempotent."""
        try:
            await self._bucket.create(f"{tenant}.{family}", placeholders.model_dump_json().encode())
        except Conflict:
            return  # it was kept at an earlier delivery, and may have grown since

    async def open(self, tenant: str, sealed: Sealed) -> PlaceholderVault:
        """A map from a decision."""
        return await self._keys.open_model(tenant, PLACEHOLDERS, sealed, PlaceholderVault)
