"""The life of one task, pure: fold its events, then say what is due.

``advance`` looks at what stands and names what is missing. It can be asked at any time, by any message and after any crash:
what stands already is not named again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, assert_never

from agentos.contracts.base import Contract, Fault, Principal
from agentos.contracts.commands import CancelTask, RetryTask, UpdateTask
from agentos.contracts.errors import NotFound, Refused
from agentos.contracts.events.task import (
    Outcome,
    TaskCancelling,
    TaskDecided,
    TaskEnded,
    TaskParked,
    TaskQueued,
    TaskResumed,
    TaskRetryScheduled,
    TaskRouted,
    TaskSettled,
    TaskSubmitted,
    TaskSuspended,
    TaskUpdated,
    Term,
)

SERVICE = Principal(kind="service", id="orchestrator")


@dataclass(frozen=True, slots=True)
class Task:
    """A task so far. Dictionaries are by ordinal: attempt, or for suspensions their count."""

    submitted: TaskSubmitted | None = None
    """The submission, with the terms that hold now."""
    revision: int = 0
    """How often its terms were changed."""
    deadline_set: int = 0
    """The revision that the deadline is of: a timer of an older one counts no more."""
    queued: Mapping[int, TaskQueued] = field(default_factory=dict[int, TaskQueued])
    decided: Mapping[int, TaskDecided] = field(default_factory=dict[int, TaskDecided])
    routed: Mapping[int, TaskRouted] = field(default_factory=dict[int, TaskRouted])
    suspended: Mapping[int, TaskSuspended] = field(default_factory=dict[int, TaskSuspended])
    resumed: frozenset[int] = frozenset()
    ended: Mapping[int, TaskEnded] = field(default_factory=dict[int, TaskEnded])
    retrying: Mapping[int, TaskRetryScheduled] = field(default_factory=dict[int, TaskRetryScheduled])
    cancelling: Mapping[int, TaskCancelling] = field(default_factory=dict[int, TaskCancelling])
    parked: frozenset[int] = frozenset()
    settled: Mapping[int, TaskSettled] = field(default_factory=dict[int, TaskSettled])

    @property
    def attempt(self) -> int:
        """The attempt that counts: the last one queued, 1 before any was."""
        return max(self.queued, default=1)

    @property
    def outcome(self) -> Outcome | None:
        """How the current attempt settled the task, or None while it is open."""
        settled = self.settled.get(self.attempt)
        return settled.outcome if settled is not None else None

    @property
    def open_suspension(self) -> tuple[int, TaskSuspended] | None:
        """The suspension of the current attempt that is not resumed yet."""
        for number, suspension in self.suspended.items():
            if number not in self.resumed and suspension.attempt == self.attempt:
                return number, suspension
        return None

    @property
    def tries(self) -> int:
        """Attempts since the task was submitted or an operator started it again."""
        started = max((n for n, queued in self.queued.items() if queued.reason == "operator_retry"), default=1)
        return self.attempt - started + 1


def evolve(task: Task, event: Contract, ordinal: int) -> Task:
    """Fold one event. Facts that do not concern the life cycle leave the task as it is."""
    match event:
        case TaskSubmitted():
            return replace(task, submitted=event)
        case TaskUpdated():
            if task.submitted is None:
                return task
            deadline_set = ordinal if "deadline" in event.changed else task.deadline_set
            return replace(task, submitted=event.applied_to(task.submitted), revision=ordinal, deadline_set=deadline_set)
        case TaskQueued():
            return replace(task, queued={**task.queued, ordinal: event})
        case TaskDecided():
            return replace(task, decided={**task.decided, ordinal: event})
        case TaskRouted():
            return replace(task, routed={**task.routed, ordinal: event})
        case TaskSuspended():
            return replace(task, suspended={**task.suspended, ordinal: event})
        case TaskResumed():
            return replace(task, resumed=task.resumed | {ordinal})
        case TaskEnded():
            return replace(task, ended={**task.ended, ordinal: event})
        case TaskRetryScheduled():
            return replace(task, retrying={**task.retrying, ordinal: event})
        case TaskCancelling():
            return replace(task, cancelling={**task.cancelling, ordinal: event})
        case TaskParked():
            return replace(task, parked=task.parked | {ordinal})
        case TaskSettled():
            return replace(task, settled={**task.settled, ordinal: event})
        case _:
            return task


def fold(events: Iterable[tuple[Contract, int]]) -> Task:
    """The task after all of ``events`` (payload, ordinal), in stream order."""
    task = Task()
    for event, ordinal in events:
        task = evolve(task, event, ordinal)
    return task


@dataclass(frozen=True, slots=True)
class Write:
    """Append this fact."""

    channel: str
    payload: Contract
    ordinal: int | None


@dataclass(frozen=True, slots=True)
class Timer:
    """Come back at ``at``. Set before the fact that relies on it is written."""

    what: Literal["retry", "deadline", "wake"]
    ordinal: int
    at: datetime


Effect = Write | Timer


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the shell looked up: outcomes of dependencies (None: not settled yet) and whether the awaited thing has happened."""

    dependencies: Mapping[str, Outcome | None] = field(default_factory=dict[str, "Outcome | None"])
    awaited_happened: bool = False
    wake_at: datetime | None = None
    """When a sleeping agent wants to be woken; None when it does not sleep."""


