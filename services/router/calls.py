"""Model calls: the kill switch last of all, then the provider, then exactly one settlement."""

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import structlog

from adapters.port import ModelAdapter, ProviderError
from agentos.bus import Bus
from agentos.contracts.base import Fault
from agentos.contracts.envelope import Recorded, digest
from agentos.contracts.errors import Conflict
from agentos.contracts.events.call import CallAttempted, CallDecided, ModelCallSettled
from agentos.contracts.model import ModelRequest, ModelResponse
from agentos.contracts.subjects import EventSubject
from agentos.keyring import KeyRing
from agentos.killswitch import KillEntry, KillSwitch
from agentos.telemetry import counter, histogram
from services.router import domain
from services.router.pricing import price

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _InFlight:
    """A provider call that runs right now, and why it was stopped if it was."""

    tenant: str
    decided: CallDecided
    provider: str
    call: "asyncio.Task[ModelResponse]"
    stopped: Fault | None = None


@dataclass(slots=True)
class _Progress:
    """What has been tried so far."""

    attempts: int = 0
    index: int = 0
    tries_here: int = 0
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.perf_counter)


class ModelCalls:
    """Executes decided model calls. ``kill`` cancels what is in flight by way of ``on_killed``."""

    def __init__(
        self,
        bus: Bus,
        keys: KeyRing,
        kill: KillSwitch,
        adapters: Mapping[str, ModelAdapter],
        aliases: Mapping[str, tuple[str, ...]],
        *,
        attempt_timeout: timedelta,
        max_tries: int,
    ) -> None:
        self._bus = bus
        self._keys = keys
        self._kill = kill
        self._adapters = adapters
        self._aliases = aliases
        self._attempt_timeout = attempt_timeout
        self._max_tries = max_tries
        self._in_flight: dict[str, _InFlight] = {}
        self._calls = counter("agentos_model_calls_total", "Model calls settled.", ("provider", "model", "outcome"))
        self._seconds = histogram("agentos_model_call_seconds", "Provider time of settled calls.", ("provider",))
        self._cost = counter("agentos_model_cost_usd_total", "Cost of settled calls.", ("provider", "model"))
        self._cancelled = counter("agentos_kill_cancelled_total", "Calls cancelled by a kill switch.", ("scope",))
        kill.on_engaged(self.on_killed)

    async def execute(self, message: Recorded, decided: CallDecided) -> None:
        """Call the provider and settle. Raises RetryLater when the kill switch cannot be seen: then no call is made."""
        subject = EventSubject.parse(message.subject)
        progress = _Progress()
        if message.deliveries > 1:
            # Someone may have been here before: what is settled is never called again, and attempts are counted on.
            for event in await self._bus.load(subject.tenant, "call", subject.id):
                if isinstance(event.data, ModelCallSettled):
                    return
                if isinstance(event.data, CallAttempted):
                    progress.attempts += 1
        request = decided.redacted_request
        if request is None:
            fault = Fault(code="decision_incomplete", message="the decision holds no redacted request, so nothing may be sent")
            await self._settle(message, decided, "failed", progress, fault=fault)
            return
        chain = self._chain(request.model, decided)
        if not chain:
            known = ", ".join(sorted(self._adapters))
            text = f"no provider serves model {request.model!r} under this policy; providers with a key: {known}"
            await self._settle(message, decided, "failed", progress, fault=Fault(code="no_provider", message=text))
            return
        await self._attempts(message, subject.tenant, decided, request, chain, progress)

    async def refuse(self, message: Recorded, decided: CallDecided, reasons: tuple[str, ...]) -> None:
        """Settle a call that may not be made."""
        await self._settle(message, decided, "refused", _Progress(), reasons=reasons)

    # --- stopping -----------------------------------------------------------------------------------------------------

    def on_killed(self, entry: KillEntry) -> None:
        """Cancel everything in flight that the switch covers. At once; the settlements follow."""
        for flight in list(self._in_flight.values()):
            context = flight.decided.context
            if flight.stopped is None and entry.covers(
                flight.tenant, pack=context.pack, provider=flight.provider, task=context.task
            ):
                flight.stopped = Fault(code="killed", message=entry.describe())
                flight.call.cancel()
                self._cancelled.labels(entry.scope).inc()

    def cancel_task(self, tenant: str, task: str) -> None:
        """Cancel what is in flight for one task."""
        for flight in list(self._in_flight.values()):
            if flight.stopped is None and flight.tenant == tenant and flight.decided.context.task == task:
                flight.stopped = Fault(code="cancelled", message="the task was cancelled")
                flight.call.cancel()

    # --- attempts -----------------------------------------------------------------------------------------------------

    def _chain(self, model: str, decided: CallDecided) -> list[str]:
        """Targets "provider/model" in order, of the providers that have a key and that the policy permits."""
        permitted: list[str] = decided.obligations.get("providers") or []
        targets = self._aliases.get(model, (model,))
        return [
            target
            for target in targets
            if (provider := target.partition("/")[0]) in self._adapters and (not permitted or provider in permitted)
        ]

    async def _attempts(
        self,
        message: Recorded,
        tenant: str,
        decided: CallDecided,
        request: ModelRequest,
        chain: list[str],
        progress: _Progress,
    ) -> None:
        context = decided.context
        while True:
            target = chain[progress.index]
            provider, _, model = target.partition("/")
            # The last thing before the call, with nothing awaited in between.
            blocked = self._kill.blocked(tenant, pack=context.pack, provider=provider, task=context.task)
            if blocked is not None:
                fault = Fault(code="killed", message=blocked.describe())
                await self._settle(message, decided, "refused", progress, fault=fault, reasons=("kill_switch",))
                return
            progress.attempts += 1
            progress.tries_here += 1
            began, clock = datetime.now(UTC), time.perf_counter()
            try:
                response = await self._call(message, tenant, decided, request, provider, model, progress.attempts)
            except ProviderError as error:
                fault = Fault(
                    code=error.code, message=f"{provider}: {error.message}", retryable=error.kind in ("retry", "wait")
                )
                following = domain.after_failure(
                    error.kind,
                    index=progress.index,
                    chain=chain,
                    tries_here=progress.tries_here,
                    max_tries=self._max_tries,
                    retry_after=error.retry_after,
                    jitter=random.random(),  # noqa: S311 - jitter, no secret
                )
                if following is None:
                    await self._settle(message, decided, "failed", progress, fault=fault, provider=provider, model=model)
                    return
                attempted = CallAttempted(
                    target=target,
                    started_at=began,
                    duration_ms=int((time.perf_counter() - clock) * 1000),
                    fault=fault,
                    provider_status=error.status,
                    delay_ms=int(following.delay.total_seconds() * 1000),
                    next=chain[following.index],
                )
                await self._note(message, attempted, progress.attempts)
                if following.index != progress.index:
                    progress.index, progress.tries_here = following.index, 0
                await asyncio.sleep(following.delay.total_seconds())
            except _Stopped as stopped:
                await self._settle(message, decided, "cancelled", progress, fault=stopped.fault, provider=provider, model=model)
                return
            else:
                await self._complete(message, tenant, decided, response, progress)
                return

    async def _call(
        self,
        message: Recorded,
        tenant: str,
        decided: CallDecided,
        request: ModelRequest,
        provider: str,
        model: str,
        attempt: int,
    ) -> ModelResponse:
        call_id = EventSubject.parse(message.subject).id
        coroutine = self._adapters[provider].complete(
            request, model=model, timeout=self._attempt_timeout, idempotency_key=f"{call_id}-{attempt}"
        )
        flight = _InFlight(tenant, decided, provider, asyncio.ensure_future(coroutine))
        self._in_flight[call_id] = flight
        try:
            return await flight.call
        except asyncio.CancelledError:
            if flight.stopped is not None:
                _raise_stopped(flight.stopped)
            # The service itself is stopping: the message is not acknowledged and comes again elsewhere.
            flight.call.cancel()
            raise
        finally:
            del self._in_flight[call_id]

    async def _note(self, message: Recorded, attempted: CallAttempted, number: int) -> None:
        subject = EventSubject.parse(message.subject)
        try:
            await self._bus.append("call.attempted", subject.id, attempted, ordinal=number, cause=message)
        except Conflict:
            log.info("attempt_noted_already", call=subject.id, attempt=number)

    # --- settlement ---------------------------------------------------------------------------------------------------

    async def _complete(
        self, message: Recorded, tenant: str, decided: CallDecided, response: ModelResponse, progress: _Progress
    ) -> None:
        plain = response.model_dump_json().encode()
        key = decided.placeholders.key if decided.placeholders is not None else decided.context.task
        cost = price(response)
        settled = ModelCallSettled(
            context=decided.context,
            outcome="completed",
            attempts=progress.attempts,
            provider=response.provider,
            model=response.model,
            simulated=response.simulated,
            response=await self._keys.seal(tenant, key, "call.response", plain),
            response_digest=digest(plain),
            finish_reason=response.finish_reason,
            usage=response.usage,
            cost=cost,
            started_at=progress.started_at,
            duration_ms=int((time.perf_counter() - progress.clock) * 1000),
            placeholders=decided.placeholders,
        )
        self._cost.labels(response.provider, response.model).inc(float(cost.usd))
        self._seconds.labels(response.provider).observe(time.perf_counter() - progress.clock)
        await self._append(message, settled)

    async def _settle(
        self,
        message: Recorded,
        decided: CallDecided,
        outcome: str,
        progress: _Progress,
        *,
        fault: Fault | None = None,
        reasons: tuple[str, ...] = (),
        provider: str | None = None,
        model: str | None = None,
    ) -> None:
        settled = ModelCallSettled.model_validate(
            {
                "context": decided.context,
                "outcome": outcome,
                "attempts": progress.attempts,
                "provider": provider,
                "model": model or decided.model,
                "fault": fault,
                "reasons": reasons,
                "started_at": progress.started_at if progress.attempts else None,
                "duration_ms": int((time.perf_counter() - progress.clock) * 1000) if progress.attempts else 0,
            }
        )
        await self._append(message, settled)

    async def _append(self, message: Recorded, settled: ModelCallSettled) -> None:
        subject = EventSubject.parse(message.subject)
        try:
            await self._bus.append("call.settled", subject.id, settled, tenant=subject.tenant, cause=message)
        except Conflict:
            # Another instance settled it meanwhile. The first settlement counts; ours, and what it cost, is in the log.
            log.warning("settled_already", call=subject.id, outcome=settled.outcome)
        self._calls.labels(settled.provider or "none", settled.model or "none", settled.outcome).inc()


class _Stopped(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def _raise_stopped(fault: Fault) -> NoReturn:
    raise _Stopped(fault) from None
