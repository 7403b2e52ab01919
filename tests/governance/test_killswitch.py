"""The kill switch as a service sees it, on a real broker."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from agentos.bus import Bus
from agentos.contracts.errors import RetryLater
from agentos.contracts.events.kill import KillScope
from agentos.killswitch import KillEntry, KillSwitch, Work
from tests.conftest import Broker
from tests.governance.scenario import TENANT, engage, switch, until

WHO = Work(
    TENANT,
    pack="engineering",
    agent="triage",
    provider="openai",
    model="openai/gpt-5",
    tool="github.comment",
    task="t1",
    alias="default",
)


@pytest.mark.parametrize(
    ("scope", "target", "covered"),
    [
        ("global", "*", True),
        ("tenant", TENANT, True),
        ("tenant", "other", False),
        ("pack", "engineering", True),
        ("pack", "sales", False),
        ("provider", "openai", True),
        ("provider", "gemini", False),
        ("agent", "engineering/triage", True),
        ("agent", "engineering/fix", False),
        ("agent", "triage", False),
        ("model", "openai/gpt-5", True),
        ("model", "default", True),
        ("model", "openai/gpt-5-mini", False),
        ("tool", "github.comment", True),
        ("tool", "github", False),
        ("task", "t1", True),
        ("task", "t2", False),
    ],
)
def test_a_switch_covers_what_its_scope_and_target_name(scope: KillScope, target: str, covered: bool) -> None:
    assert switch(scope, target).covers(WHO) is covered


@pytest.mark.parametrize("scope", ["pack", "agent", "provider", "model", "tool", "task"])
def test_a_tenants_switch_leaves_another_tenants_alone_and_what_has_no_such_part(scope: KillScope) -> None:
    targets = {"agent": "engineering/triage", "model": "openai/gpt-5", "tool": "github.comment"}
    entry = switch(scope, targets.get(scope) or str(getattr(WHO, scope)))
    assert entry.covers(WHO)
    assert not entry.covers(replace(WHO, tenant="other"))
    assert not entry.covers(Work(TENANT))


TASKLIKE = [("global", "*"), ("tenant", TENANT), ("pack", "engineering"), ("agent", "engineering/triage"), ("task", "t1")]
USED = [("provider", "openai"), ("model", "default"), ("tool", "github.comment")]


@pytest.mark.parametrize(("scope", "target"), TASKLIKE)
def test_draining_lets_an_attempt_that_runs_make_its_calls_and_nothing_else_start(scope: KillScope, target: str) -> None:
    entry = switch(scope, target, mode="drain")
    assert entry.stops(WHO)
    assert not entry.stops(replace(WHO, running=True))
    assert not entry.cancels(WHO)
    assert switch(scope, target).cancels(replace(WHO, running=True))


@pytest.mark.parametrize(("scope", "target"), USED)
def test_draining_what_is_used_lets_no_further_call_start_and_cancels_none(scope: KillScope, target: str) -> None:
    entry = switch(scope, target, mode="drain")
    assert entry.stops(replace(WHO, running=True))
    assert not entry.cancels(replace(WHO, running=True))


def test_a_probation_lets_its_share_of_the_tasks_start_the_same_ones_everywhere_and_in_every_larger_share() -> None:
    tasks = [Work(TENANT, task=f"t{number}") for number in range(2_000)]

    def through(share: int) -> set[str | None]:
        entry = switch(stage="probation", share_percent=share)
        return {work.task for work in tasks if not entry.stops(work)}

    assert through(10) < through(30) < through(99)
    assert 140 < len(through(10)) < 260
    assert switch(stage="probation", share_percent=99).stops(Work(TENANT)), "what belongs to no task is in no share"
    other = switch(id_="k2", stage="probation", share_percent=10)
    assert {work.task for work in tasks if not other.stops(work)} != through(10), "another switch draws other tasks"


@pytest.fixture
async def router(broker: Broker) -> Bus:
    return await broker.connect("router")


@pytest.fixture
async def kill(router: Bus) -> AsyncIterator[KillSwitch]:
    followed = KillSwitch(router)
    await followed.start()
    yield followed
    await followed.stop()


async def test_before_it_is_read_and_after_it_is_stopped_nothing_may_start(router: Bus) -> None:
    kill = KillSwitch(router)
    with pytest.raises(RetryLater, match="cannot be seen"):
        kill.blocked(Work(TENANT))
    await kill.start()
    assert kill.blocked(Work(TENANT)) is None
    await kill.stop()
    with pytest.raises(RetryLater, match="cannot be seen"):
        kill.blocked(Work(TENANT))


async def test_switches_that_stood_before_the_start_hold_from_the_first_moment(broker: Broker, router: Bus) -> None:
    gates = await broker.connect("gates")
    for number in range(5):
        await engage(gates, switch("pack", f"p{number}", id_=f"k{number}"))
    kill = KillSwitch(router)
    await kill.start()
    assert {entry.switch for entry in kill.entries} == {f"k{number}" for number in range(5)}
    assert kill.blocked(Work(TENANT, pack="p3")) == switch("pack", "p3", id_="k3")
    await kill.stop()


async def test_a_listener_hears_of_each_switch_once_and_anothers_defect_does_not_keep_it_from_it(
    broker: Broker, kill: KillSwitch
) -> None:
    gates = await broker.connect("gates")
    heard: list[KillEntry] = []

    def broken(_: KillEntry) -> None:
        raise RuntimeError("a defect")

    kill.on_engaged(broken)
    kill.on_engaged(heard.append)
    await engage(gates, switch(id_="k1"))
    await engage(gates, switch(id_="k1"))
    await engage(gates, switch("pack", "sales", id_="k2"))
    await until(lambda: _true(len(kill.entries) == 2))
    assert [entry.switch for entry in heard] == ["k1", "k2"]
    await gates.bucket("kill").delete("k1")
    await until(lambda: _true(len(kill.entries) == 1))
    assert kill.blocked(Work(TENANT, pack="engineering")) is None


async def test_an_entry_that_cannot_be_read_stops_everything_until_it_is_gone(broker: Broker, kill: KillSwitch) -> None:
    gates = await broker.connect("gates")
    await gates.bucket("kill").put("k9", b'{"scope": "galaxy"}')
    await until(lambda: _true(bool(kill.entries)))
    blocked = kill.blocked(Work("any-tenant"))
    assert blocked is not None
    assert "cannot be read" in blocked.reason
    await gates.bucket("kill").delete("k9")
    await until(lambda: _true(not kill.entries))
    assert kill.blocked(Work("any-tenant")) is None


async def test_while_the_broker_is_away_nothing_starts_and_afterwards_not_before_what_was_missed_is_known(
    broker: Broker, router: Bus, kill: KillSwitch
) -> None:
    await broker.server.stop()
    await until(lambda: _true(not router.connected))
    with pytest.raises(RetryLater):
        kill.blocked(Work(TENANT))
    await broker.server.start()
    while not router.connected:
        await asyncio.sleep(0)
    # The connection is back, the view is not: what was engaged meanwhile is not known yet.
    with pytest.raises(RetryLater):
        kill.blocked(Work(TENANT))
    await until(lambda: _true(kill.synchronised))
    assert kill.blocked(Work(TENANT)) is None
    await engage(await broker.connect("gates"), switch())
    await until(lambda: _true(kill.blocked(Work(TENANT)) is not None))


async def _true(value: bool) -> bool:
    return value
