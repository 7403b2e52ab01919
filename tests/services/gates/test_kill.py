"""Kill switches on a real broker: they stand where the services look, open in stages, and account for what they stopped."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from agentos.bus import Bus, Route
from agentos.contracts.base import Contract, Principal
from agentos.contracts.commands import (
    Answer,
    ConfirmRelease,
    DrillKill,
    EngageKill,
    ReleaseKill,
    TripKill,
    WorkItem,
)
from agentos.contracts.envelope import Recorded
from agentos.contracts.events.call import ModelCallSettled
from agentos.contracts.events.kill import (
    KillConfirmed,
    KillDrilled,
    KillEased,
    KillEngaged,
    KillReleased,
    KillTightened,
    KillUnconfirmed,
)
from agentos.contracts.events.task import TaskStarted
from agentos.killswitch import KillEntry, KillSwitch, Work
from services.gates import kill as shell
from services.gates.handlers import Gates
from services.gates.settings import Settings
from tests.conftest import Broker
from tests.governance.scenario import APPROVER, OPERATOR, TENANT, answer, context, decision, event, message, switch, until

ENGAGE = EngageKill(tenant=TENANT, scope="pack", target="engineering", reason="a test", by=OPERATOR)
GLOBAL = EngageKill(tenant=TENANT, scope="global", reason="a test", by=OPERATOR)
RELEASE = ReleaseKill(tenant=TENANT, switch="k1", reason="over", by=OPERATOR)
TRIP = TripKill(tenant=TENANT, scope="pack", target="engineering", trigger="spend", reason="too much in a minute")


class Site:
    """The gates, and those who speak to them."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.asked = 0

    async def start(self) -> "Site":
        self.gateway, self.policy, self.router, self.runner = [
            await self.broker.connect(name) for name in ("gateway", "policy", "router", "runner")
        ]
        self.bus = await self.gates()
        return self

    async def gates(self) -> Bus:
        bus = await self.broker.connect("gates")
        gates = Gates(bus, Settings())
        await gates.reconcile()
        bus.consume(gates.routes())
        await bus.start()
        return bus

    async def command(self, verb: str, command: Contract, *, request: str | None = None) -> Answer:
        self.asked += 1
        request = request or f"r{self.asked}"
        await self.gateway.send(f"gates.{verb}", (request,), command, tenant=TENANT)
        return await answer(self.gateway, "gates", request)

    async def confirm(self, request: int, by: Principal = APPROVER) -> Answer:
        return await self.command("confirm", ConfirmRelease(tenant=TENANT, switch="k1", request=request, reason="yes", by=by))

    async def engaged(self) -> list[str]:
        return sorted(await self.bus.bucket("kill").keys())

    async def entry(self, id_: str = "k1") -> KillEntry | None:
        entry = await self.bus.bucket("kill").get(id_)
        return None if entry is None else KillEntry.model_validate_json(entry.value or b"")


@pytest.fixture
async def site(broker: Broker) -> Site:
    return await Site(broker).start()


def about(entry: KillEntry | None) -> tuple[object, ...]:
    assert entry is not None
    return entry.scope, entry.target, entry.mode, entry.stage, entry.share_percent, entry.by


async def test_a_switch_is_engaged_and_released_once_and_each_command_is_answered(site: Site) -> None:
    assert (await site.command("engage", ENGAGE.model_copy(update={"target": "*"}))).code == "target_missing"
    assert (await site.command("engage", ENGAGE, request="k1")).data["target"] == "engineering"
    assert await site.engaged() == ["k1"]
    assert about(await site.entry()) == ("pack", "engineering", "halt", "blocked", 0, OPERATOR)
    assert (await site.command("release", RELEASE.model_copy(update={"switch": "k9"}))).code == "not_found"
    assert (await site.command("release", RELEASE.model_copy(update={"tenant": "other"}))).code == "not_found"
    assert (await site.command("release", RELEASE)).data["stage"] == "released"
    assert await site.engaged() == []
    assert (await site.command("release", RELEASE)).code == "already_released"


async def test_a_switch_opens_in_stages_and_the_entry_follows(site: Site) -> None:
    await site.command("engage", ENGAGE, request="k1")
    for share in (5, 50):
        eased = RELEASE.model_copy(update={"stage": "probation", "share_percent": share})
        assert (await site.command("release", eased)).data["share_percent"] == share
        assert about(await site.entry())[3:5] == ("probation", share)
    assert (await site.command("release", RELEASE)).ok
    assert await site.engaged() == []
    assert (await event(site.gateway, "kill.k1.eased.2")).payload(KillEased).share_percent == 50


