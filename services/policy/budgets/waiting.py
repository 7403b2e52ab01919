"""Calls that wait for room hold no message: a timer brings each back, and whoever is behind them goes on.

A message that is only put back still counts among those that a consumer has in hand, and a thousand of one tenant's would stop everyone's.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from agentos.bus import Bus, Route
from agentos.contracts.commands import TimerDue
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import RetryLater
from agentos.contracts.subjects import EventSubject
from agentos.lineage import model_call

LONGEST = timedelta(seconds=5)
"""Between two tries of a call that waits for others' settlements, once it has waited for long."""


class WaitingCalls:
    """``handle`` is what is done with ``call.requested`` or ``call.received``; it calls ``put_off`` where there is no room yet."""

    def __init__(self, bus: Bus, handle: Callable[[Recorded], Awaitable[None]]) -> None:
        self._bus = bus
        self._handle = handle

    def routes(self) -> list[Route]:
        """The handler table."""
        return [Route("timer.policy-budget-due", self.on_due, concurrency=64)]

    async def put_off(self, requested: Recorded, waits: RetryLater) -> None:
        """Have ``requested`` handled again after the delay that ``waits`` names, or later the longer it has waited."""
        subject, now = EventSubject.parse(requested.subject), datetime.now(UTC)
        delay = max(waits.delay, min((now - requested.meta.time) / 4, LONGEST))
        at = now + delay * random.uniform(1.0, 1.2)  # noqa: S311 - jitter, no secret
        # The moment makes each timer another one. Should this be done twice, the call is tried twice, which changes nothing.
        ordinal = int(at.timestamp() * 1000)
        await self._bus.set_timer(
            "budget",
            f"{subject.id}-{ordinal}",
            TimerDue(tenant=subject.tenant, ordinal=ordinal),
            at=at,
            cause=requested,
            correlation_id=requested.meta.correlation_id,
        )

    async def on_due(self, message: Recorded) -> None:
        """Try again. Raises what ``handle`` raises."""
        tenant = message.payload(TimerDue).tenant
        call = message.subject.rpartition(".")[2].rpartition("-")[0]
        requested = await model_call(self._bus, tenant, call)
        if requested is None:
            raise RetryLater(f"call {call} cannot be read")
        if await self._bus.get(f"evt.{tenant}.call.{call}.decided") is None:
            await self._handle(replace(requested, deliveries=message.deliveries))
