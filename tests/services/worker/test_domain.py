"""Whether a tool call may be executed, and with which arguments: pure."""

from typing import Any, Literal

import pytest

from agentos.contracts.base import Principal, Sealed
from agentos.contracts.events.approval import ApprovalResolved, ApprovalRevised
from agentos.contracts.events.call import CallContext, CallDecided, ToolCallRequested, ToolCallSettled
from agentos.sdk.journal import step_digest
from services.worker import domain
from services.worker.domain import Execute, Refusal

CONTEXT = CallContext(task="t", attempt=1, step=0, task_type="x", pack="p", agent="a", untrusted=True, instance="r")
SEALED = Sealed(key="t", purpose="tool.arguments", nonce=b"", ciphertext=b"")


def decided(verdict: Literal["allow", "deny", "hold"], digest: str = "d") -> CallDecided:
    return CallDecided(
        context=CONTEXT,
        kind="tool",
        verdict=verdict,
        reasons=("why",),
        rules=(),
        bundle="b",
        digest=digest,
        tool="x.y",
        arguments=SEALED,
    )


ANNA = Principal(kind="api_key", id="anna")


def approval(
    outcome: Literal["approved", "rejected", "expired", "cancelled"], digest: str = "d", revision: int = 0
) -> ApprovalResolved:
    return ApprovalResolved(context=CONTEXT, kind="tool", outcome=outcome, by=ANNA, digest=digest, revision=revision)


def revised(digest: str = "e", verdict: Literal["allow", "deny", "hold"] = "hold") -> ApprovalRevised:
    return ApprovalRevised(
        context=CONTEXT, by=ANNA, base_digest="d", digest=digest, verdict=verdict, reasons=(), rules=(), bundle="b",
        content=SEALED.model_copy(update={"key": "edited"}),
    )  # fmt: skip


def test_what_is_allowed_is_executed_and_what_is_denied_is_refused_with_the_reasons() -> None:
    assert domain.decide(domain.fold([decided("allow")]), None) == Execute(decided("allow"))
    assert domain.decide(domain.fold([decided("deny")]), None) == Refusal("denied", ("why",))


def test_what_is_held_waits_for_a_person_whose_yes_counts_for_exactly_what_was_decided_on() -> None:
    held = domain.fold([decided("hold")])
    assert domain.decide(held, None) is None
    assert domain.decide(held, approval("approved")) == Execute(decided("hold"))
    other = domain.decide(held, approval("approved", digest="other"))
    assert isinstance(other, Refusal)
    assert other.code == "approval_mismatch"


def test_an_edit_that_was_approved_is_executed_as_policy_wrote_it_down() -> None:
    verdict = domain.decide(domain.fold([decided("hold")]), approval("approved", "e", revision=1), revised())
    assert isinstance(verdict, Execute)
    assert verdict.decided.arguments == revised().content
    assert verdict.decided.digest == "e"


@pytest.mark.parametrize(
    ("given", "edit"),
    [
        (approval("approved", "e", revision=1), None),
        (approval("approved", "e", revision=1), revised(verdict="deny")),
        (approval("approved", "d", revision=1), revised()),
        (approval("approved", "e"), revised()),
    ],
)
def test_an_edit_that_is_not_what_was_approved_executes_nothing(given: ApprovalResolved, edit: ApprovalRevised | None) -> None:
    verdict = domain.decide(domain.fold([decided("hold")]), given, edit)
    assert isinstance(verdict, Refusal)
    assert verdict.code == "approval_mismatch"


@pytest.mark.parametrize("outcome", ["rejected", "expired", "cancelled"])
def test_every_other_answer_refuses(outcome: Any) -> None:
    verdict = domain.decide(domain.fold([decided("hold")]), approval(outcome))
    assert isinstance(verdict, Refusal)
    assert verdict.reasons[0] == f"approval_{outcome}"


def test_a_settled_or_undecided_call_is_left_alone() -> None:
    settled = ToolCallSettled(context=CONTEXT, tool="x.y", outcome="completed")
    assert domain.decide(domain.fold([decided("allow"), settled]), None) is None
    assert domain.decide(domain.fold([]), approval("approved")) is None


def test_other_arguments_than_those_that_were_asked_for_are_noticed() -> None:
    digest = step_digest("tool", {"tool": "x.y", "arguments": {"n": 1}})
    asked = ToolCallRequested(
        context=CONTEXT, tool="x.y", declared_tools=("x.y",), effect="write", arguments=SEALED, digest=digest
    )
    same = decided("allow", digest)
    assert not domain.arguments_differ(asked, same, {"n": 1})
    assert domain.arguments_differ(asked, same, {"n": 2})
    assert domain.arguments_differ(asked, same.model_copy(update={"tool": "x.z"}), {"n": 1})
    assert domain.arguments_differ(asked, decided("allow", "other"), {"n": 1})


SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "n": {"type": "integer"}, "either": {"type": ["string", "null"]}},
}


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ({"name": "x"}, None),
        ({"name": "x", "n": 3, "either": None}, None),
        ({}, "missing: name"),
        ({"name": "x", "more": 1}, "unknown: more"),
        ({"name": 3}, "name must be string, not int"),
        ({"name": "x", "n": True}, "n must be integer, not bool"),
        ({"name": "x", "n": "secret"}, "n must be integer, not str"),
        ([], "the arguments are not an object"),
    ],
)
def test_arguments_that_do_not_fit_are_named_by_field_and_never_quoted(arguments: Any, wrong: str | None) -> None:
    assert domain.misfit(SCHEMA, arguments) == wrong
