"""The life of a task, pure: whatever happens in whatever order, and wherever it crashes, a task ends once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.contracts.base import Contract, Fault, Principal, Sealed
from agentos.contracts.commands import CancelTask, RetryTask, UpdateTask
from agentos.contracts.errors import NotFound, Refused
from agentos.contracts.events.task import (
    Outcome,
    RetryPolicy,
    TaskCancelling,
    TaskDecided,
    TaskEnded,
    TaskQueued,
    TaskResumed,
    TaskRouted,
    TaskSettled,
    TaskSubmitted,
    TaskSuspended,
    TaskUpdated,
)
from services.orchestrator import domain
from services.orchestrator.domain import Effect, Surroundings, Task, Timer, Write

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OPERATOR = Principal(kind="api_key", id="ops", roles=("operator",))
CANCEL = CancelTask(tenant="default", task="t", reason="no longer needed", by=OPERATOR)
RETRY = RetryTask(tenant="default", task="t", by=OPERATOR)


def change(revision: int = 0, **terms: Any) -> UpdateTask:
    return UpdateTask(tenant="default", task="t", revision=revision, by=OPERATOR, **terms)


PASSING = Fault(code="provider_down", message="try again", retryable=True)
FINAL = Fault(code="bug", message="fix it")


def submitted(*, depends_on: tuple[str, ...] = (), deadline: datetime | None = None, max_attempts: int = 3) -> TaskSubmitted:
    return TaskSubmitted(
        type="triage",
        input=Sealed(key="t", purpose="task.input", nonce=b"n" * 12, ciphertext=b"c" * 16),
        input_digest="d",
        requester=OPERATOR,
        depends_on=depends_on,
        deadline=deadline,
        retry=RetryPolicy(max_attempts=max_attempts, initial_delay_ms=100, max_delay_ms=1_000),
    )


def decided(verdict: str = "allow") -> TaskDecided:
    return TaskDecided.model_validate({"verdict": verdict, "reasons": ("r",), "rules": (), "bundle": "b"})


def routed(pack: str | None = "p") -> TaskRouted:
    return TaskRouted(pack=pack, agent="a" if pack else None, version=None, priority="normal", candidates=(), reason="because")


class Crash(Exception):
    """The process is gone."""


@dataclass
class Stream:
    """The broker's part, in memory: each subject once. ``crash_after`` effects the process dies."""

    facts: dict[tuple[str, int], Contract] = field(default_factory=dict[tuple[str, int], Contract])
    causes: set[int] = field(default_factory=set[int])
    timers: dict[str, datetime] = field(default_factory=dict[str, datetime])
    crash_after: int = -1

    @property
    def task(self) -> Task:
        return domain.fold((payload, ordinal) for (_, ordinal), payload in self.facts.items())

    def put(self, channel: str, ordinal: int, payload: Contract) -> None:
        assert (channel, ordinal) not in self.facts, f"{channel}.{ordinal} was written a second time"
        self.facts[(channel, ordinal)] = payload

    def apply(self, cause: int, effects: list[Effect]) -> bool:
        wrote = False
        for effect in effects:
            if self.crash_after == 0:
                raise Crash
            self.crash_after -= 1
            match effect:
                case Write():
                    self.put(effect.channel, effect.ordinal or 0, effect.payload)
                    self.causes.add(cause)
                    wrote = True
                case Timer():
                    self.timers[f"{effect.what}-{effect.ordinal}"] = effect.at
        return wrote

    def handle(
        self,
        cause: int,
        decide: Callable[[Task], list[Effect]] = lambda _: [],
        around: Surroundings | Callable[[], Surroundings] | None = None,
        now: datetime = NOW,
    ) -> None:
        """What the shell does with one message: decide unless it has, then advance until nothing is due."""
        if cause not in self.causes:
            self.apply(cause, decide(self.task))
        look = around if callable(around) else lambda: around or Surroundings()
        while self.apply(cause, domain.advance(self.task, look(), now, 0.5)):
            continue


