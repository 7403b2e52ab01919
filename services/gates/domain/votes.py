"""What people do with an approval, pure: answer, remark, edit; and what they are told."""

from collections.abc import Iterable
from datetime import datetime

from agentos.contracts.base import Json
from agentos.contracts.commands import CommentApproval, EditApproval, ResolveApproval
from agentos.contracts.errors import Forbidden, NotFound, Refused
from agentos.contracts.events.approval import ApprovalAnswered, ApprovalCommented, ApprovalEdited, DelegationGranted, Vote
from services.gates.domain.approvals import Approval, still_open

MOST_EDITS = 50
MOST_COMMENTS = 500


def answer(
    approval: Approval, command: ResolveApproval, delegation: DelegationGranted | None, request: str, now: datetime
) -> ApprovalAnswered:
    """A person's answer, to be ruled on by policy. ``delegation`` is the one that the command names, found to hold.

    Raises NotFound or Refused: answered already, too late, not what it is about any more, or not the first answer of that person.
    """
    requested = still_open(approval, now)
    _same_digest(approval, command.digest)
    _undecided(approval)
    delegator = delegation.by.model_copy(update={"roles": delegation.roles}) if delegation is not None else None
    persons = {command.by.id} | ({delegator.id} if delegator is not None else set[str]())
    voted = _persons(approval.votes)
    if persons & voted:
        raise Refused("each person has one vote on an approval, and this one is given", code="already_voted")
    if persons & _persons(_unruled(approval)):
        raise Refused("an answer of this person is noted and waits for policy's ruling", code="already_voted")
    return ApprovalAnswered(
        context=requested.context,
        outcome=command.outcome,
        digest=command.digest,
        comment=command.comment,
        by=command.by,
        delegation=command.delegation,
        delegated_from=delegator,
        requester=requested.requester,
        approver_roles=approval.roles,
        four_eyes=requested.four_eyes,
        voted=tuple(sorted(voted)),
        edited_by=approval.editors,
        request=request,
    )


def _undecided(approval: Approval) -> None:
    """Raises Refused when the votes have decided and only a freeze holds the answer back."""
    if approval.decided_by is not None:
        raise Refused(
            f"this is {approval.decided_by.outcome} already and waits for the end of a freeze", code="already_decided"
        )


def _unruled(approval: Approval) -> list[ApprovalAnswered]:
    """The answers to what it is about now that wait for policy."""
    return [
        answered
        for number, answered in approval.answered.items()
        if number not in approval.ruled and answered.digest == approval.digest
    ]


def _persons(acts: Iterable[Vote | ApprovalAnswered]) -> set[str]:
    """Whose power is used: a delegate's vote takes the delegator's place and the delegate's own."""
    return {person.id for act in acts for person in (act.by, act.delegated_from) if person is not None}


def _same_digest(approval: Approval, digest: str) -> None:
    """Raises Refused with what has changed since ``digest``, when it is not what the approval is for."""
    if digest == approval.digest:
        return
    earlier = [approval.revised[number] for number in approval.revisions]
    places = [place for place, revised in enumerate(earlier) if revised.base_digest == digest]
    if not places:
        raise Refused("this digest is none of this approval's: look at it again", code="digest_unknown")
    changes: list[Json] = [change.model_dump(mode="json") for revised in earlier[places[-1] :] for change in revised.diff]
    raise Refused(
        "this was edited since you looked at it: look at what has changed, and answer with the new digest",
        code="edited",
        digest=approval.digest,
        changes=changes,
    )


