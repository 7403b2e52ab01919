"""The orchestrator on a real broker, with small parts in place of the other services."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentos.bus import Appended, Bus, Route
from agentos.contracts.base import Contract, Fault
from agentos.contracts.commands import CancelTask, RetryTask, SubmitTask, UpdateTask
from agentos.contracts.envelope import Recorded
from agentos.contracts.events.approval import ApprovalResolved
from agentos.contracts.events.task import (
    StepRecorded,
    TaskDecided,
    TaskEnded,
    TaskRouted,
    TaskSettled,
    TaskSubmitted,
    TaskSuspended,
    TaskUpdated,
)
from agentos.contracts.subjects import EventSubject
from services.orchestrator.handlers import Orchestrator
from tests.conftest import Broker
from tests.governance.scenario import OPERATOR, TENANT, answer, context, event, message, submission, until

PASSING = Fault(code="provider_down", message="try again", retryable=True)
FINAL = Fault(code="bug", message="fix it")


class Others:
    """Policy, router and runner, which let everything through. ``outcomes`` is how each task's attempts end, in order."""

    def __init__(self, policy: Bus, router: Bus, runner: Bus) -> None:
        self.policy, self.router, self.runner = policy, router, runner
        self.outcomes: dict[str, list[TaskEnded]] = {}

    async def start(self) -> None:
        self.policy.consume([Route("task.queued", self.decide)])
        self.router.consume([Route("task.decided", self.route)])
        await self.policy.start()
        await self.router.start()

    async def decide(self, queued: Recorded) -> None:
        subject = EventSubject.parse(queued.subject)
        decided = TaskDecided(verdict="allow", reasons=("ok",), rules=(), bundle="b")
        await self.policy.append("task.decided", subject.id, decided, ordinal=subject.ordinal, cause=queued)

    async def route(self, decided: Recorded) -> None:
        subject = EventSubject.parse(decided.subject)
        routed = TaskRouted(pack="p", agent="a", version="1", priority="normal", candidates=(), reason="r")
        await self.router.append("task.routed", subject.id, routed, ordinal=subject.ordinal, cause=decided)
        planned = self.outcomes.get(subject.id, [])
        ended = planned[int(subject.ordinal or 1) - 1 :][:1]
        for one in ended:
            await self.runner.append("task.ended", subject.id, one, ordinal=subject.ordinal, cause=decided)


