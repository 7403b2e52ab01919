"""Approvals on a real broker, with the shipped rules and a worker that executes: asked, answered, edited, used once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agentos.contracts.commands import DelegateApprovals, HoldCall, RevokeDelegation
from agentos.contracts.errors import RetryLater
from agentos.contracts.events.approval import (
    ApprovalCommented,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalRevised,
    ApprovalRuled,
    ApprovalThawed,
)
from agentos.contracts.events.governance import CheckpointDecided
from agentos.contracts.events.task import TaskCancelling, TaskSettled
from agentos.contracts.model import ModelRequest, user
from agentos.sdk.journal import step_digest
from tests.conftest import Broker
from tests.governance.scenario import APPROVER, OPERATOR, TENANT, approval, context, decision, event, message, until
from tests.services.gates.house import TOOL, House, house_of, person

BERT, CARL = person("bert"), person("carl")
SOON = (datetime.now(UTC) + timedelta(days=1)).isoformat()


@pytest.fixture
async def house(broker: Broker, tmp_path: Path) -> AsyncIterator[House]:
    async with house_of(broker, tmp_path) as running:
        yield running


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["approved", "rejected"])
async def test_a_hold_becomes_an_approval_that_a_person_answers_once(house: House, outcome: str) -> None:
    asked = await house.hold(approver_roles=["legal", "approver"], expires_after_s=600)
    assert (asked.approver_roles, asked.requester, asked.target) == (("legal", "approver"), OPERATOR, TOOL)
    assert "ada@example.org" not in asked.model_dump_json()
    assert (await house.resolve(by=person("max", "operator"))).code == "wrong_role"
    said = await house.resolve(outcome)
    assert said.data == {
        "approval": "c1",
        "outcome": outcome,
        "state": outcome,
        "approvals": int(outcome == "approved"),
        "quorum": 1,
    }
    resolved = await house.resolved()
    assert (resolved.outcome, resolved.by, resolved.digest, resolved.revision) == (outcome, APPROVER, asked.digest, 0)
    assert (await house.resolve(by=BERT)).code == "already_resolved"
    settled = await house.settled()
    assert settled.outcome == ("completed" if outcome == "approved" else "refused")
    assert len(house.desk.done) == (1 if outcome == "approved" else 0)
    events = await house.gateway.load(TENANT, "approval", "c1")
    assert {one.meta.correlation_id for one in events} == {"t1"}


async def test_what_is_allowed_or_denied_asks_nobody_and_an_unknown_approval_is_not_found(house: House) -> None:
    for call, verdict in (("c1", "allow"), ("c2", "deny")):
        await house.policy_bus.append("call.decided", call, decision(verdict), tenant=TENANT, correlation_id="t1")  # pyright: ignore[reportArgumentType]
        await house.tell("call", call)
    await house.hold("c3")
    for verb in (house.resolve(call="c1"), house.edit({"body": "x"}, call="c1"), house.comment("x", call="c1")):
        assert (await verb).code == "not_found"
    assert await house.gateway.load(TENANT, "approval", "c2") == []


async def test_the_log_says_what_is_held_and_until_it_can_be_read_nobody_is_asked(house: House) -> None:
    await house.submit()
    _, gates = house.running[0]
    told = HoldCall(tenant=TENANT, decision=f"evt.{TENANT}.call.c1.decided")
    command = message("gates.hold", ("c1",), told)
    with pytest.raises(RetryLater):
        await gates.approvals.on_hold(command)
    assert await house.gateway.load(TENANT, "approval", "c1") == []
    await house.policy_bus.append("call.decided", "c1", decision("hold"), tenant=TENANT, correlation_id="t1")
    await gates.approvals.on_hold(command)
    requested, decided = [await event(house.gateway, subject) for subject in ("approval.c1.requested", "call.c1.decided")]
    assert (requested.meta.causation_id, requested.meta.correlation_id) == (decided.meta.event_id, "t1")


async def test_a_quorum_needs_different_persons_and_nobody_votes_twice(house: House) -> None:
    await house.hold(quorum=2)
    first = await house.resolve()
    assert (first.data["state"], first.data["approvals"]) == ("pending", 1)
    assert (await house.resolve()).code == "already_voted"
    assert await house.gateway.get(f"evt.{TENANT}.approval.c1.resolved") is None
    assert (await house.resolve(by=BERT)).data["state"] == "approved"
    assert [vote.by.id for vote in (await house.resolved()).votes] == ["anna", "bert"]
    assert (await house.settled()).outcome == "completed"


async def test_the_requester_may_not_approve_not_even_what_a_subtask_of_theirs_asks_for_but_may_withdraw(house: House) -> None:
    await house.submit("root", requester=APPROVER)
    await house.submit("t9", parent="root", requester={"kind": "pack", "id": "engineering"})
    asked = await house.hold("c9", task="t9")
    assert asked.requester == APPROVER
    assert (await house.resolve(call="c9")).code == "self_approval"
    assert await house.gateway.get(f"evt.{TENANT}.approval.c9.resolved") is None
    assert (await house.resolve("rejected", call="c9")).ok


async def test_of_concurrent_answers_one_decides_and_the_others_are_told(house: House) -> None:
    await house.open_gates()
    for number in range(8):
        call = f"c{number}"
        await house.hold(call)
        digest = await house.digest(call)
        answers = await asyncio.gather(
            house.resolve("approved", call=call, digest=digest),
            house.resolve("rejected", BERT, call=call, digest=digest),
            house.resolve("approved", CARL, call=call, digest=digest),
        )
        assert sum(one.ok for one in answers) == 1
        winner = next(one for one in answers if one.ok)
        assert (await house.resolved(call)).outcome == winner.data["outcome"]
        assert {one.code for one in answers if not one.ok} <= {"already_resolved", "already_decided"}


async def test_a_checkpoint_asks_with_the_packs_question_redacted_and_is_not_edited(house: House) -> None:
    await house.ask("Write to ada@example.org?")
    requested = (await event(house.gateway, "approval.a1.requested")).payload(ApprovalRequested)
    assert (requested.kind, requested.target, requested.digest) == ("checkpoint", "a", "q")
    assert requested.preview == {"question": "Write to <EMAIL_1>?"}
    assert requested.reasons == ("checkpoint.allowed",)
    assert (await house.edit({"question": "?"}, call="a1")).code == "not_editable"
    assert (await house.resolve(call="a1")).ok
    assert (await house.resolved("a1")).outcome == "approved"


async def test_a_checkpoint_is_asked_on_the_terms_that_policy_sets_for_its_pack(house: House) -> None:
    house.rules.checkpoint_terms = {"approver_roles": ["admin"], "quorum": 2, "four_eyes": False, "expires_after_s": 60}
    await house.ask()
    requested = (await event(house.gateway, "approval.a1.requested")).payload(ApprovalRequested)
    assert (requested.approver_roles, requested.quorum, requested.four_eyes) == (("admin",), 2, False)
    assert (requested.expires_at - datetime.now(UTC)) <= timedelta(seconds=60)


async def test_a_checkpoint_that_policy_denies_asks_nobody(house: House) -> None:
    house.rules.deny_checkpoints = True
    await house.ask(asked="a1")
    decided = (await event(house.gateway, "checkpoint.a1.decided")).payload(CheckpointDecided)
    assert (decided.verdict, decided.reasons) == ("deny", ("limit.checkpoints",))
    house.rules.deny_checkpoints = False
    await house.ask(asked="a2")
    await event(house.gateway, "approval.a2.requested")
    assert await house.facts("a1") == []


# --- the end of the task ----------------------------------------------------------------------------------------------


async def test_a_task_that_ends_by_itself_leaves_no_approval_open(house: House) -> None:
    await house.hold("c1")
    await house.ask(asked="a1")
    await event(house.gateway, "approval.a1.requested")
    await house.orchestrator.append("task.settled", "t1", TaskSettled(outcome="failed"), ordinal=1, tenant=TENANT)
    for asked in ("c1", "a1"):
        resolved = await house.resolved(asked)
        assert (resolved.outcome, resolved.reason, resolved.by.kind) == ("cancelled", "the task has ended", "service")
    assert (await house.settled("c1")).reasons == ("approval_cancelled", "the task has ended")
    assert house.desk.done == []


async def test_what_is_asked_for_a_task_that_has_ended_already_is_closed_at_once(house: House) -> None:
    await house.submit()
    await house.orchestrator.append("task.settled", "t1", TaskSettled(outcome="completed"), ordinal=1, tenant=TENANT)
    await house.ask(asked="a1")
    assert (await house.resolved("a1")).outcome == "cancelled"


async def test_the_end_of_an_attempt_leaves_open_what_a_later_one_asks(house: House) -> None:
    await house.hold("c1")
    later = approval(context=context(attempt=2), digest="d2")
    gates = house.running[0][0]
    await gates.bucket("approvals").put(f"{TENANT}.t1.c2", b"")
    await gates.append("approval.requested", "c2", later, tenant=TENANT, correlation_id="t1")
    await house.orchestrator.append("task.settled", "t1", TaskSettled(outcome="failed"), ordinal=1, tenant=TENANT)
    await house.resolved("c1")
    assert await house.facts("c2") == ["requested"]


async def test_a_comment_is_kept_sealed_with_its_author_and_length(house: House) -> None:
    await house.hold()
    assert (await house.comment("Ada Lovelace should see this")).ok
    assert (await house.comment("Me too", BERT)).ok
    first = (await event(house.gateway, "approval.c1.commented.1")).payload(ApprovalCommented)
    assert (first.by, first.length) == (APPROVER, 28)
    assert await house.keys.open(TENANT, "approval.comment", first.text) == b"Ada Lovelace should see this"
    assert "Lovelace" not in first.model_dump_json()
    assert await house.gateway.get(f"evt.{TENANT}.approval.c1.commented.2") is not None


# --- edits ------------------------------------------------------------------------------------------------------------


async def test_edit_then_approve_does_what_was_approved_and_a_replayed_use_does_nothing(house: House) -> None:
    asked = await house.hold(arguments={"to": "ada@example.org", "body": "Hello"})
    said = await house.edit({"to": "<EMAIL_1>", "body": "Hello, and thank you"}, BERT)
    assert said.ok, said
    wanted = {"to": "ada@example.org", "body": "Hello, and thank you"}
    assert said.data["digest"] == step_digest("tool", {"tool": TOOL, "arguments": wanted})
    assert said.data["diff"] == [{"op": "replace", "path": "/body", "old": "Hello", "new": "Hello, and thank you"}]
    assert "ada@example.org" not in str(said.data)
    stale = await house.resolve(digest=asked.digest)
    assert (stale.code, stale.data["changes"]) == ("edited", said.data["diff"])
    assert (await house.resolve()).ok
    resolved = await house.resolved()
    assert (resolved.digest, resolved.revision) == (said.data["digest"], 1)
    assert (await house.settled()).outcome == "completed"
    assert house.desk.done == [("c1", wanted)]
    again = await event(house.gateway, "approval.c1.resolved")
    for deliveries in (1, 2):
        await house.worker.on_resolved(_redelivered(again, deliveries))
    assert (await house.edit({"body": "later"}, digest=said.data["digest"])).code == "already_resolved"
    assert house.desk.done == [("c1", wanted)]
    revised = (await event(house.gateway, "approval.c1.revised.1")).payload(ApprovalRevised)
    assert "ada@example.org" not in revised.model_dump_json()
    assert (revised.package, revised.question["tool"]) == ("agentos/tool_call", TOOL)


def _redelivered(message: Any, deliveries: int) -> Any:
    return replace(message, deliveries=deliveries)


async def test_an_edit_voids_the_votes_on_what_it_was_made_of_and_its_author_does_not_approve_it(house: House) -> None:
    await house.hold(quorum=2)
    assert (await house.resolve()).data["approvals"] == 1
    assert (await house.edit({"body": "Better"}, BERT)).ok
    assert (await house.resolve(by=BERT)).code == "forbidden"
    assert (await house.resolve()).data == {
        "approval": "c1",
        "outcome": "approved",
        "state": "pending",
        "approvals": 1,
        "quorum": 2,
    }
    assert (await house.resolve(by=CARL)).data["state"] == "approved"
    assert (await house.settled()).outcome == "completed"
    assert house.desk.done == [("c1", {"body": "Better"})]


async def test_an_edit_that_policy_refuses_leaves_what_was_asked_for(house: House) -> None:
    asked = await house.hold()
    house.rules.deny_tools = True
    refused = await house.edit({"body": "rm -rf"})
    assert refused.code == "edit_denied"
    assert "tool.forbidden" in refused.detail
    house.rules.deny_tools = False
    assert (await house.edit({"to": "ada@example.org", "body": "Hello"})).code == "edit_denied"
    assert (await house.edit(b"[1]")).code == "edit_denied"
    assert (await house.edit({"body": "x"}, person("max", "operator"))).code == "wrong_role"
    assert (await house.resolve(digest=asked.digest)).ok
    assert (await house.settled()).outcome == "completed"
    assert house.desk.done == [("c1", {"to": "ada@example.org", "body": "Hello"})]


async def test_of_two_edits_of_the_same_one_is_in_force_and_a_third_builds_on_it(house: House) -> None:
    asked = await house.hold()
    both = await asyncio.gather(
        house.edit({"body": "one"}, BERT, digest=asked.digest), house.edit({"body": "two"}, CARL, digest=asked.digest)
    )
    assert sorted(one.ok for one in both) == [False, True]
    standing = next(one for one in both if one.ok).data
    third = await house.edit({"body": "three"}, BERT)
    assert third.data["diff"] == [
        {"op": "replace", "path": "/body", "old": standing["preview"]["arguments"]["body"], "new": "three"}
    ]
    assert (await house.resolve()).ok
    assert (await house.settled()).outcome == "completed"
    assert house.desk.done == [("c1", {"body": "three"})]


async def test_an_approval_that_names_another_digest_than_policys_edit_executes_nothing(house: House) -> None:
    """A gate that lied about what was approved: policy's own word on the edit is what the worker goes by."""
    asked = await house.hold()
    said = await house.edit({"body": "agreed"})
    (bus, _), *_ = house.running
    for call, revision, digest in (("c1", 1, asked.digest), ("c2", 0, said.data["digest"])):
        if call == "c2":
            await house.hold("c2")
        forged = ApprovalResolved(
            context=asked.context, kind="tool", outcome="approved", by=APPROVER, digest=digest, revision=revision
        )
        await bus.append("approval.resolved", call, forged, tenant=TENANT, correlation_id="t1")
        settled = await house.settled(call)
        assert settled.fault is not None
        assert (settled.outcome, settled.fault.code) == ("refused", "approval_mismatch")
    assert house.desk.done == []