def word(approval: Approval, number: int) -> dict[str, Json]:
    """What the person of answer ``number`` is told once it is ruled on.

    Raises Forbidden (policy says no), or Refused (another answer, an edit or time was faster).
    """
    answered, ruled = approval.answered.get(number), approval.ruled.get(number)
    if answered is None or ruled is None:
        raise NotFound(f"there is no ruled answer {number} to this approval")
    if ruled.verdict != "allow":
        raise Forbidden(_why(ruled.reasons, answered.approver_roles), code=_code(ruled.reasons))
    resolved = approval.resolved
    votes = resolved.votes if resolved is not None else approval.votes
    if number not in {vote.number for vote in votes}:
        if resolved is not None:
            raise Refused(f"this approval is already {resolved.outcome} (by {resolved.by.id})", code="already_resolved")
        _same_digest(approval, answered.digest)
        raise Refused("another answer had decided before", code="already_decided")
    if resolved is not None and resolved.outcome in ("expired", "cancelled"):
        raise Refused(f"this approval is already {resolved.outcome}: {resolved.reason}", code="already_resolved")
    quorum = approval.requested.quorum if approval.requested is not None else 1
    state = resolved.outcome if resolved is not None else ("frozen" if approval.decided_by is not None else "pending")
    return {
        "outcome": answered.outcome,
        "state": state,
        "approvals": sum(vote.outcome == "approved" for vote in votes),
        "quorum": quorum,
    }


def _code(reasons: tuple[str, ...]) -> str:
    if "approver.role_missing" in reasons:
        return "wrong_role"
    return "self_approval" if "approver.is_requester" in reasons else "forbidden"


def _why(reasons: tuple[str, ...], roles: tuple[str, ...]) -> str:
    match _code(reasons):
        case "wrong_role":
            return f"answering needs one of the roles {', '.join(roles)}"
        case "self_approval":
            return "whoever asked for the task may reject this, not approve it, in no one's name; ask another approver"
        case _:
            return f"policy does not let this answer count: {', '.join(reasons)}"


def comment(approval: Approval, command: CommentApproval) -> ApprovalCommented:
    """A remark; it may come after the answer as well. Raises NotFound or Refused."""
    if approval.requested is None:
        raise NotFound("there is no such approval")
    if approval.comments >= MOST_COMMENTS:
        raise Refused(f"an approval takes {MOST_COMMENTS} comments", code="too_many_comments")
    return ApprovalCommented(context=approval.requested.context, by=command.by, text=command.text, length=command.length)


def edit(approval: Approval, command: EditApproval, request: str, now: datetime) -> ApprovalEdited:
    """A try to edit, to be ruled on by policy. Raises NotFound or Refused."""
    requested = still_open(approval, now)
    if not requested.editable:
        raise Refused("policy lets nobody edit this; reject it and say why", code="not_editable")
    _undecided(approval)
    if len(approval.edited) >= MOST_EDITS:
        raise Refused(f"an approval takes {MOST_EDITS} edits", code="too_many_edits")
    _same_digest(approval, command.base_digest)
    return ApprovalEdited(
        context=requested.context,
        base_digest=command.base_digest,
        content=command.content,
        by=command.by,
        requester=requested.requester,
        approver_roles=approval.roles,
        four_eyes=requested.four_eyes,
        request=request,
    )


def word_on_edit(approval: Approval, number: int) -> dict[str, Json]:
    """What the person of edit ``number`` is told once it is ruled on. Raises Forbidden or Refused when it is not in force."""
    revised = approval.revised[number]
    if revised.verdict == "deny":
        if _code(revised.reasons) != "forbidden":
            raise Forbidden(_why(revised.reasons, approval.roles), code=_code(revised.reasons))
        raise Refused(f"policy refuses this edit ({', '.join(revised.reasons)}); what was asked for stands", code="edit_denied")
    if number not in approval.revisions:
        if approval.resolved is not None:
            raise Refused(f"this approval was {approval.resolved.outcome} before the edit", code="already_resolved")
        raise Refused("another edit or an answer was faster; look at it again", code="edited")
    return {
        "revision": number,
        "digest": revised.digest,
        "verdict": revised.verdict,
        "reasons": list(revised.reasons),
        "preview": revised.preview,
        "diff": [change.model_dump(mode="json") for change in revised.diff],
    }
