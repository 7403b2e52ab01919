"""Delegations, pure: for a while another person may answer with somebody's powers. What is lent cannot be lent on."""

from datetime import datetime, timedelta

from agentos.contracts.base import Contract
from agentos.contracts.commands import DelegateApprovals, RevokeDelegation
from agentos.contracts.errors import NotFound, Refused
from agentos.contracts.events.approval import DelegationGranted, DelegationRevoked

LONGEST = timedelta(days=90)


def grant(command: DelegateApprovals, now: datetime) -> DelegationGranted:
    """Raises Refused with what does not hold: only own powers, to another person, with an end."""
    if command.by.kind not in ("user", "api_key"):
        raise Refused("only a person may delegate", code="not_a_person")
    if command.to == command.by.id:
        raise Refused("a delegation is for another person", code="delegate_is_delegator")
    missing = sorted(set(command.roles) - set(command.by.roles))
    if missing:
        raise Refused(f"you can lend only what is yours, which {', '.join(missing)} is not", code="role_not_held")
    if command.until <= max(command.since, now):
        raise Refused("the end of a delegation lies in the future and after its beginning", code="bad_period")
    if command.until - max(command.since, now) > LONGEST:
        raise Refused(f"a delegation lasts {LONGEST.days} days at most", code="too_long")
    return DelegationGranted(
        by=command.by,
        to=command.to,
        roles=command.roles or command.by.roles,
        since=command.since,
        until=command.until,
        reason=command.reason,
    )


def revoke(events: list[Contract], command: RevokeDelegation) -> DelegationRevoked:
    """Raises NotFound or Refused: only who granted it, who has it, or an admin, and once."""
    granted = _granted(events)
    if granted is None:
        raise NotFound("there is no such delegation")
    if any(isinstance(event, DelegationRevoked) for event in events):
        raise Refused("this delegation is revoked already", code="already_revoked")
    if command.by.id not in (granted.by.id, granted.to) and "admin" not in command.by.roles:
        raise Refused("a delegation is taken back by who gave it, who has it, or an admin", code="other_persons_delegation")
    return DelegationRevoked(by=command.by, reason=command.reason)


def usable(events: list[Contract], by: str, now: datetime) -> DelegationGranted:
    """The delegation, when it lets ``by`` answer at this moment. Raises NotFound or Refused."""
    granted = _granted(events)
    if granted is None or granted.to != by:
        raise NotFound("there is no such delegation to you", code="delegation_not_found")
    if any(isinstance(event, DelegationRevoked) for event in events):
        raise Refused("this delegation was taken back", code="delegation_revoked")
    if now < granted.since:
        raise Refused(f"this delegation begins at {granted.since.isoformat()}", code="delegation_not_yet")
    if now >= granted.until:
        raise Refused(f"this delegation ended at {granted.until.isoformat()}", code="delegation_ended")
    return granted


def _granted(events: list[Contract]) -> DelegationGranted | None:
    return next((event for event in events if isinstance(event, DelegationGranted)), None)
