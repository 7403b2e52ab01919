"""What requests about approvals and delegations carry, and what they are answered with."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from agentos.contracts.base import Token, Utc
from agentos.contracts.events.approval import Change, DelegationGranted
from agentos.contracts.model import ModelRequest
from services.gateway.authorizer import Role
from services.gateway.http.models import Request

Digest = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$", description="`digest` of the approval as you looked at it.")]
Remark = Annotated[str, Field(min_length=1, max_length=4_000, description="Kept sealed, under the task's key.")]
Delegation = Annotated[Token | None, Field(description="Answer with the powers of whoever granted this delegation to you.")]


class Resolve(Request):
    """An answer to an approval, bound to what was looked at."""

    outcome: Literal["approved", "rejected"]
    digest: Digest
    comment: Remark | None = None
    delegation: Delegation = None


class ResolveMany(Request):
    """The same answer to many approvals, each bound to what was looked at."""

    outcome: Literal["approved", "rejected"]
    digests: dict[Token, Digest] = Field(min_length=1, max_length=100, description="Digest by approval.")
    like: Token | None = Field(default=None, description="Only those that ask for the same as this approval.")
    comment: Remark | None = None
    delegation: Delegation = None


class Comment(Request):
    """A remark that is no vote."""

    text: Remark


class Edit(Request):
    """Something else to be done: new arguments of a held tool call, or a new request of a held model call.

    Placeholders of the preview, such as <EMAIL_1>, may be left in place: they mean what they meant.
    """

    digest: Digest
    arguments: dict[str, Any] | None = None
    request: ModelRequest | None = None

    @model_validator(mode="after")
    def _one(self) -> "Edit":
        if (self.arguments is None) == (self.request is None):
            raise ValueError("send arguments (of a tool) or request (of a model)")
        return self


class Delegate(Request):
    """For a while another person may answer with your powers."""

    to: Token = Field(description="Id of the person, or of the API key, that shall answer.")
    roles: tuple[Role, ...] = Field(default=(), max_length=5, description="Which of yours; all without any.")
    since: Utc | None = Field(default=None, description="Now unless set.")
    until: Utc = Field(description="At most 90 days after its beginning.")
    reason: str = Field(min_length=1, max_length=1_000)


class Undelegate(Request):
    """Why a delegation is taken back."""

    reason: str = Field(min_length=1, max_length=1_000)


# --- what is answered -------------------------------------------------------------------------------------------------


class Vote(BaseModel):
    """An answer. It counts once policy allows it, as long as it is to what the approval is now for."""

    number: int
    outcome: Literal["approved", "rejected"]
    by: str
    on_behalf_of: str | None = Field(default=None, alias="for", description="Whose powers they answered with.")
    digest: str
    verdict: str | None
    reasons: list[str] = []


class EditMade(BaseModel):
    """An edit, and what policy said to it."""

    number: int
    by: str
    at: str
    verdict: str
    reasons: list[str]
    base_digest: str
    digest: str


class Remarked(BaseModel):
    """A remark, or the comment of an answer. `text` is null where it is sealed for you, or was erased."""

    by: str
    at: str
    kind: str = Field(alias="with", description="`comment`, or the outcome of the answer that it came with.")
    text: str | None
    state: Literal["opened", "sealed", "erased"]


class RiskReason(BaseModel):
    """Something that is known of it, in words."""

    level: Literal["low", "medium", "high"]
    text: str


class Risk(BaseModel):
    """How risky it is by all that is known, and why; the gravest first."""

    level: Literal["low", "medium", "high"]
    because: list[RiskReason]


class ApprovalRow(BaseModel):
    """Something that waits, or waited, for a person."""

    id: str
    tenant: str | None = None
    kind: Literal["model", "tool", "checkpoint"] | None = None
    target: str | None = None
    task: str | None = None
    task_type: str | None = None
    task_title: str | None = Field(default=None, description="The label `title` of its task; told where `risk` is.")
    pack: str | None = None
    agent: str | None = None
    requester: str | None = None
    state: str
    summary: str | None = None
    digest: str | None = None
    preview: dict[str, Any] | None = Field(default=None, description="What will be done, redacted; its shape is the call's.")
    reasons: list[str] | None = None
    approver_roles: list[str] | None = None
    votes: list[Vote] | None = None
    answers: list[Vote] | None = None
    edits: list[EditMade] | None = None
    diff: list[Change] | None = None
    attempt: int = 0
    step: int = 0
    revision: int = 0
    quorum: int = 1
    risk: Risk | None = Field(default=None, description="Told in the inbox; not where a task lists its approvals.")
    approvals: int = Field(default=0, description="How many have approved so far.")
    comments: int = 0
    escalations: int = 0
    four_eyes: bool = True
    editable: bool = False
    frozen: bool = False
    history: dict[str, int] = Field(default={}, description="How often the same of the same pack was answered how.")
    resolved_kind: str | None = None
    resolved_by: str | None = None
    reason: str | None = None
    expires_at: str | None = None
    requested_at: str | None = None
    resolved_at: str | None = None
    first_seq: int = 0
    last_seq: int = 0


class ApprovalPage(BaseModel):
    """Approvals; ``next_cursor`` is the cursor of the next page, null at the end."""

    items: list[ApprovalRow]
    next_cursor: str | None = None


class ApprovalItem(ApprovalRow):
    """An approval with what people remarked."""

    remarks: list[Remarked]


class Resolved(BaseModel):
    """Your answer counts. `state` says whether that decided it, or more approvals are needed."""

    id: str
    status: Literal["approved", "rejected"]
    outcome: str | None = None
    state: str | None = None
    approvals: int | None = None
    quorum: int | None = None


class BulkItem(BaseModel):
    """What became of one answer of many."""

    id: str
    ok: bool
    status: int | None = Field(default=None, description="Of a refusal: the status that it alone would have had.")
    code: str | None = None
    detail: str | None = None
    outcome: str | None = None
    state: str | None = None
    approvals: int | None = None
    quorum: int | None = None
    digest: str | None = Field(default=None, description="Of a refusal because of an edit: what it is for now.")
    changes: list[Change] | None = Field(default=None, description="And what was changed.")


class BulkDone(BaseModel):
    """What became of each, in the order of the request."""

    items: list[BulkItem]


class Commented(BaseModel):
    """The remark is kept."""

    id: str
    status: Literal["commented"] = "commented"


class Edited(BaseModel):
    """The edit holds: `digest` is what is to be approved now."""

    id: str
    status: Literal["edited"] = "edited"
    revision: int | None = None
    digest: str | None = None
    verdict: str | None = None
    reasons: list[str] = []
    preview: dict[str, Any] | None = None
    diff: list[Change] = []


class DelegationItem(DelegationGranted):
    """A delegation that holds, or will."""

    id: str


class DelegationList(BaseModel):
    """Delegations; all are on the one page."""

    items: list[DelegationItem]
    next_cursor: None = None


class Delegated(BaseModel):
    """A delegation holds from `since` on."""

    id: str
    status: Literal["granted"] = "granted"
    to: str | None = None
    roles: list[str] = []
    since: Utc | None = None
    until: Utc | None = None


class Undelegated(BaseModel):
    """A delegation holds no longer."""

    id: str
    status: Literal["revoked"] = "revoked"
