"""Tasks find their pack, now or as soon as there is one."""

import asyncio
from typing import Any

from agentos.bus import Route
from agentos.contracts.base import Priority
from agentos.contracts.commands import WorkItem
from agentos.contracts.envelope import Recorded
from agentos.contracts.events.task import TaskCancelling, TaskDecided, TaskQueued, TaskResumed, TaskRouted
from tests.governance.scenario import OPERATOR, TENANT, engage, event, switch, until
from tests.services.router.conftest import Site


async def admit(
    site: Site, task: str, *, pack: str | None = None, priority: Priority = "normal", attempt: int = 1, **obligations: Any
) -> None:
    orchestrator = site.broker.buses[0] if site.broker.buses[0].service == "orchestrator" else None
    orchestrator = orchestrator or await site.broker.connect("orchestrator")
    queued = TaskQueued(type="triage", pack=pack, priority=priority, requester=OPERATOR, untrusted=False, reason="submitted")
    await orchestrator.append("task.queued", task, queued, ordinal=attempt, tenant=TENANT, correlation_id=task)
    decided = TaskDecided(verdict="allow", reasons=("ok",), rules=(), bundle="b", obligations=obligations)
    await site.policy.append("task.decided", task, decided, ordinal=attempt, tenant=TENANT, correlation_id=task)


async def routed(site: Site, task: str) -> TaskRouted:
    return (await event(site.gateway, f"task.{task}.routed.1")).payload(TaskRouted)


class Work:
    """A runner's inbox."""

    def __init__(self) -> None:
        self.items: list[Recorded] = []

    async def take(self, message: Recorded) -> None:
        self.items.append(message)

    async def start(self, site: Site) -> "Work":
        site.runner.consume([Route(f"work.{priority}", self.take) for priority in ("high", "normal", "low")])
        await site.runner.start()
        return self

    async def count(self, number: int) -> bool:
        return len(self.items) >= number


async def test_an_admitted_task_is_handed_to_its_pack_once_with_its_priority_and_correlation(site: Site) -> None:
    work = await Work().start(site)
    await site.live("engineering", "triage")
    await admit(site, "t1", priority="high")
    await until(lambda: work.count(1))
    item = work.items[0].payload(WorkItem)
    assert (item.task, item.attempt, item.pack, item.agent) == ("t1", 1, "engineering", "agent")
    assert work.items[0].subject == "work.engineering.high.t1-1-0"
    assert work.items[0].meta.correlation_id == "t1"
    assert (await routed(site, "t1")).pack == "engineering"


async def test_tasks_without_a_live_pack_wait_and_are_routed_when_one_appears(site: Site) -> None:
    work = await Work().start(site)
    for number in range(5):
        await admit(site, f"t{number}")
    await until(lambda: _waiting(site, 5))
    assert work.items == []
    await site.live("sales", "offer")
    await site.live("engineering", "triage")
    await until(lambda: work.count(5))
    assert {item.payload(WorkItem).task for item in work.items} == {f"t{number}" for number in range(5)}
    await until(lambda: _waiting(site, 0))


async def test_what_waits_survives_the_router_and_a_second_router_hands_nothing_out_twice(site: Site) -> None:
    work = await Work().start(site)
    await admit(site, "t1")
    await until(lambda: _waiting(site, 1))
    await site.bus.drain()
    await asyncio.gather(site.route(), site.route())
    await site.live("engineering", "triage")
    await until(lambda: _waiting(site, 0))
    await until(lambda: work.count(1))
    assert len(work.items) == 1


async def test_a_task_that_was_cancelled_while_it_waited_is_not_routed(site: Site) -> None:
    await admit(site, "t1")
    await admit(site, "t2")
    await until(lambda: _waiting(site, 2))
    orchestrator = await site.broker.connect("orchestrator")
    stop = TaskCancelling(outcome="cancelled", reason="enough", by=OPERATOR)
    await orchestrator.append("task.cancelling", "t1", stop, ordinal=1, tenant=TENANT, correlation_id="t1")
    await site.live("engineering", "triage")
    await until(lambda: _waiting(site, 0))
    assert (await routed(site, "t2")).pack == "engineering"
    assert await site.gateway.get(f"evt.{TENANT}.task.t1.routed.1") is None


async def test_a_note_that_cannot_be_followed_keeps_no_other_task_waiting(site: Site) -> None:
    await site.bus.bucket("waiting").put("nonsense", b"")
    await admit(site, "t1")
    await until(lambda: _waiting(site, 2))
    await site.live("engineering", "triage")
    assert (await routed(site, "t1")).pack == "engineering"
    await until(lambda: _waiting(site, 1))


async def _waiting(site: Site, number: int) -> bool:
    router = next(bus for bus in reversed(site.broker.buses) if bus.service == "router")
    return len(await router.bucket("waiting").keys()) == number


async def test_a_named_pack_that_does_not_take_the_type_is_said_to_be_a_final_no(site: Site) -> None:
    await site.live("engineering", "triage")
    await site.live("sales", "offer")
    await admit(site, "t1", pack="sales")
    assert (await routed(site, "t1")).pack is None


async def test_a_task_goes_to_the_pack_that_policy_permits_however_free_another_is(site: Site) -> None:
    await site.live("engineering", "triage")
    await site.live("sales", "triage")
    await admit(site, "t1", packs=["sales"])
    choice = await routed(site, "t1")
    assert choice.pack == "sales"
    assert [(c.pack, c.reason) for c in choice.candidates if not c.eligible] == [("engineering", "is not permitted by policy")]


async def test_a_task_waits_for_a_permitted_pack_while_another_that_takes_it_lives(site: Site) -> None:
    await site.live("engineering", "triage")
    await admit(site, "t1", packs=["sales"])
    await until(lambda: _waiting(site, 1))
    assert await site.gateway.get(f"evt.{TENANT}.task.t1.routed.1") is None
    await site.live("sales", "triage")
    assert (await routed(site, "t1")).pack == "sales"


async def test_an_obligation_that_cannot_be_understood_permits_no_pack(site: Site) -> None:
    await site.live("engineering", "triage")
    await admit(site, "t1", pack="engineering", packs="engineering")
    assert (await routed(site, "t1")).pack is None


async def test_a_resumed_task_is_handed_out_again_under_its_resumption(site: Site) -> None:
    work = await Work().start(site)
    await site.live("engineering", "triage")
    await admit(site, "t1")
    await until(lambda: work.count(1))
    orchestrator = await site.broker.connect("orchestrator")
    resumed = TaskResumed(attempt=1, pack="engineering", priority="low")
    await orchestrator.append("task.resumed", "t1", resumed, ordinal=1, tenant=TENANT, correlation_id="t1")
    await until(lambda: work.count(2))
    assert work.items[1].subject.endswith(".t1-1-1")


async def test_a_task_that_was_admitted_before_the_switch_is_routed_to_nobody_and_says_why(site: Site) -> None:
    await site.live("engineering", "triage")
    await engage(site.gates, switch("agent", "engineering/agent", mode="drain"))
    await until(lambda: _hears(site))
    await admit(site, "t1")
    choice = await routed(site, "t1")
    assert (choice.pack, choice.killed) == (None, True)
    assert "k1" in choice.reason


async def _hears(site: Site) -> bool:
    return bool(site.routers[0][0].entries)
