"""Agents: what people do to them, what that does to tasks, and who has come or gone."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentos.contracts.agents import AgentPresence, AgentRecord, AgentTerms, Heartbeat, agent_id
from agentos.contracts.commands import Answer, ControlAgent, ControlPack, RegisterAgent, UnregisterAgent, UpdateAgent
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import NotFound, Refused, RetryLater
from agentos.contracts.events.agent import AgentChanged, PresenceChanged
from agentos.contracts.ids import new_id
from agentos.contracts.packs import AgentCard, PackCard, Presence
from services.router.agents import AgentRegistry
from services.router.domain import agents as domain
from services.router.domain import packs
from tests.conftest import Broker
from tests.governance.scenario import OPERATOR, TENANT, answer, until
from tests.services.router.conftest import Site
from tests.services.router.test_routing import Work, admit

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAMED: dict[str, Any] = {"tenant": TENANT, "pack": "crew", "agent": "scout", "by": OPERATOR}
REGISTER = RegisterAgent(**NAMED, terms=AgentTerms(description="looks ahead"))
PAUSE, RESUME = (ControlAgent(**NAMED, action=action, reason="a look at it") for action in ("pause", "resume"))
UNREGISTER = UnregisterAgent(**NAMED, reason="sold")


def after(*commands: domain.Command, hosted: bool = False) -> AgentRecord | None:
    record: AgentRecord | None = None
    for number, command in enumerate(commands, start=1):
        record = domain.evolve(record, domain.decide(record, command, hosted=hosted), TENANT, number, NOW)
    return record


def refusal(standing: AgentRecord | None, command: domain.Command, *, hosted: bool = False) -> str:
    with pytest.raises(Refused) as refused:
        domain.decide(standing, command, hosted=hosted)
    return refused.value.code


def test_an_external_agent_is_registered_changed_paused_taken_off_and_taken_back() -> None:
    record = after(REGISTER, UpdateAgent(**NAMED, revision=1, terms=AgentTerms(silent_after_s=30)), PAUSE, RESUME, UNREGISTER)
    assert record is not None
    assert (record.state, record.revision, record.kind, record.reason, record.silent_after_s) == (
        "unregistered", 5, "external", "sold", 30,
    )  # fmt: skip
    again = domain.evolve(record, domain.decide(record, REGISTER, hosted=False), TENANT, 6, NOW)
    assert (again.state, again.description) == ("active", "looks ahead")


def test_what_nobody_registered_and_no_pack_has_can_only_be_registered() -> None:
    for command in (PAUSE, UNREGISTER, UpdateAgent(**NAMED, revision=0, terms=AgentTerms())):
        with pytest.raises(NotFound):
            domain.decide(None, command, hosted=False)


def test_an_agent_of_an_installed_pack_needs_no_registration() -> None:
    assert refusal(None, REGISTER, hosted=True) == "already_registered"
    assert domain.decide(None, PAUSE, hosted=True).kind == "hosted"
    assert domain.decide(None, UpdateAgent(**NAMED, revision=0, terms=AgentTerms()), hosted=True).change == "updated"


def test_what_does_not_fit_how_the_agent_stands_is_refused_with_a_code_that_says_how() -> None:
    registered, paused, gone = after(REGISTER), after(REGISTER, PAUSE), after(REGISTER, UNREGISTER)
    assert refusal(registered, REGISTER) == "already_registered"
    assert refusal(registered, RESUME) == "not_paused"
    assert refusal(paused, PAUSE) == "already_paused"
    assert refusal(paused, UpdateAgent(**NAMED, revision=1, terms=AgentTerms())) == "stale_revision"
    assert refusal(paused, UNREGISTER.model_copy(update={"revision": 1})) == "stale_revision"
    for command in (PAUSE, RESUME, UNREGISTER):
        assert refusal(gone, command) == "agent_unregistered"


def test_a_change_of_terms_leaves_a_pause_standing() -> None:
    record = after(REGISTER, PAUSE, UpdateAgent(**NAMED, revision=2, terms=AgentTerms()))
    assert record is not None
    assert record.state == "paused"


def test_an_external_agent_lives_as_long_as_an_instance_spoke_within_its_time() -> None:
    record = after(REGISTER, UpdateAgent(**NAMED, revision=1, terms=AgentTerms(silent_after_s=30)))
    assert record is not None
    beats = [(TENANT, beat(at=NOW - timedelta(seconds=age), instance=f"i{age}")) for age in (10, 29, 31)]
    [seen] = domain.external([record], beats, NOW).values()
    assert (seen.instances, seen.at) == (2, NOW - timedelta(seconds=10))
    assert domain.external([record], [("other", beats[0][1])], NOW) == {}, "another tenant's word counts for nothing"
    assert domain.external([record.model_copy(update={"state": "unregistered"})], beats, NOW) == {}


def test_presence_is_told_when_it_changes_and_not_otherwise() -> None:
    seen = domain.Seen("crew", "scout", "external", 1, NOW)
    came = domain.turned(None, seen)
    assert came is not None
    told = AgentPresence(pack="crew", agent="scout", kind="external", online=True, ordinal=1, at=NOW)
    assert domain.turned(told, seen) is None
    went = domain.turned(told, None)
    assert went is not None
    assert (came.online, went.online, went.instances) == (True, False, 0)
    assert domain.turned(told.model_copy(update={"online": False}), None) is None
    assert domain.turned(None, None) is None


def test_a_task_waits_for_a_paused_agent_and_is_refused_by_one_that_was_taken_off() -> None:
    card = PackCard(pack="crew", version="1", description="", agents=(AgentCard(name="scout", task_types=("look",)),), tools=())
    alive = [Presence(**dict(card), instance="i", active=0, max_active=1, at=NOW)]
    assert packs.route("look", "crew", "normal", alive, None, lambda pack, agent: "paused") is None
    assert packs.route("look", None, "normal", alive, None, lambda pack, agent: "paused") is None
    assert packs.route("look", None, "normal", alive, None, lambda pack, agent: "unregistered") is None
    final = packs.route("look", "crew", "normal", alive, None, lambda pack, agent: "unregistered")
    assert final is not None
    assert (final.pack, final.reason) == (None, "pack crew its agent scout is unregistered; name another pack or none")


def beat(*, at: datetime, instance: str = "i") -> Heartbeat:
    return Heartbeat(pack="crew", agent="scout", instance=instance, at=at)


# --- over a real broker -----------------------------------------------------------------------------------------------------


async def command(site: Site, channel: str, made: Any) -> Answer:
    request = new_id()
    await site.gateway.send(channel, (request,), made, tenant=TENANT, correlation_id=request)
    return await answer(site.gateway, "router", request)


async def test_a_paused_agents_tasks_wait_and_go_on_when_it_is_resumed(site: Site) -> None:
    work = await Work().start(site)
    card = PackCard(
        pack="crew", version="1", description="", agents=(AgentCard(name="agent", task_types=("triage",)),), tools=()
    )
    await site.runner.bucket("packs").put("crew", card.model_dump_json().encode())
    await site.live("crew", "triage")
    pause = ControlAgent(tenant=TENANT, pack="crew", agent="agent", action="pause", reason="a look at it", by=OPERATOR)
    assert (await command(site, "router.control", pause)).ok
    await until(lambda: _heard(site, "paused"))
    await admit(site, "t1", pack="crew")
    await until(lambda: _waiting(site, 1))
    assert work.items == []
    assert (await command(site, "router.control", pause)).code == "already_paused"
    resume = pause.model_copy(update={"action": "resume"})
    assert (await command(site, "router.control", resume)).ok
    await until(lambda: work.count(1))
    log = await site.gateway.load(TENANT, "agent", agent_id("crew", "agent"))
    assert [each.payload(AgentChanged).change for each in log] == ["paused", "resumed"]


async def test_a_packs_agents_are_paused_by_one_command_that_is_done_to_its_end_however_often_it_is_handled(site: Site) -> None:
    agents = tuple(AgentCard(name=name, task_types=("triage",)) for name in ("left", "right", "third"))
    card = PackCard(pack="crew", version="1", description="", agents=agents, tools=())
    await site.runner.bucket("packs").put("crew", card.model_dump_json().encode())
    outside = RegisterAgent(tenant=TENANT, pack="crew", agent="outside", terms=AgentTerms(), by=OPERATOR)
    sold = outside.model_copy(update={"agent": "sold"})
    assert (await command(site, "router.register", outside)).ok
    assert (await command(site, "router.register", sold)).ok
    unregister = UnregisterAgent(tenant=TENANT, pack="crew", agent="sold", by=OPERATOR)
    assert (await command(site, "router.unregister", unregister)).ok
    left = ControlAgent(tenant=TENANT, pack="crew", agent="left", action="pause", reason="first", by=OPERATOR)
    assert (await command(site, "router.control", left)).ok
    pause = ControlPack(tenant=TENANT, pack="crew", action="pause", reason="a look at it", by=OPERATOR)
    done = await command(site, "router.control-pack", pause)
    assert (done.ok, done.data) == (True, {"changed": ["outside", "right", "third"]})
    log = await site.gateway.load(TENANT, "agent", agent_id("crew", "right"))
    assert [each.payload(AgentChanged).change for each in log] == ["paused"]
    assert (await command(site, "router.control-pack", pause)).code == "already_paused"
    resume = pause.model_copy(update={"action": "resume"})
    assert (await command(site, "router.control-pack", resume)).data == {"changed": ["left", "outside", "right", "third"]}
    nobodys = pause.model_copy(update={"pack": "nobodys"})
    assert (await command(site, "router.control-pack", nobodys)).code == "not_found"


class Dying(AgentRegistry):
    """Breaks off once, before the agent named "right"."""

    died = False

    async def _change(self, message: Recorded, command: domain.Command) -> AgentRecord:
        if command.agent == "right" and not self.died:
            self.died = True
            raise RetryLater("the router is gone", delay=timedelta(milliseconds=10), code="gone")
        return await super()._change(message, command)


async def test_a_router_that_breaks_off_amid_a_packs_agents_changes_the_rest_when_the_command_comes_again(
    broker: Broker,
) -> None:
    router, gateway, runner = [await broker.connect(name) for name in ("router", "gateway", "runner")]
    agents = tuple(AgentCard(name=name, task_types=("triage",)) for name in ("left", "right", "third"))
    card = PackCard(pack="crew", version="1", description="", agents=agents, tools=())
    await runner.bucket("packs").put("crew", card.model_dump_json().encode())
    registry = Dying(router)
    router.consume(registry.routes())
    await router.start()
    request = new_id()
    pause = ControlPack(tenant=TENANT, pack="crew", action="pause", reason="a look at it", by=OPERATOR)
    await gateway.send("router.control-pack", (request,), pause, tenant=TENANT, correlation_id=request)
    assert (await answer(gateway, "router", request)).data == {"changed": ["left", "right", "third"]}
    assert registry.died
    for agent in agents:
        log = await gateway.load(TENANT, "agent", agent_id("crew", agent.name))
        assert [each.payload(AgentChanged).change for each in log] == ["paused"]


async def test_an_agent_that_comes_and_goes_is_told_once_each_by_however_many_routers(site: Site) -> None:
    await site.route()
    await site.live("crew", "triage")
    key = agent_id("crew", "agent")
    came = (await until(lambda: site.gateway.get(f"evt.system.presence.{key}.changed.1"))).payload(PresenceChanged)
    assert (came.online, came.instances, came.kind) == (True, 1, "hosted")
    # As a runner that stops does.
    await site.runner.bucket("presence").delete("crew.i1")
    went = await until(lambda: site.gateway.get(f"evt.system.presence.{key}.changed.2"))
    assert not went.payload(PresenceChanged).online
    await asyncio.sleep(1.5)
    assert len(await site.gateway.load("system", "presence", key)) == 2


async def _heard(site: Site, wanted: str) -> bool:
    """Whether the router that routes has heard of it."""
    return site.agents[0].known(TENANT, "crew", "agent") == wanted


async def _waiting(site: Site, number: int) -> bool:
    return len(await site.bus.bucket("waiting").keys()) == number
