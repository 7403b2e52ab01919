"""Approvals as they are kept: loaded and folded, appended to, listed while they are open."""

from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from agentos.bus import Bus
from agentos.contracts.base import Contract
from agentos.contracts.commands import TimerDue
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import Refused
from agentos.contracts.events.approval import ApprovalResolved
from agentos.contracts.events.task import TaskSettled
from agentos.contracts.subjects import EventSubject
from services.gates.domain.approvals import Approval, evolve, fold, resolution

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Case:
    """An approval as it stands in the log; ``last`` is the sequence of its last event."""

    tenant: str
    id: str
    approval: Approval
    last: int
    events: list[Recorded]

    def made_by(self, message: Recorded, kind: type[Contract]) -> bool:
        """Whether an earlier delivery of ``message`` has appended an event of this kind."""
        return any(isinstance(e.data, kind) and e.meta.causation_id == message.meta.event_id for e in self.events)


class ApprovalRecords:
    """The approvals' store: the log, and bucket ``approvals`` as its index by task."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._index = bus.bucket("approvals")

    async def load(self, tenant: str, approval: str) -> Case:
        """The approval; an empty one when there is none."""
        events = await self._bus.load(tenant, "approval", approval)
        folded = fold((event.data, _ordinal(event)) for event in events)
        return Case(tenant, approval, folded, max((event.seq for event in events), default=0), events)

    async def append(self, case: Case, channel: str, event: Contract, message: Recorded, ordinal: int | None = None) -> Case:
        """The case with ``event`` in it, if nobody has changed it since it was loaded. Raises Conflict otherwise."""
        requested = case.approval.requested
        appended = await self._bus.append(
            channel,
            case.id,
            event,
            tenant=case.tenant,
            ordinal=ordinal,
            cause=message,
            correlation_id=requested.context.task if requested is not None else None,
            expect=case.last,
        )
        return Case(case.tenant, case.id, evolve(case.approval, event, ordinal or 0), appended.seq, case.events)

    async def publish(self, case: Case, message: Recorded) -> Case:
        """Resolve the approval, if its votes have come to an answer that may be given now.

        Raises Refused when time or the task's end was faster.
        """
        if case.approval.resolved is not None:
            await self.tidy(case, message)
            return case
        resolved = resolution(case.approval, datetime.now(UTC))
        if resolved is None:
            return case
        await self.open_task(case.tenant, resolved.context.task, resolved.context.attempt)
        return await self.resolve(case, resolved, message)

    async def resolve(self, case: Case, resolved: ApprovalResolved, message: Recorded) -> Case:
        """Append the one answer; what is answered is open no more."""
        case = await self.append(case, "approval.resolved", resolved, message)
        await self._index.delete(index_key(case.tenant, resolved.context.task, case.id))
        return case

    async def tidy(self, case: Case, message: Recorded) -> None:
        """Strike off the list what an earlier delivery of ``message`` resolved just before it was cut short."""
        resolved = case.approval.resolved
        if resolved is not None and case.made_by(message, ApprovalResolved):
            await self._index.delete(index_key(case.tenant, resolved.context.task, case.id))

    async def open_task(self, tenant: str, task: str, attempt: int) -> str | None:
        """The task's trace. Raises Refused when the task has ended."""
        events = await self._bus.load(tenant, "task", task)
        for event in events:
            if isinstance(event.data, TaskSettled) and _ordinal(event) >= attempt:
                raise Refused(f"the task has ended meanwhile ({event.data.outcome})", code="task_ended")
        return events[0].meta.traceparent if events else None

    # --- the index ----------------------------------------------------------------------------------------------------

    async def note(self, tenant: str, task: str, approval: str) -> None:
        """List an approval, before it is requested: what looks for a task's approvals from then on finds it."""
        await self._index.put(index_key(tenant, task, approval), b"")

    async def open(self, tenant: str | None = None, task: str | None = None) -> list[Case]:
        """The open approvals of a task, of a tenant, or all. Those that were resolved just before a crash leave the list here."""
        prefix = "" if tenant is None else f"{tenant}." if task is None else f"{tenant}.{task}."
        found: list[Case] = []
        for key in await self._index.keys(prefix):
            owner, _, approval = key.split(".")
            case = await self.load(owner, approval)
            if case.approval.resolved is not None:
                await self._index.delete(key)
            elif case.approval.requested is not None:
                found.append(case)
        return found

    # --- timers -------------------------------------------------------------------------------------------------------

    async def set_timers(self, case: Case, message: Recorded) -> None:
        """Set expiry and escalation as they now stand. Again is the same; each freeze has timers of its own."""
        approval = case.approval
        requested, expires_at = approval.requested, approval.expires_at
        if requested is None or expires_at is None:
            return
        task, name = requested.context.task, f"{case.id}-{approval.freezes}"
        due = TimerDue(tenant=case.tenant)
        await self._bus.set_timer("expire", name, due, at=expires_at, cause=message, correlation_id=task)
        for place, step in enumerate(approval.steps, start=approval.escalations):
            due = TimerDue(tenant=case.tenant, ordinal=place)
            await self._bus.set_timer("escalate", f"{name}-{place}", due, at=step.at, cause=message, correlation_id=task)


def index_key(tenant: str, task: str, approval: str) -> str:
    """Where an open approval stands in the index."""
    return f"{tenant}.{task}.{approval}"


def _ordinal(event: Recorded) -> int:
    return int(EventSubject.parse(event.subject).ordinal or 0)
