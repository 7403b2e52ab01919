"""Approvals and kill switches, pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from agentos.contracts.base import Contract, Principal
from agentos.contracts.commands import EngageKill, ResolveApproval
from agentos.contracts.errors import Forbidden, NotFound, Refused
from agentos.contracts.events.call import CallDecided
from agentos.contracts.events.governance import (
    ApprovalRequested,
    ApprovalResolved,
    CheckpointRequested,
    KillEngaged,
    KillReleased,
)

DEFAULT_ROLES = ("approver", "admin")
DEFAULT_EXPIRY = timedelta(hours=24)
SERVICE = Principal(kind="service", id="gates")


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval so far."""

    requested: ApprovalRequested | None = None
    resolved: ApprovalResolved | None = None


def fold(events: list[Contract]) -> Approval:
    """The approval after ``events``."""
    requested: ApprovalRequested | None = None
    resolved: ApprovalResolved | None = None
    for event in events:
        match event:
            case ApprovalRequested():
                requested = event
            case ApprovalResolved():
                resolved = event
            case _:
                continue
    return Approval(requested, resolved)


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


def resolve(approval: Approval, command: ResolveApproval, now: datetime) -> ApprovalResolved:
    """A person's answer. Raises NotFound, Forbidden (role) or Refused (answered already, or too late)."""
    requested = approval.requested
    if requested is None:
        raise NotFound("there is no such approval")
    if approval.resolved is not None:
        raise Refused(
            f"this approval is already {approval.resolved.outcome} (by {approval.resolved.by.id})", code="already_resolved"
        )
    if now >= requested.expires_at:
        raise Refused("this approval has expired; retry the task to ask again", code="expired")
    if not set(command.by.roles) & set(requested.approver_roles):
        raise Forbidden(f"answering needs one of the roles {', '.join(requested.approver_roles)}", code="wrong_role")
    return _resolved(requested, command.outcome, command.by, command.comment)


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


def engage(command: EngageKill, events: list[Contract]) -> KillEngaged:
    """A new switch; ``events`` are those that stand under its id, which the same command may have written before.

    Raises Refused when the scope needs a target and has none, when it is another tenant, or when the id was used for something else.
    """
    match command.scope:
        case "global":
            target = "*"
        case "tenant":
            # Who asks for everything of a tenant means their own; nobody stops another's.
            target = command.tenant if command.target in ("", "*") else command.target
            if target != command.tenant:
                raise Refused("a tenant can be stopped by its own people only", code="other_tenant")
        case "pack" | "provider" | "task":
            target = command.target
            if target in ("", "*"):
                raise Refused(f"scope {command.scope} needs a target, the {command.scope}'s name", code="target_missing")
    engaged = KillEngaged(scope=command.scope, target=target, reason=command.reason, by=command.by)
    if any(isinstance(event, KillEngaged) and event != engaged for event in events):
        raise Refused("another kill switch has this id; engage a new one", code="switch_exists")
    return engaged


def release(events: list[Contract], reason: str, by: Principal) -> KillReleased:
    """Take a switch back. Raises NotFound or Refused (released already)."""
    if not any(isinstance(event, KillEngaged) for event in events):
        raise NotFound("there is no such kill switch")
    if any(isinstance(event, KillReleased) for event in events):
        raise Refused("this kill switch is released already", code="already_released")
    return KillReleased(reason=reason, by=by)
