"""Model calls: the kill switch last of all, then the provider, then exactly one settlement."""

import asyncio
import math
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

import structlog

from adapters.port import Features
from agentos.bus import Bus, keep_trying
from agentos.contracts.base import Fault
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import Conflict, NeverRetry
from agentos.contracts.events.call import CallAbandoned, CallAttempted, CallDecided, ModelCallSettled
from agentos.contracts.model import ModelRequest, Usage, estimated_input_tokens
from agentos.contracts.routing import Attempt
from agentos.contracts.subjects import EventSubject
from agentos.keyring import KeyRing
from agentos.killswitch import KillSwitch
from services.router.attempts import CallLimits, Errand, Halted
from services.router.choosing import Chooser, Plan, Target
from services.router.domain.gathering import Gathered
from services.router.execution import Ending, Execution, TakenOver
from services.router.response_cache import Hit, ResponseCache, Reuse
from services.router.settling import Settling, key_of
from services.router.stopping import Flight, Stopped, Stops
from services.router.streaming import AnswerStream, streamed_before

log = structlog.get_logger(__name__)

UNSURE_FOR_S = 10.0
"""After a start and after each loss of the connection, so long a first delivery may be one that the broker has forgotten."""
FRESH = timedelta(seconds=2)
"""A decision younger than this was never handed out by a broker that has elected a new leader since: that takes it four seconds."""

_NO_REQUEST = Fault(code="decision_incomplete", message="the decision holds no redacted request, so nothing may be sent")
_LOST = Fault(
    code="router_lost", message="the router that made this attempt was lost in the middle of the answer", retryable=True
)


class ModelCalls:
    """Executes decided model calls. ``stops`` reaches those in flight."""

    def __init__(self, bus: Bus, keys: KeyRing, kill: KillSwitch, chooser: Chooser) -> None:
        self._bus, self._keys, self._chooser = bus, keys, chooser
        self.stops = Stops(bus, kill)
        self._settling = Settling(bus, keys)
        self._cache = ResponseCache(bus, keys)
        self._unsure_until: float | None = None
        bus.on_disconnect(self._became_unsure)

    async def execute(self, message: Recorded, decided: CallDecided) -> None:
        """Call the provider and settle. Raises RetryLater when the kill switch cannot be seen: then no call is made."""
        subject = EventSubject.parse(message.subject)
        flight = Flight(self.stops, subject.tenant, subject.id, decided)
        # Raises while the switch cannot be seen: then there is nothing to look up either.
        self.stops.require_sight(flight)
        earlier: tuple[Attempt, ...] = ()
        if message.deliveries > 1:
            # Someone may have been here before: what is settled is never called again, and attempts are counted on.
            recalled = await self._recall(flight)
            if recalled is None:
                return
            earlier = recalled
        elif self._may_have_come_before(message) and await self._is_settled(subject):
            return
        request = decided.redacted_request
        if request is None:
            await self._settling.settle(message, decided, Ending("failed", None, earlier, fault=_NO_REQUEST))
            return
        plan = self._chooser.choose(subject.tenant, subject.id, request, decided)
        if not plan.targets:
            ending = Ending("failed", None, earlier, fault=plan.fault)
            await self._settling.settle(message, decided, ending, routing=plan.routing)
            return
        reuse = self._cache.reuse(flight.tenant, decided, request, plan)
        # One that comes again may have been answered in part already: it goes on from there.
        if reuse is None or message.deliveries > 1:
            await self._carry_out(message, flight, request, plan, earlier)
        else:
            await self._reuse(message, flight, request, plan, reuse)

    async def refuse(self, message: Recorded, decided: CallDecided, reasons: tuple[str, ...]) -> None:
        """Settle a call that may not be made."""
        await self._settling.settle(message, decided, Ending("refused", None, (), reasons=reasons))

    async def _reuse(self, message: Recorded, flight: Flight, request: ModelRequest, plan: Plan, reuse: Reuse) -> None:
        """Settle the call with an answer that was given before, or carry it out and keep the answer."""
        try:
            async with AsyncExitStack() as turn:
                with flight:
                    await turn.enter_async_context(self._cache.turn(reuse))
                    hit = await self._cache.get(flight.tenant, reuse, plan)
                if hit is None or not _permitted(flight, plan, hit):
                    ending = await self._carry_out(message, flight, request, plan, ())
                    if ending is not None:
                        await self._cache.keep(flight.tenant, flight.call, flight.decided, reuse, ending)
                    return
        except Stopped as stopped:
            await self.stops.note_killed(flight, stopped, message)
            ending = Ending("cancelled", None, (), fault=stopped.fault)
            await self._settling.settle(message, flight.decided, ending, routing=plan.routing)
            return
        ending = Ending("completed", None, (), response=hit.response)
        await self._settling.settle(message, flight.decided, ending, routing=plan.routing, cached=hit.cached)

    async def _carry_out(
        self, message: Recorded, flight: Flight, request: ModelRequest, plan: Plan, earlier: Sequence[Attempt]
    ) -> Ending | None:
        """Attempts, and the settlement; None where another instance has settled the call."""
        decided, loop = flight.decided, asyncio.get_running_loop()
        began = loop.time()
        book = _Book(self._bus, message, flight)
        stream: AnswerStream | None = None
        said: Gathered | None = None
        if decided.stream:
            stream = AnswerStream(
                self._bus,
                self._keys,
                message,
                tenant=flight.tenant,
                instance=decided.context.instance,
                call=flight.call,
                key=key_of(decided),
            )
            if message.deliveries > 1:
                earlier, said = await self._said_before(book, flight, request, earlier)
        errand = Errand(
            tenant=flight.tenant,
            call=flight.call,
            context=decided.context,
            request=request,
            chooser=self._chooser,
            patience=plan.patience,
            input_tokens=plan.input_tokens,
            limits=_limits(decided),
            audience=stream,
            permit=flight.permit,
        )
        execution = Execution(errand, plan, book, earlier=earlier, said=said)
        try:
            try:
                with flight:
                    ending = await execution.run()
            except Stopped as stopped:
                await self.stops.note_killed(flight, stopped, message)
                ending = await execution.interrupted("cancelled", stopped.fault)
            except TakenOver:
                return None
            took = timedelta(seconds=loop.time() - began)
            await self._settling.settle(message, decided, ending, routing=plan.routing, took=took)
            return ending
        finally:
            if stream is not None:
                await stream.close()

    # --- what was before ----------------------------------------------------------------------------------------------

    async def _recall(self, flight: Flight) -> tuple[Attempt, ...] | None:
        """The attempts that were made of a call that comes again; None where it is settled."""
        attempts: list[Attempt] = []
        for event in await self._bus.load(flight.tenant, "call", flight.call):
            match event.data:
                case ModelCallSettled():
                    return None
                case CallAttempted(attempt=Attempt() as attempt):
                    attempts.append(attempt)
                case CallAbandoned():
                    self.stops.abandon(flight.tenant, flight.call)
                case _:
                    pass
        await self.stops.recall_cancellation(flight.tenant, flight.decided.context)
        return tuple(sorted(attempts, key=lambda attempt: attempt.number))

    async def _said_before(
        self, book: "_Book", flight: Flight, request: ModelRequest, earlier: Sequence[Attempt]
    ) -> tuple[tuple[Attempt, ...], Gathered | None]:
        """What was said to the client by a router that was lost, so that it goes on from there; and its attempt, with its cost."""
        try:
            before = await streamed_before(
                self._bus, self._keys, tenant=flight.tenant, instance=flight.decided.context.instance, call=flight.call
            )
        except NeverRetry as unreadable:
            log.info("stream_not_recalled", call=flight.call, code=unreadable.code)
            return tuple(earlier), None
        made = list(earlier)
        noted = {attempt.number for attempt in earlier}
        for number, (target, gathered) in before.attempts.items():
            if number not in noted:
                made.append(lost := self._lost(number, target, request, gathered))
                attempted = CallAttempted(
                    context=flight.decided.context,
                    target=target,
                    started_at=lost.started_at,
                    duration_ms=0,
                    fault=_LOST,
                    attempt=lost,
                )
                await book.note(attempted, number)
        return tuple(made), before.whole

    def _lost(self, number: int, target: str, request: ModelRequest, said: Gathered) -> Attempt:
        """The attempt of a router that was lost: it used at least what it passed on."""
        usage = Usage(input_tokens=estimated_input_tokens(request), output_tokens=said.tokens)
        now = datetime.now(UTC)
        return Attempt(
            number=number,
            target=target,
            started_at=now,
            duration_ms=0,
            outcome="failed",
            fault=_LOST,
            usage=usage,
            estimated=True,
            cost=self._chooser.price(target, usage, now),
            streamed=True,
        )

    def _became_unsure(self) -> None:
        self._unsure_until = math.inf

    def _may_have_come_before(self, message: Recorded) -> bool:
        """Whether the first delivery may not be the first.

        A broker that crashed may have forgotten that it handed a message out, and counts from one again. That is noticed here: the connection
        was lost. In a cluster a new leader may have forgotten it without that; but by then the message is not fresh any more.
        """
        now = asyncio.get_running_loop().time()
        if self._unsure_until is None or math.isinf(self._unsure_until):
            self._unsure_until = now + UNSURE_FOR_S
        return now < self._unsure_until or not timedelta() <= datetime.now(UTC) - message.meta.time < FRESH

    async def _is_settled(self, subject: EventSubject) -> bool:
        """Raises RetryLater when the broker does not answer."""
        return await self._bus.get(f"evt.{subject.tenant}.call.{subject.id}.settled") is not None


