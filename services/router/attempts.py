"""One attempt at one target: its turn, the provider's answer as it comes in, and what was used of it, however it ended."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal, Protocol

import structlog

from adapters.port import Answer, ModelAdapter, ProviderError, RateLimits, UnsupportedRequest
from agentos.contracts.base import Fault
from agentos.contracts.events.call import CallContext
from agentos.contracts.model import (
    Delta,
    ModelRequest,
    ModelResponse,
    TextDelta,
    Usage,
    estimated_input_tokens,
)
from agentos.contracts.routing import Attempt
from services.router.choosing import Chooser, Patience, Prevented, Target
from services.router.domain.gathering import Gathered

log = structlog.get_logger(__name__)

__all__ = ["AttemptRun", "Audience", "CallLimits", "Errand", "Floor", "Halted", "utc_now"]

LOOK_EVERY = 32
"""So many tokens of an answer go by between two looks at what it costs by now."""

Outcome = Literal["completed", "failed", "cancelled", "cut_off", "lost_hedge"]


def utc_now() -> datetime:
    """The usual clock of an errand."""
    return datetime.now(UTC)


class Halted(Exception):
    """The call may not go on: it is settled as ``outcome``, because of ``fault``."""

    def __init__(self, outcome: Literal["refused", "cancelled"], fault: Fault, reasons: tuple[str, ...] = ()) -> None:
        super().__init__(fault.message)
        self.outcome: Literal["refused", "cancelled"] = outcome
        self.fault = fault
        self.reasons = reasons


class Audience(Protocol):
    """Who listens to an answer as it comes in."""

    @property
    def crowded(self) -> bool:
        """Whether it cannot keep up: ``room`` waits until it can."""
        ...

    def say(self, attempt: int, target: str, delta: Delta) -> None:
        """Pass on a piece of what ``target`` says. Never blocks, never fails."""
        ...

    async def begun(self) -> None:
        """Let the first piece get on its way, however much follows it at once."""
        ...

    async def room(self) -> None:
        """Wait until it has caught up."""
        ...


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What the answer may come to: beyond it, it is cut off in the middle."""

    usd: Decimal | None = None
    output_tokens: int | None = None
    """By the provider's own count; by our estimate, twice as many."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What all attempts of a call have in common."""

    tenant: str
    call: str
    context: CallContext
    request: ModelRequest
    chooser: Chooser
    patience: Patience
    input_tokens: int
    limits: CallLimits
    audience: Audience | None
    """None where the answer is wanted whole."""
    permit: Callable[[Target], None]
    """Asked right before each attempt. Raises Halted, and RetryLater where it cannot be known whether the call may go on."""
    now: Callable[[], datetime] = utc_now


class Floor:
    """Of attempts that run at the same time, the first to speak has the floor; ``on_taken`` ends the others."""

    __slots__ = ("holder", "on_taken")

    def __init__(self) -> None:
        self.holder: AttemptRun | None = None
        self.on_taken: Callable[[AttemptRun], None] | None = None

    def take(self, one: "AttemptRun") -> bool:
        """Whether ``one`` may speak."""
        if self.holder is None:
            self.holder = one
            if self.on_taken is not None:
                self.on_taken(one)
        return self.holder is one


