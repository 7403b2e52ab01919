"""The life of a task: submitted → queued(n) → decided(n) → routed(n) → started(n) → suspended/resumed → ended(n) → settled(n).

``n`` is the attempt, from 1. An attempt is admitted anew each time, so that policy and kill switch rule on retries as well.
"""

from typing import Literal

from pydantic import Field

from agentos.contracts.base import Contract, Fault, Json, Principal, Priority, Ruling, Sealed, Token, Utc

Outcome = Literal["completed", "failed", "refused", "cancelled", "expired"]


class RetryPolicy(Contract):
    """How often an attempt that failed for a retryable reason is made again, with exponential backoff and full jitter."""

    max_attempts: int = Field(default=3, ge=1, le=20)
    initial_delay_ms: int = Field(default=1_000, ge=0)
    max_delay_ms: int = Field(default=300_000, ge=0)


class TaskSubmitted(Contract):
    """A task exists. ``input`` is sealed: it is what came from outside, in clear nowhere. Nothing runs yet."""

    type: Token
    input: Sealed
    input_digest: str
    requester: Principal
    priority: Priority = "normal"
    deadline: Utc | None = None
    depends_on: tuple[Token, ...] = ()
    parent: Token | None = None
    pack: Token | None = None
    """Set when the sender asks for one pack; otherwise the router chooses by type."""
    retry: RetryPolicy = RetryPolicy()
    untrusted: bool = False
    """Content from outside: the label that history-aware rules follow."""
    labels: dict[str, str] = Field(default_factory=dict)


Term = Literal["priority", "deadline", "labels", "max_attempts"]


class TaskUpdated(Contract):
    """A person changed the terms of an open task; ``n`` counts such changes. All terms are named as they are from now on.

    A priority holds from the next time that the task is handed to a pack: what waits in a queue already keeps its place there.
    """

    priority: Priority
    deadline: Utc | None
    labels: dict[str, str]
    max_attempts: int = Field(ge=1, le=20)
    changed: tuple[Term, ...]
    by: Principal

    def applied_to(self, submitted: TaskSubmitted) -> TaskSubmitted:
        """The submission with these terms."""
        retry = submitted.retry.model_copy(update={"max_attempts": self.max_attempts})
        terms = {"priority": self.priority, "deadline": self.deadline, "labels": self.labels, "retry": retry}
        return submitted.model_copy(update=terms)


class TaskQueued(Contract):
    """Attempt n asks to be admitted. Emitted on submission, when dependencies are settled, when a retry is due, on operator retry."""

    type: Token
    pack: Token | None
    priority: Priority
    requester: Principal
    untrusted: bool
    rerun_from: int | None = None
    """Recorded steps from this ordinal on are made anew in this attempt; None keeps them all."""
    reason: Literal["submitted", "dependencies_settled", "retry", "operator_retry"]


class TaskDecided(Ruling):
    """The admission verdict for attempt n, given once. ``hold`` is not an admission outcome and counts as deny.

    Obligation ``packs``: the only ones that may take the attempt. It is left out while no pack is known to take such a task.
    """

    obligations: dict[str, Json] = Field(default_factory=dict)


class Candidate(Contract):
    """A pack that could have taken the task, and why it was or was not chosen."""

    pack: str
    agent: str
    version: str
    instances: int
    active: int
    eligible: bool
    reason: str


class TaskRouted(Contract):
    """Where attempt n goes, with the rejected candidates; ``pack`` is None when nothing could take it."""

    pack: Token | None
    agent: str | None
    version: str | None
    priority: Priority
    candidates: tuple[Candidate, ...]
    reason: str
    killed: bool = False
    """Whether a kill switch is why nothing takes it."""


class TaskStarted(Contract):
    """A runner instance took attempt n. A crash and a new pick-up repeat nothing: the fact stays the first one's."""

    instance: str
    pack: Token
    agent: str
    version: str


class TaskSuspended(Contract):
    """The agent waits for something long; it holds no memory and no message. ``n`` counts suspensions over all attempts."""

    attempt: int
    waiting_for: Literal["call", "tool", "approval", "timer", "subtask"]
    on: Token
    """Id of the awaited call, tool call, approval, timer or subtask."""


class TaskResumed(Contract):
    """What suspension ``n`` waited for has happened; the router dispatches the task again."""

    attempt: int
    pack: Token
    priority: Priority


class TaskEnded(Contract):
    """What the runner saw at the end of attempt n. The orchestrator decides what it means for the task."""

    outcome: Literal["completed", "failed", "refused", "cancelled", "parked"]
    result: Sealed | None = None
    result_digest: str | None = None
    fault: Fault | None = None
    failed_step: int | None = None
    """The step whose failure the pack did not handle; a retry makes it anew."""


class TaskRetryScheduled(Contract):
    """Attempt n failed and another will be made at ``at``."""

    at: Utc
    fault: Fault


class TaskCancelling(Contract):
    """Attempt n must stop: runner and router cancel what is in flight. Outcome ``expired`` when the deadline passed."""

    outcome: Literal["cancelled", "expired"]
    reason: str
    by: Principal


class TaskParked(Contract):
    """Retries cannot mend this (a pack that differs from its record, say): the task waits for an operator's retry or cancel."""

    fault: Fault


class TaskSettled(Contract):
    """The end, exactly once for attempt n. After an operator's retry a later attempt settles again."""

    outcome: Outcome
    fault: Fault | None = None
    result: Sealed | None = None
    result_digest: str | None = None
    reasons: tuple[str, ...] = ()


LogLevel = Literal["debug", "info", "warning", "error"]


class LogWritten(Contract):
    """What an agent said of itself in an attempt, some lines at a time; ``<n>`` is ``<attempt>-<first>``.

    The lines may hold anything, so they are sealed: a JSON list of ``{"at", "level", "text", "fields"}``. In clear stands how many there are
    of each level. An agent that runs again from its recorded steps says the same again; what stands already is not written twice.
    """

    pack: Token
    agent: Token
    attempt: int = Field(ge=1)
    first: int = Field(ge=1)
    """The number of the first of these lines within the attempt."""
    levels: dict[LogLevel, int] = Field(default={})
    lines: Sealed | None = None
    """None where none is kept: such an event says only how many were dropped."""
    dropped: int = Field(default=0, ge=0)
    """Lines of the attempt that were too many, or too much: said once, at its end."""

    @property
    def count(self) -> int:
        """How many lines there are."""
        return sum(self.levels.values())


class StepRecorded(Contract):
    """A recorded effect other than a call: the clock, randomness, a sleep's due time, a subtask's id."""

    step: int
    epoch: int
    kind: Literal["now", "random", "sleep", "subtask"]
    digest: str
    value: Json
