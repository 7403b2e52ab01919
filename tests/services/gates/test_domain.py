"""Approvals, pure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from agentos.contracts.commands import ResolveApproval
from agentos.contracts.errors import Forbidden, NotFound, Refused
from agentos.contracts.events.governance import ApprovalResolved, ApprovalRuled
from services.gates.domain import approvals as domain
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
