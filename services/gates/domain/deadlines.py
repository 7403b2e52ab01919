"""Time and an approval, pure: escalate, freeze, thaw, expire."""

from datetime import datetime, timedelta

from agentos.contracts.events.approval import ApprovalEscalated, ApprovalFrozen, ApprovalThawed, EscalationStep
from services.gates.domain.approvals import Approval

EARLY = timedelta(seconds=2)
"""A timer that fires earlier than this belongs to a deadline that has moved since."""


def escalate(approval: Approval, step: int) -> ApprovalEscalated | None:
    """Step ``step`` (from 0), if it is the next one of an approval that still waits for somebody."""
    if approval.requested is None or approval.resolved is not None or approval.decided_by is not None:
        return None
    if step != approval.escalations or not approval.steps:
        return None
    added = tuple(role for role in approval.steps[0].roles if role not in approval.roles)
    return ApprovalEscalated(
        context=approval.requested.context, approver_roles=(*approval.roles, *added), added=approval.steps[0].roles
    )


def freeze(approval: Approval, switch: str, now: datetime) -> ApprovalFrozen | None:
    """Stop the clock; None when it stands already, or when there is nothing to wait for."""
    if approval.requested is None or approval.resolved is not None or approval.frozen is not None:
        return None
    return ApprovalFrozen(context=approval.requested.context, switch=switch, since=now)


def thaw(approval: Approval, now: datetime) -> ApprovalThawed | None:
    """Let the clock go on, all deadlines moved by the time that it stood; None when it does not stand."""
    if approval.requested is None or approval.resolved is not None or approval.frozen is None or approval.expires_at is None:
        return None
    stood = max(now - approval.frozen.since, timedelta(0))
    return ApprovalThawed(
        context=approval.requested.context,
        frozen_s=stood.total_seconds(),
        expires_at=approval.expires_at + stood,
        escalation=tuple(EscalationStep(at=step.at + stood, roles=step.roles) for step in approval.steps),
    )
