"""The policy's decisions, one row a case: every evaluator gives each of them."""

from dataclasses import dataclass, field
from typing import Any

from agentos.contracts.base import Verdict
from services.policy.questions import (
    AdmissionQuestion,
    ApiQuestion,
    ApprovalQuestion,
    Asker,
    ModelCallQuestion,
    PendingApproval,
    Question,
    ToolCallQuestion,
)


@dataclass(frozen=True)
class Case:
    says: str
    question: Question
    verdict: Verdict
    reasons: tuple[str, ...]
    obligations: dict[str, Any] = field(default_factory=dict[str, Any])


def key(*roles: str, name: str = "ann") -> Asker:
    return Asker(kind="api_key", id=name, roles=roles)


WEBHOOK = Asker(kind="webhook", id="github")


def admission(**change: Any) -> AdmissionQuestion:
    return AdmissionQuestion.model_validate(
        {"tenant": "acme", "task_type": "github.issue", "requester": WEBHOOK, "known_task_types": ("github.issue",), **change}
    )


def model_call(**change: Any) -> ModelCallQuestion:
    return ModelCallQuestion.model_validate(
        {
            "tenant": "acme",
            "task": "t1",
            "pack": "engineering",
            "agent": "triage",
            "model": "default",
            "estimated_input_tokens": 900,
            "max_output_tokens": 1024,
            "data_classes": ("EMAIL_ADDRESS", "CREDIT_CARD"),
            "redacted": True,
            **change,
        }
    )


def tool_call(**change: Any) -> ToolCallQuestion:
    return ToolCallQuestion.model_validate(
        {
            "tenant": "acme",
            "task": "t1",
            "pack": "engineering",
            "agent": "triage",
            "tool": "github.comment",
            "declared_tools": ("github.comment", "github.get_issue", "local.note"),
            "effect": "egress",
            **change,
        }
    )


def approval(principal: Asker, outcome: str = "approved", requested_by: str = "github") -> ApprovalQuestion:
    pending = PendingApproval(requested_by=requested_by, approver_roles=("approver", "admin"))
    return ApprovalQuestion.model_validate({"principal": principal, "approval": pending, "outcome": outcome})


def api(action: str, *roles: str) -> ApiQuestion:
    return ApiQuestion(principal=key(*roles), action=action)


HOLD = {"approver_roles": ["approver", "admin"], "expires_after_s": 86400}

CASES = (
    Case("a webhook task of a known type is admitted", admission(), "allow", ("admission.allowed",), {"max_calls": 100}),
    Case("a named pack is admitted", admission(pack="engineering"), "allow", ("admission.allowed",), {"max_calls": 100}),
    Case("an unknown type is denied", admission(task_type="x"), "deny", ("task_type.unknown",)),
    Case("an unknown pack is denied", admission(pack="x"), "deny", ("pack.unknown",)),
    Case("a present pack is known", admission(pack="x", known_packs=("x",)), "allow", ("admission.allowed",), {"max_calls": 100}),
    Case("an engaged switch denies", admission(kill=("global",)), "deny", ("kill_switch.engaged",)),
    Case("a viewer may not submit", admission(requester=key("viewer")), "deny", ("requester.forbidden",)),
    Case("a key without roles may not submit", admission(requester=key()), "deny", ("requester.forbidden",)),
    Case("an author may submit", admission(requester=key("author")), "allow", ("admission.allowed",), {"max_calls": 100}),
    Case("the 21st attempt is denied", admission(attempt=21), "deny", ("attempts.exhausted",)),
    Case("65 labels are denied", admission(labels={f"l{n}": "x" for n in range(65)}), "deny", ("labels.too_many",)),
    Case("a redacted model call is allowed", model_call(), "allow", ("model_call.allowed",),
         {"redact": True, "max_output_tokens": 1024, "providers": []}),
    Case("an unredacted model call is denied", model_call(redacted=False), "deny", ("redaction.missing",)),
    Case("limits deny, all at once", model_call(max_output_tokens=32001, estimated_input_tokens=200001, calls_so_far=100), "deny",
         ("limit.calls", "limit.input_tokens", "limit.output_tokens")),
    Case("a comment is held", tool_call(), "hold", ("tool.needs_approval",), HOLD),
    Case("a listed read is allowed", tool_call(tool="github.get_issue", effect="read"), "allow", ("tool_call.allowed",)),
    Case("a local write is held", tool_call(tool="local.note", effect="write"), "hold", ("effect.write",), HOLD),
    Case("a local egress is held", tool_call(tool="local.note"), "hold", ("effect.egress",), HOLD),
    Case("an undeclared tool is denied", tool_call(declared_tools=()), "deny", ("tool.undeclared",)),
    Case("an unknown tool is denied", tool_call(tool="shell", declared_tools=("shell",), effect="read"), "deny", ("tool.unknown",)),
    Case("neither known nor declared is denied for both", tool_call(tool="shell"), "deny", ("tool.undeclared", "tool.unknown")),
    Case("an approver approves", approval(key("approver")), "allow", ("approval.allowed",)),
    Case("a viewer does not", approval(key("viewer")), "deny", ("approver.role_missing",)),
    Case("a pack does not", approval(Asker(kind="pack", id="p", roles=("admin",))), "deny", ("approver.not_a_person",)),
    Case("the requester does not", approval(key("admin", name="me"), requested_by="me"), "deny", ("approver.is_requester",)),
    Case("the requester withdraws", approval(key("admin", name="me"), "rejected", "me"), "allow", ("approval.allowed",)),
    Case("a viewer reads", api("tasks.read", "viewer"), "allow", ("api.allowed",)),
    Case("a viewer does not engage", api("kill.engage", "viewer"), "deny", ("role.missing",)),
    Case("an operator engages", api("kill.engage", "operator"), "allow", ("api.allowed",)),
    Case("an unknown action is denied", api("tasks.destroy", "admin"), "deny", ("action.unknown", "role.missing")),
    Case("nobody may nothing", api("tasks.read"), "deny", ("role.missing",)),
)  # fmt: skip
