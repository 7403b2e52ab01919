"""Recorded calls through another configuration: what the events say, made ready for ``domain.simulation``."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from adapters.port import Features
from agentos.contracts.events.call import CallAttempted, CallDecided, ModelCallSettled
from agentos.contracts.routing import Attempt
from services.router.configuration import Configuration
from services.router.domain.breaker import BreakerRules
from services.router.domain.retries import Patience
from services.router.domain.simulation import Alternative, Comparison, Past, Try, World, compare
from services.router.selection import Book, ability_of, needs_for


@dataclass(slots=True)
class Gathered:
    """Calls as their events come in, in any order."""

    decided: dict[str, CallDecided] = field(default_factory=dict[str, CallDecided])
    attempted: dict[str, list[Attempt]] = field(default_factory=dict[str, list[Attempt]])
    settled: dict[str, ModelCallSettled] = field(default_factory=dict[str, ModelCallSettled])
    unreadable: int = 0

    def add(self, type_: str, call: str, data: Mapping[str, Any]) -> None:
        """One event, as the API shows it: what is sealed in it is left out, and not needed."""
        try:
            match type_:
                case "call.decided":
                    self.decided[call] = CallDecided.model_validate(_unsealed(data))
                case "call.attempted":
                    attempt = CallAttempted.model_validate(data).attempt
                    if attempt is not None:
                        self.attempted.setdefault(call, []).append(attempt)
                case "call.settled":
                    self.settled[call] = ModelCallSettled.model_validate(_unsealed(data))
                case _:
                    pass
        except ValidationError:
            self.unreadable += 1

    def whole(self) -> list[str]:
        """The calls of which everything is there."""
        return [call for call in self.settled if call in self.decided and self.decided[call].redacted_request is not None]

    def pasts(self) -> list[Past]:
        """Those calls that were really attempted, in the order in which they came."""
        found = [past for call in self.whole() if (past := self._past(call)) is not None]
        return sorted(found, key=lambda past: past.at)

    def _past(self, call: str) -> Past | None:
        decided, settled = self.decided[call], self.settled[call]
        request = decided.redacted_request
        attempts = sorted(self.attempted.get(call, []), key=lambda each: each.number)
        if settled.last is not None:
            attempts.append(settled.last)
        tries = tuple(_try(each) for each in attempts if each.outcome in ("completed", "failed", "cut_off"))
        if request is None or not tries:
            return None
        return Past(
            call,
            min(each.at for each in tries),
            request.model,
            needs_for(request, decided),
            attempts[-1].usage,
            tries,
            completed=settled.outcome == "completed",
        )


def _try(attempt: Attempt) -> Try:
    return Try(
        attempt.target,
        attempt.started_at,
        timedelta(milliseconds=attempt.duration_ms),
        None if attempt.first_token_ms is None else timedelta(milliseconds=attempt.first_token_ms),
        (attempt.error_kind or "retry") if attempt.outcome == "failed" else None,
        attempt.cost.usd if attempt.cost is not None else Decimal(0),
    )


def _unsealed(data: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is sealed: the API leaves its bytes out, and a contract does not take half of it."""
    return {name: value for name, value in data.items() if name not in ("placeholders", "arguments", "response")}


def replayed(pasts: Iterable[Past], configuration: Configuration, book: Book, *, seed: int = 0) -> Comparison:
    """``pasts`` through ``configuration``. Features are the configuration's word: no adapter is asked, no key is needed."""
    told = configuration.breaker
    every = {target for alias in configuration.aliases.values() for target in alias.targets}
    recorded = list(pasts)
    every |= {past.requested for past in recorded if "/" in past.requested}
    world = World(
        aliases={
            name: Alternative(alias.targets, alias.ordering, alias.fallbacks) for name, alias in configuration.aliases.items()
        },
        ability=lambda target: ability_of(target, configuration, Features(embeddings=True), book),
        price=lambda target, usage, at: cost.usd if (cost := book.price(target, usage, at)).priced else None,
        alive=frozenset(target.partition("/")[0] for target in every),
        breaker=BreakerRules(
            consecutive=told.consecutive,
            share=told.share,
            least=told.least,
            window=timedelta(seconds=told.window_s),
            open_for=timedelta(seconds=told.open_s),
            longest=timedelta(seconds=told.longest_s),
            probes=told.probes,
        ),
        patience=Patience(
            tries_per_target=configuration.retries.tries_per_target,
            attempts=configuration.retries.attempts,
            longest_wait=timedelta(seconds=configuration.retries.longest_wait_s),
        ),
    )
    return compare(recorded, world, random.Random(seed))  # noqa: S311 - chance that can be had again, no secret
