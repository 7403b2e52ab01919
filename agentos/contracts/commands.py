"""Commands, queries and their answers. A command asks one service to decide; the answer says what it decided."""

from typing import Literal

from pydantic import Field

from agentos.contracts.agents import AgentTerms
from agentos.contracts.base import Contract, Json, Principal, Priority, Sealed, Token, Utc
from agentos.contracts.events.kill import KillMode, KillScope
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


class UpdateTask(Contract):
    """Change the terms of a task that has not ended; a term that is None stays, but for a deadline that ``no_deadline`` takes away.

    ``revision`` is the number of the last change that the sender knows of (0: none); the command is refused when there was another.
    """

    tenant: Token
    task: Token
    revision: int = Field(ge=0)
    priority: Priority | None = None
    deadline: Utc | None = None
    no_deadline: bool = False
    labels: dict[str, str] | None = None
    max_attempts: int | None = Field(default=None, ge=1, le=20)
    by: Principal


class HoldCall(Contract):
    """Policy holds a call of this id: a person is to be asked. ``decision`` is the subject of the verdict, which stands by then and is
    what counts.
    """

    tenant: Token
    decision: str = Field(pattern=r"^evt\.[A-Za-z0-9_-]+\.(call|tool)\.[A-Za-z0-9_-]+\.decided$")


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
    mode: KillMode = "halt"
    reason: str = Field(min_length=1, max_length=1_000)
    by: Principal


class ReleaseKill(Contract):
    """Take a switch back, wholly or for a share of the tasks. Where a second person is needed this is the request for it."""

    tenant: Token
    switch: Token
    stage: Literal["probation", "released"] = "released"
    share_percent: int = Field(default=10, ge=1, le=99)
    reason: str = Field(min_length=1, max_length=1_000)
    by: Principal


class ConfirmRelease(Contract):
    """The second person's word on release request ``request`` of a switch."""

    tenant: Token
    switch: Token
    request: int = Field(ge=1)
    reason: str = Field(min_length=1, max_length=1_000)
    by: Principal


class TripKill(Contract):
    """A trigger of the policy tripped: stop its target. The id of the switch is the last token of the subject."""

    tenant: Token
    scope: KillScope
    target: str = Field(max_length=200)
    mode: KillMode = "halt"
    trigger: str = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=1, max_length=1_000)


class DrillKill(Contract):
    """Measure how soon every instance sees a switch."""

    tenant: Token
    rounds: int = Field(default=20, ge=1, le=100)
    reason: str = Field(min_length=1, max_length=1_000)
    by: Principal


class PublishBundle(Contract):
    """Let these rules decide from now on. ``bundle`` is a signed bundle as `agentos policy sign` writes it; policy checks all of it."""

    tenant: Token
    by: Principal
    bundle: dict[str, Json]


class RegisterAgent(Contract):
    """Register an external agent, or take back one that was taken off."""

    tenant: Token
    pack: Token
    agent: Token
    terms: AgentTerms
    by: Principal


class UpdateAgent(Contract):
    """Give an agent that is at ``revision`` these terms. A hosted one that nobody has changed is at 0."""

    tenant: Token
    pack: Token
    agent: Token
    revision: int = Field(ge=0)
    terms: AgentTerms
    by: Principal


class ControlAgent(Contract):
    """Pause: nothing new starts there and tasks wait; what runs may finish. Resume: it goes on, also with what has waited."""

    tenant: Token
    pack: Token
    agent: Token
    action: Literal["pause", "resume"]
    reason: str = Field(min_length=1, max_length=1_000)
    by: Principal


class ControlPack(Contract):
    """Pause all agents of a pack, those that it declares and those registered under its name, or let all go on. Who is so already stays so."""

    tenant: Token
    pack: Token
    action: Literal["pause", "resume"]
    reason: str = Field(min_length=1, max_length=1_000)
    by: Principal


class UnregisterAgent(Contract):
    """From now on the agent takes no task of the tenant, and its calls through the governed endpoint are refused."""

    tenant: Token
    pack: Token
    agent: Token
    revision: int | None = Field(default=None, ge=0)
    """Only if it is at this revision; None whatever it is at."""
    reason: str = Field(default="", max_length=1_000)
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
    """A question to a service. ``what`` stands in the subject; ``arguments`` are that query's own."""

    tenant: Token
    arguments: dict[str, Json] = Field(default_factory=dict)


class Answer(Contract):
    """What a command or a query came to. ``ok`` false carries a problem: a stable code and a detail for the person who asked."""

    ok: bool
    code: str = "ok"
    detail: str = ""
    data: Json = None