ACTIONS = (
    "submit",
    "submit_again",
    "allow",
    "deny",
    "route",
    "no_pack",
    "suspend",
    "awaited",
    "complete",
    "fail",
    "fail_for_good",
    "park",
    "retry_due",
    "deadline",
    "cancel",
    "operator_retry",
    "update",
    "dependency_completes",
    "dependency_fails",
)


@dataclass
class World:
    """The other services, as random as they like, within what their own rules let them write."""

    stream: Stream = field(default_factory=Stream)
    dependency: Outcome | None = None
    message: int = 0
    crash_at: dict[int, int] = field(default_factory=dict[int, int])

    def around(self, *, awaited: bool = False) -> Surroundings:
        waits = self.stream.task.submitted is not None and not self.stream.task.queued
        return Surroundings(dependencies={"dep": self.dependency} if waits else {}, awaited_happened=awaited)

    def deliver(self, decide: Callable[[Task], list[Effect]] = lambda _: [], *, awaited: bool = False) -> None:
        """One message: handled, and handled again after a crash until it goes through."""
        self.message += 1
        self.stream.crash_after = self.crash_at.get(self.message, -1)
        for _ in range(2):
            try:
                # As the shell does, look around anew before each advance.
                self.stream.handle(self.message, decide, lambda: self.around(awaited=awaited))
            except Crash:
                self.stream.crash_after = -1
            except Refused:
                break
            else:
                break
        left = domain.advance(self.stream.task, self.around(awaited=awaited), NOW, 0.5)
        assert not [effect for effect in left if isinstance(effect, Write)], "advance is not idempotent"

    def play(self, action: str) -> None:
        task, attempt = self.stream.task, self.stream.task.attempt
        runs = attempt in task.routed and task.routed[attempt].pack is not None and attempt not in task.ended
        match action:
            case "submit" | "submit_again":
                self.deliver(lambda state: domain.submit(state, submitted(depends_on=("dep",), max_attempts=2)))
            case "allow" | "deny" if attempt in task.queued and attempt not in task.decided:
                self.stream.put("task.decided", attempt, decided(action))
                self.deliver()
            case "route" | "no_pack" if attempt in task.decided and attempt not in task.routed:
                self.stream.put("task.routed", attempt, routed("p" if action == "route" else None))
                self.deliver()
            case "suspend" if runs and task.open_suspension is None:
                number = len(task.suspended) + 1
                self.stream.put("task.suspended", number, TaskSuspended(attempt=attempt, waiting_for="approval", on="a"))
                self.deliver()
            case "awaited":
                self.deliver(awaited=True)
            case "complete" | "fail" | "fail_for_good" | "park" if runs:
                outcome = {"complete": "completed", "park": "parked"}.get(action, "failed")
                fault = {"fail": PASSING, "fail_for_good": FINAL, "park": FINAL}.get(action)
                ended = TaskEnded.model_validate({"outcome": outcome, "fault": fault, "failed_step": 3})
                self.stream.put("task.ended", attempt, ended)
                self.deliver()
            case "retry_due":
                self.deliver(lambda state: domain.retry_due(state, attempt))
            case "deadline":
                self.deliver(domain.expire)
            case "cancel":
                self.deliver(lambda state: domain.cancel(state, CANCEL))
            case "operator_retry":
                self.deliver(lambda state: domain.retry(state, RETRY))
            case "update":
                terms = change(task.revision, priority="high" if task.revision % 2 == 0 else "low")
                self.deliver(lambda state: domain.update(state, terms, NOW))
            case "dependency_completes" | "dependency_fails" if self.dependency is None:
                self.dependency = "completed" if action == "dependency_completes" else "failed"
                self.deliver()
            case _:
                return


@given(st.lists(st.sampled_from(ACTIONS), max_size=30))
def test_in_any_order_of_events_each_fact_is_written_once_and_an_attempt_settles_once(actions: list[str]) -> None:
    """``Stream.put`` refuses a second fact on a subject; ``deliver`` checks that advancing again gives nothing."""
    world = World()
    for action in actions:
        world.play(action)
    task = world.stream.task
    assert set(task.settled) <= {*task.queued, 1}
    assert all(n in task.settled or n in task.retrying or n in task.parked for n in task.queued if n < task.attempt)