async def test_a_global_switch_stays_until_a_second_person_agrees(site: Site) -> None:
    await site.command("engage", GLOBAL, request="k1")
    asked = await site.command("release", RELEASE)
    assert (asked.data["stage"], asked.data["request"]) == ("requested", 1)
    assert await site.engaged() == ["k1"]
    assert (await site.confirm(1, OPERATOR)).code == "same_person"
    assert (await site.confirm(2)).code == "not_found"
    assert (await site.confirm(1)).data["stage"] == "released"
    assert await site.engaged() == []
    released = (await event(site.gateway, "kill.k1.released")).payload(KillReleased)
    assert (released.by, released.request) == (APPROVER, 1)


async def test_of_two_confirmations_at_once_one_counts(site: Site) -> None:
    await site.gates()
    await site.command("engage", GLOBAL, request="k1")
    await site.command("release", RELEASE.model_copy(update={"stage": "probation"}))
    carol = Principal(kind="api_key", id="carol")
    codes = sorted(one.code for one in await asyncio.gather(site.confirm(1), site.confirm(1, carol)))
    assert codes == ["ok", "request_closed"]
    assert await site.gateway.get(f"evt.{TENANT}.kill.k1.eased.2") is None


async def test_commands_that_come_again_are_answered_alike_and_do_not_undo_a_release(broker: Broker) -> None:
    bus, gateway = await broker.connect("gates"), await broker.connect("gateway")
    gates = Gates(bus, Settings())
    first = message("gates.engage", ("k1",), GLOBAL)
    asked = message("gates.release", ("r1",), RELEASE)
    agreed = message("gates.confirm", ("r2",), ConfirmRelease(tenant=TENANT, switch="k1", request=1, reason="yes", by=APPROVER))
    for handle, command in ((gates.kill.on_engage, first), (gates.kill.on_release, asked), (gates.kill.on_confirm, agreed)):
        for _ in range(2):
            await handle(command)
    await gates.kill.on_engage(first)
    assert await bus.bucket("kill").keys() == []
    # Another command under the id of a released switch engages nothing, and says so.
    await gates.kill.on_engage(message("gates.engage", ("k1",), GLOBAL))
    assert await bus.bucket("kill").keys() == []
    facts = [one.subject.split(".", 4)[4] for one in await gateway.load(TENANT, "kill", "k1")]
    assert facts == ["engaged", "release-requested.1", "released"]
    tail = gateway.tail(("ans.gates.k1",), stream="ANSWERS", start="first").updates()
    answers = [(await gateway.decode(raw)).payload(Answer) for raw in [await anext(tail), await anext(tail)] if raw is not None]
    await tail.aclose()
    assert [one.code for one in answers] == ["ok", "already_released"]


@pytest.mark.parametrize("crashed_before", ["entry", "easing", "release"])
async def test_at_the_start_the_bucket_is_made_what_the_log_says(site: Site, crashed_before: str) -> None:
    """A crash between the bucket and the fact, either way round."""
    fact = KillEngaged(scope="pack", target="engineering", reason="a test", by=OPERATOR)
    await site.bus.append("kill.engaged", "k1", fact, tenant=TENANT, correlation_id="k1")
    if crashed_before != "entry":
        await site.bus.bucket("kill").put("k1", switch("pack", "engineering").model_dump_json().encode())
        eased = KillEased(share_percent=7, reason="over", by=OPERATOR)
        await site.bus.append("kill.eased", "k1", eased, ordinal=1, tenant=TENANT, correlation_id="k1")
    if crashed_before == "release":
        released = KillReleased(reason="over", by=OPERATOR)
        await site.bus.append("kill.released", "k1", released, tenant=TENANT, correlation_id="k1")
    await site.gates()
    if crashed_before == "release":
        assert await site.engaged() == []
    else:
        assert about(await site.entry())[4] == (0 if crashed_before == "entry" else 7)


async def test_an_engagement_that_crashed_before_its_fact_holds_and_is_completed_when_it_comes_again(site: Site) -> None:
    await site.bus.bucket("kill").put("k1", switch("pack", "engineering").model_dump_json().encode())
    await site.gates()
    assert await site.engaged() == ["k1"]
    assert (await site.command("engage", ENGAGE, request="k1")).ok
    assert (await event(site.gateway, "kill.k1.engaged")).payload(KillEngaged).target == "engineering"


