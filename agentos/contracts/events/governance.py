"""Checkpoints, budgets, violations, webhook deliveries and audit checkpoints."""

from typing import Literal

from pydantic import Field

from agentos.contracts.base import Contract, Json, Principal, Ruling, Sealed, Token, Usd, Utc
from agentos.contracts.budgets import Metric, Mode
from agentos.contracts.events.call import CallContext, RedactedEntity
from agentos.contracts.virtualkeys import VirtualKeyTerms


class CheckpointRequested(Contract):
    """A pack asks a person (``ctx.approval``). ``question`` seals the text; the approval of the same id answers, if policy lets it be asked."""

    context: CallContext
    question: Sealed
    digest: str


class CheckpointDecided(Ruling):
    """Whether a pack may ask a person, given once. Unless it is deny, gates asks on the terms in ``obligations``.

    ``redacted_question`` is what a person will read, in clear; ``placeholders`` seals the map that restores it.
    """

    context: CallContext
    obligations: dict[str, Json] = Field(default_factory=dict)
    digest: str
    """Digest of what the pack asked; the approval binds to it."""
    labels: tuple[str, ...] = ()
    """What the task's history is marked with at this moment."""
    redacted_question: str = ""
    entities: tuple[RedactedEntity, ...] = ()
    placeholders: Sealed | None = None


class ViolationNoted(Contract):
    """A pack tried to get past its sandbox and was refused: the n-th time that this is told of a task.

    A pack that runs tasks of several tenants at once may blame one of its own runs for what another did; who tried what is
    certain only as far as the pack.
    """

    task: Token | None
    """None for what was tried while the pack was imported, or by no run that can be named; the pack is the id then."""
    attempt: int
    pack: Token
    agent: str
    tool: str = ""
    """The tool that tried it, where it was no agent."""
    what: Literal["network", "process", "file", "environment", "memory", "protocol", "other"]
    detail: str
    """What was tried, in a few words: a system call, a path below the sandbox, an address. Never data."""
    count: int = 1
    """How often, when the same was tried many times at once."""


class BudgetWarned(Contract):
    """A share ``threshold`` of a budget's limit is spent in this window. Told once a window and threshold; in the metric's own unit."""

    budget: str
    key: dict[str, str]
    metric: Metric
    mode: Mode
    window: str
    threshold: float
    limit: Usd
    spent: Usd
    reserved: Usd


class BudgetExceeded(Contract):
    """A budget had no room for a call: such calls are denied (hard) or wait (throttle) until the window moves on. Told once a window."""

    budget: str
    key: dict[str, str]
    metric: Metric
    mode: Mode
    window: str
    limit: Usd
    spent: Usd
    reserved: Usd
    until: Utc | None
    """When there will be more room; None where there never will."""


class DeliveryReceived(Contract):
    """A webhook delivery was verified and became a task. Its subject is the replay defence: the second one is refused by the stream."""

    source: Token
    delivery: str
    task: Token
    body_digest: str


class AuditCheckpointed(Contract):
    """The audit chain up to and including ``seq`` hashes to ``chain``, the Merkle tree over it to ``root`` (both hex SHA-256).

    Signed with the ledger's Ed25519 key.
    """

    seq: int
    chain: str
    root: str
    count: int
    key_id: str
    signature: bytes


class ApiKeyChanged(Contract):
    """An API key was created or revoked: an administrative act like any other. The key itself is nowhere."""

    change: Literal["created", "revoked"]
    name: str
    roles: tuple[str, ...]
    """Empty for a virtual key: it opens the governed endpoint and nothing else."""
    by: Principal
    scopes: tuple[str, ...] | None = None
    """The actions that it is limited to; None for all that its roles have."""
    expires_at: Utc | None = None
    virtual: VirtualKeyTerms | None = None
    """What a virtual key may do."""


class KeptMessage(Contract):
    """A message as its stream had it, byte for byte: what was sealed in it is sealed here."""

    headers: dict[str, str]
    body: bytes


class DeadLetter(Contract):
    """A message that its consumer could not take, kept whole for a person: why, where it stands, and the sealed or plain body's digest."""

    service: str
    consumer: str
    subject: str
    stream: str
    seq: int
    deliveries: int
    code: str
    detail: str
    body_digest: str
    at: Utc
    message: KeptMessage | None = None
    """The message itself, which its stream forgets. None for an event: it stands in its stream for ever."""


class DeadLetterSettled(Contract):
    """A person has dealt with a dead letter, once: their consumer tries the message again, or it is left at that."""

    outcome: Literal["retried", "discarded"]
    letter: int
    """Where the dead letter stands in its stream."""
    service: Token
    """Whose it is: of all readers of this fact the one that does something about it."""
    reason: str
    by: Principal
