"""Subject → handler, and the shell around the domain: load, decide, append, acknowledge."""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime

from agentos.bus import Bus, Route
from agentos.contracts.base import Json
from agentos.contracts.commands import Answer, CancelTask, RetryTask, SubmitTask, TimerDue, UpdateTask
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import Conflict, NeverRetry, Refused
from agentos.contracts.events.approval import ApprovalResolved
from agentos.contracts.events.task import Outcome, StepRecorded, TaskSettled
from agentos.contracts.subjects import EventSubject
from agentos.telemetry import counter, trace_of
from services.orchestrator import domain
from services.orchestrator.domain import Effect, Surroundings, Task, Timer, Write

RACES = 50
"""How often a decision is made anew because another service wrote to the same task meanwhile."""


class Orchestrator:
    """Handlers of the orchestrator. Every one ends in ``advance``, so any message can mend what a crash left undone."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._settled = counter("agentos_tasks_settled_total", "Tasks settled.", ("outcome",))

    def routes(self) -> list[Route]:
        """The handler table."""
        return [
            Route("orchestrator.submit", self.on_submit),
            Route("orchestrator.spawn", self.on_submit),
            Route("orchestrator.cancel", self.on_cancel),
            Route("orchestrator.retry", self.on_retry),
            Route("orchestrator.update", self.on_update),
            Route("task.decided", self.on_task_event),
            Route("task.routed", self.on_task_event),
            Route("task.suspended", self.on_task_event),
            Route("task.ended", self.on_task_event),
            Route("task.settled", self.on_settled),
            Route("approval.resolved", self.on_approval_resolved),
            Route("timer.orchestrator-retry-due", self.on_retry_due),
            Route("timer.orchestrator-deadline-due", self.on_deadline_due),
            Route("timer.orchestrator-wake-due", self.on_wake_due),
        ]

    # --- commands -----------------------------------------------------------------------------------------------------

    async def on_submit(self, message: Recorded) -> None:
        """Make a task, once; link it to what it depends on before it can be seen, so that no settlement is missed."""
        command = message.payload(SubmitTask)
        task = message.subject.split(".")[3]
        dependents = self._bus.bucket("dependents")
        for dependency in command.task.depends_on:
            await dependents.put(f"{command.tenant}.{dependency}.{task}", b"")
        state = await self._decide(command.tenant, task, message, lambda state: domain.submit(state, command.task))
        await self._answer(message, command.request, Answer(ok=True, data={"task": task, "attempt": state.attempt}))

    async def on_cancel(self, message: Recorded) -> None:
        """Stop a task."""
        command = message.payload(CancelTask)
        await self._command(message, command.tenant, command.task, lambda state: domain.cancel(state, command))

    async def on_retry(self, message: Recorded) -> None:
        """Start a task again."""
        command = message.payload(RetryTask)
        await self._command(message, command.tenant, command.task, lambda state: domain.retry(state, command))

    async def on_update(self, message: Recorded) -> None:
        """Change the terms of an open task."""
        command = message.payload(UpdateTask)
        await self._command(
            message, command.tenant, command.task, lambda state: domain.update(state, command, datetime.now(UTC))
        )

    async def _command(self, message: Recorded, tenant: str, task: str, decide: Callable[[Task], list[Effect]]) -> None:
        request = message.subject.split(".")[3]
        try:
            state = await self._decide(tenant, task, message, decide)
        except Refused as refused:
            await self._answer(message, request, Answer(ok=False, code=refused.code, detail=refused.detail))
            return
        said: dict[str, Json] = {"task": task, "attempt": state.attempt, "revision": state.revision}
        await self._answer(message, request, Answer(ok=True, data=said))

    async def _answer(self, message: Recorded, request: str, answer: Answer) -> None:
        await self._bus.send("orchestrator.answer", (request,), answer, tenant=message.meta.tenant, cause=message)

    # --- events -------------------------------------------------------------------------------------------------------

    async def on_task_event(self, message: Recorded) -> None:
        """Something happened to a task: see what is due."""
        subject = EventSubject.parse(message.subject)
        await self._decide(subject.tenant, subject.id, message, _nothing)

    async def on_settled(self, message: Recorded) -> None:
        """A task has ended: whoever waited for it goes on, be it a dependent task or the parent of a subtask."""
        subject = EventSubject.parse(message.subject)
        self._settled.labels(message.payload(TaskSettled).outcome).inc()
        prefix = f"{subject.tenant}.{subject.id}."
        dependents = self._bus.bucket("dependents")
        for key in await dependents.keys(prefix):
            await self._decide(subject.tenant, key.removeprefix(prefix), message, _nothing)
            await dependents.delete(key)
        state, _ = await self._load(subject.tenant, subject.id)
        if state.submitted is not None and state.submitted.parent is not None:
            await self._decide(subject.tenant, state.submitted.parent, message, _nothing)

    async def on_approval_resolved(self, message: Recorded) -> None:
        """A person answered: a task that is suspended on it goes on."""
        tenant = EventSubject.parse(message.subject).tenant
        await self._decide(tenant, message.payload(ApprovalResolved).context.task, message, _nothing)

    # --- timers -------------------------------------------------------------------------------------------------------

    async def on_retry_due(self, message: Recorded) -> None:
        """The backoff of an attempt is over."""
        due, task = _timer(message)
        await self._decide(due.tenant, task, message, lambda state: domain.retry_due(state, due.ordinal))

    async def on_deadline_due(self, message: Recorded) -> None:
        """A deadline has passed."""
        due, task = _timer(message)
        await self._decide(due.tenant, task, message, lambda state: domain.deadline_due(state, due.ordinal))

    async def on_wake_due(self, message: Recorded) -> None:
        """A sleep is over."""
        due, task = _timer(message)
        await self._decide(due.tenant, task, message, _nothing)

    # --- the shell ----------------------------------------------------------------------------------------------------

    async def _decide(self, tenant: str, task: str, cause: Recorded, decide: Callable[[Task], list[Effect]]) -> Task:
        """Load, decide, append; then whatever became due by it. Starts over when another service wrote meanwhile.

        What this very message has written already, before a crash or a lost race, is not decided a second time: a command that was
        carried out is finished and answered, not refused as if another had come before it.
        """
        for _ in range(RACES):
            try:
                return await self._try(tenant, task, cause, decide)
            except Conflict:
                await asyncio.sleep(random.uniform(0, 0.02))  # noqa: S311 - jitter, no secret
        raise Conflict(f"task {task} is written to faster than it can be decided")

    async def _try(self, tenant: str, task: str, cause: Recorded, decide: Callable[[Task], list[Effect]]) -> Task:
        events = await self._bus.load(tenant, "task", task)
        state, last = _folded(events)
        with trace_of(events[0].meta.traceparent if events else None, "orchestrator decides"):
            if not any(event.meta.causation_id == cause.meta.event_id for event in events):
                state, last = await self._apply(tenant, task, cause, state, last, decide(state))
            while True:
                around = await self._look_around(tenant, task, state)
                due = domain.advance(state, around, datetime.now(UTC), random.random())  # noqa: S311 - jitter, no secret
                before = last
                state, last = await self._apply(tenant, task, cause, state, last, due)
                if last == before:
                    return state

    async def _load(self, tenant: str, task: str) -> tuple[Task, int]:
        return _folded(await self._bus.load(tenant, "task", task))

    async def _apply(
        self, tenant: str, task: str, cause: Recorded, state: Task, last: int, effects: list[Effect]
    ) -> tuple[Task, int]:
        for effect in effects:
            match effect:
                case Write():
                    appended = await self._bus.append(
                        effect.channel,
                        task,
                        effect.payload,
                        tenant=tenant,
                        ordinal=effect.ordinal,
                        cause=cause,
                        correlation_id=task,
                        expect=last,
                    )
                    state, last = domain.evolve(state, effect.payload, effect.ordinal or 0), appended.seq
                case Timer():
                    await self._bus.set_timer(
                        effect.what,
                        f"{task}-{effect.ordinal}",
                        TimerDue(tenant=tenant, ordinal=effect.ordinal),
                        at=effect.at,
                        cause=cause,
                        correlation_id=task,
                    )
        return state, last

    async def _look_around(self, tenant: str, task: str, state: Task) -> Surroundings:
        if state.submitted is None or state.outcome is not None or state.attempt in state.cancelling:
            return Surroundings()
        if not state.queued:
            outcomes: dict[str, Outcome | None] = {}
            for name in state.submitted.depends_on:
                outcomes[name] = (await self._load(tenant, name))[0].outcome
            return Surroundings(dependencies=outcomes)
        suspension = state.open_suspension
        if suspension is None:
            return Surroundings()
        awaited = suspension[1]
        match awaited.waiting_for:
            case "approval" | "call" | "tool":
                found = await self._bus.get(f"evt.{tenant}.approval.{awaited.on}.resolved")
                return Surroundings(awaited_happened=found is not None)
            case "subtask":
                subtask, _ = await self._load(tenant, awaited.on)
                return Surroundings(awaited_happened=subtask.outcome is not None)
            case "timer":
                recorded = await self._bus.get(f"evt.{tenant}.step.{task}.recorded.{awaited.on}")
                if recorded is None or not isinstance(recorded.data, StepRecorded):
                    raise NeverRetry(f"task {task} sleeps on step {awaited.on}, which is not recorded", code="no_such_step")
                wake_at = datetime.fromisoformat(str(recorded.data.value))
                return Surroundings(awaited_happened=datetime.now(UTC) >= wake_at, wake_at=wake_at)


def _nothing(_: Task) -> list[Effect]:
    return []


def _folded(events: list[Recorded]) -> tuple[Task, int]:
    state = domain.fold((event.data, _ordinal(event)) for event in events)
    return state, max((event.seq for event in events), default=0)


def _ordinal(event: Recorded) -> int:
    return int(EventSubject.parse(event.subject).ordinal or 0)


def _timer(message: Recorded) -> tuple[TimerDue, str]:
    task, _, _ = message.subject.rsplit(".", 1)[-1].rpartition("-")
    return message.payload(TimerDue), task