async def test_a_model_request_is_edited_with_its_placeholders_and_redacted_anew(house: House) -> None:
    asked = await house.hold_model(text="Ask ada@example.org")
    request = ModelRequest.model_validate(asked.preview["request"])
    assert request.messages[0] == user("Ask <EMAIL_1>")
    changed = request.model_copy(update={"messages": (user("Ask <EMAIL_1> and bob@example.org"),)})
    said = await house.edit(changed.model_dump(mode="json"), BERT, call="m1")
    assert said.ok, said
    assert [change["new"] for change in said.data["diff"]] == ["Ask <EMAIL_1> and <EMAIL_2>"]
    revised = (await event(house.gateway, "approval.m1.revised.1")).payload(ApprovalRevised)
    assert revised.redacted_request is not None
    assert revised.redacted_request.messages[0] == user("Ask <EMAIL_1> and <EMAIL_2>")
    assert (await house.edit({"messages": 3}, call="m1")).code == "edit_denied"
    for dearer in ({"model": "openai/gpt-5"}, {"max_output_tokens": 4096}):
        refused = await house.edit(changed.model_copy(update=dearer).model_dump(mode="json"), call="m1")
        assert (refused.code, "edit.costs_more" in refused.detail) == ("edit_denied", True)


# --- delegations ------------------------------------------------------------------------------------------------------