def submit(task: Task, submitted: TaskSubmitted) -> list[Effect]:
    """Make the task exist. A second submission of the same id changes nothing."""
    if task.submitted is not None:
        return []
    effects: list[Effect] = []
    if submitted.deadline is not None:
        effects.append(Timer("deadline", 0, submitted.deadline))
    return [*effects, Write("task.submitted", submitted, None)]


SOONEST = timedelta(seconds=5)
"""How far ahead a changed deadline has to lie: its timer must not fire before the change stands."""


def update(task: Task, command: UpdateTask, now: datetime) -> list[Effect]:
    """Change the terms. Raises NotFound, or Refused: another change was first, the task has ended, the deadline is over."""
    if task.submitted is None:
        raise NotFound("there is no such task")
    if command.revision != task.revision:
        raise Refused("the task was changed since you looked at it: look again", code="stale")
    if task.outcome is not None:
        raise Refused(
            f"the task has ended already ({task.outcome}): submit a new one, or retry it first", code="already_settled"
        )
    if task.attempt in task.cancelling:
        raise Refused("the task is being stopped", code="stopping")
    if command.deadline is not None and command.deadline < now + SOONEST:
        raise Refused(
            f"the deadline must lie at least {SOONEST.seconds} seconds ahead; to stop the task cancel it", code="deadline_over"
        )
    before = task.submitted
    terms = TaskUpdated(
        priority=command.priority or before.priority,
        deadline=None if command.no_deadline else command.deadline or before.deadline,
        labels=before.labels if command.labels is None else command.labels,
        max_attempts=command.max_attempts or before.retry.max_attempts,
        changed=(),
        by=command.by,
    )
    stood: dict[Term, object] = {
        "priority": before.priority, "deadline": before.deadline, "labels": before.labels, "max_attempts": before.retry.max_attempts,
    }  # fmt: skip
    changed = tuple(name for name, value in stood.items() if getattr(terms, name) != value)
    if not changed:
        return []
    number = task.revision + 1
    effects: list[Effect] = []
    if "deadline" in changed and terms.deadline is not None:
        effects.append(Timer("deadline", number, terms.deadline))
    return [*effects, Write("task.updated", terms.model_copy(update={"changed": changed}), number)]


def cancel(task: Task, command: CancelTask) -> list[Effect]:
    """Stop the task. Raises NotFound or Refused (already settled)."""
    return _stop(task, "cancelled", command.reason, command.by)


def deadline_due(task: Task, number: int) -> list[Effect]:
    """The timer of the deadline that revision ``number`` set has fired; one that was changed since says nothing."""
    return expire(task) if number == task.deadline_set else []


def expire(task: Task) -> list[Effect]:
    """The deadline has passed; a task that has ended is left alone."""
    if task.submitted is None or task.outcome is not None:
        return []
    return _stop(task, "expired", "the deadline passed", SERVICE)


def _stop(task: Task, outcome: Literal["cancelled", "expired"], reason: str, by: Principal) -> list[Effect]:
    if task.submitted is None:
        raise NotFound("there is no such task")
    if task.outcome is not None:
        raise Refused(f"the task has ended already ({task.outcome})", code="already_settled")
    if task.attempt in task.cancelling:
        return []
    return [Write("task.cancelling", TaskCancelling(outcome=outcome, reason=reason, by=by), task.attempt)]


def retry(task: Task, command: RetryTask) -> list[Effect]:
    """Make another attempt. Raises NotFound, or Refused when the task still runs or has completed."""
    if task.submitted is None:
        raise NotFound("there is no such task")
    if task.outcome == "completed":
        raise Refused("the task has completed; submit a new one instead", code="already_completed")
    if task.outcome is None and (task.attempt not in task.parked or task.attempt in task.cancelling):
        raise Refused("the task is still open; cancel it first", code="still_open")
    ended = task.ended.get(task.attempt)
    rerun = command.from_step if command.from_step is not None else (ended.failed_step if ended is not None else None)
    return [_queue(task.submitted, task.attempt + 1, "operator_retry", rerun)]


def retry_due(task: Task, attempt: int) -> list[Effect]:
    """The backoff after ``attempt`` is over; an attempt that is being cancelled has no successor."""
    if task.submitted is None or attempt != task.attempt or attempt not in task.retrying or task.outcome is not None:
        return []
    if attempt in task.cancelling:
        return []
    ended = task.ended[attempt]
    return [_queue(task.submitted, attempt + 1, "retry", ended.failed_step)]


