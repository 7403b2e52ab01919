"""The history as the handlers use it: begun from the root task's input, added to, and put into questions."""

import json
from datetime import UTC, datetime

import structlog

from agentos.bus import Bus
from agentos.contracts.base import Json, Sealed
from agentos.contracts.errors import NeverRetry
from agentos.contracts.events.call import CallContext
from agentos.contracts.events.task import TaskSubmitted
from agentos.keyring import KeyRing
from services.policy.destinations import strings
from services.policy.history.domain import UNTRUSTED, WINDOWS, FamilyHistory, Happened, Tally
from services.policy.history.store import Histories
from services.policy.questions import Effects, History, Window
from services.policy.redaction import read_json
from services.policy.vaults import Vaults

log = structlog.get_logger(__name__)

INPUT = "task.input"


class Record:
    """What task families have read, done and spent."""

    def __init__(self, bus: Bus, keys: KeyRing, vaults: Vaults) -> None:
        self._bus = bus
        self._keys = keys
        self._vaults = vaults
        self._histories = Histories(bus)

    async def note(self, tenant: str, family: str, context: CallContext, *happened: Happened) -> FamilyHistory:
        """Add what happened; the history as it was before. Of a call that is alone nothing is kept: nobody will ask."""
        if context.alone:
            return await self._begin(tenant, family, context)
        return await self._histories.note(tenant, family, lambda: self._begin(tenant, family, context), *happened)

    async def read(self, tenant: str, family: str, context: CallContext) -> FamilyHistory:
        """The history so far."""
        if context.alone:
            return await self._begin(tenant, family, context)
        return await self._histories.read(tenant, family) or await self.note(tenant, family, context)

    async def trusted_texts(self, tenant: str, family: str) -> tuple[str, ...]:
        """What a person who is trusted asked for, as text: it vouches for destinations. Empty when it cannot be read (any more)."""
        submitted = await self._submitted(tenant, family)
        given = None if submitted is None or submitted.untrusted else await self._input(tenant, submitted.input)
        return () if given is None else strings(given)

    async def _begin(self, tenant: str, family: str, context: CallContext) -> FamilyHistory:
        if context.api_key is not None:
            # Behind the governed endpoint there is no task and no input: the request is all there is, and is looked at as such.
            return FamilyHistory(labels={UNTRUSTED: "input"} if context.untrusted else {})
        submitted = await self._submitted(tenant, family)
        if submitted is None or submitted.untrusted or context.untrusted:
            labels = {UNTRUSTED}
            given = None if submitted is None else await self._input(tenant, submitted.input)
            if given is not None:
                for analysis in await self._vaults.analyses(read_json(given)):
                    labels |= set(analysis.labels)
            return FamilyHistory(labels=dict.fromkeys(sorted(labels), "input"))
        return FamilyHistory(trusted_input=True)

    async def _submitted(self, tenant: str, family: str) -> TaskSubmitted | None:
        recorded = await self._bus.get(f"evt.{tenant}.task.{family}.submitted")
        return None if recorded is None else recorded.payload(TaskSubmitted)

    async def _input(self, tenant: str, sealed: Sealed) -> Json:
        try:
            return json.loads(await self._keys.open(tenant, INPUT, sealed))
        except (NeverRetry, ValueError) as unreadable:
            # Erased or broken: it vouches for nothing and says nothing, and what depends on it is refused where it is opened itself.
            log.info("input_unreadable", fault=type(unreadable).__name__)
            return None


def as_question(history: FamilyHistory, declared: tuple[str, ...]) -> History:
    """The history as the rules see it now."""
    now = datetime.now(UTC)
    total = history.total
    return History(
        labels=tuple(sorted(history.labels)),
        sources=tuple(sorted({source.partition(".")[0] for source in history.labels.values()})),
        declared=declared,
        calls=dict(sorted(history.tools.items())[:1_000]),
        effects=Effects(read=total.read, write=total.write, egress=total.egress),
        models=total.models,
        denied=total.denied,
        spent_microusd=total.microusd,
        windows={name: _window(history.window(name, now)) for name in WINDOWS},
    )


def _window(tally: Tally) -> Window:
    return Window(
        models=tally.models,
        tools=tally.tools,
        effects=Effects(read=tally.read, write=tally.write, egress=tally.egress),
        denied=tally.denied,
        spent_microusd=tally.microusd,
    )