async def test_a_delegate_answers_with_the_delegators_powers_and_both_are_named(house: House) -> None:
    await house.hold(quorum=2)
    helper = person("helper", "viewer")
    lent = await house.command("delegate", _lend("helper"), request="d1")
    assert lent.ok, lent
    assert (await house.resolve(by=helper)).code == "wrong_role"
    assert (await house.resolve(by=CARL, delegation="d1")).code == "delegation_not_found"
    assert (await house.resolve(by=helper, delegation="d1")).data["approvals"] == 1
    assert (await house.resolve()).code == "already_voted"
    assert (await house.resolve(by=BERT)).data["state"] == "approved"
    vote = (await house.resolved()).votes[0]
    assert vote.delegated_from is not None
    assert (vote.by.id, vote.delegated_from.id) == ("helper", "anna")
    ruled = (await event(house.gateway, "approval.c1.ruled.2")).payload(ApprovalRuled)
    assert ruled.question["delegated_from"]["id"] == "anna"


async def test_four_eyes_hold_for_the_delegator_as_for_the_delegate(house: House) -> None:
    await house.submit("t2", requester=APPROVER)
    await house.submit("t3", requester=person("helper", "viewer"))
    assert (await house.command("delegate", _lend("helper"), request="d1")).ok
    for call, task in (("c2", "t2"), ("c3", "t3")):
        await house.hold(call, task=task)
        refused = await house.resolve(by=person("helper", "viewer"), call=call, delegation="d1")
        assert refused.code == "self_approval"


