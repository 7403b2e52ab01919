"""An approval and what its events make of it, pure.

Whether a vote counts, and which vote decides, is a matter of the stream's order alone: every reader of the same events comes to the
same answer, whoever handles which message first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from agentos.contracts.base import Contract, Json, Principal
from agentos.contracts.errors import NotFound, Refused
from agentos.contracts.events.approval import (
    ApprovalAnswered,
    ApprovalCommented,
    ApprovalEdited,
    ApprovalEscalated,
    ApprovalFrozen,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalRevised,
    ApprovalRuled,
    ApprovalThawed,
    EscalationStep,
    Vote,
)
from agentos.contracts.events.call import CallDecided
from agentos.contracts.events.governance import CheckpointDecided

DEFAULT_ROLES = ("approver", "admin")
DEFAULT_EXPIRY = timedelta(hours=24)
MOST_STEPS = 10
SERVICE = Principal(kind="service", id="gates")


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval so far. ``votes`` are those on ``digest``; ``decided_by`` is the one that settled it."""

    requested: ApprovalRequested | None = None
    digest: str = ""
    revision: int = 0
    roles: tuple[str, ...] = ()
    expires_at: datetime | None = None
    steps: tuple[EscalationStep, ...] = ()
    answered: Mapping[int, ApprovalAnswered] = field(default_factory=dict[int, ApprovalAnswered])
    ruled: Mapping[int, ApprovalRuled] = field(default_factory=dict[int, ApprovalRuled])
    edited: Mapping[int, ApprovalEdited] = field(default_factory=dict[int, ApprovalEdited])
    revised: Mapping[int, ApprovalRevised] = field(default_factory=dict[int, ApprovalRevised])
    revisions: tuple[int, ...] = ()
    """Numbers of the edits that came into force, in order."""
    votes: tuple[Vote, ...] = ()
    decided_by: Vote | None = None
    comments: int = 0
    escalations: int = 0
    freezes: int = 0
    frozen: ApprovalFrozen | None = None
    resolved: ApprovalResolved | None = None

    @property
    def editors(self) -> tuple[str, ...]:
        """Who made the current digest of the one that was asked for."""
        return tuple(dict.fromkeys(self.revised[number].by.id for number in self.revisions))

    @property
    def approvals(self) -> int:
        """How many persons have approved the current digest."""
        return sum(vote.outcome == "approved" for vote in self.votes)


def fold(events: Iterable[tuple[Contract, int]]) -> Approval:
    """The approval after ``events`` (payload, ordinal), in stream order."""
    approval = Approval()
    for event, ordinal in events:
        approval = evolve(approval, event, ordinal)
    return approval


def evolve(approval: Approval, event: Contract, ordinal: int) -> Approval:
    """The approval after one event more."""
    match event:
        case ApprovalRequested():
            return replace(
                approval,
                requested=event,
                digest=event.digest,
                roles=event.approver_roles,
                expires_at=event.expires_at,
                steps=event.escalation,
            )
        case ApprovalAnswered():
            return replace(approval, answered={**approval.answered, ordinal: event})
        case ApprovalRuled():
            return _count(replace(approval, ruled={**approval.ruled, ordinal: event}), ordinal)
        case ApprovalEdited():
            return replace(approval, edited={**approval.edited, ordinal: event})
        case ApprovalRevised():
            return _revise(replace(approval, revised={**approval.revised, ordinal: event}), event, ordinal)
        case ApprovalCommented():
            return replace(approval, comments=max(approval.comments, ordinal))
        case ApprovalEscalated():
            return replace(approval, roles=event.approver_roles, escalations=approval.escalations + 1, steps=approval.steps[1:])
        case ApprovalFrozen():
            return replace(approval, frozen=event, freezes=ordinal)
        case ApprovalThawed():
            return replace(approval, frozen=None, expires_at=event.expires_at, steps=event.escalation)
        case ApprovalResolved():
            return replace(approval, resolved=event)
        case _:
            return approval


def _count(approval: Approval, number: int) -> Approval:
    """Count an answer that policy lets count, unless it is on another digest or something was decided before."""
    answered, ruled = approval.answered.get(number), approval.ruled[number]
    if answered is None or approval.requested is None or ruled.verdict != "allow" or answered.digest != approval.digest:
        return approval
    if approval.decided_by is not None or approval.resolved is not None:
        return approval
    quorum = approval.requested.quorum
    vote = Vote(number=number, outcome=answered.outcome, by=answered.by, delegated_from=answered.delegated_from)
    approval = replace(approval, votes=(*approval.votes, vote))
    if vote.outcome == "rejected" or approval.approvals >= quorum:
        return replace(approval, decided_by=vote)
    return approval


def _revise(approval: Approval, revised: ApprovalRevised, number: int) -> Approval:
    """An edit that policy lets pass takes the place of what it was made of, and voids the votes on that."""
    in_force = revised.verdict != "deny" and revised.digest != "" and revised.base_digest == approval.digest
    if not in_force or approval.decided_by is not None or approval.resolved is not None:
        return approval
    return replace(
        approval, digest=revised.digest, revision=number, revisions=(*approval.revisions, number), votes=(), decided_by=None
    )


