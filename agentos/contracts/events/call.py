"""Governed calls: a model call (aggregate ``call``) and a tool call (aggregate ``tool``) are asked, decided, settled.

A call that is held waits for the approval of the same id.
"""

from typing import ClassVar, Literal

from pydantic import Field

from agentos.contracts.base import Contract, Fault, Json, Ruling, Sealed, Token, Usd, Utc
from agentos.contracts.budgets import Metric
from agentos.contracts.model import Cost, FinishReason, ModelRequest, Usage
from agentos.contracts.routing import Attempt, CacheHit, ModelRouting


class CallContext(Contract):
    """Whose call it is. Written by the runner, never by the pack; by the gateway for a call of the governed endpoint.

    Behind the endpoint there is no task: ``task`` is then what its calls have in common (labels, placeholders, history, one data key of
    the same name), a single call unless its client groups them, and ``api_key`` is set.
    """

    task: Token
    attempt: int
    step: int
    task_type: Token
    pack: Token
    agent: str
    untrusted: bool
    instance: str
    """The instance that awaits the answer, of the runner or of the gateway."""
    api_key: Token | None = None
    """The virtual key that a call of the governed endpoint came in with."""
    user: str | None = Field(default=None, max_length=128)
    """A keyed digest of the end user that the endpoint's client named, so that a budget can be theirs without saying who."""
    alone: bool = False
    """The call is the only one that there will ever be in its task family: it has no history to look at, and none will be looked at.
    Of calls of the governed endpoint only."""
    uninspected: tuple[str, ...] = Field(default=(), max_length=4_096)
    """``call.<id>`` or ``tool.<id>`` of answers that the agent has seen and of which the runner does not know that policy has
    looked at them. Policy looks before it decides: nothing is decided in ignorance of what the agent has read."""


class ModelCallRequested(Contract):
    """A pack, or a client of the governed endpoint, asks for a model.

    ``request`` seals a ModelRequest; ``digest`` is over the clear request, for replay checks.
    """

    context: CallContext
    model: str
    request: Sealed
    digest: str
    max_output_tokens: int
    stream: bool = False
    """Whoever asks wants the answer as it comes in (channel ``call.streamed``), ahead of the settlement."""


class ToolCallRequested(Contract):
    """A pack asks for a tool. ``arguments`` seals the tool's JSON arguments."""

    context: CallContext
    tool: str
    """As declared in the pack's manifest, e.g. ``github.comment``."""
    declared_tools: tuple[str, ...]
    task_tools: tuple[str, ...] = ()
    """Of those, the ones that this task's agent declares as its own."""
    destinations: tuple[str, ...] = ()
    """Parameters that say where something goes, by the manifest; addresses and URLs are recognised without it."""
    effect: Literal["read", "write", "egress"]
    arguments: Sealed
    digest: str


Operator = Literal["replace", "mask", "hash", "drop", "block", "allow"]
"""What is done with a find. replace: a reversible placeholder. mask: ``****1234``. hash: ``<EMAIL#1f2e3d4c>``, the same for the same
value of the task, not reversible. drop: removed. block: the call is refused. allow: left as it is."""


class RedactedEntity(Contract):
    """One thing that the redactor found: its kind, what was done with it, and what stands in its place; never the value."""

    entity: str
    placeholder: str
    """Empty where nothing stands in its place: it was dropped, or blocked or allowed (these two stand once for all of their kind)."""
    operator: Operator = "replace"


class Reservation(Contract):
    """What a budget keeps back for a call until it is settled: the worst case, in the budget's unit (requests, tokens or USD)."""

    budget: str
    account: Token
    """Where the budget's state stands for this call's key, in bucket ``budgets`` below the tenant."""
    window: str
    """The window's key, such as ``2026-11-21`` for a day or ``sliding`` for a sliding one."""
    metric: Metric
    amount: Usd
    provider: str | None = None
    """Set where the budget is one provider's: another one's call costs it nothing."""


