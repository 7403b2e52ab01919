"""Approvals on a real broker: they are asked for, answered once, closed."""

import asyncio
from typing import Any

import pytest

from agentos.bus import Bus
from agentos.contracts.base import Contract
from agentos.contracts.commands import Answer, ResolveApproval
from agentos.contracts.events.governance import (
    ApprovalRequested,
    ApprovalResolved,
    ApprovalRuled,
    CheckpointRequested,
)
from agentos.contracts.events.task import TaskCancelling, TaskSettled, TaskSuspended
from services.gates.handlers import Gates
from services.gates.settings import Settings
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
)


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
        gates = Gates(bus, Settings())
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
    gates = Gates(bus, Settings())
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


async def test_the_requester_may_not_approve_but_may_withdraw_and_a_refused_answer_leaves_the_approval_open(site: Site) -> None:
    asked_by = submission(requester=APPROVER)
    await site.orchestrator.append("task.submitted", "t9", asked_by, tenant=TENANT)
    await site.hold("c9", task="t9")
    assert (await site.resolve(call="c9")).code == "self_approval"
    assert await site.gateway.get(f"evt.{TENANT}.approval.c9.resolved") is None
    assert (await site.resolve("rejected", call="c9")).ok
    assert (await site.resolved("c9")).outcome == "rejected"
