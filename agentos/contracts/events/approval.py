"""Approvals: asked for, answered by persons, ruled on by policy, edited, escalated, frozen, and resolved once.

An approval has the id of the held call, or of the checkpoint, that it is for. What it approves is named by a digest: an edit that policy
lets pass gives it another one, and votes on the former are void.
"""

from typing import Literal

from pydantic import Field

from agentos.contracts.base import Contract, Json, Principal, Ruling, Sealed, Token, Utc
from agentos.contracts.events.call import CallContext
from agentos.contracts.model import ModelRequest

ApprovalKind = Literal["model", "tool", "checkpoint"]


class EscalationStep(Contract):
    """From ``at`` on these roles may answer as well, and are told."""

    at: Utc
    roles: tuple[str, ...]


class ApprovalRequested(Contract):
    """Something waits for a person: a held model call, a held tool call or a pack's checkpoint, by the id it has there."""

    context: CallContext
    kind: ApprovalKind
    target: str
    """The tool or model that is asked for; the agent that asks at a checkpoint. Same pack and target: alike."""
    summary: str
    """One line for a person in a hurry."""
    preview: dict[str, Json]
    """The exact effect, redacted."""
    reasons: tuple[str, ...]
    digest: str
    """What is approved: a later effect with another digest is not covered."""
    requester: Principal
    """Who asked for the task; of a subtask, who asked for the first task of its line."""
    approver_roles: tuple[str, ...]
    quorum: int = Field(default=1, ge=1, le=100)
    """How many different persons must approve. One rejection suffices."""
    four_eyes: bool = True
    """Whether the requester is barred from approving."""
    editable: bool = False
    escalation: tuple[EscalationStep, ...] = ()
    expires_at: Utc
    """Nobody's answer until then is a no."""


class ApprovalAnswered(Contract):
    """A person's n-th answer to an approval. It counts only once policy has ruled that this person may give it.

    With ``delegated_from`` the answer is given with the powers of that principal: both names stand for it.
    """

    context: CallContext
    outcome: Literal["approved", "rejected"]
    digest: str
    """What the person looked at."""
    comment: Sealed | None = None
    by: Principal
    delegation: Token | None = None
    delegated_from: Principal | None = None
    requester: Principal
    approver_roles: tuple[str, ...]
    four_eyes: bool
    voted: tuple[str, ...] = ()
    """Who has a vote on this digest already, in their own name or in that of a delegator."""
    edited_by: tuple[str, ...] = ()
    """Who made this digest of the one that was asked for."""
    request: Token
    """Where the person waits for a word."""


class ApprovalRuled(Ruling):
    """Policy's verdict on the n-th answer: may this person answer this approval so?"""


class ApprovalCommented(Contract):
    """A person's n-th remark: no vote. The text is sealed, for people write what they see."""

    context: CallContext
    by: Principal
    text: Sealed
    length: int
    """Characters."""


class ApprovalEdited(Contract):
    """A person wants something else to be done: the n-th try to edit, to be ruled on by policy.

    ``content`` seals what the person wrote, placeholders of the preview included: arguments of a tool, or a ModelRequest.
    """

    context: CallContext
    base_digest: str
    content: Sealed
    by: Principal
    requester: Principal
    approver_roles: tuple[str, ...]
    four_eyes: bool
    request: Token


class Change(Contract):
    """One difference between two JSON documents, both redacted; ``path`` is a JSON pointer (RFC 6901)."""

    op: Literal["add", "remove", "replace"]
    path: str
    old: Json = None
    new: Json = None


class ApprovalRevised(Ruling):
    """Policy's verdict on the n-th edit. Unless it is deny, the approval is from now on for ``digest``, and nobody has voted yet.

    Whoever executes takes what it does from here: ``content`` seals a tool's arguments (and, of a model call, the whole ModelRequest),
    ``redacted_request`` is what a provider will receive.
    """

    context: CallContext
    by: Principal
    base_digest: str
    digest: str = ""
    """Empty when the edit could not be read."""
    preview: dict[str, Json] = Field(default_factory=dict)
    diff: tuple[Change, ...] = ()
    obligations: dict[str, Json] = Field(default_factory=dict)
    content: Sealed | None = None
    model: str | None = None
    redacted_request: ModelRequest | None = None
    placeholders: Sealed | None = None


class ApprovalEscalated(Contract):
    """Nobody answered in time: the n-th step. ``approver_roles`` are all that may answer from now on, ``added`` the new ones."""

    context: CallContext
    approver_roles: tuple[str, ...]
    added: tuple[str, ...]


class ApprovalFrozen(Contract):
    """A kill switch covers the task: time does not count against the approval until it is thawed."""

    context: CallContext
    switch: Token
    since: Utc


class ApprovalThawed(Contract):
    """The n-th freeze is over; deadlines have moved by ``frozen_s``."""

    context: CallContext
    frozen_s: float
    expires_at: Utc
    escalation: tuple[EscalationStep, ...]
    """The steps that are still ahead."""


class Vote(Contract):
    """An answer that counted: the ``number``-th answer to the approval."""

    number: int
    outcome: Literal["approved", "rejected"]
    by: Principal
    delegated_from: Principal | None = None


class ApprovalResolved(Contract):
    """The one answer. ``expired`` and ``cancelled`` mean no. It is used up by the one settlement of the call of the same id.

    With ``revision`` 0 the decision of the same id is what was approved; else ``approval.revised.<revision>`` is. Either way by its digest.
    """

    context: CallContext
    kind: ApprovalKind
    outcome: Literal["approved", "rejected", "expired", "cancelled"]
    by: Principal
    """Whose vote decided, or the service that closed it."""
    votes: tuple[Vote, ...] = ()
    reason: str | None = None
    """Why it was closed without a person."""
    comment: Sealed | None = None
    """What the person who decided wrote."""
    digest: str
    revision: int = 0


class DelegationGranted(Contract):
    """Until ``until`` principal ``to`` may answer approvals with these roles of ``by``."""

    by: Principal
    to: str
    roles: tuple[str, ...]
    since: Utc
    until: Utc
    reason: str


class DelegationRevoked(Contract):
    """The delegation of this id no longer holds."""

    by: Principal
    reason: str