class CallDecided(Ruling):
    """The verdict on a call, given once, whatever happens after. ``hold`` waits for the approval of the same id.

    For a model call ``redacted_request`` is what the provider will receive, in clear, and ``placeholders`` seals the map that
    restores it. For a tool call ``redacted_arguments`` is what an approver sees; the tool itself gets the sealed original.
    """

    context: CallContext
    kind: Literal["model", "tool"]
    obligations: dict[str, Json] = Field(default_factory=dict)
    digest: str
    """Digest of what was decided on; an approval binds to it."""
    labels: tuple[str, ...] = ()
    """What the task's history is marked with at this moment, such as ``untrusted`` or ``injection.suspected``."""
    reservations: tuple[Reservation, ...] = ()
    model: str | None = None
    redacted_request: ModelRequest | None = None
    stream: bool = False
    """As it was asked for; false where the answer has to be inspected before anyone sees it."""
    tool: str | None = None
    redacted_arguments: dict[str, Json] | None = None
    arguments: Sealed | None = None
    entities: tuple[RedactedEntity, ...] = ()
    placeholders: Sealed | None = None


class Inspected(Contract):
    """What policy saw in what came back: a model's answer or a tool's result, before the task may act on it.

    ``labels`` are added to the task's history and follow whatever is derived from it. ``entities`` names kinds of new personal data
    and secrets, never the values. ``verdict`` deny means that the pack does not get to see it.
    """

    context: CallContext
    labels: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    leaked_instructions: bool = False
    verdict: Literal["allow", "deny"] = "allow"
    reasons: tuple[str, ...] = ()


class CallAttempted(Contract):
    """An attempt that did not settle the call: the next one follows after ``delay_ms``, on ``next`` or on the same target.

    For a model call ``attempt`` says what it used and cost; an attempt that lost against its hedge stands here too, with no next.
    """

    context: CallContext
    target: str
    started_at: Utc
    duration_ms: int
    fault: Fault
    provider_status: int | None = None
    delay_ms: int = 0
    next: str | None = None
    attempt: Attempt | None = None


class AnswerStreamed(Contract):
    """A piece of an answer as it came in. ``deltas`` seals a JSON list of ``Delta``, with the placeholders in it (purpose ``call.streamed``).

    Chunks of one attempt have ascending ``seq`` from 0. They are a preview, kept for minutes: the settlement is what counts, and holds
    the whole answer. An attempt that fails after chunks were sent is continued (the same answer goes on, ``attempt`` is higher) or the
    call fails; what was sent is never taken back. A router that takes a call over reads them to know what was said already.
    """

    PURPOSE: ClassVar[str] = "call.streamed"
    """What ``deltas`` is sealed for."""

    attempt: int
    target: str
    """Who says it, "provider/model"."""
    seq: int
    deltas: Sealed


class CallAbandoned(Contract):
    """The client that waited for this call has gone away: it is stopped, and what it used is settled."""

    reason: Literal["disconnected", "key_revoked", "timed_out"]


class ModelCallSettled(Contract):
    """The end of a model call. ``response`` seals the ModelResponse as the provider gave it (placeholders included).

    ``usage`` and ``cost`` are the sums of all its attempts: those of ``call.attempted``, and ``last``, which ended it. A cached answer
    has neither.
    """

    context: CallContext
    outcome: Literal["completed", "failed", "refused", "cancelled"]
    attempts: int
    provider: str | None = None
    model: str | None = None
    simulated: bool = False
    response: Sealed | None = None
    """Also of a call that failed or was cancelled in the middle of its answer: as much as had come."""
    response_digest: str | None = None
    finish_reason: FinishReason | None = None
    usage: Usage = Usage()
    cost: Cost | None = None
    started_at: Utc | None = None
    duration_ms: int = 0
    fault: Fault | None = None
    reasons: tuple[str, ...] = ()
    placeholders: Sealed | None = None
    """Carried over from the decision, so that the runner needs one event to answer the pack."""
    inspect_first: bool = False
    """The decision obliges the runner to wait for the inspection before the agent sees the answer."""
    routing: ModelRouting | None = None
    last: Attempt | None = None
    cached: CacheHit | None = None


class ToolCallSettled(Contract):
    """The end of a tool call. ``result`` seals the tool's JSON result."""

    context: CallContext
    tool: str
    outcome: Literal["completed", "failed", "refused", "cancelled"]
    simulated: bool = False
    result: Sealed | None = None
    result_digest: str | None = None
    duration_ms: int = 0
    fault: Fault | None = None
    reasons: tuple[str, ...] = ()
    inspect_first: bool = False
    """As for a model call."""
