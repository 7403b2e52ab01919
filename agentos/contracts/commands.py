"""Commands, queries and their answers. A command asks one service to decide; the answer says what it decided."""

from typing import Literal

from pydantic import Field

from agentos.contracts.base import Contract, Json, Principal, Sealed, Token, Utc
from agentos.contracts.events.governance import KillScope
from agentos.contracts.events.task import TaskSubmitted


class SubmitTask(Contract):
    """Make this task, once: the task id is the last token of the subject. ``request`` is where the answer goes."""

    request: Token
    tenant: Token
    task: TaskSubmitted


class CancelTask(Contract):
    """Stop the task, wherever it is."""

    tenant: Token
    task: Token
    reason: str = Field(min_length=1, max_length=1_000)
    by: Principal


class RetryTask(Contract):
    """Make another attempt of a task that is failed, refused, cancelled, expired or parked; ``from_step`` makes steps anew."""

    tenant: Token
    task: Token
    from_step: int | None = Field(default=None, ge=0)
    by: Principal


class ResolveApproval(Contract):
    """A person's answer to an approval. ``digest`` is what they looked at; ``delegation`` names whose powers they answer with."""

    tenant: Token
    approval: Token
    outcome: Literal["approved", "rejected"]
    digest: str = Field(min_length=1, max_length=128)
    comment: Sealed | None = None
    delegation: Token | None = None
    by: Principal


class CommentApproval(Contract):
    """A remark that is no vote."""

    tenant: Token
    approval: Token
    text: Sealed
    length: int = Field(ge=1)
    by: Principal


class EditApproval(Contract):
    """Something else is to be done: ``content`` seals a tool's arguments or a ModelRequest, as the person wrote it."""

    tenant: Token
    approval: Token
    base_digest: str = Field(min_length=1, max_length=128)
    content: Sealed
    by: Principal


class DelegateApprovals(Contract):
    """Until ``until`` principal ``to`` may answer with ``roles`` of ``by``; all of them when none is named."""

    tenant: Token
    to: Token
    roles: tuple[str, ...] = ()
    since: Utc
    until: Utc
    reason: str = Field(min_length=1, max_length=1_000)
    by: Principal


class RevokeDelegation(Contract):
    """Take a delegation back."""

    tenant: Token
    delegation: Token
    reason: str = Field(min_length=1, max_length=1_000)
    by: Principal


class EngageKill(Contract):
    """Stop everything in scope at once."""

    tenant: Token
    scope: KillScope
    target: str = Field(default="*", max_length=200)
    reason: str = Field(min_length=1, max_length=1_000)
    by: Principal


class ReleaseKill(Contract):
    """Take a switch back."""

    tenant: Token
    switch: Token
    reason: str = Field(min_length=1, max_length=1_000)
    by: Principal


class TimerDue(Contract):
    """A timer fired. What it is about stands in the subject: ``timer.<service>.due.<what>.<id>``."""

    tenant: Token
    ordinal: int = 0


class WorkItem(Contract):
    """Run (or go on running) this attempt of a task."""

    tenant: Token
    task: Token
    attempt: int
    resumption: int
    pack: Token
    agent: str


class Query(Contract):
    """A read of the ledger's projections. ``what`` stands in the subject; ``arguments`` are that query's own."""

    tenant: Token
    arguments: dict[str, Json] = Field(default_factory=dict)


class Answer(Contract):
    """What a command or a query came to. ``ok`` false carries a problem: a stable code and a detail for the person who asked."""

    ok: bool
    code: str = "ok"
    detail: str = ""
    data: Json = None