class AttemptRun:
    """An attempt that is to be made, runs or has run. ``go`` once, ``record`` once it has ended, in whatever way."""

    def __init__(
        self,
        errand: Errand,
        target: Target,
        request: ModelRequest,
        *,
        floor: Floor,
        number: Callable[[], int],
        spent: Callable[[], Decimal],
        continues: bool = False,
        skip_blanks: bool = False,
    ) -> None:
        self.target, self.continues = target, continues
        self.gathered = Gathered()
        self.answer: Answer | None = None
        self.other_key = False
        self.cut_off = False
        self.began = False
        self._number = 0
        self._errand, self._request, self._floor = errand, request, floor
        self._take_number, self._spent = number, spent
        self._skip_blanks = skip_blanks
        self._streams = errand.audience is not None and request.kind == "generate"
        self._said: Usage | None = None
        self._said_at = 0
        """How much of the answer had come when it was said."""
        self._exact: Usage | None = None
        """As the provider counted it for the whole answer."""
        self._look_at = LOOK_EVERY
        self._key = ""
        self._waited_ms = 0
        self._started_at = errand.now()
        self._loop = asyncio.get_running_loop()
        self._clock = self._ended = self._loop.time()
        self._first_token: float | None = None
        self._error: ProviderError | None = None

    @property
    def spoke(self) -> bool:
        """Whether a piece of its answer has come."""
        return self._first_token is not None

    @property
    def number(self) -> int:
        """Which attempt of the call it is, from 1: counted when it begins, or when it is recorded that it could not."""
        if not self._number:
            self._number = self._take_number()
        return self._number

    async def go(self) -> None:
        """Make the attempt: afterwards ``answer`` is set, or ``cut_off``; neither where another has the floor.

        Raises ProviderError, and what ``Errand.permit`` raises.
        """
        errand = self._errand
        tokens = errand.input_tokens + self._request.max_output_tokens
        try:
            async with errand.chooser.turn(errand.tenant, self.target, tokens) as turn:
                self._key, self._waited_ms = turn.key, turn.waited_ms
                # The last thing before the call, with nothing awaited in between.
                errand.permit(self.target)
                self.began = True
                self._started_at, self._clock = errand.now(), self._loop.time()
                try:
                    limits = await (self._stream if self._streams else self._complete)(turn.adapter)
                except ProviderError as error:
                    self.other_key = turn.failed(error)
                    raise
                except Exception as defect:  # an adapter's own defect must not leave the call unsettled: the provider failed
                    log.exception("adapter_failed", provider=self.target.provider)
                    error = ProviderError(
                        f"the adapter failed ({type(defect).__name__}); see the router's log",
                        kind="other_provider",
                        provider=self.target.provider,
                        code="adapter_failed",
                    )
                    turn.failed(error)
                    raise error from defect
                if self.answer is None and not self.cut_off:
                    turn.cancelled()
                    return
                turn.succeeded(
                    first_token=None if self._first_token is None else timedelta(seconds=self._first_token),
                    duration=timedelta(seconds=self._loop.time() - self._clock),
                    usage=self.usage()[0],
                    limits=limits,
                )
        except ProviderError as error:
            self._error = error
            raise
        finally:
            self._ended = self._loop.time()

    # --- the answer ---------------------------------------------------------------------------------------------------

    async def _complete(self, adapter: ModelAdapter) -> RateLimits | None:
        answer = await adapter.complete(
            self._request,
            model=self.target.model,
            timeout=self._errand.patience.attempt,
            idempotency_key=f"{self._errand.call}-{self.number}",
        )
        self._exact = None if answer.estimated else answer.response.usage
        self._said = answer.response.usage
        if self._floor.take(self):
            self.answer = answer
        return answer.limits

    async def _stream(self, adapter: ModelAdapter) -> RateLimits | None:
        patience = self._errand.patience
        stream = adapter.stream(
            self._request,
            model=self.target.model,
            # The adapter watches the bytes, pings included; how soon and how often something is said is watched here.
            timeout=max(patience.first_token, patience.stall),
            idempotency_key=f"{self._errand.call}-{self.number}",
        )
        stall = patience.stall.total_seconds()
        answer: Answer | None = None
        try:
            async with asyncio.timeout(patience.first_token.total_seconds()) as silence, aclosing(stream) as items:
                async for item in items:
                    if isinstance(item, Answer):
                        answer = item
                    elif isinstance(item, Usage):
                        self._said, self._said_at = item, self.gathered.size
                        if self._beyond():
                            break
                    elif not await self._hear(item, silence):
                        break
                    if self.spoke:
                        silence.reschedule(self._loop.time() + stall)
        except TimeoutError:
            # From None: where it happened inside an SDK, the traceback's frames hold the prompt.
            raise self._silent(stall if self.spoke else patience.first_token.total_seconds()) from None
        if self.cut_off or self._floor.holder not in (self, None):
            return None
        if answer is None:
            raise ProviderError(
                f"{self.target.provider}: the stream ended without an end",
                kind="retry",
                provider=self.target.provider,
                code="incomplete",
                status=200,
            )
        # An answer without a single piece takes the floor only now.
        self._floor.take(self)
        self.answer, self._said = answer, answer.response.usage
        self._exact = None if answer.estimated else self._said
        return answer.limits

    async def _hear(self, delta: Delta, silence: asyncio.Timeout) -> bool:
        """Take a piece in and pass it on; whether to go on listening."""
        if self._skip_blanks:
            if isinstance(delta, TextDelta):
                if not (text := delta.text.lstrip()):
                    return True
                delta = TextDelta(text=text) if len(text) != len(delta.text) else delta
            self._skip_blanks = False
        first = self._first_token is None
        if first:
            if not self._floor.take(self):
                return False
            self._first_token = self._loop.time() - self._clock
        self.gathered.add(delta)
        audience = self._errand.audience
        assert audience is not None, "only what somebody listens to is streamed"  # noqa: S101 - an invariant
        audience.say(self.number, self.target.name, delta)
        if first:
            await audience.begun()
        if self.gathered.size >= 4 * self._look_at:
            self._look_at = self.gathered.tokens + LOOK_EVERY
            if self._beyond():
                return False
        if audience.crowded:
            # Nothing is read meanwhile, so that the provider is held up too; its silence is our own then.
            silence.reschedule(None)
            await audience.room()
        return True

    def _beyond(self) -> bool:
        """Whether the answer has come to more than it may. Then it is cut off here."""
        limits = self._errand.limits
        if limits.output_tokens is not None:
            said = self._said.output_tokens if self._said is not None else 0
            self.cut_off = said > limits.output_tokens or self.gathered.tokens > 2 * limits.output_tokens
        if limits.usd is not None and not self.cut_off:
            now = self._errand.chooser.price(self.target.name, self.usage()[0], self._started_at)
            self.cut_off = self._spent() + now.usd > limits.usd
        if self.cut_off:
            self._floor.take(self)
        return self.cut_off

    def _silent(self, seconds: float) -> ProviderError:
        provider = self.target.provider
        said = "fell silent in the middle of its answer" if self.spoke else "had not said anything"
        return ProviderError(
            f"{provider} {said} after {seconds:g} s: this may pass, try again",
            kind="retry",
            provider=provider,
            code="stalled" if self.spoke else "timeout",
        )

    # --- what it came to ----------------------------------------------------------------------------------------------

    def response(self, finish: Literal["cut_off", "other"]) -> ModelResponse:
        """What came, as an answer that ended early."""
        return ModelResponse(
            provider=self.target.provider,
            model=self.target.model,
            parts=self.gathered.parts(self.target.provider),
            finish_reason=finish,
            usage=self.usage()[0],
            simulated=self.target.provider == "simulated",
        )

    def usage(self) -> tuple[Usage, bool]:
        """What was used, and whether that is an estimate: the provider's word where it gave one."""
        if self._exact is not None:
            return self._exact, False
        error = self._error
        said = error.usage if error is not None and error.usage is not None else self._said
        if said is None:
            if not self._may_have_cost(error):
                return Usage(), False
            said = Usage(input_tokens=estimated_input_tokens(self._request))
        elif self.answer is not None:
            # The adapter's own estimate of an answer that came whole but uncounted.
            return said, True
        elif self.began and self._said_at == self.gathered.size:
            # Nothing has come since the provider counted: its word covers all of it.
            return said, False
        # Counted on its side at least as far as it came to ours.
        return said.model_copy(update={"output_tokens": max(said.output_tokens, self.gathered.tokens)}), True

    def _may_have_cost(self, error: ProviderError | None) -> bool:
        """Whether a provider that said nothing of usage may have charged for the work."""
        if not self.began or isinstance(error, UnsupportedRequest | Prevented):
            return False
        if not self.gathered.empty or error is None:
            return True
        if error.code == "unreachable":
            # Free where no connection came to be; not where it was lost after the head of an answer.
            return error.status is not None
        # A refusal is free.
        return error.status is None or error.status < 400

    def record(self, outcome: Outcome, fault: Fault | None = None) -> Attempt:
        """The attempt as it stands in the log."""
        response = self.answer.response if self.answer is not None else None
        usage, estimated = self.usage()
        error = self._error
        return Attempt(
            number=self.number,
            target=self.target.name,
            key=self._key,
            started_at=self._started_at,
            duration_ms=int((self._ended - self._clock) * 1000),
            waited_ms=self._waited_ms,
            first_token_ms=None if self._first_token is None else int(self._first_token * 1000),
            outcome=outcome,
            fault=fault,
            error_kind=None if error is None else error.kind,
            provider_status=None if error is None else error.status,
            provider_request_id=response.provider_request_id if response is not None else error and error.request_id,
            finish_reason=response.finish_reason if response is not None else "cut_off" if self.cut_off else None,
            usage=usage,
            estimated=estimated,
            cost=self._errand.chooser.price(self.target.name, usage, self._started_at),
            streamed=self._streams,
            continues=self.continues,
            notes=response.notes if response is not None else (),
        )
