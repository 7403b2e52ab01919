"""Subject → handler, and the shell around the domain."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import structlog

from agentos.bus import Bus, Entry, Route
from agentos.bus.tail import Raw
from agentos.contracts.base import Contract
from agentos.contracts.commands import Answer, EngageKill, ReleaseKill, ResolveApproval, TimerDue
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import AgentOSError, Conflict, Forbidden, NeverRetry, Refused
from agentos.contracts.events.call import CallDecided
from agentos.contracts.events.governance import ApprovalRequested, ApprovalRuled, CheckpointRequested, KillEngaged, KillReleased
from agentos.contracts.events.task import TaskSettled, TaskSuspended
from agentos.contracts.subjects import EventSubject
from agentos.killswitch import KillEntry
from agentos.telemetry import trace_of
from services.gates import domain

log = structlog.get_logger(__name__)


class Gates:
    """Handlers of the gates."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._kill = bus.bucket("kill")

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
            Route("gates.engage", self.on_engage),
            Route("gates.release", self.on_release),
        ]

    # --- approvals ----------------------------------------------------------------------------------------------------

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
            await self._answer(message, Answer(ok=False, code=refused.code, detail=refused.detail))
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

    # --- kill switch --------------------------------------------------------------------------------------------------

    async def on_engage(self, message: Recorded) -> None:
        """Stop everything in scope. The bucket first: it is what the services watch; then the fact."""
        command = message.payload(EngageKill)
        switch = message.subject.rsplit(".", 1)[-1]
        events = await self._bus.load(command.tenant, "kill", switch)
        try:
            engaged = domain.engage(command, [event.data for event in events])
            released = any(isinstance(event.data, KillReleased) for event in events)
            if released and not any(event.meta.causation_id == message.meta.event_id for event in events):
                raise Refused("this kill switch is released already; engage a new one", code="already_released")
        except Refused as refused:
            await self._answer(message, Answer(ok=False, code=refused.code, detail=refused.detail))
            return
        if not released:
            await self._put(command.tenant, switch, engaged)
            if not events:
                await self._append_kill("kill.engaged", command.tenant, switch, engaged, message)
        await self._answer(message, Answer(ok=True, data={"switch": switch, "scope": engaged.scope, "target": engaged.target}))

    async def on_release(self, message: Recorded) -> None:
        """Take a switch back. The fact first: should we stop in between, ``reconcile`` clears the bucket."""
        command = message.payload(ReleaseKill)
        events = await self._bus.load(command.tenant, "kill", command.switch)
        try:
            if not any(event.meta.causation_id == message.meta.event_id for event in events):
                released = domain.release([event.data for event in events], command.reason, command.by)
                await self._append_kill("kill.released", command.tenant, command.switch, released, message)
        except Refused as refused:
            await self._answer(message, Answer(ok=False, code=refused.code, detail=refused.detail))
            return
        await self._kill.delete(command.switch)
        await self._answer(message, Answer(ok=True, data={"switch": command.switch}))

    async def _append_kill(self, channel: str, tenant: str, switch: str, event: Contract, message: Recorded) -> None:
        await self._bus.append(channel, switch, event, tenant=tenant, cause=message, correlation_id=switch)

    async def _put(self, tenant: str, switch: str, engaged: KillEngaged) -> None:
        try:
            await self._kill.create(switch, _entry(tenant, switch, engaged))
        except Conflict:
            log.info("kill_switch_stands_already", switch=switch)

    async def reconcile(self) -> None:
        """At start, make the bucket what the log says: the log is the truth, and a crash may have come between the two."""
        engaged: dict[str, tuple[str, KillEngaged]] = {}
        released: set[str] = set()
        async for raw in self._kill_events():
            try:
                event = await self._bus.decode(raw)
            except AgentOSError:
                log.exception("kill_event_unreadable", subject=raw.subject)
                continue
            subject = EventSubject.parse(raw.subject)
            match event.data:
                case KillEngaged():
                    engaged[subject.id] = (subject.tenant, event.data)
                case KillReleased():
                    engaged.pop(subject.id, None)
                    released.add(subject.id)
                case _:
                    continue
        present = {entry.key: entry for entry in await self._kill.entries()}
        for switch, (tenant, event) in engaged.items():
            if switch not in present or not _readable(present[switch]):
                await self._kill.put(switch, _entry(tenant, switch, event))
                # Another instance may have released it since we read the log.
                if await self._bus.get(f"evt.{tenant}.kill.{switch}.released") is not None:
                    await self._kill.delete(switch)
        # A switch in the bucket without its fact was being engaged when we stopped: its command comes again and completes it.
        for switch in present.keys() & released:
            await self._kill.delete(switch)

    async def _kill_events(self) -> AsyncGenerator[Raw]:
        updates = self._bus.tail(("evt.*.kill.*.engaged", "evt.*.kill.*.released"), start="first").updates()
        try:
            async for raw in updates:
                if raw is None:
                    return
                yield raw
        finally:
            await updates.aclose()

    async def _answer(self, message: Recorded, answer: Answer) -> None:
        request = message.subject.rsplit(".", 1)[-1]
        await self._bus.send("gates.answer", (request,), answer, tenant=message.meta.tenant, cause=message)


def _entry(tenant: str, switch: str, engaged: KillEngaged) -> bytes:
    entry = KillEntry(
        switch=switch, tenant=tenant, scope=engaged.scope, target=engaged.target, reason=engaged.reason, by=engaged.by
    )
    return entry.model_dump_json().encode()


def _readable(entry: Entry) -> bool:
    try:
        KillEntry.model_validate_json(entry.value or b"")
    except ValueError:
        return False
    return True


def _folded(events: list[Recorded]) -> tuple[domain.Approval, int]:
    """The approval, and the sequence of its last event."""
    approval = domain.fold((event.data, int(EventSubject.parse(event.subject).ordinal or 0)) for event in events)
    return approval, max((event.seq for event in events), default=0)
