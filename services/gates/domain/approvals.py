"""Approvals, pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from agentos.contracts.base import Contract, Principal
from agentos.contracts.commands import ResolveApproval
from agentos.contracts.errors import Forbidden, NotFound, Refused
from agentos.contracts.events.call import CallDecided
from agentos.contracts.events.governance import (
    ApprovalAnswered,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalRuled,
    CheckpointRequested,
)

DEFAULT_ROLES = ("approver", "admin")
DEFAULT_EXPIRY = timedelta(hours=24)
SERVICE = Principal(kind="service", id="gates")


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval so far."""

    requested: ApprovalRequested | None = None
    answered: Mapping[int, ApprovalAnswered] = field(default_factory=dict[int, ApprovalAnswered])
    resolved: ApprovalResolved | None = None


def fold(events: Iterable[tuple[Contract, int]]) -> Approval:
    """The approval after ``events`` (payload, ordinal), in stream order."""
    approval = Approval()
    for event, ordinal in events:
        match event:
            case ApprovalRequested():
                approval = replace(approval, requested=event)
            case ApprovalAnswered():
                approval = replace(approval, answered={**approval.answered, ordinal: event})
            case ApprovalResolved():
                approval = replace(approval, resolved=event)
            case _:
                continue
    return approval


def request_for_call(decided: CallDecided, now: datetime) -> ApprovalRequested:
    """The approval that a held call needs. Roles and expiry come from the policy's obligations."""
    roles = decided.obligations.get("approver_roles")
    expires = decided.obligations.get("expires_after_s")
    if decided.kind == "tool":
        summary = f"{decided.context.pack} asks to run {decided.tool} for task {decided.context.task}"
        preview = {"tool": decided.tool, "arguments": decided.redacted_arguments}
    else:
        summary = f"{decided.context.pack} asks to call model {decided.model} for task {decided.context.task}"
        request = decided.redacted_request
        preview = {"model": decided.model, "request": None if request is None else request.model_dump(mode="json")}
    return ApprovalRequested(
        context=decided.context,
        kind=decided.kind,
        summary=summary,
        preview=preview,
        reasons=decided.reasons,
        digest=decided.digest,
        approver_roles=tuple(map(str, roles)) if isinstance(roles, list | tuple) and roles else DEFAULT_ROLES,  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - a JSON list
        expires_at=now + (timedelta(seconds=float(expires)) if isinstance(expires, int | float) else DEFAULT_EXPIRY),
    )


def request_for_checkpoint(asked: CheckpointRequested, now: datetime) -> ApprovalRequested:
    """The approval that a pack's question to a person is."""
    return ApprovalRequested(
        context=asked.context,
        kind="checkpoint",
        summary=asked.question[:200],
        preview={"question": asked.question},
        reasons=("checkpoint",),
        digest=asked.digest,
        approver_roles=DEFAULT_ROLES,
        expires_at=now + DEFAULT_EXPIRY,
    )


def answer(approval: Approval, command: ResolveApproval, request: str, now: datetime) -> ApprovalAnswered:
    """A person's answer, to be ruled on by policy. Raises NotFound or Refused (answered already, or too late)."""
    requested = _open(approval, now)
    return ApprovalAnswered(
        context=requested.context,
        outcome=command.outcome,
        comment=command.comment,
        by=command.by,
        approver_roles=requested.approver_roles,
        request=request,
    )


def rule(approval: Approval, number: int, ruled: ApprovalRuled, now: datetime) -> ApprovalResolved:
    """What answer ``number`` comes to. Raises Forbidden (policy says no), or Refused (another answer or time was faster)."""
    answered = approval.answered.get(number)
    if answered is None:
        raise NotFound(f"there is no answer {number} to this approval")
    if ruled.verdict != "allow":
        raise Forbidden(_why(ruled.reasons, answered.approver_roles), code=_code(ruled.reasons))
    return _resolved(_open(approval, now), answered.outcome, answered.by, answered.comment)


def _open(approval: Approval, now: datetime) -> ApprovalRequested:
    if approval.requested is None:
        raise NotFound("there is no such approval")
    if approval.resolved is not None:
        raise Refused(
            f"this approval is already {approval.resolved.outcome} (by {approval.resolved.by.id})", code="already_resolved"
        )
    if now >= approval.requested.expires_at:
        raise Refused("this approval has expired; retry the task to ask again", code="expired")
    return approval.requested


def _code(reasons: tuple[str, ...]) -> str:
    if "approver.role_missing" in reasons:
        return "wrong_role"
    return "self_approval" if "approver.is_requester" in reasons else "forbidden"


def _why(reasons: tuple[str, ...], roles: tuple[str, ...]) -> str:
    match _code(reasons):
        case "wrong_role":
            return f"answering needs one of the roles {', '.join(roles)}"
        case "self_approval":
            return "whoever asked for the task may reject this, not approve it; ask another approver"
        case _:
            return f"policy does not let this answer count: {', '.join(reasons)}"


def close(approval: Approval, outcome: Literal["expired", "cancelled"], comment: str | None = None) -> ApprovalResolved | None:
    """The answer "no" that time or a cancelled task gives; None when there is nothing left to answer."""
    if approval.requested is None or approval.resolved is not None:
        return None
    return _resolved(approval.requested, outcome, SERVICE, comment)


def _resolved(
    requested: ApprovalRequested,
    outcome: Literal["approved", "rejected", "expired", "cancelled"],
    by: Principal,
    comment: str | None,
) -> ApprovalResolved:
    return ApprovalResolved(
        context=requested.context, kind=requested.kind, outcome=outcome, by=by, comment=comment, digest=requested.digest
    )