async def test_a_delegation_that_was_taken_back_serves_no_more(house: House) -> None:
    await house.hold()
    assert (await house.command("delegate", _lend("helper"), request="d1")).ok
    assert await house.gateway.bucket("delegations").keys() == [f"{TENANT}.d1"]
    back = RevokeDelegation(tenant=TENANT, delegation="d1", reason="back", by=APPROVER)
    assert (await house.command("undelegate", back)).ok
    assert (await house.resolve(by=person("helper", "viewer"), delegation="d1")).code == "delegation_revoked"
    assert await house.gateway.bucket("delegations").keys() == []


def _lend(to: str) -> Any:
    return DelegateApprovals.model_validate(
        {"tenant": TENANT, "to": to, "since": "2026-01-01T00:00:00Z", "until": SOON, "reason": "away", "by": APPROVER}
    )


# --- time -------------------------------------------------------------------------------------------------------------


async def test_nobodys_answer_in_time_is_a_no(house: House) -> None:
    await house.hold(expires_after_s=0.3)
    resolved = await house.resolved()
    assert (resolved.outcome, resolved.reason) == ("expired", "nobody answered in time")
    assert (await house.resolve()).code == "already_resolved"
    assert (await house.settled()).reasons[0] == "approval_expired"
    assert house.desk.done == []