# --- asking -----------------------------------------------------------------------------------------------------------


def request_for_call(decided: CallDecided, requester: Principal, now: datetime) -> ApprovalRequested:
    """The approval that a held call needs. Who may answer, how many, and how long stands in the policy's obligations."""
    context = decided.context
    if decided.kind == "tool":
        target = decided.tool or ""
        summary = f"{context.pack} asks to run {target} for task {context.task}"
        preview = {"tool": decided.tool, "arguments": decided.redacted_arguments}
    else:
        target = decided.model or ""
        summary = f"{context.pack} asks to call model {target} for task {context.task}"
        request = decided.redacted_request
        preview = {"model": decided.model, "request": None if request is None else request.model_dump(mode="json")}
    terms = _terms(decided.obligations, now)
    return ApprovalRequested.model_validate(
        {
            "context": context,
            "kind": decided.kind,
            "target": target,
            "summary": summary,
            "preview": preview,
            "reasons": decided.reasons,
            "digest": decided.digest,
            "requester": requester,
            "editable": decided.obligations.get("editable") is not False,
            **terms,
        }
    )


def request_for_checkpoint(decided: CheckpointDecided, requester: Principal, now: datetime) -> ApprovalRequested:
    """The approval that a pack's question to a person is, on the policy's terms. A question is answered, not edited."""
    return ApprovalRequested.model_validate(
        {
            "context": decided.context,
            "kind": "checkpoint",
            "target": decided.context.agent,
            "summary": decided.redacted_question[:200],
            "preview": {"question": decided.redacted_question},
            "reasons": decided.reasons,
            "digest": decided.digest,
            "requester": requester,
            **_terms(decided.obligations, now),
        }
    )


def _terms(obligations: Mapping[str, Json], now: datetime) -> dict[str, Any]:
    """Roles, quorum, four eyes, expiry and escalation as the policy obliges; what it leaves out, or says badly, is the default."""
    expires_at = now + (_seconds(obligations.get("expires_after_s")) or DEFAULT_EXPIRY)
    quorum = obligations.get("quorum")
    steps: list[EscalationStep] = []
    for step in _list(obligations.get("escalation"))[:MOST_STEPS]:
        given = cast("dict[str, Json]", step) if isinstance(step, dict) else {}
        after, roles = _seconds(given.get("after_s")), _names(given.get("roles"))
        if after is not None and roles and now + after < expires_at:
            steps.append(EscalationStep(at=now + after, roles=roles))
    return {
        "approver_roles": _names(obligations.get("approver_roles")) or DEFAULT_ROLES,
        "quorum": quorum if isinstance(quorum, int) and 1 <= quorum <= 100 else 1,
        "four_eyes": obligations.get("four_eyes") is not False,
        "expires_at": expires_at,
        "escalation": tuple(sorted(steps, key=lambda step: step.at)),
    }


def _list(value: Json) -> Sequence[Json]:
    return cast("Sequence[Json]", value) if isinstance(value, list | tuple) else ()


def _names(value: Json) -> tuple[str, ...]:
    return tuple(str(name) for name in _list(value))


def _seconds(value: Json) -> timedelta | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return None
    return timedelta(seconds=min(float(value), 366 * 86_400.0))


# --- the end ----------------------------------------------------------------------------------------------------------


def still_open(approval: Approval, now: datetime) -> ApprovalRequested:
    """What was requested. Raises NotFound, or Refused when it is answered, or too late."""
    if approval.requested is None or approval.expires_at is None:
        raise NotFound("there is no such approval")
    if approval.resolved is not None:
        raise Refused(
            f"this approval is already {approval.resolved.outcome} (by {approval.resolved.by.id})", code="already_resolved"
        )
    if approval.frozen is None and now >= approval.expires_at:
        raise Refused("this approval has expired; retry the task to ask again", code="expired")
    return approval.requested


def resolution(approval: Approval, now: datetime) -> ApprovalResolved | None:
    """The answer that the votes have come to; None while they have come to none, or while a freeze holds it back.

    A "yes" waits for the end of a freeze: under the kill switch it would be used up without effect. Raises as ``still_open``.
    """
    requested = still_open(approval, now)
    vote = approval.decided_by
    if vote is None or (vote.outcome == "approved" and approval.frozen is not None):
        return None
    return ApprovalResolved(
        context=requested.context,
        kind=requested.kind,
        outcome=vote.outcome,
        by=vote.by,
        votes=approval.votes,
        comment=approval.answered[vote.number].comment,
        digest=approval.digest,
        revision=approval.revision,
    )


def close(approval: Approval, outcome: Literal["expired", "cancelled"], reason: str) -> ApprovalResolved | None:
    """The answer "no" that time or the end of the task gives; None when there is nothing left to answer."""
    if approval.requested is None or approval.resolved is not None:
        return None
    return ApprovalResolved(
        context=approval.requested.context,
        kind=approval.requested.kind,
        outcome=outcome,
        by=SERVICE,
        votes=approval.votes,
        reason=reason,
        digest=approval.digest,
        revision=approval.revision,
    )
