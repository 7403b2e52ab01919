"""What requests about approvals and delegations carry."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from agentos.contracts.base import Token, Utc
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
