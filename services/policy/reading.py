"""What is known of a request before the rules are asked about it: the history of its task family, what is in it, how it may be shown."""

import asyncio
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from agentos.contracts.events.call import CallContext
from services.policy.history.domain import FamilyHistory, Happened
from services.policy.history.record import Record
from services.policy.inspection import Inspection
from services.policy.plans import Plans
from services.policy.redacting.finding import Analysis
from services.policy.redaction import Read
from services.policy.vaults import Kept, Standing, Vaults

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """``analyses`` are those of the segments that were read; ``providers`` may get what was redacted (empty: any)."""

    history: FamilyHistory
    analyses: list[Analysis]
    redacted: Kept[T]
    providers: tuple[str, ...]


class Reader:
    """Reads requests. Raises as ``Plans``, ``Vaults`` and ``Inspection`` do: Unavailable while a reading may still come about."""

    def __init__(self, vaults: Vaults, record: Record, inspection: Inspection, plans: Plans) -> None:
        self._vaults = vaults
        self._record = record
        self._inspection = inspection
        self._plans = plans

    async def read(
        self, tenant: str, family: str, context: CallContext, kind: str, read: Read[T], *happened: Happened, model: str = "*"
    ) -> Reading[T]:
        """Redact ``read`` for where a request of this kind goes; note in the history what ``happened``. The history is as it was before."""
        (plan, providers), analyses, (history, standing) = await asyncio.gather(
            self._plans.of(tenant, context, kind, model),
            self._vaults.analyses(read),
            self._before(tenant, family, context, *happened),
        )
        redacted = await self._vaults.redact(tenant, family, read, analyses, plan, standing)
        return Reading(history, analyses, redacted, providers)

    async def keep(self, tenant: str, family: str, reading: Reading[Any]) -> None:
        """Have the placeholders of a call that is alone at hand for when it is read again."""
        await self._vaults.keep(tenant, family, reading.redacted.placeholders)

    async def _before(
        self, tenant: str, family: str, context: CallContext, *happened: Happened
    ) -> tuple[FamilyHistory, Standing | None]:
        """What the family has seen, and its placeholders; none of a call that is alone in it."""
        if context.alone:
            return await self._history(tenant, family, context, *happened), None
        return await asyncio.gather(self._history(tenant, family, context, *happened), self._vaults.standing(tenant, family))

    async def _history(self, tenant: str, family: str, context: CallContext, *happened: Happened) -> FamilyHistory:
        # What the family has seen by now counts, whether or not it was looked at already.
        await self._inspection.ensure(tenant, context.uninspected)
        if not happened:
            return await self._record.read(tenant, family, context)
        return await self._record.note(tenant, family, context, *happened)


__all__ = ["Reader", "Reading"]