def advance(task: Task, around: Surroundings, now: datetime, jitter: float) -> list[Effect]:
    """What is due, given everything that stands. ``jitter`` is uniform in [0, 1)."""
    if task.submitted is None or task.outcome is not None:
        return []
    attempt = task.attempt
    if (stopping := task.cancelling.get(attempt)) is not None:
        return [_settle(attempt, stopping.outcome, Fault(code=stopping.outcome, message=stopping.reason))]
    if attempt not in task.queued:
        return _start(task, task.submitted, around, now)
    if (decided := task.decided.get(attempt)) is not None and decided.verdict != "allow":
        fault = Fault(code="admission_refused", message="policy did not admit the task; the reasons say why")
        return [_settle(attempt, "refused", fault, reasons=decided.reasons)]
    if (routed := task.routed.get(attempt)) is not None and routed.pack is None:
        if routed.killed:
            return [_settle(attempt, "refused", Fault(code="killed", message=routed.reason), reasons=("kill_switch",))]
        return [_settle(attempt, "failed", Fault(code="no_pack", message=routed.reason))]
    if (ended := task.ended.get(attempt)) is not None:
        return _after_end(task, task.submitted, ended, now, jitter)
    return _after_suspension(task, task.submitted, around)


def _start(task: Task, submitted: TaskSubmitted, around: Surroundings, now: datetime) -> list[Effect]:
    if submitted.deadline is not None and submitted.deadline <= now:
        # Its timer may have fired before the task could be read.
        return expire(task)
    outcomes = around.dependencies
    failed = sorted(name for name, outcome in outcomes.items() if outcome not in (None, "completed"))
    if failed:
        message = f"depends on {', '.join(failed)}, which did not complete; retry those first, then this one"
        return [_settle(1, "failed", Fault(code="dependency_failed", message=message))]
    if any(outcome is None for outcome in outcomes.values()):
        return []
    return [_queue(submitted, 1, "dependencies_settled" if outcomes else "submitted", None)]


def _after_end(task: Task, submitted: TaskSubmitted, ended: TaskEnded, now: datetime, jitter: float) -> list[Effect]:
    attempt = task.attempt
    match ended.outcome:
        case "completed" | "cancelled" | "refused":
            settled = TaskSettled(
                outcome=ended.outcome, fault=ended.fault, result=ended.result, result_digest=ended.result_digest
            )
            return [Write("task.settled", settled, attempt)]
        case "parked":
            fault = ended.fault or Fault(code="parked", message="the runner gave no reason")
            return [] if attempt in task.parked else [Write("task.parked", TaskParked(fault=fault), attempt)]
        case "failed":
            fault = ended.fault or Fault(code="failed", message="the runner gave no reason")
            if not fault.retryable or task.tries >= submitted.retry.max_attempts:
                return [_settle(attempt, "failed", fault)]
            if attempt in task.retrying:
                return []
            at = now + backoff(submitted, task.tries, jitter)
            return [Timer("retry", attempt, at), Write("task.retrying", TaskRetryScheduled(at=at, fault=fault), attempt)]
        case _:
            assert_never(ended.outcome)


def _after_suspension(task: Task, submitted: TaskSubmitted, around: Surroundings) -> list[Effect]:
    suspension = task.open_suspension
    if suspension is None:
        return []
    number, waiting = suspension
    if around.awaited_happened:
        pack = task.routed[waiting.attempt].pack
        assert pack is not None, "a suspended attempt ran, so it was routed to a pack"  # noqa: S101 - an invariant
        resumed = TaskResumed(attempt=waiting.attempt, pack=pack, priority=submitted.priority)
        return [Write("task.resumed", resumed, number)]
    if around.wake_at is not None:
        return [Timer("wake", number, around.wake_at)]
    return []


def backoff(submitted: TaskSubmitted, tries: int, jitter: float) -> timedelta:
    """Exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015)."""
    policy = submitted.retry
    ceiling = min(policy.max_delay_ms, policy.initial_delay_ms * 2 ** (tries - 1))
    return timedelta(milliseconds=ceiling * jitter)


def _queue(
    submitted: TaskSubmitted,
    attempt: int,
    reason: Literal["submitted", "dependencies_settled", "retry", "operator_retry"],
    rerun_from: int | None,
) -> Write:
    queued = TaskQueued(
        type=submitted.type,
        pack=submitted.pack,
        priority=submitted.priority,
        requester=submitted.requester,
        untrusted=submitted.untrusted,
        rerun_from=rerun_from,
        reason=reason,
    )
    return Write("task.queued", queued, attempt)


def _settle(attempt: int, outcome: Outcome, fault: Fault, *, reasons: tuple[str, ...] = ()) -> Write:
    return Write("task.settled", TaskSettled(outcome=outcome, fault=fault, reasons=reasons), attempt)