@given(st.lists(st.sampled_from(ACTIONS), max_size=25), st.dictionaries(st.integers(1, 25), st.integers(0, 3), max_size=8))
def test_a_crash_between_any_two_effects_changes_nothing_about_the_outcome(actions: list[str], crashes: dict[int, int]) -> None:
    smooth, bumpy = World(), World(crash_at=crashes)
    for action in actions:
        smooth.play(action)
        bumpy.play(action)
    assert bumpy.stream.facts == smooth.stream.facts
    assert bumpy.stream.timers.keys() == smooth.stream.timers.keys()


def running(*, deadline: datetime | None = None) -> Stream:
    stream = Stream()
    stream.handle(1, lambda state: domain.submit(state, submitted(deadline=deadline)))
    stream.put("task.decided", 1, decided())
    stream.put("task.routed", 1, routed())
    stream.handle(2)
    return stream


PHASES: dict[str, Callable[[Stream], None]] = {
    "waiting for a dependency": lambda stream: stream.handle(
        1, lambda state: domain.submit(state, submitted(depends_on=("dep",))), Surroundings(dependencies={"dep": None})
    ),
    "queued": lambda stream: stream.handle(1, lambda state: domain.submit(state, submitted())),
    "running": lambda stream: stream.facts.update(running().facts),
    "suspended": lambda stream: stream.facts.update(
        running().facts | {("task.suspended", 1): TaskSuspended(attempt=1, waiting_for="approval", on="a")}
    ),
    "parked": lambda stream: (
        stream.facts.update(running().facts | {("task.ended", 1): TaskEnded(outcome="parked", fault=FINAL)}),
        stream.handle(3),
    )[1],
    "between attempts": lambda stream: (
        stream.facts.update(running().facts | {("task.ended", 1): TaskEnded(outcome="failed", fault=PASSING)}),
        stream.handle(3),
    )[1],
}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("how", ["cancelled", "expired"])
def test_cancellation_and_deadline_end_a_task_in_every_phase(phase: str, how: str) -> None:
    stream = Stream()
    PHASES[phase](stream)
    stream.handle(50, (lambda state: domain.cancel(state, CANCEL)) if how == "cancelled" else domain.expire)
    assert stream.task.outcome == how
    assert stream.task.settled[1].fault is not None


def test_a_retry_that_comes_due_while_the_task_is_being_cancelled_starts_nothing() -> None:
    stream = Stream()
    PHASES["between attempts"](stream)
    stream.put("task.cancelling", 1, TaskCancelling(outcome="cancelled", reason="enough", by=OPERATOR))
    stream.handle(60, lambda state: domain.retry_due(state, 1))
    assert stream.task.outcome == "cancelled"
    assert set(stream.task.queued) == {1}


def test_an_operator_cannot_retry_a_parked_task_that_is_being_cancelled() -> None:
    stream = Stream()
    PHASES["parked"](stream)
    stream.put("task.cancelling", 1, TaskCancelling(outcome="cancelled", reason="enough", by=OPERATOR))
    with pytest.raises(Refused, match="still open"):
        domain.retry(stream.task, RETRY)


def test_a_task_whose_deadline_passed_before_it_could_be_read_expires_without_an_attempt() -> None:
    stream = Stream()
    stream.handle(1, lambda state: domain.submit(state, submitted(deadline=NOW - timedelta(seconds=1))))
    assert stream.task.outcome == "expired"
    assert not stream.task.queued


def test_a_missing_dependency_is_waited_for_and_a_failed_one_fails_the_task_with_its_name() -> None:
    stream = Stream()
    waiting = Surroundings(dependencies={"a": "completed", "b": None})
    stream.handle(1, lambda state: domain.submit(state, submitted(depends_on=("a", "b"))), waiting)
    assert stream.task.outcome is None
    assert not stream.task.queued
    stream.handle(2, around=Surroundings(dependencies={"a": "completed", "b": "cancelled"}))
    settled = stream.task.settled[1]
    assert settled.outcome == "failed"
    assert settled.fault is not None
    assert settled.fault.code == "dependency_failed"
    assert "b" in settled.fault.message


