"""Approvals and kill switches, pure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.contracts.base import Contract
from agentos.contracts.commands import EngageKill, ResolveApproval
from agentos.contracts.errors import Forbidden, NotFound, Refused
from agentos.contracts.events.approval import ApprovalResolved, ApprovalRuled
from agentos.contracts.events.governance import KillEngaged, KillReleased, KillScope
from services.gates.domain import approvals as domain
from services.gates.domain import kill as switches
from services.gates.domain.approvals import Approval
from tests.governance.scenario import APPROVER, OPERATOR, TENANT, approval, context, decision

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def answer(outcome: Literal["approved", "rejected"] = "approved", by: object = APPROVER) -> ResolveApproval:
    return ResolveApproval.model_validate({"tenant": TENANT, "approval": "a1", "outcome": outcome, "comment": "fine", "by": by})


def ruled(*reasons: str) -> ApprovalRuled:
    return ApprovalRuled(verdict="deny" if reasons else "allow", reasons=reasons, rules=(), bundle="b")


def resolve(standing: Approval, command: ResolveApproval, ruling: ApprovalRuled, now: datetime) -> ApprovalResolved:
    """Answer, have it ruled on, and see what it comes to."""
    answered = domain.answer(standing, command, "r1", now)
    return domain.rule(replace(standing, answered={1: answered}), 1, ruling, now)


def test_an_answer_that_policy_lets_count_binds_to_the_digest_that_was_shown() -> None:
    resolved = resolve(Approval(approval()), answer(), ruled(), NOW)
    assert (resolved.outcome, resolved.by, resolved.digest, resolved.comment) == ("approved", APPROVER, "d", "fine")


def test_who_has_none_of_the_roles_may_not_answer_and_is_told_which_are_needed() -> None:
    with pytest.raises(Forbidden, match="approver") as refused:
        resolve(Approval(approval()), answer(by=OPERATOR), ruled("approver.role_missing"), NOW)
    assert refused.value.code == "wrong_role"


@pytest.mark.parametrize(
    ("reasons", "code"),
    [(("approver.is_requester",), "self_approval"), (("policy.timeout",), "forbidden"), (("x",), "forbidden")],
)
def test_an_answer_that_policy_does_not_let_count_is_refused_with_the_reason(reasons: tuple[str, ...], code: str) -> None:
    with pytest.raises(Forbidden) as refused:
        resolve(Approval(approval()), answer(), ruled(*reasons), NOW)
    assert refused.value.code == code


def test_a_verdict_other_than_allow_never_counts() -> None:
    hold = ApprovalRuled(verdict="hold", reasons=("odd",), rules=(), bundle="b")
    with pytest.raises(Forbidden):
        resolve(Approval(approval()), answer(), hold, NOW)


def test_time_and_another_answer_may_be_faster_than_the_ruling() -> None:
    asked = approval(expires_at=NOW)
    answered = domain.answer(Approval(asked), answer(), "r1", NOW - timedelta(seconds=1))
    with pytest.raises(Refused, match="expired"):
        domain.rule(Approval(asked, {1: answered}), 1, ruled(), NOW)
    open_ = approval()
    first = resolve(Approval(open_), answer("rejected"), ruled(), NOW)
    with pytest.raises(Refused, match="already rejected"):
        domain.rule(Approval(open_, {1: answered}, first), 1, ruled(), NOW)


def test_an_approval_is_answered_once_in_time_and_only_if_it_exists() -> None:
    with pytest.raises(NotFound):
        domain.answer(Approval(), answer(), "r1", NOW)
    asked = approval(expires_at=NOW)
    with pytest.raises(Refused, match="expired"):
        domain.answer(Approval(asked), answer(), "r1", NOW)
    assert domain.answer(Approval(asked), answer(), "r1", NOW - timedelta(microseconds=1)).outcome == "approved"
    given_answer = resolve(Approval(approval()), answer("rejected"), ruled(), NOW)
    with pytest.raises(Refused, match="already rejected"):
        domain.answer(Approval(approval(), resolved=given_answer), answer(), "r1", NOW)


@pytest.mark.parametrize("outcome", ["expired", "cancelled"])
def test_time_and_cancellation_say_no_to_what_is_still_open(outcome: Literal["expired", "cancelled"]) -> None:
    closed = domain.close(Approval(approval()), outcome, "because")
    assert closed is not None
    assert (closed.outcome, closed.by.id) == (outcome, "gates")
    assert domain.close(Approval(approval(), resolved=closed), outcome) is None
    assert domain.close(Approval(), outcome) is None


def test_roles_and_expiry_come_from_the_policys_obligations_or_from_the_defaults() -> None:
    held = decision("hold", obligations={"approver_roles": ["legal"], "expires_after_s": 60})
    asked = domain.request_for_call(held, NOW)
    assert (asked.approver_roles, asked.expires_at) == (("legal",), NOW + timedelta(seconds=60))
    plain = domain.request_for_call(decision("hold"), NOW)
    assert (plain.approver_roles, plain.expires_at) == (domain.DEFAULT_ROLES, NOW + domain.DEFAULT_EXPIRY)
    assert plain.context == context()
    assert plain.preview["model"] == "openai/gpt-5-mini"


def engage(scope: KillScope, target: str = "*") -> EngageKill:
    return EngageKill(tenant=TENANT, scope=scope, target=target, reason="a drill", by=OPERATOR)


@pytest.mark.parametrize("scope", ["pack", "provider", "task"])
@pytest.mark.parametrize("target", ["", "*"])
def test_a_scope_that_names_something_needs_its_name(scope: KillScope, target: str) -> None:
    with pytest.raises(Refused, match="needs a target"):
        switches.engage(engage(scope, target), [])


def test_the_global_scope_has_no_target_and_the_tenants_is_the_askers_own() -> None:
    assert switches.engage(engage("global", "whatever"), []).target == "*"
    assert switches.engage(engage("tenant"), []).target == TENANT
    assert switches.engage(engage("tenant", TENANT), []).target == TENANT
    with pytest.raises(Refused, match="own people"):
        switches.engage(engage("tenant", "other"), [])


def test_the_same_engagement_again_is_the_same_and_another_under_its_id_is_refused() -> None:
    engaged = switches.engage(engage("global"), [])
    assert switches.engage(engage("global"), [engaged]) == engaged
    with pytest.raises(Refused, match="another kill switch has this id"):
        switches.engage(engage("pack", "p"), [engaged])


@given(st.lists(st.sampled_from(["engage", "release"]), max_size=8))
def test_a_switch_is_released_only_when_engaged_and_only_once(actions: list[str]) -> None:
    events: list[Contract] = []
    for action in actions:
        if action == "engage":
            engaged = switches.engage(engage("global"), events)
            events += [] if engaged in events else [engaged]
            continue
        try:
            events.append(switches.release(events, "over", OPERATOR))
        except NotFound:
            assert not events
        except Refused:
            assert any(isinstance(event, KillReleased) for event in events)
    assert len([event for event in events if isinstance(event, KillEngaged)]) <= 1
    assert len([event for event in events if isinstance(event, KillReleased)]) <= 1