async def test_when_nobody_answers_more_roles_may(house: House) -> None:
    steps = [{"after_s": 0.3, "roles": ["admin"]}, {"after_s": 0.6, "roles": ["operator"]}]
    await house.hold(approver_roles=["approver"], expires_after_s=600, escalation=steps)
    boss = person("boss", "admin")
    early = await house.resolve(by=boss)
    await event(house.gateway, "approval.c1.escalated.2")
    assert early.code in ("wrong_role", "ok")
    assert (await house.resolve("rejected", by=person("boss2", "admin"))).ok
    assert (await house.facts())[:1] == ["requested"]


async def test_under_a_kill_switch_no_time_passes_and_a_yes_counts_when_it_is_released(house: House) -> None:
    switch = await house.engage("pack", "engineering")
    await house.hold(expires_after_s=0.5, escalation=[{"after_s": 0.2, "roles": ["admin"]}])
    await event(house.gateway, "approval.c1.frozen.1")
    said = await house.resolve()
    assert said.data["state"] == "frozen"
    await asyncio.sleep(1.0)
    assert await house.facts() == ["requested", "frozen.1", "answered.1", "ruled.1"]
    await house.release(switch)
    assert (await house.resolved()).outcome == "approved"
    assert (await house.settled()).outcome == "completed"
    assert house.desk.done == [("c1", {"to": "ada@example.org", "body": "Hello"})]