def test_settled_dependencies_queue_the_task_and_say_why() -> None:
    stream = Stream()
    done = Surroundings(dependencies={"a": "completed"})
    stream.handle(1, lambda state: domain.submit(state, submitted(depends_on=("a",))), done)
    assert stream.task.queued[1].reason == "dependencies_settled"


@pytest.mark.parametrize("from_step", [None, 0, 7])
def test_an_operators_retry_makes_anew_what_was_asked_for_or_else_what_failed(from_step: int | None) -> None:
    stream = running()
    stream.put("task.ended", 1, TaskEnded(outcome="failed", fault=FINAL, failed_step=4))
    stream.handle(3)
    stream.handle(4, lambda state: domain.retry(state, RETRY.model_copy(update={"from_step": from_step})))
    assert stream.task.queued[2].rerun_from == (4 if from_step is None else from_step)
    assert stream.task.queued[2].reason == "operator_retry"
    assert stream.task.outcome is None


def test_automatic_retries_stop_at_the_limit_and_an_operators_retry_starts_the_count_anew() -> None:
    stream = Stream()
    stream.handle(0, lambda state: domain.submit(state, submitted(max_attempts=2)))
    for attempt, message in ((1, 10), (2, 20), (3, 30), (4, 40)):
        stream.put("task.decided", attempt, decided())
        stream.put("task.routed", attempt, routed())
        stream.put("task.ended", attempt, TaskEnded(outcome="failed", fault=PASSING))
        stream.handle(message)
        if attempt in (1, 3):
            assert attempt in stream.task.retrying
            stream.handle(message + 1, lambda state, due=attempt: domain.retry_due(state, due))
        else:
            assert stream.task.outcome == "failed"
        if attempt == 2:
            stream.handle(message + 1, lambda state: domain.retry(state, RETRY))
    assert set(stream.task.settled) == {2, 4}


@given(tries=st.integers(1, 20), jitter=st.floats(0, 1, exclude_max=True))
def test_backoff_doubles_from_the_first_delay_and_never_passes_the_longest(tries: int, jitter: float) -> None:
    delay = domain.backoff(submitted(), tries, jitter)
    assert timedelta(0) <= delay <= min(timedelta(seconds=1), timedelta(milliseconds=100) * 2 ** (tries - 1))


def test_a_suspension_is_resumed_once_however_often_the_answer_is_heard_of() -> None:
    stream = running()
    stream.put("task.suspended", 1, TaskSuspended(attempt=1, waiting_for="approval", on="a"))
    for message in (5, 6, 7):
        stream.handle(message, around=Surroundings(awaited_happened=True))
    assert stream.facts[("task.resumed", 1)] == TaskResumed(attempt=1, pack="p", priority="normal")


def test_a_sleeping_task_sets_its_timer_and_waits() -> None:
    stream = running()
    stream.put("task.suspended", 1, TaskSuspended(attempt=1, waiting_for="timer", on="s0001-e1"))
    stream.handle(5, around=Surroundings(wake_at=NOW + timedelta(hours=1)))
    assert stream.timers == {"wake-1": NOW + timedelta(hours=1)}
    assert not stream.task.resumed


@pytest.mark.parametrize("verdict", ["deny", "hold"])
def test_what_is_not_admitted_is_refused_with_the_reasons(verdict: str) -> None:
    stream = Stream()
    stream.handle(1, lambda state: domain.submit(state, submitted()))
    stream.put("task.decided", 1, decided(verdict))
    stream.handle(2)
    assert stream.task.settled[1].outcome == "refused"
    assert stream.task.settled[1].reasons == ("r",)


