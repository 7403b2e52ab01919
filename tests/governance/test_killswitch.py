"""The kill switch as a service sees it, on a real broker."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agentos.bus import Bus
from agentos.contracts.errors import RetryLater
from agentos.contracts.events.governance import KillScope
from agentos.killswitch import KillEntry, KillSwitch
from tests.conftest import Broker
from tests.governance.scenario import TENANT, engage, switch, until

WHO: dict[str, Any] = {"pack": "engineering", "provider": "openai", "task": "t1"}


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
        ("task", "t1", True),
        ("task", "t2", False),
    ],
)
def test_a_switch_covers_what_its_scope_and_target_name(scope: KillScope, target: str, covered: bool) -> None:
    assert switch(scope, target).covers(TENANT, **WHO) is covered


@pytest.mark.parametrize("scope", ["pack", "provider", "task"])
def test_a_tenants_switch_leaves_another_tenants_alone_and_what_has_no_such_part(scope: KillScope) -> None:
    entry = switch(scope, {"pack": "engineering", "provider": "openai", "task": "t1"}[scope])
    assert not entry.covers("other", **WHO)
    assert not entry.covers(TENANT, pack=None, provider=None, task=None)


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
        kill.blocked(TENANT)
    await kill.start()
    assert kill.blocked(TENANT) is None
    await kill.stop()
    with pytest.raises(RetryLater, match="cannot be seen"):
        kill.blocked(TENANT)


async def test_switches_that_stood_before_the_start_hold_from_the_first_moment(broker: Broker, router: Bus) -> None:
    gates = await broker.connect("gates")
    for number in range(5):
        await engage(gates, switch("pack", f"p{number}", id_=f"k{number}"))
    kill = KillSwitch(router)
    await kill.start()
    assert {entry.switch for entry in kill.entries} == {f"k{number}" for number in range(5)}
    assert kill.blocked(TENANT, pack="p3") == switch("pack", "p3", id_="k3")
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
    assert kill.blocked(TENANT, pack="engineering") is None


async def test_an_entry_that_cannot_be_read_stops_everything_until_it_is_gone(broker: Broker, kill: KillSwitch) -> None:
    gates = await broker.connect("gates")
    await gates.bucket("kill").put("k9", b'{"scope": "galaxy"}')
    await until(lambda: _true(bool(kill.entries)))
    blocked = kill.blocked("any-tenant")
    assert blocked is not None
    assert "cannot be read" in blocked.reason
    await gates.bucket("kill").delete("k9")
    await until(lambda: _true(not kill.entries))
    assert kill.blocked("any-tenant") is None


async def test_while_the_broker_is_away_nothing_starts_and_afterwards_not_before_what_was_missed_is_known(
    broker: Broker, router: Bus, kill: KillSwitch
) -> None:
    await broker.server.stop()
    await until(lambda: _true(not router.connected))
    with pytest.raises(RetryLater):
        kill.blocked(TENANT)
    await broker.server.start()
    while not router.connected:
        await asyncio.sleep(0)
    # The connection is back, the view is not: what was engaged meanwhile is not known yet.
    with pytest.raises(RetryLater):
        kill.blocked(TENANT)
    await until(lambda: _true(kill.synchronised))
    assert kill.blocked(TENANT) is None
    await engage(await broker.connect("gates"), switch())
    await until(lambda: _true(kill.blocked(TENANT) is not None))


async def _true(value: bool) -> bool:
    return value
