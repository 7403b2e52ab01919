"""Model calls: the kill switch last of all, then the provider, then exactly one settlement."""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, TypeVar

import structlog

from adapters.port import ModelAdapter, ProviderError
from agentos.bus import Bus, keep_trying
from agentos.contracts.base import Fault, Sealed
from agentos.contracts.envelope import Recorded, digest
from agentos.contracts.errors import Conflict, NeverRetry
from agentos.contracts.events.call import CallAttempted, CallContext, CallDecided, ModelCallSettled
from agentos.contracts.model import ModelRequest, ModelResponse
from agentos.contracts.subjects import EventSubject
from agentos.keyring import KeyRing
from agentos.killswitch import KillEntry, KillSwitch, Work
from agentos.telemetry import counter, histogram
from services.router import domain
from services.router.pricing import price

log = structlog.get_logger(__name__)

R = TypeVar("R")

_CANCELLED = Fault(code="cancelled", message="the task was cancelled")


REMEMBERED = 10_000
"""Cancelled tasks that are remembered, so that a call of theirs that waits for its turn does not start."""


@dataclass(slots=True)
class _InFlight:
    """A provider call, or the pause before its next attempt, that runs right now; and why it was stopped if it was."""

    decided: CallDecided
    work: Work
    running: "asyncio.Task[Any]"
    stopped: Fault | None = None
    killed_by: KillEntry | None = None


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
        self._in_flight: dict[tuple[str, str], _InFlight] = {}
        self._cancelled_tasks: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._calls = counter("agentos_model_calls_total", "Model calls settled.", ("provider", "model", "outcome"))
        self._seconds = histogram("agentos_model_call_seconds", "Provider time of settled calls.", ("provider",))
        self._cost = counter("agentos_model_cost_usd_total", "Cost of settled calls.", ("provider", "model"))
        self._cancelled = counter("agentos_kill_cancelled_total", "Calls cancelled by a kill switch.", ("scope",))
        kill.on_engaged(self.on_killed)

    async def execute(self, message: Recorded, decided: CallDecided) -> None:
        """Call the provider and settle. Raises RetryLater when the kill switch cannot be seen: then no call is made."""
        subject = EventSubject.parse(message.subject)
        progress = _Progress()
        # Raises while the switch cannot be seen: then there is nothing to look up either. What it says counts right before the call.
        self._kill.blocked(_work(subject.tenant, decided))
        if message.deliveries > 1:
            # Someone may have been here before: what is settled is never called again, and attempts are counted on.
            for event in await self._bus.load(subject.tenant, "call", subject.id):
                if isinstance(event.data, ModelCallSettled):
                    return
                if isinstance(event.data, CallAttempted):
                    progress.attempts += 1
            await self._recall_cancellation(subject.tenant, decided.context)
        elif await self._is_settled(subject):
            # A broker that crashed may have forgotten that it handed the message out, and counts from one again.
            return
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

    async def _is_settled(self, subject: EventSubject) -> bool:
        """Raises RetryLater when the broker does not answer."""
        return await self._bus.get(f"evt.{subject.tenant}.call.{subject.id}.settled") is not None

    async def refuse(self, message: Recorded, decided: CallDecided, reasons: tuple[str, ...]) -> None:
        """Settle a call that may not be made."""
        await self._settle(message, decided, "refused", _Progress(), reasons=reasons)

    # --- stopping -----------------------------------------------------------------------------------------------------

    def on_killed(self, entry: KillEntry) -> None:
        """Cancel everything in flight that the switch covers. At once; the settlements follow."""
        for flight in list(self._in_flight.values()):
            if flight.stopped is None and entry.cancels(flight.work):
                flight.stopped, flight.killed_by = Fault(code="killed", message=entry.describe()), entry
                flight.running.cancel()
                self._cancelled.labels(entry.scope).inc()

    def cancel_task(self, tenant: str, task: str, attempt: int) -> None:
        """Cancel what is in flight for an attempt of a task, and let nothing of it start any more."""
        self._cancelled_tasks[(tenant, task)] = max(attempt, self._cancelled_tasks.get((tenant, task), 0))
        self._cancelled_tasks.move_to_end((tenant, task))
        if len(self._cancelled_tasks) > REMEMBERED:
            self._cancelled_tasks.popitem(last=False)
        for flight in list(self._in_flight.values()):
            if flight.stopped is None and flight.work.tenant == tenant and self._is_cancelled(tenant, flight.decided.context):
                flight.stopped = _CANCELLED
                flight.running.cancel()

    def _is_cancelled(self, tenant: str, context: CallContext) -> bool:
        return self._cancelled_tasks.get((tenant, context.task), 0) >= context.attempt

    async def _recall_cancellation(self, tenant: str, context: CallContext) -> None:
        """A call that comes again may have been cancelled while nobody here listened."""
        if await self._bus.get(f"evt.{tenant}.task.{context.task}.cancelling.{context.attempt}") is not None:
            self.cancel_task(tenant, context.task, context.attempt)

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
            if progress.attempts and await self._is_settled(EventSubject.parse(message.subject)):
                # Taken over meanwhile. Asking also proves that the broker is there: who was cut off during the pause starts nothing.
                return
            # The last thing before the call, with nothing awaited in between.
            blocked = self._kill.blocked(_work(tenant, decided, target))
            if blocked is not None:
                fault = Fault(code="killed", message=blocked.describe())
                await self._settle(message, decided, "refused", progress, fault=fault, reasons=("kill_switch",))
                return
            if self._is_cancelled(tenant, context):
                await self._settle(message, decided, "cancelled", progress, fault=_CANCELLED)
                return
            progress.attempts += 1
            progress.tries_here += 1
            began, clock = datetime.now(UTC), time.perf_counter()
            try:
                response = await self._call(message, tenant, decided, request, target, progress.attempts)
            except ProviderError as error:
                took = time.perf_counter() - clock
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
                    duration_ms=int(took * 1000),
                    fault=fault,
                    provider_status=error.status,
                    delay_ms=int(following.delay.total_seconds() * 1000),
                    next=chain[following.index],
                )
                await self._note(message, attempted, progress.attempts)
                if following.index != progress.index:
                    progress.index, progress.tries_here = following.index, 0
                stopped = await self._pause(message, tenant, decided, target, following.delay)
            except _Stopped as early:
                stopped = early.fault
            else:
                await self._complete(message, tenant, decided, response, progress)
                return
            if stopped is not None:
                await self._settle(message, decided, "cancelled", progress, fault=stopped, provider=provider, model=model)
                return

    async def _call(
        self,
        message: Recorded,
        tenant: str,
        decided: CallDecided,
        request: ModelRequest,
        target: str,
        attempt: int,
    ) -> ModelResponse:
        call_id = EventSubject.parse(message.subject).id
        provider, _, model = target.partition("/")
        coroutine = self._adapters[provider].complete(
            request, model=model, timeout=self._attempt_timeout, idempotency_key=f"{call_id}-{attempt}"
        )
        try:
            return await self._stoppable(message, call_id, decided, _work(tenant, decided, target), coroutine)
        except (ProviderError, _Stopped):
            raise
        except Exception as defect:  # an adapter's own defect must not leave the call unsettled: the provider failed
            log.exception("adapter_failed", provider=provider)
            raise ProviderError(
                f"the adapter failed ({type(defect).__name__}); see the router's log",
                kind="other_provider",
                provider=provider,
                code="adapter_failed",
            ) from defect

    async def _pause(self, message: Recorded, tenant: str, decided: CallDecided, target: str, delay: timedelta) -> Fault | None:
        """Wait before the next attempt; why not to make it, if it was stopped meanwhile."""
        call_id = EventSubject.parse(message.subject).id
        try:
            await self._stoppable(
                message, call_id, decided, _work(tenant, decided, target), asyncio.sleep(delay.total_seconds())
            )
        except _Stopped as stopped:
            return stopped.fault
        return None

    async def _stoppable(
        self, message: Recorded, call_id: str, decided: CallDecided, work: Work, coroutine: Coroutine[Any, Any, R]
    ) -> R:
        """Run ``coroutine`` where the kill switch and a cancelled task reach it. Raises _Stopped when they did."""
        flight = _InFlight(decided, work, asyncio.ensure_future(coroutine))
        self._in_flight[(work.tenant, call_id)] = flight
        try:
            return await flight.running
        except asyncio.CancelledError:
            if flight.stopped is not None:
                if flight.killed_by is not None:
                    after_ms = self._kill.age_ms(flight.killed_by)
                    await self._kill.note_cancelled(
                        flight.killed_by,
                        "call",
                        call_id,
                        work,
                        attempt=decided.context.attempt,
                        after_ms=after_ms,
                        cause=message,
                    )
                _raise_stopped(flight.stopped)
            # The service itself is stopping: the message is not acknowledged and comes again elsewhere.
            flight.running.cancel()
            raise
        finally:
            del self._in_flight[(work.tenant, call_id)]

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
        sealed: Sealed | None = None
        fault: Fault | None = None
        try:
            sealed = await keep_trying(lambda: self._keys.seal(tenant, key, "call.response", plain))
        except NeverRetry as erased:
            # The task's key was erased while the provider worked: what it cost is kept, what it said is not.
            fault = Fault(code=erased.code, message=erased.detail)
        settled = ModelCallSettled(
            context=decided.context,
            outcome="completed" if fault is None else "failed",
            attempts=progress.attempts,
            provider=response.provider,
            model=response.model,
            simulated=response.simulated,
            response=sealed,
            response_digest=digest(plain) if sealed is not None else None,
            fault=fault,
            finish_reason=response.finish_reason,
            usage=response.usage,
            cost=cost,
            started_at=progress.started_at,
            duration_ms=int((time.perf_counter() - progress.clock) * 1000),
            placeholders=decided.placeholders,
            inspect_first=decided.obligations.get("inspect") == "before",
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
            await keep_trying(
                lambda: self._bus.append("call.settled", subject.id, settled, tenant=subject.tenant, cause=message)
            )
        except Conflict:
            # Another instance settled it meanwhile. The first settlement counts; ours, and what it cost, is in the log.
            log.warning("settled_already", call=subject.id, outcome=settled.outcome)
        self._calls.labels(settled.provider or "none", settled.model or "none", settled.outcome).inc()


def _work(tenant: str, decided: CallDecided, target: str | None = None) -> Work:
    """The call as the kill switch knows it; ``target`` is the provider's model that is to be asked."""
    return Work(
        tenant,
        pack=decided.context.pack,
        agent=decided.context.agent,
        provider=None if target is None else target.partition("/")[0],
        model=target,
        task=decided.context.task,
        alias=decided.model,
        running=True,
    )


class _Stopped(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def _raise_stopped(fault: Fault) -> NoReturn:
    raise _Stopped(fault) from None
