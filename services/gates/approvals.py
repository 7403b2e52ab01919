"""Approvals: subject → handler, and the shell around the domain."""

from datetime import UTC, datetime

from agentos.bus import Bus, Route
from agentos.contracts.commands import Answer, ResolveApproval, TimerDue
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import Forbidden, NeverRetry, Refused
from agentos.contracts.events.call import CallDecided
from agentos.contracts.events.governance import ApprovalRequested, ApprovalRuled, CheckpointRequested
from agentos.contracts.events.task import TaskSettled, TaskSuspended
from agentos.contracts.subjects import EventSubject
from agentos.telemetry import trace_of
from services.gates.answers import answer_command
from services.gates.domain import approvals as domain


class Approvals:
    """Handlers of the gates for approvals."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def routes(self) -> list[Route]:
        """The handler table."""
        return [
            Route("call.decided", self.on_decided),
            Route("tool.decided", self.on_decided),
            Route("checkpoint.requested", self.on_checkpoint),
            Route("task.cancelling", self.on_cancelling),
            Route("timer.gates-expire-due", self.on_expired),
            Route("gates.resolve", self.on_resolve),
            Route("approval.ruled", self.on_ruled),
        ]

    async def on_decided(self, message: Recorded) -> None:
        """A call is held: ask a person."""
        decided = message.payload(CallDecided)
        if decided.verdict == "hold":
            await self._request(message, domain.request_for_call(decided, datetime.now(UTC)))

    async def on_checkpoint(self, message: Recorded) -> None:
        """A pack asks a person."""
        await self._request(message, domain.request_for_checkpoint(message.payload(CheckpointRequested), datetime.now(UTC)))

    async def _request(self, message: Recorded, requested: ApprovalRequested) -> None:
        subject = EventSubject.parse(message.subject)
        # The approval's own subject: whatever stands there first is the approval, with its expiry.
        await self._bus.append(
            "approval.requested", subject.id, requested, cause=message, correlation_id=requested.context.task
        )
        approval, _ = await self._load(subject.tenant, subject.id)
        standing = approval.requested or requested
        await self._bus.set_timer(
            "expire",
            f"{subject.id}-0",
            TimerDue(tenant=subject.tenant),
            at=standing.expires_at,
            cause=message,
            correlation_id=standing.context.task,
        )
        # A cancellation that came before the approval stood found nothing to close.
        task, attempt = standing.context.task, standing.context.attempt
        if await self._bus.get(f"evt.{subject.tenant}.task.{task}.cancelling.{attempt}") is not None:
            await self._close(message, subject.tenant, subject.id, "cancelled", "the task was cancelled")

    async def on_expired(self, message: Recorded) -> None:
        """Nobody answered in time: that is a no."""
        tenant = message.payload(TimerDue).tenant
        approval, _, _ = message.subject.rsplit(".", 1)[-1].rpartition("-")
        await self._close(message, tenant, approval, "expired", "nobody answered in time")

    async def on_cancelling(self, message: Recorded) -> None:
        """What a cancelled task waits for needs no answer any more."""
        subject = EventSubject.parse(message.subject)
        for event in await self._bus.load(subject.tenant, "task", subject.id):
            if isinstance(event.data, TaskSuspended) and event.data.waiting_for in ("approval", "call", "tool"):
                await self._close(message, subject.tenant, event.data.on, "cancelled", "the task was cancelled")

    async def _close(self, message: Recorded, tenant: str, approval_id: str, outcome: str, comment: str) -> None:
        approval, last = await self._load(tenant, approval_id)
        resolved = domain.close(approval, "expired" if outcome == "expired" else "cancelled", comment)
        if resolved is not None:
            await self._bus.append(
                "approval.resolved",
                approval_id,
                resolved,
                tenant=tenant,
                cause=message,
                correlation_id=resolved.context.task,
                expect=last,
            )

    async def on_resolve(self, message: Recorded) -> None:
        """A person answers: note it, and let policy rule on whether it counts."""
        command = message.payload(ResolveApproval)
        events = await self._bus.load(command.tenant, "approval", command.approval)
        if any(event.meta.causation_id == message.meta.event_id for event in events):
            # Noted at an earlier delivery of this command; the ruling brings the word.
            return
        approval, last = _folded(events)
        try:
            answered = domain.answer(approval, command, message.subject.rsplit(".", 1)[-1], datetime.now(UTC))
            traceparent = await self._open_task(command.tenant, answered.context.task, answered.context.attempt)
        except Refused as refused:
            await answer_command(self._bus, message, Answer(ok=False, code=refused.code, detail=refused.detail))
            return
        with trace_of(traceparent, "gates notes an answer"):
            await self._bus.append(
                "approval.answered",
                command.approval,
                answered,
                ordinal=max(approval.answered, default=0) + 1,
                tenant=command.tenant,
                cause=message,
                correlation_id=answered.context.task,
                expect=last,
            )

    async def on_ruled(self, message: Recorded) -> None:
        """Policy has ruled on an answer: if it counts, it is the approval's one answer. Either way the person is told."""
        subject = EventSubject.parse(message.subject)
        number = int(subject.ordinal or 0)
        events = await self._bus.load(subject.tenant, "approval", subject.id)
        approval, last = _folded(events)
        answered = approval.answered.get(number)
        if answered is None:
            raise NeverRetry(f"{message.subject} rules on an answer that does not stand", code="no_such_answer")
        done = next((event for event in events if event.meta.causation_id == message.meta.event_id), None)
        try:
            if done is None:
                resolved = domain.rule(approval, number, message.payload(ApprovalRuled), datetime.now(UTC))
                await self._open_task(subject.tenant, resolved.context.task, resolved.context.attempt)
                await self._bus.append(
                    "approval.resolved",
                    subject.id,
                    resolved,
                    tenant=subject.tenant,
                    cause=message,
                    correlation_id=resolved.context.task,
                    expect=last,
                )
        except (Refused, Forbidden) as refused:
            word = Answer(ok=False, code=refused.code, detail=refused.detail)
        else:
            word = Answer(ok=True, data={"approval": subject.id, "outcome": answered.outcome})
        await self._bus.send("gates.answer", (answered.request,), word, tenant=subject.tenant, cause=message)

    async def _open_task(self, tenant: str, task: str, attempt: int) -> str | None:
        """The task's trace. Raises Refused when the task has ended."""
        events = await self._bus.load(tenant, "task", task)
        for event in events:
            ordinal = int(EventSubject.parse(event.subject).ordinal or 0)
            if isinstance(event.data, TaskSettled) and ordinal >= attempt:
                raise Refused(f"the task has ended meanwhile ({event.data.outcome})", code="task_ended")
        return events[0].meta.traceparent if events else None

    async def _load(self, tenant: str, approval: str) -> tuple[domain.Approval, int]:
        return _folded(await self._bus.load(tenant, "approval", approval))


def _folded(events: list[Recorded]) -> tuple[domain.Approval, int]:
    """The approval, and the sequence of its last event."""
    approval = domain.fold((event.data, int(EventSubject.parse(event.subject).ordinal or 0)) for event in events)
    return approval, max((event.seq for event in events), default=0)