def test_commands_for_a_task_that_does_not_exist_are_answered_as_not_found() -> None:
    with pytest.raises(NotFound):
        domain.cancel(Task(), CANCEL)
    with pytest.raises(NotFound):
        domain.retry(Task(), RETRY)
    assert domain.expire(Task()) == []
    assert domain.advance(Task(), Surroundings(), NOW, 0.0) == []


def test_what_has_ended_takes_no_further_command_but_a_retry() -> None:
    stream = running()
    stream.put("task.ended", 1, TaskEnded(outcome="completed"))
    stream.handle(3)
    assert isinstance(stream.facts[("task.settled", 1)], TaskSettled)
    assert isinstance(stream.facts[("task.queued", 1)], TaskQueued)
    with pytest.raises(Refused, match="completed"):
        domain.retry(stream.task, RETRY)
    with pytest.raises(Refused, match="ended already"):
        domain.cancel(stream.task, CANCEL)


def test_a_change_names_all_terms_holds_for_what_follows_and_says_what_it_changed() -> None:
    stream = running()
    later = NOW + timedelta(hours=1)
    stream.handle(3, lambda task: domain.update(task, change(priority="high", deadline=later, labels={"a": "b"}), NOW))
    fact = stream.facts[("task.updated", 1)]
    assert isinstance(fact, TaskUpdated)
    assert (fact.priority, fact.deadline, fact.labels, fact.max_attempts) == ("high", later, {"a": "b"}, 3)
    assert fact.changed == ("priority", "deadline", "labels")
    assert stream.timers["deadline-1"] == later
    stream.handle(4, lambda task: domain.update(task, change(1, max_attempts=1), NOW))
    stream.put("task.ended", 1, TaskEnded(outcome="failed", fault=PASSING))
    stream.handle(5)
    assert stream.task.outcome == "failed", "no attempt is left"
    stream.handle(6, lambda task: domain.retry(task, RETRY))
    again = stream.facts[("task.queued", 2)]
    assert isinstance(again, TaskQueued)
    assert again.priority == "high"


def test_a_deadline_that_was_changed_or_taken_away_ends_nothing_when_its_old_timer_fires() -> None:
    stream = running(deadline=NOW + timedelta(minutes=1))
    stream.handle(3, lambda task: domain.update(task, change(deadline=NOW + timedelta(hours=1)), NOW))
    stream.handle(4, lambda task: domain.deadline_due(task, 0))
    assert stream.task.outcome is None
    stream.handle(5, lambda task: domain.update(task, change(1, no_deadline=True), NOW))
    stream.handle(6, lambda task: domain.deadline_due(task, 1))
    assert stream.task.outcome is None
    stream.handle(7, lambda task: domain.update(task, change(2, deadline=NOW + timedelta(hours=2)), NOW))
    stream.handle(8, lambda task: domain.deadline_due(task, 3))
    assert stream.task.outcome == "expired"


def test_a_change_that_changes_nothing_is_no_fact() -> None:
    assert domain.update(running().task, change(priority="normal"), NOW) == []


def test_a_change_is_refused_when_another_was_first_or_the_task_is_over_or_the_deadline_too_near() -> None:
    with pytest.raises(NotFound):
        domain.update(Task(), change(), NOW)
    stream = running()
    with pytest.raises(Refused) as stale:
        domain.update(stream.task, change(1, priority="high"), NOW)
    with pytest.raises(Refused) as near:
        domain.update(stream.task, change(deadline=NOW + timedelta(seconds=1)), NOW)
    stopping = domain.evolve(stream.task, TaskCancelling(outcome="cancelled", reason="r", by=OPERATOR), 1)
    with pytest.raises(Refused) as stopped:
        domain.update(stopping, change(priority="high"), NOW)
    stream.handle(3, lambda task: domain.cancel(task, CANCEL))
    with pytest.raises(Refused) as over:
        domain.update(stream.task, change(priority="high"), NOW)
    assert [each.value.code for each in (stale, near, stopped, over)] == [
        "stale",
        "deadline_over",
        "stopping",
        "already_settled",
    ]
