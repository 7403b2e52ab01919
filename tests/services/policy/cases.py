"""Questions as the tests ask them, and every case of the tables beside the rules."""

from typing import Any

from services.policy.questions import (
    AdmissionQuestion,
    ApiQuestion,
    ApprovalQuestion,
    Asker,
    ModelCallQuestion,
    PendingApproval,
    ToolCallQuestion,
)
from services.policy.tables import cases_of, read_tables


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


CASES = cases_of(read_tables())
