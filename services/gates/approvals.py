"""Approvals are asked for, and closed when their task is cancelled or ends: subject → handler, and the shell around the domain."""

from datetime import UTC, datetime

import structlog

from agentos.bus import Bus, Route
from agentos.contracts.commands import HoldCall
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import Conflict, Refused, RetryLater
from agentos.contracts.events.approval import ApprovalRequested
from agentos.contracts.events.call import CallDecided
from agentos.contracts.events.governance import CheckpointDecided
from agentos.contracts.subjects import EventSubject
from agentos.lineage import requester_of
from services.gates.deadlines import Deadlines
from services.gates.domain import approvals as domain
from services.gates.records import ApprovalRecords, Case

log = structlog.get_logger(__name__)

_CANCELLED = "the task was cancelled"
_ENDED = "the task has ended"


class Approvals:
    """Handlers of the gates for what asks for an approval, and for what makes one needless."""

    def __init__(self, bus: Bus, records: ApprovalRecords, deadlines: Deadlines) -> None:
        self._bus = bus
        self._records = records
        self._deadlines = deadlines

    def routes(self) -> list[Route]:
        """The handler table."""
        return [
            Route("gates.hold", self.on_hold),
            Route("checkpoint.decided", self.on_checkpoint),
            Route("task.cancelling", self.on_cancelling),
            Route("task.settled", self.on_settled),
        ]

    async def on_hold(self, message: Recorded) -> None:
        """A call is held, by what the log says of it: ask a person. The approval's cause is the verdict, not the command."""
        subject = message.payload(HoldCall).decision
        decision = await self._bus.get(subject)
        if decision is None:
            raise RetryLater(f"{subject} cannot be read yet", code="decision_missing")
        decided = decision.payload(CallDecided)
        if decided.verdict != "hold":
            log.warning("not_held", decision=subject, verdict=decided.verdict)
            return
        requester = await requester_of(self._bus, decision.meta.tenant, decided.context)
        await self._request(decision, domain.request_for_call(decided, requester, datetime.now(UTC)))

    async def on_checkpoint(self, message: Recorded) -> None:
        """A pack may ask a person: ask. Whether it was allowed or held to a person's word is the same here."""
        decided = message.payload(CheckpointDecided)
        if decided.verdict != "deny":
            requester = await requester_of(self._bus, message.meta.tenant, decided.context)
            await self._request(message, domain.request_for_checkpoint(decided, requester, datetime.now(UTC)))

    async def _request(self, message: Recorded, requested: ApprovalRequested) -> None:
        subject = EventSubject.parse(message.subject)
        task, attempt = requested.context.task, requested.context.attempt
        # The list first: a cancellation, the end of the task and a kill switch that look for open approvals find it, or we find them below.
        await self._records.note(subject.tenant, task, subject.id)
        try:
            # The approval's own subject: whatever stands there first is the approval, with its deadlines.
            await self._bus.append("approval.requested", subject.id, requested, cause=message, correlation_id=task)
        except Conflict:
            # Another cause was first, which the id of a call does not allow for: what stands is what counts.
            log.warning("approval_requested_already", approval=subject.id)
        case = await self._records.load(subject.tenant, subject.id)
        await self._records.set_timers(case, message)
        if await self._bus.get(f"evt.{subject.tenant}.task.{task}.cancelling.{attempt}") is not None:
            await self._close(case, message, _CANCELLED)
            return
        try:
            await self._records.open_task(subject.tenant, task, attempt)
        except Refused:
            await self._close(case, message, _ENDED)
            return
        await self._deadlines.freeze_if_killed(case, message)

    async def on_cancelling(self, message: Recorded) -> None:
        """What a cancelled task waits for needs no answer any more."""
        await self._close_all(message, _CANCELLED)

    async def on_settled(self, message: Recorded) -> None:
        """A task has ended without waiting for all that it had asked: nobody is to answer the rest, and nothing of it is done."""
        await self._close_all(message, _ENDED)

    async def _close_all(self, message: Recorded, reason: str) -> None:
        """Close what attempts up to the one of ``message`` have asked."""
        subject = EventSubject.parse(message.subject)
        for case in await self._records.open(subject.tenant, subject.id):
            requested = case.approval.requested
            if requested is not None and requested.context.attempt <= int(subject.ordinal or 0):
                await self._close(case, message, reason)

    async def _close(self, case: Case, message: Recorded, reason: str) -> None:
        resolved = domain.close(case.approval, "cancelled", reason)
        if resolved is not None:
            await self._records.resolve(case, resolved, message)
