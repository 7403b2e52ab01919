"""What routes about tasks and calls answer with: the columns of the ledger's rows, each by its name."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from agentos.contracts.base import Fault, Priority, Utc
from agentos.contracts.events.task import LogLevel
from services.gateway.http.answers import Counted, EventItem

ResultState = Literal["none", "opened", "sealed", "erased"]


class Tokens(BaseModel):
    """Tokens by kind."""

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


class _Task(Tokens):
    id: str
    tenant: str | None = None
    type: str | None = None
    state: str | None = None
    outcome: str | None = None
    pack: str | None = None
    agent: str | None = None
    version: str | None = None
    priority: str | None = None
    requester: str | None = None
    requester_kind: str | None = None
    untrusted: bool = False
    parent: str | None = None
    family: str | None = Field(default=None, description="The data key that seals what the task and its subtasks hold.")
    depends_on: list[str] | None = None
    waiting_for: str | None = None
    waiting_on: str | None = None
    fault_code: str | None = None
    fault_message: str | None = None
    labels: dict[str, str] | None = None
    reasons: list[str] | None = None
    input_digest: str | None = None
    result_digest: str | None = None
    attempt: int = 0
    max_attempts: int = 0
    tool_calls: int = 0
    unpriced_calls: int = 0
    simulated_calls: int = 0
    refusals: int = 0
    cost_usd: str = "0"
    duration_ms: int | None = Field(default=None, description="From submission to its end; null before it.")
    submitted_at: str | None = None
    started_at: str | None = None
    retry_at: str | None = None
    settled_at: str | None = None
    erased_at: str | None = None
    updated_at: str | None = None
    deadline: str | None = None
    first_seq: int = 0
    last_seq: int = 0


class TaskRow(_Task):
    """A task in a list."""

    calls: int = 0


class TaskPage(BaseModel):
    """Tasks; `next_cursor` is the cursor of the next page of the same sort, null at the end."""

    items: list[TaskRow]
    next_cursor: str | None = None
    count: Counted | None = None
    position: int | None = Field(default=None, description="The stream position that this is as of.")


class TaskAttempt(BaseModel):
    """One attempt of a task, as far as it got."""

    attempt: int
    queued_at: str | None = None
    reason: str | None = Field(default=None, description="Why it was made.")
    verdict: str | None = None
    reasons: list[str] | None = None
    rules: list[str] | None = None
    pack: str | None = None
    agent: str | None = None
    routing: str | None = Field(default=None, description="Why it went there.")
    started_at: str | None = None
    instance: str | None = None
    ended_at: str | None = None
    outcome: str | None = None
    fault: Fault | None = None
    retry_at: str | None = None
    cancelled_because: str | None = None
    settled_at: str | None = None


class TimelineEntry(BaseModel):
    """One event of the task itself, without its body."""

    seq: int
    time: str | None
    fact: str
    ordinal: str | None
    event_id: str | None


class CallRow(Tokens):
    """A model or tool call."""

    id: str
    tenant: str | None = None
    kind: Literal["model", "tool"] | None = None
    task: str | None = None
    task_type: str | None = None
    pack: str | None = None
    agent: str | None = None
    api_key: str | None = None
    end_user: str | None = None
    state: str | None = None
    requested_model: str | None = None
    model: str | None = None
    provider: str | None = None
    tool: str | None = None
    effect: str | None = None
    verdict: str | None = None
    reasons: list[str] | None = None
    rules: list[str] | None = None
    bundle: str | None = None
    entities: dict[str, int] | None = Field(default=None, description="How much personal data of which kind was replaced.")
    digest: str | None = None
    response_digest: str | None = None
    outcome: str | None = None
    finish_reason: str | None = None
    fault_code: str | None = None
    fault_message: str | None = None
    cached_from: str | None = None
    attempt: int = 0
    step: int = 0
    attempts: int = 0
    duration_ms: int = 0
    simulated: bool = False
    priced: bool | None = None
    unpriced: bool = False
    cost_usd: str = "0"
    requested_at: str | None = None
    decided_at: str | None = None
    started_at: str | None = None
    settled_at: str | None = None
    first_seq: int = 0
    last_seq: int = 0


class CallItem(CallRow):
    """A call with its events."""

    events: list[EventItem]


class TaskApproval(BaseModel):
    """An approval that the task waits or waited for; all of it is at `/approvals/{id}`."""

    id: str
    kind: str | None = None
    target: str | None = None
    state: str | None = None
    summary: str | None = None
    digest: str | None = None
    reasons: list[str] | None = None
    approver_roles: list[str] | None = None
    quorum: int = 1
    step: int = 0
    attempt: int = 0
    frozen: bool = False
    resolved_kind: str | None = None
    resolved_by: str | None = None
    reason: str | None = None
    expires_at: str | None = None
    requested_at: str | None = None
    resolved_at: str | None = None


class TaskItem(_Task):
    """A task. ``result`` is in clear only when ``result_state`` is ``opened``."""

    revision: int = Field(description="How often its terms were changed.")
    attempts: list[TaskAttempt] = []
    timeline: list[TimelineEntry] = []
    calls: list[CallRow] = []
    call_count: int = 0
    tool_call_count: int = 0
    approvals: list[TaskApproval] = []
    result: Any = None
    result_state: ResultState = "none"


class TaskResult(BaseModel):
    """What came of a task. ``result`` is in clear only when ``result_state`` is ``opened``."""

    id: str
    state: str | None
    outcome: str | None
    fault_code: str | None
    fault_message: str | None
    settled_at: str | None
    result: Any = None
    result_state: ResultState


class LogLine(BaseModel):
    """One event, in words."""

    seq: int
    time: str | None
    level: LogLevel
    text: str
    type: str = Field(description="The event's; all of it is at `/tasks/{id}/events`.")
    event_id: str | None
    sealed: bool = Field(description="An agent's own lines: they are the sealed field `lines` of the event.")


class LogPage(BaseModel):
    """Lines in stream order; ``next_cursor`` is the cursor of the next page, null at the end of what there is so far."""

    items: list[LogLine]
    next_cursor: str | None = None


class TaskTerms(BaseModel):
    """What may be changed of a task, as it is now. `revision` counts the changes."""

    id: str
    revision: int
    priority: Priority
    deadline: Utc | None
    labels: dict[str, str]
    max_attempts: int


class TaskDone(BaseModel):
    """A command about a task was taken. `attempt` is the one that it is about, or that it began."""

    id: str
    status: Literal["accepted"] = "accepted"
    attempt: int | None = None
    revision: int | None = None


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
