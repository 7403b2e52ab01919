"""Why a target was chosen for a model call, what each attempt at one came to, and what an answer from the cache saved."""

from typing import Literal

from pydantic import Field

from agentos.contracts.base import Contract, Fault, Usd, Utc
from agentos.contracts.model import Cost, FinishReason, Usage

BreakerState = Literal["closed", "open", "half_open"]
Ordering = Literal["listed", "cost", "latency", "quality"]
"""``listed``: as the alias or the policy lists them."""


class ModelCandidate(Contract):
    """A target that was looked at: "provider/model". ``rejected`` says why it cannot serve the request; empty where it can."""

    target: str
    rejected: tuple[str, ...] = ()
    """Codes, such as ``no_vision``, ``context_too_long``, ``residency``, ``not_permitted``, ``breaker_open``."""
    rank: int | None = None
    """Its place in the chain, from 0."""
    usd: Usd | None = None
    """What the request would cost there at most, at today's prices."""
    latency_ms: float | None = None
    """To the first token, as measured lately, decayed."""
    quality: int | None = None
    weight: float = 1.0
    breaker: BreakerState = "closed"
    in_flight: int = 0
    limit: int | None = None
    """How many may be in flight there at once, as adapted."""


class ModelRouting(Contract):
    """The choice: every candidate with its figures, and the chain of fallbacks that was followed."""

    requested: str
    ordering: Ordering
    chain: tuple[str, ...]
    candidates: tuple[ModelCandidate, ...] = ()
    sticky: str | None = None
    """The target that the request's prefix was sent to before, where that decided."""
    config: str = ""
    """Digest of the routing configuration that chose."""


class Attempt(Contract):
    """One try at one target. ``usage`` is what the provider said, or where it could not say, what is estimated."""

    number: int
    target: str
    key: str = ""
    """Label of the provider key that was used, never the key."""
    started_at: Utc
    duration_ms: int
    waited_ms: int = 0
    """For room at the target before it began."""
    first_token_ms: int | None = None
    outcome: Literal["completed", "failed", "cancelled", "cut_off", "lost_hedge"]
    fault: Fault | None = None
    error_kind: Literal["retry", "wait", "other_provider", "never", "needs_operator"] | None = None
    provider_status: int | None = None
    provider_request_id: str | None = None
    finish_reason: FinishReason | None = None
    usage: Usage = Usage()
    estimated: bool = False
    cost: Cost | None = None
    streamed: bool = False
    continues: bool = False
    """It went on where an earlier attempt broke off in the middle of the answer."""
    notes: tuple[str, ...] = Field(default=())


class CacheHit(Contract):
    """An answer that was given before to exactly the same redacted request of the same tenant."""

    call: str
    """The call that paid for it."""
    age_s: int
    saved: Cost
    saved_usage: Usage


class KeyHealth(Contract):
    """One key of a provider, by its label. ``refused`` is open while the provider does not accept it."""

    label: str
    in_flight: int
    limit: int
    refused: BreakerState
    cool_until: Utc | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


class ProviderHealth(Contract):
    """One provider at one router: its keys, and how many calls wait for one of them."""

    keys: tuple[KeyHealth, ...]
    waiting: int


class TargetHealth(Contract):
    """One model at one router."""

    breaker: BreakerState
    open_until: Utc | None = None
    latency_ms: float | None = None
    """To the first token, as measured lately; None where nothing was measured."""
    in_flight: int


class ModelHealth(Contract):
    """What one router knows of the providers (bucket ``health``, key ``<instance>``), at most a second old while it runs."""

    at: Utc
    config: str
    providers: dict[str, ProviderHealth]
    targets: dict[str, TargetHealth]