async def test_deadlines_move_by_the_time_that_everything_stood_still_and_then_hold(house: House) -> None:
    asked = await house.hold(expires_after_s=1.5)
    first, second = await house.engage("pack", "engineering"), await house.engage("global")
    await event(house.gateway, "approval.c1.frozen.1")
    await house.release(first)
    await asyncio.sleep(1.7)
    assert "thawed.1" not in await house.facts()
    await house.release(second)
    thawed = (await event(house.gateway, "approval.c1.thawed.1")).payload(ApprovalThawed)
    assert thawed.expires_at > asked.expires_at
    resolved = await event(house.gateway, "approval.c1.resolved")
    assert resolved.payload(ApprovalResolved).outcome == "expired"
    assert resolved.meta.time >= thawed.expires_at


# --- the task's end ---------------------------------------------------------------------------------------------------


async def test_a_cancelled_task_needs_no_answer_any_more_whichever_comes_first_and_suspended_or_not(house: House) -> None:
    await house.hold("before")
    await house.hold("also")
    stop = TaskCancelling(outcome="cancelled", reason="enough", by=OPERATOR)
    await house.orchestrator.append("task.cancelling", "t1", stop, ordinal=1, tenant=TENANT, correlation_id="t1")
    assert (await house.resolved("before")).outcome == "cancelled"
    assert (await house.resolved("also")).outcome == "cancelled"
    await house.hold("after")
    assert (await house.resolved("after")).outcome == "cancelled"
    (bus, _), *_ = house.running

    async def empty() -> bool:
        return await bus.bucket("approvals").keys() == []

    await until(empty)


async def test_an_approval_of_a_task_that_has_ended_is_not_given_any_more(house: House) -> None:
    await house.hold()
    settled = TaskSettled(outcome="failed")
    await house.orchestrator.append("task.settled", "t1", settled, ordinal=1, tenant=TENANT, correlation_id="t1")
    # Which of the two is heard first, the end or the answer, is a matter of chance; it is a no either way.
    assert (await house.resolve()).code in {"task_ended", "already_resolved"}
    assert (await house.resolved()).outcome == "cancelled"
    assert (await house.settled()).outcome == "refused"
    assert house.desk.done == []


async def test_an_answer_survives_the_absence_of_gates(house: House) -> None:
    await house.hold(quorum=2)
    await house.close_gates()
    pending = [asyncio.create_task(house.resolve(by=each, digest=await house.digest())) for each in (APPROVER, BERT)]
    await asyncio.sleep(0.2)
    await house.open_gates()
    assert all(said.ok for said in await asyncio.gather(*pending))
    assert (await house.settled()).outcome == "completed"
    assert len(house.desk.done) == 1
