"""What this router knows of the providers, published for whoever watches (bucket ``health``)."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from agentos.bus import Bus
from agentos.contracts.envelope import encode_body
from agentos.contracts.errors import Conflict, NeverRetry, RetryLater
from agentos.contracts.routing import KeyHealth, ModelHealth, ProviderHealth, TargetHealth
from services.router.selection import Selection
from services.router.turns import Turns

log = structlog.get_logger(__name__)

CHANGED_S = 1.0
"""Something new is told this often at most."""
ALIVE_S = 5.0
"""And that it is alive, this often at least: the entry fades after fifteen seconds."""


def health_of(turns: Turns, config: str, now: datetime) -> ModelHealth:
    """Everything that is known at ``now``."""
    return ModelHealth(
        at=now,
        config=config,
        providers={
            name: ProviderHealth(
                keys=tuple(
                    KeyHealth(
                        label=key.label,
                        in_flight=key.limit.in_flight,
                        limit=key.limit.limit,
                        refused=key.refused.state(now),
                        cool_until=key.cool_until if key.cool_until is not None and key.cool_until > now else None,
                        requests_per_minute=key.requests.per_minute,
                        tokens_per_minute=key.tokens.per_minute,
                    )
                    for key in pool.keys
                ),
                waiting=pool.queued,
            )
            for name, pool in turns.pools.items()
        },
        targets={
            target: TargetHealth(
                breaker=known.breaker.state(now),
                open_until=known.breaker.open_until(),
                latency_ms=round(known.latency.expected_ms(now), 1) if known.latency.known() else None,
                in_flight=known.in_flight,
            )
            for target, known in turns.targets().items()
        },
    )


async def publish(bus: Bus, turns: Turns, selection: Selection, now: Callable[[], datetime]) -> None:
    """Tell what changed, and that this router is alive. Runs until cancelled."""
    bucket = bus.bucket("health")
    told: ModelHealth | None = None
    while True:
        current = health_of(turns, selection.configuration.digest, now())
        if told is None or (current.at - told.at).total_seconds() >= ALIVE_S or _differ(told, current):
            try:
                await bucket.put(bus.instance, encode_body(current))
                told = current
            except (RetryLater, NeverRetry, Conflict) as fault:
                # The entry fades, which says the same as a router that nobody hears.
                log.info("health_not_published", code=fault.code, detail=fault.detail)
        await asyncio.sleep(CHANGED_S)


def _differ(one: ModelHealth, other: ModelHealth) -> bool:
    return one.model_copy(update={"at": other.at}) != other
