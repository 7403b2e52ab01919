"""The one settlement of a call: what it came to, sealed, with the sums of all its attempts."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

import structlog

from agentos.bus import Bus, keep_trying
from agentos.contracts.base import Fault, Sealed
from agentos.contracts.envelope import Recorded, digest, encode_body
from agentos.contracts.errors import Conflict, NeverRetry
from agentos.contracts.events.call import CallDecided, ModelCallSettled
from agentos.contracts.model import Cost, Usage
from agentos.contracts.routing import Attempt, CacheHit, ModelRouting
from agentos.contracts.subjects import EventSubject
from agentos.keyring import KeyRing
from agentos.telemetry import counter, histogram
from services.router.execution import Ending

log = structlog.get_logger(__name__)

__all__ = ["Settling", "key_of", "sums"]


def key_of(decided: CallDecided) -> str:
    """The data key that the call's answer is sealed with: its task family's."""
    return decided.placeholders.key if decided.placeholders is not None else decided.context.task


def sums(attempts: Iterable[Attempt]) -> tuple[Usage, Cost | None]:
    """What attempts have used and cost together; no cost where there were none."""
    usage, usd, priced, any_cost = Usage(), Decimal(0), True, False
    for attempt in attempts:
        usage = usage.plus(attempt.usage) if usage != _NONE else attempt.usage
        if attempt.cost is not None:
            usd, priced, any_cost = usd + attempt.cost.usd, priced and attempt.cost.priced, True
    return usage, Cost(usd=usd, priced=priced) if any_cost else None


_NONE = Usage()


class Settling:
    """Writes settlements."""

    def __init__(self, bus: Bus, keys: KeyRing) -> None:
        self._bus, self._keys = bus, keys
        self._calls = counter("agentos_model_calls_total", "Model calls settled.", ("provider", "model", "outcome"))
        self._seconds = histogram("agentos_model_call_seconds", "Provider time of settled calls.", ("provider",))
        self._cost = counter("agentos_model_cost_usd_total", "Cost of settled calls.", ("provider", "model"))

    async def settle(
        self,
        message: Recorded,
        decided: CallDecided,
        ending: Ending,
        *,
        routing: ModelRouting | None = None,
        took: timedelta = timedelta(),
        cached: CacheHit | None = None,
    ) -> None:
        """Write the settlement; nothing where one stands already. Held in memory for as long as the broker is away."""
        subject = EventSubject.parse(message.subject)
        outcome, fault, response = ending.outcome, ending.fault, ending.response
        sealed: Sealed | None = None
        plain = b""
        if response is not None:
            plain = encode_body(response)
            try:
                sealed = await keep_trying(lambda: self._keys.seal(subject.tenant, key_of(decided), "call.response", plain))
            except NeverRetry as erased:
                # The task's key was erased while the provider worked: what it cost is kept, what it said is not.
                fault = fault or Fault(code=erased.code, message=erased.detail)
                outcome = "failed" if outcome == "completed" else outcome
        attempts = ending.earlier if ending.last is None else (*ending.earlier, ending.last)
        usage, cost = sums(attempts)
        provider, model = _who(ending, decided)
        settled = ModelCallSettled(
            context=decided.context,
            outcome=outcome,
            attempts=len(attempts),
            provider=provider,
            model=model,
            simulated=response is not None and response.simulated,
            response=sealed,
            response_digest=digest(plain) if sealed is not None else None,
            finish_reason=response.finish_reason if response is not None and ending.outcome == "completed" else None,
            usage=usage,
            cost=cost,
            started_at=attempts[0].started_at if attempts else None,
            duration_ms=int(took.total_seconds() * 1000) if attempts else 0,
            fault=fault,
            reasons=ending.reasons,
            placeholders=decided.placeholders if sealed is not None else None,
            inspect_first=response is not None and decided.obligations.get("inspect") == "before",
            routing=routing,
            last=ending.last,
            cached=cached if sealed is not None else None,
        )
        await self._append(message, subject, settled)
        if provider is not None and cost is not None:
            self._cost.labels(provider, model or "none").inc(float(cost.usd))
            self._seconds.labels(provider).observe(took.total_seconds())

    async def _append(self, message: Recorded, subject: EventSubject, settled: ModelCallSettled) -> None:
        try:
            await keep_trying(
                lambda: self._bus.append("call.settled", subject.id, settled, tenant=subject.tenant, cause=message)
            )
        except Conflict:
            # Another instance settled it meanwhile. The first settlement counts; ours, and what it cost, is in the log.
            log.warning(
                "settled_already",
                call=subject.id,
                outcome=settled.outcome,
                usd=None if settled.cost is None else str(settled.cost.usd),
            )
        self._calls.labels(settled.provider or "none", settled.model or "none", settled.outcome).inc()


def _who(ending: Ending, decided: CallDecided) -> tuple[str | None, str | None]:
    """Whom the answer is from, or who was asked last."""
    if ending.response is not None:
        return ending.response.provider, ending.response.model
    last = ending.last or (ending.earlier[-1] if ending.earlier else None)
    if last is None:
        return None, decided.model
    provider, _, model = last.target.partition("/")
    return provider, model
