"""What chooses for the execution of model calls: the chain of targets of a call, and the turn that an attempt takes at one of them."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from adapters.port import Features, ModelAdapter, ProviderError, RateLimits
from agentos.contracts.base import Fault
from agentos.contracts.events.call import CallDecided
from agentos.contracts.model import Cost, ModelRequest, Usage
from agentos.contracts.routing import ModelRouting
from services.router.domain.retries import Patience

__all__ = ["Chooser", "Patience", "Plan", "Prevented", "Target", "Turn"]


@dataclass(frozen=True, slots=True)
class Target:
    """A model at a provider; ``features`` is what it can be asked for there, the configuration's word included."""

    provider: str
    model: str
    features: Features

    @property
    def name(self) -> str:
        """As the log, the kill switch and policy know it: "provider/model"."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a call is tried, in order. ``targets`` are those of ``routing.chain``; without any, ``fault`` says why and what to do."""

    routing: ModelRouting
    targets: tuple[Target, ...]
    patience: Patience = field(default_factory=Patience)
    fault: Fault | None = None
    input_tokens: int = 0
    """About as many tokens the request takes."""


class Prevented(ProviderError):
    """No turn at a target: nothing was sent. ``code`` is ``breaker_open``, ``queue_full``, ``waited_too_long`` or ``no_key``."""

    def __init__(self, message: str, *, provider: str, code: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message, kind="other_provider", provider=provider, code=code, retry_after=retry_after)


class Turn(Protocol):
    """The right to make one attempt: room at the target, and a key. One of the three methods is called once, or it counts as cancelled."""

    adapter: ModelAdapter
    key: str
    """Label of the key."""
    waited_ms: int

    def succeeded(self, *, first_token: timedelta | None, duration: timedelta, usage: Usage, limits: RateLimits | None) -> None:
        """It brought an answer. ``first_token`` is None for what was not streamed."""
        ...

    def failed(self, error: ProviderError) -> bool:
        """It brought none. Whether the same target can be asked at once with another key."""
        ...

    def cancelled(self) -> None:
        """We ended it ourselves; it says nothing about the target."""
        ...


class Chooser(Protocol):
    """Safe for many calls at once, on one event loop."""

    def choose(self, tenant: str, call: str, request: ModelRequest, decided: CallDecided) -> Plan:
        """The plan for a call. The same call gets the same plan while nothing else has changed."""
        ...

    def price(self, target: str, usage: Usage, at: datetime) -> Cost:
        """What one attempt at ``target`` ("provider/model") that began at ``at`` and used ``usage`` cost. Cheap."""
        ...

    def may_hedge(self, plan: Plan) -> bool:
        """Asked when a hedge is due: whether this call may have one. Only a share of all calls may."""
        ...

    def turn(self, tenant: str, target: Target, tokens: int) -> AbstractAsyncContextManager[Turn]:
        """Wait for room for about ``tokens`` tokens, in and out. Entering raises ``Prevented``; cancelling leaves the queue."""
        ...
