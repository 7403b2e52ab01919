"""What requests carry. Unknown fields are refused, each field says what it is for."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from agentos.contracts.base import Priority, Token, Utc
from agentos.contracts.budgets import FixedWindow, Metric, Mode
from agentos.contracts.events.kill import KillMode, KillScope
from services.gateway.authorizer import Action, Role

IdPrefix = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_-]{6,128}$", description="Only those whose id begins so.")]
Ids = Annotated[
    str | None,
    Query(
        pattern=r"^[A-Za-z0-9_-]{1,128}(,[A-Za-z0-9_-]{1,128}){0,99}$",
        description="Only those of these ids that the rest lets through: one, or up to a hundred with commas.",
    ),
]


Cursor = Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$", description="`next_cursor` of the page before.")]
Position = Annotated[
    str | None,
    Query(
        pattern=r"^[0-9]{1,18}$",
        description="`next_cursor` of the page before; any position of the log is one, and begins after it.",
    ),
]
"""The cursor of a list in stream order."""


class Request(BaseModel):
    """The base of every request body."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Label = Annotated[str, Field(max_length=200)]


class NewTask(Request):
    """A task to be done."""

    type: Token = Field(
        description="What kind of work; a registered pack must take it. While none of its instances is alive the task waits."
    )
    input: dict[str, Any] = Field(description="What the pack works on: any JSON object. Sealed before it is stored.")
    pack: Token | None = Field(default=None, description="Only this pack; otherwise the router chooses.")
    priority: Priority = "normal"
    deadline: Utc | None = Field(default=None, description="ISO 8601 with a time zone; the task expires then.")
    depends_on: tuple[Token, ...] = Field(default=(), max_length=100, description="Ids of tasks that must complete first.")
    labels: dict[Label, Label] = Field(default={}, max_length=32)
    max_attempts: int = Field(default=3, ge=1, le=20)


class TaskChange(Request):
    """What to change of a task that has not ended; what is left out stays."""

    priority: Priority | None = Field(default=None, description="Holds from the next time that the task is handed to a pack.")
    deadline: Utc | None = Field(default=None, description="ISO 8601 with a time zone, some seconds ahead; null takes it away.")
    labels: dict[Label, Label] | None = Field(
        default=None, max_length=32, description="All of them: what is not named is gone."
    )
    max_attempts: int | None = Field(default=None, ge=1, le=20)

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("say what to change: priority, deadline, labels or max_attempts")
        for name in self.model_fields_set - {"deadline"}:
            if getattr(self, name) is None:
                raise ValueError(f"{name}: leave it out to keep it")
        return self


class Cancel(Request):
    """Why a task is stopped."""

    reason: str = Field(min_length=1, max_length=1_000)


class Retry(Request):
    """Another attempt; recorded steps from ``from_step`` on are made anew."""

    from_step: int | None = Field(default=None, ge=0, le=1_000_000)


class Batch(Request):
    """The same for many tasks."""

    action: Literal["cancel", "retry"]
    tasks: tuple[Token, ...] = Field(min_length=1, max_length=200)
    reason: str = Field(default="", max_length=1_000, description="Why they are cancelled; needed for that.")

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if self.action == "cancel" and not self.reason:
            raise ValueError("reason: say why the tasks are cancelled")
        return self


class Engage(Request):
    """What to stop, how, and why."""

    scope: KillScope
    target: str = Field(
        default="*",
        min_length=1,
        max_length=200,
        description="The pack, pack/agent, provider, provider/model or alias, tool or task id; * for all.",
    )
    mode: KillMode = Field(default="halt", description="halt cancels what runs; drain lets it finish.")
    reason: str = Field(min_length=1, max_length=1_000)


class Release(Request):
    """Why a switch is taken back, and how far."""

    stage: Literal["probation", "released"] = Field(
        default="released", description="probation lets a share of the tasks start; released lets everything."
    )
    share_percent: int = Field(default=10, ge=1, le=99, description="Of 100 tasks, how many may start on probation.")
    reason: str = Field(min_length=1, max_length=1_000)


