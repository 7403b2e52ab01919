"""What came back is looked at before the task may act on it: a model's answer, a tool's result.

The history is marked first, the fact is written then: whoever sees the fact knows that the next decision will know.
"""

import asyncio
import json
from datetime import UTC, datetime

import structlog

from agentos.bus import Bus
from agentos.contracts.base import Sealed
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import Conflict, RetryLater
from agentos.contracts.events.call import CallContext, Inspected, ModelCallSettled, ToolCallSettled
from agentos.contracts.model import ModelResponse
from agentos.contracts.subjects import EventSubject
from agentos.keyring import KeyRing
from agentos.sealing import PlaceholderVault
from services.policy.answers import scan
from services.policy.decisions import Decisions
from services.policy.evaluator import PolicyEvaluator
from services.policy.history.domain import UNTRUSTED, Happened, marked, spent
from services.policy.history.record import Record
from services.policy.questions import InspectionQuestion
from services.policy.redaction import read_json, read_response
from services.policy.vaults import Vaults
from services.policy.verdicts import askable, fail_closed

log = structlog.get_logger(__name__)

UNSEEN = "uninspected"
"""The label of content that could not be looked at."""


class Inspection:
    """Looks at what comes back."""

    def __init__(
        self, bus: Bus, evaluator: PolicyEvaluator, keys: KeyRing, vaults: Vaults, record: Record, decisions: Decisions
    ) -> None:
        self._bus = bus
        self._decisions = decisions
        self._evaluator = evaluator
        self._keys = keys
        self._vaults = vaults
        self._record = record

    async def on_settled(self, message: Recorded) -> None:
        """Something came back, or nothing did and only its cost counts."""
        settled = message.data
        if isinstance(settled, ModelCallSettled) and settled.cost is not None:
            await self.inspect(message, spent(EventSubject.parse(message.subject).id, settled.cost.usd, datetime.now(UTC)))
        else:
            await self.inspect(message)

    async def ensure(self, tenant: str, seen: tuple[str, ...]) -> None:
        """Look at every answer in ``seen`` (``call.<id>``, ``tool.<id>``) that nobody has looked at yet."""
        await asyncio.gather(*(self._ensure(tenant, *name.split(".", 1)) for name in seen))

    async def _ensure(self, tenant: str, aggregate: str, call: str) -> None:
        if await self._bus.get(f"evt.{tenant}.{aggregate}.{call}.inspected") is not None:
            return
        settled = await self._bus.get(f"evt.{tenant}.{aggregate}.{call}.settled")
        if settled is None:
            raise RetryLater(f"what {aggregate} {call} came to cannot be read yet", code="not_settled")
        await self.inspect(settled)

    async def inspect(self, message: Recorded, *happened: Happened) -> None:
        """Look at what a settled call brought, mark the history with it and with what ``happened``, and say so.

        Once a call, whoever does it.
        """
        settled = message.data
        subject = EventSubject.parse(message.subject)
        content = settled.response if isinstance(settled, ModelCallSettled) else None
        if isinstance(settled, ToolCallSettled):
            content = settled.result
        if not isinstance(settled, ModelCallSettled | ToolCallSettled):
            return
        context = settled.context
        if content is None:
            if isinstance(settled, ModelCallSettled) and happened:
                await self._record.note(subject.tenant, _family(settled), context, *happened)
            return

        def unseen(code: str) -> Inspected:
            return Inspected(context=context, labels=(UNSEEN, UNTRUSTED), verdict="deny", reasons=(code,))

        if isinstance(settled, ModelCallSettled):
            answer = settled
            inspected = await fail_closed(message, lambda: self._model(subject, answer, content), unseen)
        else:
            result = settled
            inspected = await fail_closed(message, lambda: self._tool(subject.tenant, result, content), unseen)
        source = f"{subject.aggregate}.{subject.id}"
        if inspected.labels:
            happened = (*happened, marked(source, inspected.labels, datetime.now(UTC)))
        if happened:
            await self._record.note(subject.tenant, content.key, context, *happened)
        try:
            await self._bus.append(f"{subject.aggregate}.inspected", subject.id, inspected, cause=message)
        except Conflict:
            log.info("inspected_already", subject=message.subject)

    async def _model(self, subject: EventSubject, settled: ModelCallSettled, content: Sealed) -> Inspected:
        tenant = subject.tenant
        decided = await self._decisions.of(tenant, subject.id)
        request = None if decided is None else decided.redacted_request
        if request is None:
            raise RetryLater("the request that this answers cannot be read yet", code="not_decided")
        response = await self._keys.open_model(tenant, "call.response", content, ModelResponse)
        vault = PlaceholderVault()
        if settled.placeholders is not None:
            vault = await self._vaults.open(tenant, settled.placeholders)
        read = read_response(response)
        found = scan(read.segments, await self._vaults.analyses(read), request, vault)
        kinds = sorted({*found.entities, *found.secrets})
        return await self._rule(
            settled.context,
            InspectionQuestion(
                tenant=tenant,
                task=settled.context.task,
                pack=settled.context.pack,
                agent=settled.context.agent,
                kind="model",
                data_classes=(*kinds, *(("SECRET",) if found.secrets else ())),
                leaked_instructions=found.leaked_instructions,
            ),
        )

    async def _tool(self, tenant: str, settled: ToolCallSettled, content: Sealed) -> Inspected:
        read = read_json(json.loads(await self._keys.open(tenant, "tool.result", content)))
        analyses = await self._vaults.analyses(read)
        findings = [finding for analysis in analyses for finding in analysis.findings if finding.stem != "LITERAL"]
        kinds = {finding.entity for finding in findings} | ({"SECRET"} & {finding.stem for finding in findings})
        return await self._rule(
            settled.context,
            askable(
                lambda: InspectionQuestion(
                    tenant=tenant,
                    task=settled.context.task,
                    pack=settled.context.pack,
                    agent=settled.context.agent,
                    kind="tool",
                    tool=settled.tool,
                    labels=tuple(sorted({label for analysis in analyses for label in analysis.labels})),
                    data_classes=tuple(sorted(kinds)),
                )
            ),
        )

    async def _rule(self, context: CallContext, question: InspectionQuestion) -> Inspected:
        decision = await self._evaluator.decide(question)
        allowed = decision.verdict == "allow"
        labels = decision.obligations.get("labels") if allowed else [*question.labels, UNTRUSTED]
        return Inspected(
            context=context,
            labels=tuple(map(str, labels or ())),
            entities=question.data_classes,
            leaked_instructions=question.leaked_instructions,
            verdict="allow" if allowed else "deny",
            reasons=decision.reasons,
        )


def _family(settled: ModelCallSettled) -> str:
    """The task family, which the data key of everything sealed is named after."""
    sealed = settled.response or settled.placeholders
    return sealed.key if sealed is not None else settled.context.task