class _Book:
    """The log of one call's attempts."""

    def __init__(self, bus: Bus, message: Recorded, flight: Flight) -> None:
        self._bus, self._message, self._flight = bus, message, flight

    async def note(self, attempted: CallAttempted, number: int) -> None:
        """See ``Journal.note``. What it cost was paid: it is held until it is written."""
        try:
            await keep_trying(
                lambda: self._bus.append("call.attempted", self._flight.call, attempted, ordinal=number, cause=self._message)
            )
        except Conflict:
            log.info("attempt_noted_already", call=self._flight.call, attempt=number)

    async def taken_over(self) -> bool:
        """See ``Journal.taken_over``."""
        return await self._bus.get(f"evt.{self._flight.tenant}.call.{self._flight.call}.settled") is not None

    def at(self, *targets: Target) -> None:
        """See ``Journal.at``."""
        self._flight.at(*targets)


def _permitted(flight: Flight, plan: Plan, hit: Hit) -> bool:
    """Whether the answer's model is permitted at this moment; where it is not, the targets that are left have the word."""
    provider, _, model = hit.target.partition("/")
    target = next((each for each in plan.targets if each.name == hit.target), None) or Target(provider, model, Features())
    try:
        flight.permit(target)
    except Halted:
        return False
    return True


def _limits(decided: CallDecided) -> CallLimits:
    """What policy obliges the answer to stay within. An amount that cannot be read allows nothing."""
    obligations = decided.obligations
    usd, tokens = obligations.get("max_cost_usd"), obligations.get("max_output_tokens")
    try:
        most = None if usd is None else Decimal(str(usd))
    except InvalidOperation:
        most = Decimal(0)
    return CallLimits(usd=most, output_tokens=tokens if isinstance(tokens, int) else None)