class Confirm(Request):
    """The second person's word on a release."""

    request: int = Field(ge=1, description="The number of the release request that you have seen.")
    reason: str = Field(min_length=1, max_length=1_000)


class Drill(Request):
    """How often to measure, and why."""

    rounds: int = Field(default=20, ge=1, le=100)
    reason: str = Field(min_length=1, max_length=1_000)


Reason = Annotated[
    str, Field(min_length=3, max_length=1_000, description="Why; it stands in the log, so name no person in it.")
]


class Reveal(Request):
    """Which sealed value to open."""

    event: str = Field(min_length=1, max_length=600, description="The event's subject or its id.")
    field: str | None = Field(
        default=None, max_length=200, description="Which of its sealed fields; needed where there are several."
    )
    reason: Reason


class _AboutData(Request):
    """A task or a person."""

    task: Token | None = Field(default=None, description="A task: its whole family, subtasks included.")
    subject: str | None = Field(
        default=None,
        min_length=3,
        max_length=320,
        description="A person's identifier, such as an e-mail address or telephone number.",
    )
    reason: Reason

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.task is None) == (self.subject is None):
            raise ValueError("give either a task or a subject")
        if self.subject is not None and self.subject.casefold() in self.reason.casefold():
            raise ValueError("the reason repeats the subject, and would keep it in the log for ever: leave it out there")
        return self


class Erase(_AboutData):
    """Whose data to erase."""

    cancel: bool = Field(default=False, description="Cancel what still runs instead of refusing.")


class PrivacyExport(_AboutData):
    """Whose data to give out."""


class Verification(Request):
    """Anchors to hold the chain against."""

    anchors: tuple[Annotated[str, Field(max_length=2_000)], ...] = Field(
        default=(), max_length=1_000, description="Lines of a file of anchors, as they stand in it."
    )


class NewBudget(Request):
    """A limit on what a virtual key may use, in an account of its own."""

    metric: Metric
    limit: Annotated[Decimal, Field(ge=0, max_digits=24, decimal_places=12, allow_inf_nan=False)]
    window: FixedWindow
    mode: Mode = "hard"


class NewVirtualKey(Request):
    """What a virtual key may do, and whose its calls are."""

    pack: Token = Field(description="The calls count as this pack's, for policy, budgets and the kill switch.")
    agent: Token = "client"
    task_type: Token = "endpoint"
    models: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        default=(), max_length=200, description="Aliases or provider/model, * for anything in them; empty: every model."
    )
    budgets: tuple[NewBudget, ...] = Field(default=(), max_length=20)
    untrusted: bool = Field(default=False, description="Whether all that comes in with it counts as content from outside.")
    expires_at: Utc | None = None


class NewKey(Request):
    """An API key to be made: with roles for the API, or a virtual one for the governed endpoint."""

    name: str = Field(min_length=1, max_length=100, description="For people: who or what will use it.")
    roles: tuple[Role, ...] = Field(default=(), max_length=5)
    scopes: tuple[Action, ...] | None = Field(
        default=None, min_length=1, max_length=100, description="Of what its roles may do, only this; null for all of it."
    )
    expires_at: Utc | None = Field(default=None, description="When it ends by itself; null for never.")
    virtual: NewVirtualKey | None = None
    tenant: Token | None = Field(default=None, description="Only your own.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.roles) == (self.virtual is not None):
            raise ValueError("give either roles or virtual: a key opens the API or the governed endpoint, never both")
        if self.virtual is not None and (self.scopes is not None or self.expires_at is not None):
            raise ValueError("scopes and expires_at are a key's of the API: a virtual one has its own within virtual")
        if self.expires_at is not None and self.expires_at <= datetime.now(UTC):
            raise ValueError("expires_at is in the past")
        return self
