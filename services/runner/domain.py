"""What a runner decides, pure: whether a work item is still to be done, and what an ended run means for its attempt."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from agentos.contracts.base import Contract, Fault
from agentos.contracts.commands import WorkItem
from agentos.contracts.events.call import ModelCallSettled, ToolCallSettled
from agentos.contracts.events.task import (
    TaskCancelling,
    TaskEnded,
    TaskQueued,
    TaskSettled,
    TaskStarted,
    TaskSubmitted,
    TaskSuspended,
    TaskUpdated,
)
from agentos.packhost.hiding import Hider
from agentos.sdk.context import failure, refusal
from agentos.sdk.journal import Answer

MAX_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class TaskView:
    """What a runner needs to know of a task. Dictionaries are by ordinal."""

    submitted: TaskSubmitted | None = None
    queued: Mapping[int, TaskQueued] = field(default_factory=dict[int, TaskQueued])
    suspended: Mapping[int, TaskSuspended] = field(default_factory=dict[int, TaskSuspended])
    started: frozenset[int] = frozenset()
    ended: frozenset[int] = frozenset()
    cancelling: frozenset[int] = frozenset()
    settled: frozenset[int] = frozenset()

    @property
    def rerun_points(self) -> tuple[tuple[int, int | None], ...]:
        """(attempt, rerun_from) pairs, for ``epoch_of``."""
        return tuple((attempt, queued.rerun_from) for attempt, queued in sorted(self.queued.items()))

    @property
    def suspensions(self) -> int:
        """How often the task was suspended, over all attempts."""
        return max(self.suspended, default=0)


def evolve(view: TaskView, event: Contract, ordinal: int) -> TaskView:
    """Fold one event of the task."""
    match event:
        case TaskSubmitted():
            return replace(view, submitted=event)
        case TaskUpdated():
            # Subtasks that are made from now on inherit the new priority and deadline.
            return view if view.submitted is None else replace(view, submitted=event.applied_to(view.submitted))
        case TaskQueued():
            return replace(view, queued={**view.queued, ordinal: event})
        case TaskSuspended():
            return replace(view, suspended={**view.suspended, ordinal: event})
        case TaskStarted():
            return replace(view, started=view.started | {ordinal})
        case TaskEnded():
            return replace(view, ended=view.ended | {ordinal})
        case TaskCancelling():
            return replace(view, cancelling=view.cancelling | {ordinal})
        case TaskSettled():
            return replace(view, settled=view.settled | {ordinal})
        case _:
            return view


def fold(events: Iterable[tuple[Contract, int]]) -> TaskView:
    """The task after ``events`` (payload, ordinal)."""
    view = TaskView()
    for event, ordinal in events:
        view = evolve(view, event, ordinal)
    return view


def is_due(view: TaskView, item: WorkItem) -> bool:
    """Whether the work item still asks for something: not when its attempt is over, nor when it was suspended (again) since."""
    attempt = item.attempt
    if view.submitted is None or attempt not in view.queued or attempt != max(view.queued):
        return False
    if attempt in view.ended or attempt in view.cancelling or attempt in view.settled:
        return False
    return not any(s.attempt == attempt and number > item.resumption for number, s in view.suspended.items())


def replays(view: TaskView, item: WorkItem, deliveries: int) -> bool:
    """Whether steps may be recorded already, so that each must be looked up before it is made."""
    return deliveries > 1 or item.attempt > 1 or item.resumption > 0 or item.attempt in view.started


@dataclass(frozen=True, slots=True)
class Finish:
    """How a run came to its end, as the host (or its death) told; ``message`` is still as the pack wrote it."""

    outcome: Literal["completed", "failed", "refused", "cancelled", "parked"]
    code: str = ""
    message: str = ""
    retryable: bool = False
    step: int | None = None


HUNG = Finish(
    "failed", "pack_hung", "the agent did not give the event loop back; await instead of blocking, and compute in small steps"
)
TIMED_OUT = "the agent ran for {:g} s without waiting for anything; raise timeout_s in pack.yaml if it needs that long"
ESCAPING = Finish(
    "refused",
    "sandbox_violation",
    "the agent tried to get past its sandbox; the events violation.noted of this task say how. Do not run this pack before someone has read it",
)
CRASHED = Finish("failed", "pack_crashed", "the process of the pack ended while this agent was running in it")


def fault_of(finish: Finish, hide: Hider) -> Fault | None:
    """The fault to write down: bounded, and without the personal data that is known."""
    if finish.outcome == "completed":
        return None
    message = hide(finish.message)[:MAX_MESSAGE] or finish.outcome
    return Fault(code=finish.code or finish.outcome, message=message, retryable=finish.retryable)


def answer_of_failure(settled: ModelCallSettled | ToolCallSettled) -> Answer | None:
    """The answer to a call that did not complete; None when it did."""
    fault = settled.fault
    match settled.outcome:
        case "completed":
            return None
        case "failed":
            fault = fault or Fault(code="failed", message="the call failed without a reason")
            return failure(fault.code, fault.message, retryable=fault.retryable)
        case "refused" | "cancelled":
            reasons = settled.reasons or ((fault.message,) if fault is not None else (f"the call was {settled.outcome}",))
            return refusal(reasons, fault.code if fault is not None else f"call_{settled.outcome}")