class Site:
    """An orchestrator, the others, and a gateway to speak to it."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker

    async def start(self) -> "Site":
        self.gateway = await self.broker.connect("gateway")
        self.others = Others(*[await self.broker.connect(name) for name in ("policy", "router", "runner")])
        await self.others.start()
        self.bus = await self.orchestrate()
        return self

    async def orchestrate(self) -> Bus:
        bus = await self.broker.connect("orchestrator")
        bus.consume(Orchestrator(bus).routes())
        await bus.start()
        return bus

    async def submit(self, task: str, *ends: TaskEnded, **fields: Any) -> None:
        self.others.outcomes[task] = list(ends)
        command = SubmitTask(request=f"r-{task}", tenant=TENANT, task=submission(**fields))
        await self.gateway.send("orchestrator.submit", (task,), command, tenant=TENANT)

    async def settled(self, task: str, attempt: int = 1) -> TaskSettled:
        return (await event(self.gateway, f"task.{task}.settled.{attempt}")).payload(TaskSettled)


@pytest.fixture
async def site(broker: Broker) -> Site:
    return await Site(broker).start()


DONE = TaskEnded(outcome="completed", result_digest="r")


async def test_a_task_that_is_submitted_twice_exists_once_and_both_senders_are_told_so(site: Site) -> None:
    for request in ("r1", "r2"):
        command = SubmitTask(request=request, tenant=TENANT, task=submission())
        await site.gateway.send("orchestrator.submit", ("t1",), command, tenant=TENANT)
        answered = await answer(site.gateway, "orchestrator", request)
        assert (answered.ok, answered.data) == (True, {"task": "t1", "attempt": 1})
    events = await site.gateway.load(TENANT, "task", "t1")
    assert len([one for one in events if isinstance(one.data, TaskSubmitted)]) == 1


async def test_every_event_of_a_task_carries_the_tasks_id_as_its_correlation(site: Site) -> None:
    await site.submit("t1", TaskEnded(outcome="failed", fault=PASSING), DONE, retry={"initial_delay_ms": 1})
    assert (await site.settled("t1", 2)).outcome == "completed"
    events = await site.gateway.load(TENANT, "task", "t1")
    assert {one.meta.correlation_id for one in events} == {"t1"}
    names = [one.channel.name for one in events]
    assert names.count("task.queued") == 2
    assert names.count("task.retrying") == 1


async def test_a_failure_that_no_retry_can_mend_settles_at_once(site: Site) -> None:
    await site.submit("t1", TaskEnded(outcome="failed", fault=FINAL))
    settled = await site.settled("t1")
    assert (settled.outcome, settled.fault) == ("failed", FINAL)


async def test_a_deadline_ends_a_task_that_nobody_finishes(site: Site) -> None:
    await site.submit("t1", deadline=datetime.now(UTC) + timedelta(seconds=0.5))
    assert (await site.settled("t1")).outcome == "expired"
    await site.submit("t2", deadline=datetime.now(UTC) - timedelta(days=1))
    assert (await site.settled("t2")).outcome == "expired"
    assert await site.gateway.get(f"evt.{TENANT}.task.t2.queued.1") is None


async def test_dependents_go_on_when_what_they_wait_for_has_settled_and_fail_when_it_failed(site: Site) -> None:
    await site.submit("after-good", DONE, depends_on=("good",))
    await site.submit("after-bad", DONE, depends_on=("good", "bad"))
    await answer(site.gateway, "orchestrator", "r-after-bad")
    assert await site.gateway.get(f"evt.{TENANT}.task.after-good.queued.1") is None
    await site.submit("good", DONE)
    assert (await site.settled("after-good")).outcome == "completed"
    await site.submit("bad", TaskEnded(outcome="failed", fault=FINAL))
    settled = await site.settled("after-bad")
    assert settled.fault is not None
    assert settled.fault.code == "dependency_failed"
    await until(lambda: _empty(site.bus))


async def _empty(bus: Bus) -> bool:
    return not await bus.bucket("dependents").keys()


async def test_a_sleeping_task_is_woken_and_one_that_waits_for_a_person_goes_on_when_answered(site: Site) -> None:
    runner = site.others.runner
    for task in ("sleeper", "waiter"):
        await site.submit(task)
        await event(site.gateway, f"task.{task}.routed.1")
    due = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
    step = StepRecorded(step=1, epoch=1, kind="sleep", digest="d", value=due)
    await runner.append("step.recorded", "sleeper", step, ordinal="s0001-e1", tenant=TENANT, correlation_id="sleeper")
    asleep = TaskSuspended(attempt=1, waiting_for="timer", on="s0001-e1")
    await runner.append("task.suspended", "sleeper", asleep, ordinal=1, tenant=TENANT, correlation_id="sleeper")
    waits = TaskSuspended(attempt=1, waiting_for="approval", on="waiter-s0001-e1")
    await runner.append("task.suspended", "waiter", waits, ordinal=1, tenant=TENANT, correlation_id="waiter")
    resumed = await event(site.gateway, "task.sleeper.resumed.1")
    assert resumed.meta.time >= datetime.fromisoformat(due)
    assert await site.gateway.get(f"evt.{TENANT}.task.waiter.resumed.1") is None
    gates = await site.broker.connect("gates")
    answered = ApprovalResolved(context=context("waiter"), kind="tool", outcome="approved", by=OPERATOR, digest="d")
    await gates.append("approval.resolved", "waiter-s0001-e1", answered, tenant=TENANT)
    assert (await event(site.gateway, "task.waiter.resumed.1")).meta.correlation_id == "waiter"


async def test_a_parent_goes_on_when_its_subtask_has_settled(site: Site) -> None:
    await site.submit("parent")
    await event(site.gateway, "task.parent.routed.1")
    waits = TaskSuspended(attempt=1, waiting_for="subtask", on="child")
    await site.others.runner.append("task.suspended", "parent", waits, ordinal=1, tenant=TENANT, correlation_id="parent")
    await site.submit("child", DONE, parent="parent")
    await event(site.gateway, "task.parent.resumed.1")


async def _send(site: Site, verb: str, request: str, command: Contract) -> Any:
    await site.gateway.send(f"orchestrator.{verb}", (request,), command, tenant=TENANT)
    return await answer(site.gateway, "orchestrator", request)


async def test_commands_are_answered_with_what_was_done_or_why_not(site: Site) -> None:
    cancel = CancelTask(tenant=TENANT, task="t1", reason="enough", by=OPERATOR)
    retry = RetryTask(tenant=TENANT, task="t1", by=OPERATOR)
    assert (await _send(site, "cancel", "c0", cancel)).code == "not_found"
    assert (await _send(site, "retry", "c1", retry)).code == "not_found"
    await site.submit("t1")
    await event(site.gateway, "task.t1.routed.1")
    assert (await _send(site, "retry", "c2", retry)).code == "still_open"
    assert (await _send(site, "cancel", "c3", cancel)).ok
    assert (await site.settled("t1")).outcome == "cancelled"
    assert (await _send(site, "cancel", "c4", cancel)).code == "already_settled"
    site.others.outcomes["t1"] = [DONE, DONE]
    assert (await _send(site, "retry", "c5", retry)).data == {"task": "t1", "attempt": 2, "revision": 0}
    assert (await site.settled("t1", 2)).outcome == "completed"
    assert (await _send(site, "retry", "c6", retry)).code == "already_completed"


async def test_of_two_people_who_change_a_task_at_once_one_is_told_that_the_other_was_first(site: Site) -> None:
    await site.submit("t1")
    await event(site.gateway, "task.t1.routed.1")
    both = [UpdateTask(tenant=TENANT, task="t1", revision=0, priority=wanted, by=OPERATOR) for wanted in ("high", "low")]
    first, second = await asyncio.gather(*(_send(site, "update", f"u{n}", each) for n, each in enumerate(both)))
    won, lost = (first, second) if first.ok else (second, first)
    assert (won.data, lost.code) == ({"task": "t1", "attempt": 1, "revision": 1}, "stale")
    later = datetime.now(UTC) + timedelta(hours=1)
    changed = UpdateTask(tenant=TENANT, task="t1", revision=1, deadline=later, labels={"a": "b"}, by=OPERATOR)
    assert (await _send(site, "update", "u3", changed)).ok
    fact = (await event(site.gateway, "task.t1.updated.2")).payload(TaskUpdated)
    assert (fact.changed, fact.by) == (("deadline", "labels"), OPERATOR)


async def test_a_change_that_is_delivered_twice_is_made_once_and_answered_as_done(broker: Broker) -> None:
    site = await Site(broker).start()
    await site.submit("t1")
    await event(site.gateway, "task.t1.routed.1")
    orchestrator = Orchestrator(site.bus)
    sent = message(
        "orchestrator.update", ("u1",), UpdateTask(tenant=TENANT, task="t1", revision=0, priority="high", by=OPERATOR)
    )
    for _ in range(2):
        await orchestrator.on_update(sent)
    assert (await answer(site.gateway, "orchestrator", "u1")).ok
    facts = [one for one in await site.gateway.load(TENANT, "task", "t1") if isinstance(one.data, TaskUpdated)]
    assert len(facts) == 1


class CrashesAfter:
    """A bus whose process dies after so many facts: the fact stands, nothing after it happens."""

    def __init__(self, bus: Bus, appends: int) -> None:
        self._bus, self._left = bus, appends

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def append(self, *arguments: Any, **named: Any) -> Appended:
        if self._left == 0:
            raise ConnectionAbortedError("the process died")
        self._left -= 1
        return await self._bus.append(*arguments, **named)


async def test_a_cancellation_that_crashed_half_way_is_completed_and_answered_when_it_comes_again(broker: Broker) -> None:
    bus, gateway = await broker.connect("orchestrator"), await broker.connect("gateway")
    submit = SubmitTask(request="r1", tenant=TENANT, task=submission())
    await Orchestrator(bus).on_submit(message("orchestrator.submit", ("t1",), submit))
    cancel = message("orchestrator.cancel", ("c1",), CancelTask(tenant=TENANT, task="t1", reason="enough", by=OPERATOR))
    with pytest.raises(ConnectionAbortedError):
        await Orchestrator(CrashesAfter(bus, 1)).on_cancel(cancel)  # pyright: ignore[reportArgumentType] - stands in for a Bus
    assert await bus.get(f"evt.{TENANT}.task.t1.settled.1") is None
    for _ in range(2):
        await Orchestrator(bus).on_cancel(cancel)
    settled = await bus.get(f"evt.{TENANT}.task.t1.settled.1")
    assert settled is not None
    assert settled.payload(TaskSettled).outcome == "cancelled"
    assert (await answer(gateway, "orchestrator", "c1")).ok


async def test_a_retry_that_comes_again_makes_one_attempt(broker: Broker) -> None:
    bus = await broker.connect("orchestrator")
    orchestrator = Orchestrator(bus)
    await orchestrator.on_submit(
        message("orchestrator.submit", ("t1",), SubmitTask(request="r1", tenant=TENANT, task=submission()))
    )
    await orchestrator.on_cancel(
        message("orchestrator.cancel", ("c1",), CancelTask(tenant=TENANT, task="t1", reason="enough", by=OPERATOR))
    )
    retry = message("orchestrator.retry", ("c2",), RetryTask(tenant=TENANT, task="t1", by=OPERATOR, from_step=2))
    for _ in range(3):
        await orchestrator.on_retry(retry)
    queued = [one for one in await bus.load(TENANT, "task", "t1") if one.channel.name == "task.queued"]
    assert len(queued) == 2


async def test_two_instances_settle_fifty_tasks_once_each(site: Site) -> None:
    """The stream keeps the first fact of a subject for ever, so more than one settlement could only be another attempt's."""
    second = await site.orchestrate()
    for number in range(50):
        ends = (TaskEnded(outcome="failed", fault=PASSING), DONE) if number % 5 == 0 else (DONE,)
        await site.submit(f"t{number}", *ends, retry={"initial_delay_ms": 1})
    for number in range(50):
        attempt = 2 if number % 5 == 0 else 1
        assert (await site.settled(f"t{number}", attempt)).outcome == "completed"
    for number in range(50):
        facts = [one.subject for one in await second.load(TENANT, "task", f"t{number}")]
        assert len(facts) == len(set(facts))
        assert len([one for one in facts if ".settled." in one]) == 1