async def test_an_unreadable_entry_neither_stops_the_start_nor_outlives_what_the_log_says(site: Site) -> None:
    assert (await site.command("engage", ENGAGE, request="k1")).ok
    for key in ("k1", "unknown"):
        await site.bus.bucket("kill").put(key, b"\xff not json")
    await site.gates()
    assert about(await site.entry())[1] == "engineering"
    assert "unknown" in await site.engaged()


# --- triggers ---------------------------------------------------------------------------------------------------------


async def trip(site: Site, id_: str, command: TripKill = TRIP) -> None:
    await site.policy.send("gates.trip", (id_,), command, tenant=TENANT)


async def test_a_trip_engages_once_however_many_instances_send_it(site: Site) -> None:
    await site.gates()
    for _ in range(3):
        await trip(site, "trip-1")
    fact = (await event(site.gateway, "kill.trip-1.engaged")).payload(KillEngaged)
    assert (fact.trigger, fact.by.id) == ("spend", "policy")
    # The next window begins between two instances.
    await trip(site, "trip-2")
    await asyncio.sleep(0.5)
    assert await site.engaged() == ["trip-1"]


async def test_a_trip_during_a_wider_switchs_probation_ends_that(site: Site) -> None:
    await site.command("engage", ENGAGE.model_copy(update={"scope": "tenant", "target": "*"}), request="k1")
    await site.command("release", RELEASE.model_copy(update={"stage": "probation"}))
    await trip(site, "trip-1")
    assert (await event(site.gateway, "kill.k1.tightened.1")).payload(KillTightened).trigger == "spend"
    assert about(await site.entry())[3:5] == ("blocked", 0)
    assert await site.engaged() == ["k1"]


async def test_a_trip_of_a_released_window_engages_nothing(site: Site) -> None:
    """The same window's trip again, after people have looked into it."""
    await trip(site, "k1")
    await event(site.gateway, "kill.k1.engaged")
    assert (await site.command("release", RELEASE)).ok
    await trip(site, "k1")
    await asyncio.sleep(0.5)
    assert await site.engaged() == []


# --- what stopped -----------------------------------------------------------------------------------------------------


class Hands:
    """A router and a runner that take what they are given and do not give it back."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.held = asyncio.Event()
        self.taken: list[str] = []

    async def take(self, delivery: Recorded) -> None:
        self.taken.append(delivery.subject)
        await self.held.wait()

    async def start(self) -> "Hands":
        self.site.router.consume([Route("call.decided", self.take)])
        self.site.runner.consume([Route("work.normal", self.take)])
        await self.site.router.start()
        await self.site.runner.start()
        return self

    async def fill(self) -> None:
        """Two calls and an attempt of one pack, one call of another's; one of the calls has been settled since."""
        for call, pack in (("c1", "engineering"), ("c2", "engineering"), ("other", "sales")):
            decided = decision().model_copy(update={"context": context(pack=pack)})
            await self.site.policy.append("call.decided", call, decided, tenant=TENANT, correlation_id="t1")
        settled = ModelCallSettled(context=context(), outcome="completed", attempts=1)
        await self.site.router.append("call.settled", "c2", settled, tenant=TENANT, correlation_id="t1")
        item = WorkItem(tenant=TENANT, task="t1", attempt=1, resumption=0, pack="engineering", agent="a")
        await self.site.router.send("work.normal", ("engineering", "t1-1-0"), item, tenant=TENANT)
        started = TaskStarted(instance="runner-1", pack="engineering", agent="a", version="1")
        await self.site.runner.append("task.started", "t1", started, ordinal=1, tenant=TENANT, correlation_id="t1")
        await until(self._all_taken)

    async def _all_taken(self) -> bool:
        return len(self.taken) == 4


@pytest.fixture
async def hands(site: Site, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hands]:
    monkeypatch.setattr(shell, "LOOKS", (timedelta(seconds=0.3), timedelta(seconds=0.3)))
    made = await Hands(site).start()
    yield made
    made.held.set()


