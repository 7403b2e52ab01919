"""The kill switch on a real broker: switches stand where the services look."""

import pytest

from agentos.bus import Bus
from agentos.contracts.base import Contract
from agentos.contracts.commands import Answer, EngageKill, ReleaseKill
from agentos.contracts.events.governance import KillEngaged, KillReleased
from services.gates.handlers import Gates
from tests.conftest import Broker
from tests.governance.scenario import (
    OPERATOR,
    TENANT,
    answer,
    event,
    message,
    switch,
    until,
)

ENGAGE = EngageKill(tenant=TENANT, scope="pack", target="engineering", reason="a drill", by=OPERATOR)


class Site:
    """The gates, and those who speak to them."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.asked = 0

    async def start(self) -> "Site":
        self.gateway = await self.broker.connect("gateway")
        self.bus = await self.gates()
        return self

    async def gates(self) -> Bus:
        bus = await self.broker.connect("gates")
        gates = Gates(bus)
        await gates.reconcile()
        bus.consume(gates.routes())
        await bus.start()
        return bus

    async def command(self, verb: str, command: Contract, *, request: str | None = None) -> Answer:
        self.asked += 1
        request = request or f"r{self.asked}"
        await self.gateway.send(f"gates.{verb}", (request,), command, tenant=TENANT)
        return await answer(self.gateway, "gates", request)


@pytest.fixture
async def site(broker: Broker) -> Site:
    return await Site(broker).start()


async def _engaged(site: Site) -> list[str]:
    return sorted(await site.bus.bucket("kill").keys())


async def test_a_switch_is_engaged_and_released_once_and_each_command_is_answered(site: Site) -> None:
    assert (await site.command("engage", ENGAGE.model_copy(update={"target": "*"}))).code == "target_missing"
    assert (await site.command("engage", ENGAGE, request="k1")).data["target"] == "engineering"
    assert await _engaged(site) == ["k1"]
    entry = await site.bus.bucket("kill").get("k1")
    assert entry is not None
    assert entry.value == switch("pack", "engineering").model_dump_json().encode()
    release = ReleaseKill(tenant=TENANT, switch="k1", reason="over", by=OPERATOR)
    assert (await site.command("release", release.model_copy(update={"switch": "k9"}))).code == "not_found"
    assert (await site.command("release", release.model_copy(update={"tenant": "other"}))).code == "not_found"
    assert (await site.command("release", release)).ok
    assert await _engaged(site) == []
    assert (await site.command("release", release)).code == "already_released"


async def test_an_engagement_that_comes_again_is_answered_and_does_not_undo_its_release(broker: Broker) -> None:
    bus, gateway = await broker.connect("gates"), await broker.connect("gateway")
    gates = Gates(bus)
    first = message("gates.engage", ("k1",), ENGAGE)
    for _ in range(2):
        await gates.kill.on_engage(first)
    release = ReleaseKill(tenant=TENANT, switch="k1", reason="over", by=OPERATOR)
    await gates.kill.on_release(message("gates.release", ("r1",), release))
    await gates.kill.on_engage(first)
    assert await bus.bucket("kill").keys() == []
    # Another command under the id of a released switch engages nothing, and says so.
    await gates.kill.on_engage(message("gates.engage", ("k1",), ENGAGE))
    assert await bus.bucket("kill").keys() == []
    tail = gateway.tail(("ans.gates.k1",), stream="ANSWERS", start="first").updates()
    answers = [(await gateway.decode(raw)).payload(Answer) for raw in [await anext(tail), await anext(tail)] if raw is not None]
    await tail.aclose()
    assert [one.code for one in answers] == ["ok", "already_released"]


@pytest.mark.parametrize("fact", [KillEngaged, KillReleased])
async def test_at_the_start_the_bucket_is_made_what_the_log_says(site: Site, fact: type[Contract]) -> None:
    """A crash between the bucket and the fact, either way round."""
    engaged = KillEngaged(scope="pack", target="engineering", reason="a drill", by=OPERATOR)
    await site.bus.append("kill.engaged", "k1", engaged, tenant=TENANT, correlation_id="k1")
    entry = switch("pack", "engineering").model_dump_json().encode()
    if fact is KillReleased:
        await site.bus.bucket("kill").put("k1", entry)
        released = KillReleased(reason="over", by=OPERATOR)
        await site.bus.append("kill.released", "k1", released, tenant=TENANT, correlation_id="k1")
    await site.gates()
    assert await _engaged(site) == ([] if fact is KillReleased else ["k1"])


async def test_an_engagement_that_crashed_before_its_fact_holds_and_is_completed_when_it_comes_again(site: Site) -> None:
    await site.bus.bucket("kill").put("k1", switch("pack", "engineering").model_dump_json().encode())
    await site.gates()
    assert await _engaged(site) == ["k1"]
    assert (await site.command("engage", ENGAGE, request="k1")).ok
    assert (await event(site.gateway, "kill.k1.engaged")).payload(KillEngaged).target == "engineering"


async def test_an_unreadable_entry_neither_stops_the_start_nor_outlives_what_the_log_says(site: Site) -> None:
    assert (await site.command("engage", ENGAGE, request="k1")).ok
    for key in ("k1", "unknown"):
        await site.bus.bucket("kill").put(key, b"\xff not json")
    await site.gates()
    entry = await site.bus.bucket("kill").get("k1")
    assert entry is not None
    assert entry.value == switch("pack", "engineering").model_dump_json().encode()
    await until(lambda: _has(site, "unknown"))


async def _has(site: Site, key: str) -> bool:
    return key in await _engaged(site)
