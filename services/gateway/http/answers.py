"""What routes answer with, for the OpenAPI document."""

from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from agentos.contracts.commands import Answer


class Made(BaseModel):
    """A task stands."""

    task: str
    duplicate: bool = False


class Delivered(BaseModel):
    """What became of a webhook delivery: a task, a ping's answer, or nothing (with the reason)."""

    task: str | None = None
    duplicate: bool | None = None
    pong: bool | None = None
    ignored: bool | None = None
    reason: str | None = None


class Done(BaseModel):
    """A command was taken."""

    model_config = ConfigDict(extra="allow")

    id: str
    status: str = "accepted"


def done(id_: str, status: str, answer: Answer) -> dict[str, Any]:
    """A Done with what the service had to add."""
    added = cast("dict[str, Any]", answer.data) if isinstance(answer.data, dict) else {}
    return {"id": id_, "status": status, **added}


class Page(BaseModel):
    """A list; ``next_cursor`` is the cursor of the next page, null at the end."""

    model_config = ConfigDict(extra="allow")

    items: list[dict[str, Any]]
    next_cursor: str | None = None


class Counted(BaseModel):
    """How many there are; with `more`, at least one more than `n`."""

    n: int
    more: bool


class TaskRow(BaseModel):
    """A task in a list."""

    model_config = ConfigDict(extra="allow")

    id: str
    type: str | None = None
    state: str | None = None
    outcome: str | None = None
    pack: str | None = None
    agent: str | None = None
    version: str | None = None
    priority: str | None = None
    requester: str | None = None
    requester_kind: str | None = None
    parent: str | None = None
    waiting_for: str | None = None
    fault_code: str | None = None
    fault_message: str | None = None
    labels: dict[str, str] | None = None
    reasons: list[str] | None = None
    attempt: int = 0
    max_attempts: int = 0
    calls: int = 0
    tool_calls: int = 0
    cost_usd: str = "0"
    duration_ms: int | None = Field(default=None, description="From submission to its end; null before it.")
    submitted_at: str | None = None
    started_at: str | None = None
    settled_at: str | None = None
    updated_at: str | None = None
    deadline: str | None = None


class TaskPage(BaseModel):
    """Tasks; `next_cursor` is the cursor of the next page of the same sort, null at the end."""

    items: list[TaskRow]
    next_cursor: str | None = None
    count: Counted | None = None
    position: int | None = Field(default=None, description="The stream position that this is as of.")


class Item(BaseModel):
    """One thing, with the fields that its projection has."""

    model_config = ConfigDict(extra="allow")


class TaskItem(Item):
    """A task. ``result`` is in clear only when ``result_state`` is ``opened``."""

    id: str
    result: Any = None
    result_state: Literal["none", "opened", "sealed", "erased"] = "none"


class TaskResult(BaseModel):
    """What came of a task. ``result`` is in clear only when ``result_state`` is ``opened``."""

    id: str
    state: str | None
    outcome: str | None
    fault_code: str | None
    fault_message: str | None
    settled_at: str | None
    result: Any = None
    result_state: Literal["none", "opened", "sealed", "erased"]


class BatchItem(BaseModel):
    """What became of one of many."""

    id: str
    ok: bool
    status: int = Field(description="The status that the same request for this one alone would have had.")
    code: str | None = None
    detail: str | None = None


class BatchDone(BaseModel):
    """What became of each, in the order of the request; ``done`` counts those that were taken."""

    items: list[BatchItem]
    done: int


class EventItem(BaseModel):
    """A fact of the log. Sealed parts of ``data`` are marked, not shown."""

    seq: int
    type: str
    subject: str
    time: str | None
    event_id: str | None
    correlation_id: str | None
    causation_id: str | None
    problem: str | None = Field(description="Why it cannot be read; null where it can.")
    data: Any = None


class EventPage(BaseModel):
    """Facts of the log. A page may hold fewer than asked for, or none, and still have a next one: so far was looked."""

    items: list[EventItem]
    next_cursor: str | None = None
    position: int = Field(description="The stream position that this is as of.")


class KeyItem(BaseModel):
    """An API key as it may be shown."""

    id: str
    name: str
    roles: list[str]
    tenant: str
    created_at: str
    created_by: str
    revoked_at: str | None = None
    scopes: list[str] | None = Field(default=None, description="What it is limited to; null for all that its roles may do.")
    expires_at: str | None = None
    used_at: str | None = Field(default=None, description="When it was used last, give or take a minute.")
    virtual: dict[str, Any] | None = Field(default=None, description="What a virtual key may do; null for a key of the API.")


class KeyMade(KeyItem):
    """A new API key. ``key`` is shown this once."""

    key: str = Field(description="Send it as 'Authorization: Bearer <key>'. It cannot be shown again.")


class Health(BaseModel):
    """Whether the gateway can work, by part."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, str] = {}