async def test_what_nobody_has_told_the_end_of_is_named_and_looked_for_until_it_ends(site: Site, hands: Hands) -> None:
    await hands.fill()
    await site.command("engage", ENGAGE, request="k1")
    call = (await event(site.gateway, "kill.k1.unconfirmed.c1")).payload(KillUnconfirmed)
    attempt = (await event(site.gateway, "kill.k1.unconfirmed.t1-1")).payload(KillUnconfirmed)
    assert (call.what, call.task, call.pack) == ("call", "t1", "engineering")
    assert (attempt.what, attempt.instance) == ("attempt", "runner-1")
    assert (await event(site.gateway, "kill.k1.confirmed.1")).payload(KillConfirmed).unconfirmed == 2
    # Somebody takes them over and ends them: the next look finds nothing, and is the last.
    hands.held.set()
    ended = await until(lambda: _look(site, unconfirmed=0))
    assert ended.cancelled == 0
    for other in ("c2", "other"):
        assert await site.gateway.get(f"evt.{TENANT}.kill.k1.unconfirmed.{other}") is None


async def test_a_draining_switch_calls_nothing_unconfirmed_and_tells_what_still_runs(site: Site, hands: Hands) -> None:
    await hands.fill()
    await site.command("engage", ENGAGE.model_copy(update={"mode": "drain"}), request="k1")
    first = (await event(site.gateway, "kill.k1.confirmed.1")).payload(KillConfirmed)
    assert (first.running, first.unconfirmed) == (2, 0)
    assert await site.gateway.get(f"evt.{TENANT}.kill.k1.unconfirmed.c1") is None
    hands.held.set()
    await until(lambda: _look(site, running=0))


async def _look(site: Site, **wanted: int) -> KillConfirmed | None:
    for one in await site.gateway.load(TENANT, "kill", "k1"):
        if isinstance(one.data, KillConfirmed) and all(getattr(one.data, name) == value for name, value in wanted.items()):
            return one.data
    return None


async def test_what_a_global_switch_cancelled_elsewhere_is_told_there_and_counted_here(site: Site, hands: Hands) -> None:
    kill = KillSwitch(site.router)
    await kill.start()
    await site.command("engage", GLOBAL, request="k1")
    entry = await until(lambda: _blocking(kill))
    elsewhere = Work("other", pack="p", agent="a", task="t9", running=True)
    cause = message("call.decided", ("other", "c9"), decision())
    for _ in range(2):
        await kill.note_cancelled(entry, "call", "c9", elsewhere, attempt=1, after_ms=12.5, cause=cause)
    assert await site.gateway.get("evt.other.kill.k1.call-cancelled.c9") is not None
    look = (await event(site.gateway, "kill.k1.confirmed.1")).payload(KillConfirmed)
    assert (look.cancelled, look.last_after_ms) == (1, 12.5)
    assert kill.age_ms(entry) > 0
    await kill.stop()


async def _blocking(kill: KillSwitch) -> KillEntry | None:
    return kill.blocked(Work(TENANT))


# --- drills -----------------------------------------------------------------------------------------------------------


async def test_a_drill_times_every_instance_names_who_is_silent_and_stops_nothing(site: Site) -> None:
    seeing = [
        KillSwitch(site.router),
        KillSwitch(await site.broker.connect("worker")),
        KillSwitch(await site.broker.connect("worker")),
    ]
    heard: list[KillEntry] = []
    for kill in seeing:
        kill.on_engaged(heard.append)
        await kill.start()
    await site.runner.bucket("instances").put("runner.gone", b"")
    await until(lambda: _announced(site, 4))
    drill = DrillKill(tenant=TENANT, rounds=5, reason="monthly", by=OPERATOR)
    told = await site.command("drill", drill, request="d1")
    drilled = (await event(site.gateway, "kill.d1.drilled")).payload(KillDrilled)
    assert told.data == {"drill": "d1", **drilled.model_dump(mode="json")}
    assert {(one.service, one.seen, one.missed) for one in drilled.instances} == {
        ("router", 5, 0), ("worker", 5, 0), ("runner", 0, 5),
    }  # fmt: skip
    assert drilled.max_ms is not None
    assert not heard
    assert await site.engaged() == []
    again = await site.command("drill", drill, request="d1")
    assert again == told
    for kill in seeing:
        await kill.stop()
    assert await site.bus.bucket("instances").keys() == ["runner.gone"]


async def _announced(site: Site, wanted: int) -> bool:
    return len(await site.bus.bucket("instances").keys()) == wanted


async def test_a_drill_that_was_left_behind_by_a_crash_is_cleared_at_the_start(site: Site) -> None:
    await site.bus.bucket("kill").put("d1-0", switch("task", "d1-0", id_="d1-0", drill=True).model_dump_json().encode())
    await site.gates()
    assert await site.engaged() == []
