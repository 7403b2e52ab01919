"""The gates on a real broker: approvals are asked for, answered once, closed; switches stand where the services look."""

import asyncio
from typing import Any

import pytest

from agentos.bus import Bus
from agentos.contracts.base import Contract
from agentos.contracts.commands import Answer, EngageKill, ReleaseKill, ResolveApproval
from agentos.contracts.events.approval import ApprovalRequested, ApprovalResolved, ApprovalRuled
from agentos.contracts.events.governance import CheckpointRequested, KillEngaged, KillReleased
from agentos.contracts.events.task import TaskCancelling, TaskSettled, TaskSuspended
from services.gates.handlers import Gates
from services.policy.approvals import ApprovalRules
from services.policy.embedded import EmbeddedEvaluator
from tests.conftest import Broker
from tests.governance.scenario import (
    APPROVER,
    OPERATOR,
    TENANT,
    answer,
    context,
    decision,
    event,
    message,
    submission,
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
        names = ("gateway", "policy", "orchestrator", "runner")
        self.gateway, self.policy, self.orchestrator, self.runner = [await self.broker.connect(name) for name in names]
        self.bus = await self.gates()
        self.policy.consume(ApprovalRules(self.policy, EmbeddedEvaluator()).routes())
        await self.policy.start()
        return self

    async def gates(self) -> Bus:
        bus = await self.broker.connect("gates")
        gates = Gates(bus)
        await gates.reconcile()
        bus.consume(gates.routes())
        await bus.start()
        return bus

    async def hold(self, call: str = "c1", task: str = "t1", **obligations: Any) -> ApprovalRequested:
        if await self.gateway.get(f"evt.{TENANT}.task.{task}.submitted") is None:
            await self.orchestrator.append("task.submitted", task, submission(), tenant=TENANT)
        held = decision("hold", task=task, obligations=obligations)
        await self.policy.append("call.decided", call, held, tenant=TENANT, correlation_id=task)
        return (await event(self.gateway, f"approval.{call}.requested")).payload(ApprovalRequested)

    async def command(self, verb: str, command: Contract, *, request: str | None = None) -> Answer:
        self.asked += 1
        request = request or f"r{self.asked}"
        await self.gateway.send(f"gates.{verb}", (request,), command, tenant=TENANT)
        return await answer(self.gateway, "gates", request)

    async def resolve(self, outcome: str = "approved", by: object = APPROVER, call: str = "c1") -> Answer:
        fields = {"tenant": TENANT, "approval": call, "outcome": outcome, "by": by}
        return await self.command("resolve", ResolveApproval.model_validate(fields))

    async def resolved(self, call: str = "c1") -> ApprovalResolved:
        found = await event(self.gateway, f"approval.{call}.resolved")
        return found.payload(ApprovalResolved)


@pytest.fixture
async def site(broker: Broker) -> Site:
    return await Site(broker).start()


@pytest.mark.parametrize("outcome", ["approved", "rejected"])
async def test_a_hold_becomes_an_approval_that_a_person_answers(site: Site, outcome: str) -> None:
    asked = await site.hold(approver_roles=["legal", "approver"], expires_after_s=600)
    assert asked.approver_roles == ("legal", "approver")
    assert asked.digest == decision().digest
    assert (await site.resolve(by=OPERATOR)).code == "wrong_role"
    assert (await site.resolve(outcome)).data == {"approval": "c1", "outcome": outcome}
    resolved = await site.resolved()
    assert (resolved.outcome, resolved.by, resolved.digest) == (outcome, APPROVER, asked.digest)
    assert (await site.resolve()).code == "already_resolved"
    events = await site.gateway.load(TENANT, "approval", "c1")
    assert {one.meta.correlation_id for one in events} == {"t1"}


async def test_what_is_allowed_or_denied_asks_nobody_and_an_unknown_approval_is_not_found(site: Site) -> None:
    for call, verdict in (("c1", "allow"), ("c2", "deny")):
        await site.policy.append("call.decided", call, decision(verdict), tenant=TENANT, correlation_id="t1")  # pyright: ignore[reportArgumentType]
    await site.hold("c3")
    assert (await site.resolve(call="c1")).code == "not_found"
    assert await site.gateway.load(TENANT, "approval", "c2") == []


async def test_nobodys_answer_in_time_is_a_no_under_the_tasks_correlation(site: Site) -> None:
    await site.hold(expires_after_s=0.3)
    assert (await site.resolved()).outcome == "expired"
    resolved = await event(site.gateway, "approval.c1.resolved")
    assert resolved.meta.correlation_id == "t1"
    assert (await site.resolve()).code == "already_resolved"


async def test_a_checkpoint_asks_with_the_packs_question(site: Site) -> None:
    asked = CheckpointRequested(context=context(), question="Post it?", digest="q")
    await site.runner.append("checkpoint.requested", "t1-s0001-e1", asked, tenant=TENANT, correlation_id="t1")
    requested = (await event(site.gateway, "approval.t1-s0001-e1.requested")).payload(ApprovalRequested)
    assert (requested.kind, requested.preview, requested.digest) == ("checkpoint", {"question": "Post it?"}, "q")


async def _cancel(site: Site, task: str = "t1") -> None:
    stop = TaskCancelling(outcome="cancelled", reason="enough", by=OPERATOR)
    await site.orchestrator.append("task.cancelling", task, stop, ordinal=1, tenant=TENANT, correlation_id=task)


async def test_a_cancelled_task_needs_no_answer_any_more_whichever_comes_first(site: Site) -> None:
    await site.hold("before")
    waits = TaskSuspended(attempt=1, waiting_for="call", on="before")
    await site.runner.append("task.suspended", "t1", waits, ordinal=1, tenant=TENANT, correlation_id="t1")
    await _cancel(site)
    assert (await site.resolved("before")).outcome == "cancelled"
    await site.hold("after")
    assert (await site.resolved("after")).outcome == "cancelled"


async def test_an_approval_of_a_task_that_has_ended_is_not_given_any_more(site: Site) -> None:
    await site.hold()
    settled = TaskSettled(outcome="failed")
    await site.orchestrator.append("task.settled", "t1", settled, ordinal=1, tenant=TENANT, correlation_id="t1")
    assert (await site.resolve()).code == "task_ended"
    assert await site.gateway.get(f"evt.{TENANT}.approval.c1.resolved") is None


async def test_of_two_concurrent_answers_one_wins_and_the_other_is_told(site: Site) -> None:
    await site.gates()
    for number in range(10):
        await site.hold(f"c{number}")
        answers = await asyncio.gather(site.resolve("approved", call=f"c{number}"), site.resolve("rejected", call=f"c{number}"))
        assert sorted(one.code for one in answers) == ["already_resolved", "ok"]
        winner = next(one for one in answers if one.ok)
        assert (await site.resolved(f"c{number}")).outcome == winner.data["outcome"]


async def test_an_answer_that_comes_again_is_answered_alike(broker: Broker) -> None:
    bus, policy = await broker.connect("gates"), await broker.connect("policy")
    gates = Gates(bus)
    await policy.append("call.decided", "c1", decision("hold"), tenant=TENANT, correlation_id="t1")
    held = await bus.get(f"evt.{TENANT}.call.c1.decided")
    assert held is not None
    for _ in range(2):
        await gates.approvals.on_decided(held)
    resolve = ResolveApproval(tenant=TENANT, approval="c1", outcome="approved", by=APPROVER)
    command = message("gates.resolve", ("r1",), resolve)
    for _ in range(2):
        await gates.approvals.on_resolve(command)
    answered = await bus.get(f"evt.{TENANT}.approval.c1.answered.1")
    assert answered is not None
    assert await bus.get(f"evt.{TENANT}.approval.c1.answered.2") is None
    allowed = ApprovalRuled(verdict="allow", reasons=("said",), rules=(), bundle="b")
    await policy.append("approval.ruled", "c1", allowed, ordinal=1, cause=answered)
    ruling = await bus.get(f"evt.{TENANT}.approval.c1.ruled.1")
    assert ruling is not None
    for _ in range(2):
        await gates.approvals.on_ruled(ruling)
    gateway = await broker.connect("gateway")
    assert (await answer(gateway, "gates", "r1")).ok


# --- kill switch ------------------------------------------------------------------------------------------------------


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


async def test_the_requester_may_not_approve_but_may_withdraw_and_a_refused_answer_leaves_the_approval_open(site: Site) -> None:
    asked_by = submission(requester=APPROVER)
    await site.orchestrator.append("task.submitted", "t9", asked_by, tenant=TENANT)
    await site.hold("c9", task="t9")
    assert (await site.resolve(call="c9")).code == "self_approval"
    assert await site.gateway.get(f"evt.{TENANT}.approval.c9.resolved") is None
    assert (await site.resolve("rejected", call="c9")).ok
    assert (await site.resolved("c9")).outcome == "rejected"
