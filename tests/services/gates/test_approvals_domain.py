"""Approvals, pure: what is asked, which votes count, what an edit voids, what time does."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.contracts.base import Contract, Principal
from agentos.contracts.commands import CommentApproval, DelegateApprovals, EditApproval, ResolveApproval, RevokeDelegation
from agentos.contracts.errors import Forbidden, NotFound, Refused
from agentos.contracts.events.approval import (
    ApprovalEscalated,
    ApprovalFrozen,
    ApprovalResolved,
    ApprovalRevised,
    ApprovalRuled,
    Change,
    EscalationStep,
)
from agentos.contracts.events.governance import CheckpointDecided
from services.gates.domain import approvals as domain
from services.gates.domain import deadlines, delegations, votes
from services.gates.domain.approvals import Approval
from tests.governance.scenario import APPROVER, OPERATOR, SEALED, TENANT, approval, context, decision

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def person(name: str, *roles: str) -> Principal:
    return Principal(kind="api_key", id=name, roles=roles or ("approver",))


def answer(outcome: str = "approved", by: Principal = APPROVER, digest: str = "d", **fields: Any) -> ResolveApproval:
    return ResolveApproval.model_validate(
        {"tenant": TENANT, "approval": "a1", "outcome": outcome, "digest": digest, "by": by} | fields
    )


def ruled(*reasons: str) -> ApprovalRuled:
    return ApprovalRuled(verdict="deny" if reasons else "allow", reasons=reasons, rules=(), bundle="b")


def revised(
    base: str, digest: str, verdict: Literal["allow", "hold", "deny"] = "hold", by: Principal = APPROVER
) -> ApprovalRevised:
    return ApprovalRevised(
        context=context(), by=by, base_digest=base, digest=digest, verdict=verdict, reasons=("because",), rules=(), bundle="b",
        diff=(Change(op="replace", path="/body", old="old", new=digest),),
    )  # fmt: skip


class Story:
    """An approval and what happens to it, event by event."""

    def __init__(self, **fields: Any) -> None:
        self.asked = approval(**fields)
        self.state = domain.evolve(Approval(), self.asked, 0)
        self.edits = 0

    def vote(
        self, outcome: str = "approved", by: Principal = APPROVER, ruling: ApprovalRuled | None = None, **fields: Any
    ) -> int:
        fields.setdefault("digest", self.state.digest)
        delegation = fields.pop("lent", None)
        answered = votes.answer(self.state, answer(outcome, by, **fields), delegation, "r", NOW)
        number = max(self.state.answered, default=0) + 1
        self.state = domain.evolve(self.state, answered, number)
        self.state = domain.evolve(self.state, ruling or ruled(), number)
        return number

    def edit(self, digest: str, verdict: Any = "hold", base: str | None = None, by: Principal = APPROVER) -> None:
        command = EditApproval(tenant=TENANT, approval="a1", base_digest=base or self.state.digest, content=SEALED, by=by)
        self.edits += 1
        self.state = domain.evolve(self.state, votes.edit(self.state, command, "r", NOW), self.edits)
        self.state = domain.evolve(self.state, revised(command.base_digest, digest, verdict, by), self.edits)

    def resolve(self, now: datetime = NOW) -> ApprovalResolved | None:
        resolved = domain.resolution(self.state, now)
        if resolved is not None:
            self.state = domain.evolve(self.state, resolved, 0)
        return resolved


# --- asking -----------------------------------------------------------------------------------------------------------


def test_who_answers_how_many_and_how_long_comes_from_the_policys_obligations() -> None:
    obligations = {
        "approver_roles": ["legal"],
        "expires_after_s": 3600,
        "quorum": 2,
        "four_eyes": False,
        "editable": False,
        "escalation": [{"after_s": 600, "roles": ["admin"]}, {"after_s": 60, "roles": ["operator"]}],
    }
    asked = domain.request_for_call(decision("hold", obligations=obligations), OPERATOR, NOW)
    assert (asked.approver_roles, asked.quorum, asked.four_eyes, asked.editable) == (("legal",), 2, False, False)
    assert asked.expires_at == NOW + HOUR
    assert [(step.at - NOW, step.roles) for step in asked.escalation] == [
        (timedelta(seconds=60), ("operator",)),
        (timedelta(seconds=600), ("admin",)),
    ]
    assert (asked.requester, asked.target) == (OPERATOR, "openai/gpt-5-mini")


@given(
    st.dictionaries(
        st.sampled_from(["approver_roles", "expires_after_s", "quorum", "four_eyes", "editable", "escalation"]),
        st.sampled_from(
            [None, True, False, 0, -1, 7, 10**30, 0.5, "x", "", [], {}, ["a"], [None], [{}], [{"after_s": 5, "roles": ["x"]}]]
        ),
    )
)  # fmt: skip
def test_an_obligation_that_makes_no_sense_is_replaced_by_the_default_and_never_by_less(obligations: dict[str, Any]) -> None:
    asked = domain.request_for_call(decision("hold", obligations=obligations), OPERATOR, NOW)
    assert asked.approver_roles
    assert 1 <= asked.quorum <= 100
    assert asked.expires_at > NOW
    assert asked.four_eyes == (obligations.get("four_eyes") is not False)
    assert all(NOW < step.at < asked.expires_at for step in asked.escalation)


def test_a_step_after_the_expiry_is_left_out_and_what_policy_does_not_say_is_the_default() -> None:
    late = decision("hold", obligations={"expires_after_s": 60, "escalation": [{"after_s": 90, "roles": ["admin"]}]})
    assert domain.request_for_call(late, OPERATOR, NOW).escalation == ()
    plain = domain.request_for_call(decision("hold"), OPERATOR, NOW)
    assert (plain.approver_roles, plain.expires_at) == (domain.DEFAULT_ROLES, NOW + domain.DEFAULT_EXPIRY)


def test_a_checkpoint_shows_the_redacted_question_on_the_policys_terms_and_is_not_editable() -> None:
    decided = CheckpointDecided(
        context=context(), verdict="allow", reasons=("checkpoint.allowed",), rules=(), bundle="b", digest="q",
        obligations={"quorum": 2, "approver_roles": ["legal"], "editable": True}, redacted_question="Write to <EMAIL_1>?",
    )  # fmt: skip
    asked = domain.request_for_checkpoint(decided, OPERATOR, NOW)
    assert (asked.kind, asked.target, asked.digest, asked.editable) == ("checkpoint", "a", "q", False)
    assert (asked.quorum, asked.approver_roles, asked.summary) == (2, ("legal",), "Write to <EMAIL_1>?")


# --- votes ------------------------------------------------------------------------------------------------------------


def test_an_answer_that_policy_lets_count_binds_to_the_digest_that_was_shown() -> None:
    story = Story()
    story.vote(comment=SEALED)
    resolved = story.resolve()
    assert resolved is not None
    assert (resolved.outcome, resolved.by, resolved.digest, resolved.comment) == ("approved", APPROVER, "d", SEALED)


def test_a_quorum_is_of_different_persons_and_names_them_all() -> None:
    story = Story(quorum=2)
    first = story.vote(by=person("anna"))
    assert story.resolve() is None
    assert votes.word(story.state, first) == {"outcome": "approved", "state": "pending", "approvals": 1, "quorum": 2}
    with pytest.raises(Refused, match="one vote") as twice:
        story.vote(by=person("anna"))
    assert twice.value.code == "already_voted"
    story.vote(by=person("bert"))
    resolved = story.resolve()
    assert resolved is not None
    assert [(vote.by.id, vote.outcome) for vote in resolved.votes] == [("anna", "approved"), ("bert", "approved")]


def test_one_rejection_suffices_whatever_the_quorum() -> None:
    story = Story(quorum=3)
    story.vote(by=person("anna"))
    story.vote("rejected", by=person("bert"))
    resolved = story.resolve()
    assert resolved is not None
    assert (resolved.outcome, resolved.by.id) == ("rejected", "bert")


def test_an_answer_that_waits_for_its_ruling_keeps_its_person_from_a_second_one() -> None:
    story = Story(quorum=2)
    story.state = domain.evolve(story.state, votes.answer(story.state, answer(), None, "r", NOW), 1)
    with pytest.raises(Refused, match="waits for policy") as twice:
        votes.answer(story.state, answer(), None, "r", NOW)
    assert twice.value.code == "already_voted"


def test_a_refused_answer_is_no_vote_and_its_person_may_answer_again() -> None:
    story = Story()
    number = story.vote(ruling=ruled("approver.role_missing"))
    with pytest.raises(Forbidden, match="approver") as refused:
        votes.word(story.state, number)
    assert refused.value.code == "wrong_role"
    assert story.state.votes == ()
    story.vote("rejected")
    assert story.state.decided_by is not None


@pytest.mark.parametrize(
    ("reasons", "code"),
    [(("approver.is_requester",), "self_approval"), (("policy.timeout",), "forbidden"), (("approver.is_editor",), "forbidden")],
)
def test_an_answer_that_policy_does_not_let_count_is_refused_with_the_reason(reasons: tuple[str, ...], code: str) -> None:
    story = Story()
    with pytest.raises(Forbidden) as refused:
        votes.word(*_voted(story, reasons))
    assert refused.value.code == code


def _voted(story: Story, reasons: tuple[str, ...]) -> tuple[Approval, int]:
    number = story.vote(ruling=ruled(*reasons))
    return story.state, number


def test_a_verdict_other_than_allow_never_counts() -> None:
    story = Story()
    story.vote(ruling=ApprovalRuled(verdict="hold", reasons=("odd",), rules=(), bundle="b"))
    assert story.state.votes == ()
    assert story.resolve() is None


def test_an_approval_is_answered_in_time_and_only_if_it_exists_and_is_open() -> None:
    with pytest.raises(NotFound):
        votes.answer(Approval(), answer(), None, "r", NOW)
    late = Story(expires_at=NOW)
    with pytest.raises(Refused, match="expired"):
        late.vote()
    story = Story()
    story.vote("rejected")
    story.resolve()
    with pytest.raises(Refused, match="already rejected") as twice:
        story.vote(by=person("bert"))
    assert twice.value.code == "already_resolved"


def test_a_vote_that_is_ruled_on_after_the_expiry_decides_nothing() -> None:
    story = Story(expires_at=NOW + HOUR)
    story.vote()
    with pytest.raises(Refused, match="expired"):
        story.resolve(NOW + HOUR)


def test_of_two_ruled_answers_the_first_in_the_stream_decides_and_the_other_is_told() -> None:
    story = Story()
    one = votes.answer(story.state, answer("approved", person("anna")), None, "r", NOW)
    two = votes.answer(story.state, answer("rejected", person("bert")), None, "r", NOW)
    state = domain.fold([(story.asked, 0), (one, 1), (two, 2), (ruled(), 2), (ruled(), 1)])
    resolved = domain.resolution(state, NOW)
    assert resolved is not None
    assert (resolved.outcome, resolved.by.id) == ("rejected", "bert")
    state = domain.evolve(state, resolved, 0)
    assert votes.word(state, 2)["state"] == "rejected"
    with pytest.raises(Refused, match="already rejected"):
        votes.word(state, 1)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["approved", "rejected", "edit", "denied"])), max_size=12))
def test_nothing_is_approved_without_its_quorum_of_persons_on_exactly_that(actions: list[tuple[str, str]]) -> None:
    story = Story(quorum=2, editable=True)
    digests = 0
    for name, action in actions:
        try:
            if action == "edit":
                digests += 1
                story.edit(f"e{digests}", by=person(name))
            elif action == "denied":
                story.vote(by=person(name), ruling=ruled("no"))
            else:
                story.vote(action, by=person(name))
        except Refused:
            continue
        resolved = story.resolve()
        if resolved is not None and resolved.outcome == "approved":
            voters = {vote.by.id for vote in resolved.votes}
            assert len(voters) == 2
            assert all(story.state.answered[vote.number].digest == resolved.digest for vote in resolved.votes)
            assert story.state.digest == resolved.digest


# --- edits ------------------------------------------------------------------------------------------------------------


def test_an_edit_takes_the_place_of_what_was_asked_voids_the_votes_and_tells_what_changed() -> None:
    story = Story(quorum=2, editable=True)
    first = story.vote(by=person("anna"))
    story.edit("e1", by=person("bert"))
    assert (story.state.digest, story.state.revision, story.state.votes) == ("e1", 1, ())
    with pytest.raises(Refused) as stale:
        story.vote(by=person("carl"), digest="d")
    assert stale.value.code == "edited"
    assert stale.value.fields["digest"] == "e1"
    assert stale.value.fields["changes"] == [{"op": "replace", "path": "/body", "old": "old", "new": "e1"}]
    with pytest.raises(Refused) as void:
        votes.word(story.state, first)
    assert void.value.code == "edited"
    story.vote(by=person("anna"))
    story.vote(by=person("carl"))
    resolved = story.resolve()
    assert resolved is not None
    assert (resolved.digest, resolved.revision) == ("e1", 1)
    assert story.state.editors == ("bert",)


def test_who_looked_at_the_original_is_told_of_every_edit_since() -> None:
    story = Story(editable=True)
    story.edit("e1")
    story.edit("e2")
    with pytest.raises(Refused) as stale:
        story.vote(digest="d")
    assert [change["new"] for change in stale.value.fields["changes"]] == ["e1", "e2"]
    with pytest.raises(Refused) as other:
        story.vote(digest="neverseen")
    assert other.value.code == "digest_unknown"


def test_a_refused_edit_and_an_edit_of_something_older_leave_what_stands() -> None:
    story = Story(editable=True)
    story.edit("e1", verdict="deny")
    assert story.state.digest == "d"
    with pytest.raises(Refused) as denied:
        votes.word_on_edit(story.state, 1)
    assert denied.value.code == "edit_denied"
    command = EditApproval(tenant=TENANT, approval="a1", base_digest="d", content=SEALED, by=APPROVER)
    both = votes.edit(story.state, command, "r", NOW)
    state = domain.evolve(domain.evolve(story.state, both, 2), both, 3)
    state = domain.evolve(domain.evolve(state, revised("d", "e2"), 2), revised("d", "e3"), 3)
    assert state.digest == "e2"
    with pytest.raises(Refused, match="faster"):
        votes.word_on_edit(state, 3)


def test_an_edit_after_the_quorum_and_after_the_answer_changes_nothing() -> None:
    story = Story(editable=True)
    story.vote()
    command = EditApproval(tenant=TENANT, approval="a1", base_digest="d", content=SEALED, by=APPROVER)
    with pytest.raises(Refused):
        votes.edit(story.state, command, "r", NOW)
    story.state = domain.evolve(story.state, revised("d", "e1"), 1)
    assert story.state.digest == "d"
    story.resolve()
    with pytest.raises(Refused) as late:
        votes.edit(story.state, command, "r", NOW)
    assert late.value.code == "already_resolved"


def test_what_may_not_be_edited_is_not() -> None:
    with pytest.raises(Refused) as refused:
        Story(editable=False).edit("e1")
    assert refused.value.code == "not_editable"


def test_a_comment_is_no_vote_and_may_come_after_the_answer() -> None:
    story = Story()
    story.vote()
    story.resolve()
    said = CommentApproval(tenant=TENANT, approval="a1", text=SEALED, length=3, by=OPERATOR)
    assert votes.comment(story.state, said).length == 3
    with pytest.raises(NotFound):
        votes.comment(Approval(), said)


# --- time -------------------------------------------------------------------------------------------------------------


STEPS = (EscalationStep(at=NOW + HOUR, roles=("operator",)), EscalationStep(at=NOW + 2 * HOUR, roles=("admin", "approver")))


def test_each_step_widens_who_may_answer_once_and_in_order() -> None:
    story = Story(escalation=STEPS)
    assert deadlines.escalate(story.state, 1) is None
    first = deadlines.escalate(story.state, 0)
    assert first is not None
    assert first == ApprovalEscalated(context=context(), approver_roles=("approver", "operator"), added=("operator",))
    story.state = domain.evolve(story.state, first, 1)
    assert deadlines.escalate(story.state, 0) is None
    second = deadlines.escalate(story.state, 1)
    assert second is not None
    assert second.approver_roles == ("approver", "operator", "admin")
    story.vote("rejected")
    assert deadlines.escalate(story.state, 1) is None


def test_under_a_freeze_no_time_passes_and_afterwards_all_deadlines_have_moved() -> None:
    story = Story(escalation=STEPS, expires_at=NOW + 3 * HOUR)
    frozen = deadlines.freeze(story.state, "k1", NOW + HOUR / 2)
    assert frozen is not None
    story.state = domain.evolve(story.state, frozen, 1)
    assert deadlines.freeze(story.state, "k2", NOW + HOUR) is None
    assert domain.still_open(story.state, NOW + 100 * HOUR)
    thawed = deadlines.thaw(story.state, NOW + HOUR / 2 + 10 * HOUR)
    assert thawed is not None
    assert thawed.expires_at == NOW + 13 * HOUR
    assert [step.at for step in thawed.escalation] == [NOW + 11 * HOUR, NOW + 12 * HOUR]
    story.state = domain.evolve(story.state, thawed, 1)
    assert story.state.frozen is None
    assert deadlines.thaw(story.state, NOW) is None


def test_a_yes_under_a_freeze_waits_for_its_end_and_a_no_does_not() -> None:
    frozen = ApprovalFrozen(context=context(), switch="k1", since=NOW)
    story = Story()
    story.state = domain.evolve(story.state, frozen, 1)
    number = story.vote()
    assert story.resolve() is None
    assert votes.word(story.state, number)["state"] == "frozen"
    thawed = deadlines.thaw(story.state, NOW)
    assert thawed is not None
    story.state = domain.evolve(story.state, thawed, 1)
    resolved = story.resolve()
    assert resolved is not None
    assert resolved.outcome == "approved"
    no = Story()
    no.state = domain.evolve(no.state, frozen, 1)
    no.vote("rejected")
    assert no.resolve() is not None


@pytest.mark.parametrize("outcome", ["expired", "cancelled"])
def test_time_and_cancellation_say_no_to_what_is_still_open(outcome: Literal["expired", "cancelled"]) -> None:
    story = Story()
    closed = domain.close(story.state, outcome, "because")
    assert closed is not None
    assert (closed.outcome, closed.by.id, closed.reason) == (outcome, "gates", "because")
    assert domain.close(domain.evolve(story.state, closed, 0), outcome, "again") is None
    assert domain.close(Approval(), outcome, "nothing") is None


# --- delegations ------------------------------------------------------------------------------------------------------


def lend(by: Principal = APPROVER, to: str = "bert", **fields: Any) -> DelegateApprovals:
    given_fields = {"tenant": TENANT, "to": to, "since": NOW, "until": NOW + HOUR, "reason": "away", "by": by}
    return DelegateApprovals.model_validate(given_fields | fields)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"to": "anna"}, "delegate_is_delegator"),
        ({"roles": ("admin",)}, "role_not_held"),
        ({"until": NOW}, "bad_period"),
        ({"until": NOW + timedelta(days=91)}, "too_long"),
        ({"by": Principal(kind="pack", id="p")}, "not_a_person"),
    ],
)
def test_only_own_powers_go_to_another_person_for_ninety_days_at_most(fields: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        delegations.grant(lend(**fields), NOW)
    assert refused.value.code == code


def test_a_delegation_serves_its_delegate_from_its_beginning_to_its_end_or_until_it_is_taken_back() -> None:
    granted = delegations.grant(lend(since=NOW + HOUR / 2), NOW)
    assert granted.roles == APPROVER.roles
    assert delegations.usable([granted], "bert", NOW + HOUR / 2) == granted
    for who, when, code in (
        ("carl", NOW + HOUR / 2, "delegation_not_found"),
        ("bert", NOW, "delegation_not_yet"),
        ("bert", NOW + HOUR, "delegation_ended"),
    ):
        with pytest.raises(Refused) as refused:
            delegations.usable([granted], who, when)
        assert refused.value.code == code
    back = RevokeDelegation(tenant=TENANT, delegation="x", reason="back", by=APPROVER)
    revoked = delegations.revoke([granted], back)
    events: list[Contract] = [granted, revoked]
    with pytest.raises(Refused, match="taken back"):
        delegations.usable(events, "bert", NOW + HOUR / 2)
    with pytest.raises(Refused, match="already"):
        delegations.revoke(events, back)
    with pytest.raises(Refused) as other:
        delegations.revoke([granted], back.model_copy(update={"by": person("carl")}))
    assert other.value.code == "other_persons_delegation"


def test_a_delegates_vote_names_both_and_neither_votes_again() -> None:
    lent = delegations.grant(lend(), NOW)
    story = Story(quorum=2)
    story.vote(by=person("bert", "viewer"), delegation="x", lent=lent)
    vote = story.state.votes[0]
    assert vote.delegated_from is not None
    assert (vote.by.id, vote.delegated_from.id) == ("bert", "anna")
    for name in ("anna", "bert"):
        with pytest.raises(Refused) as twice:
            story.vote(by=person(name))
        assert twice.value.code == "already_voted"
