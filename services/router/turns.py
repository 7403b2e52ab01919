"""Turns at providers: which key an attempt may use, and when. What each attempt came to is learned here.

The state is this instance's own: other instances learn the same from the same providers. Everything runs on one event loop.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from adapters.port import ModelAdapter, ProviderError, RateLimits
from agentos.contracts.model import Usage
from services.router.choosing import Prevented, Target
from services.router.configuration import Configuration, Limits
from services.router.domain.breaker import Breaker, BreakerRules
from services.router.domain.latency import Latency
from services.router.domain.limiter import ConcurrencyLimit
from services.router.domain.pacing import Pace

MOST_WAITING = 4_096
"""At one provider; whoever comes then goes elsewhere at once."""
_UNTRIED = 64
_SHORT = timedelta(milliseconds=5)
_OVERLOADED = frozenset({408, 429, 503, 529})
_UNHEALTHY = frozenset({"bad_answer", "adapter_failed"})
"""Of errors that send a call elsewhere, those that speak against the target; the others speak of the request."""


@dataclass(slots=True)
class Key:
    """One key of a provider, with what is known of its limits."""

    label: str
    adapter: ModelAdapter
    refused: Breaker
    """Opens when the provider does not accept the key."""
    limit: ConcurrencyLimit
    requests: Pace
    tokens: Pace
    cool_until: datetime | None = None
    """The provider asked to be left alone with this key until then."""

    def wait(self, tokens: int, now: datetime) -> timedelta | None:
        """How long until it may be used; None while only another call's end can tell."""
        if self.limit.room <= 0 or not self.refused.would_admit(now):
            return None
        cool = max(timedelta(), self.cool_until - now) if self.cool_until is not None else timedelta()
        return max(cool, self.requests.wait(1, now), self.tokens.wait(tokens, now))

    def usable(self, now: datetime) -> bool:
        """Whether it may be used some time soon, as far as the provider accepts it."""
        return self.refused.state(now) != "open"


@dataclass(slots=True)
class _Waiter:
    tokens: int
    granted: "asyncio.Future[Key]"
    exclude: frozenset[str] = frozenset()


@dataclass(slots=True)
class Pool:
    """The keys of one provider, and who waits for one of them: first come, first served within a tenant, tenants in turn."""

    name: str
    keys: list[Key]
    waiting: OrderedDict[str, deque[_Waiter]] = field(default_factory=OrderedDict[str, deque[_Waiter]])
    timer: asyncio.TimerHandle | None = None

    @property
    def queued(self) -> int:
        """How many wait."""
        return sum(map(len, self.waiting.values()))


@dataclass(slots=True)
class Known:
    """What is known of one target."""

    breaker: Breaker
    latency: Latency
    in_flight: int = 0


class Turns:
    """Gives turns, and learns. ``now`` and ``jitter`` (a number in [0, 1)) come from outside, so that a day can be simulated in seconds."""

    def __init__(
        self,
        pools: Mapping[str, Sequence[tuple[str, ModelAdapter]]],
        configuration: Configuration,
        *,
        now: Callable[[], datetime],
        jitter: Callable[[], float],
    ) -> None:
        self._now, self._jitter = now, jitter
        self._configuration = configuration
        self._targets: dict[str, Known] = {}
        self.pools = {name: Pool(name, [self._key(name, *each) for each in keys]) for name, keys in pools.items()}

    def configure(self, configuration: Configuration) -> None:
        """From now on these settings hold. What was learned stays; limits that were learned are learned again."""
        self._configuration = configuration
        for pool in self.pools.values():
            for key in pool.keys:
                limits = self._limits(pool.name, key.label)
                key.limit.most = limits.max_in_flight
                key.requests, key.tokens = Pace(limits.requests_per_minute), Pace(limits.tokens_per_minute)
                key.refused.rules = self._key_rules()
            self._dispatch(pool)
        for known in self._targets.values():
            known.breaker.rules = self._rules()

    def known(self, target: str) -> Known:
        """What is known of a target; of a new one, nothing."""
        found = self._targets.get(target)
        if found is None:
            found = self._targets[target] = Known(Breaker(self._rules()), Latency())
        return found

    def targets(self) -> Mapping[str, Known]:
        """Every target that was ever asked about."""
        return self._targets

    def full(self, provider: str) -> bool:
        """Whether an attempt there would have to wait."""
        pool, now = self.pools[provider], self._now()
        return bool(pool.waiting) or all((wait := key.wait(1, now)) is None or wait > _SHORT for key in pool.keys)

    @asynccontextmanager
    async def turn(self, tenant: str, target: Target, tokens: int) -> AsyncGenerator["KeyTurn"]:
        """See ``Chooser.turn``."""
        pool, known, began = self.pools.get(target.provider), self.known(target.name), self._now()
        if pool is None:
            raise Prevented(
                f"provider {target.provider} is switched off: it has no key", provider=target.provider, code="no_key"
            )
        if not known.breaker.admit(began):
            until = known.breaker.open_until()
            raise Prevented(
                f"{target.name} failed too often lately and is left alone for a while",
                provider=target.provider,
                code="breaker_open",
                retry_after=max(timedelta(), until - began) if until is not None else None,
            )
        try:
            key = await self._acquire(pool, tenant, tokens)
        except BaseException:
            known.breaker.ended()
            raise
        known.in_flight += 1
        turn = KeyTurn(self, pool, known, key, tokens, began, self._now())
        try:
            yield turn
        finally:
            known.in_flight -= 1
            # Without a word on how it went: it was cancelled.
            turn.cancelled()
            self._dispatch(pool)

    # --- waiting ------------------------------------------------------------------------------------------------------

    async def _acquire(self, pool: Pool, tenant: str, tokens: int) -> Key:
        now = self._now()
        if not any(key.usable(now) for key in pool.keys):
            raise Prevented(f"{pool.name} accepts none of its keys: see the router's log", provider=pool.name, code="no_key")
        if not pool.waiting and (free := self._free(pool, tokens, now)) is not None:
            return self._take(free, tokens, now)
        if pool.queued >= MOST_WAITING:
            raise Prevented(f"too many calls wait for {pool.name}", provider=pool.name, code="queue_full")
        waiter = _Waiter(tokens, asyncio.get_running_loop().create_future())
        pool.waiting.setdefault(tenant, deque()).append(waiter)
        self._dispatch(pool)
        queue_s = self._configuration.timeouts.queue_s
        try:
            async with asyncio.timeout(queue_s):
                return await waiter.granted
        except BaseException as ended:
            self._leave(pool, tenant, waiter)
            if isinstance(ended, TimeoutError):
                raise Prevented(
                    f"{pool.name} had no room within {queue_s:g} s: its limits of requests, tokens or calls in flight are used up",
                    provider=pool.name,
                    code="waited_too_long",
                ) from None
            raise

    def _leave(self, pool: Pool, tenant: str, waiter: _Waiter) -> None:
        if waiter.granted.done() and not waiter.granted.cancelled():
            # Granted and cancelled in the same moment: the room goes to the next.
            waiter.granted.result().limit.ended()
        queue = pool.waiting.get(tenant)
        if queue is not None and waiter in queue:
            queue.remove(waiter)
            if not queue:
                del pool.waiting[tenant]
        self._dispatch(pool)

    def _dispatch(self, pool: Pool) -> None:
        """Grant what can be granted, tenants in turn; set a timer for what only time can grant."""
        if pool.timer is not None:
            pool.timer.cancel()
            pool.timer = None
        now = self._now()
        while pool.waiting:
            tenant, queue = next(iter(pool.waiting.items()))
            waiter = queue[0]
            free = self._free(pool, waiter.tokens, now)
            if free is None:
                waits = [wait for key in pool.keys if (wait := key.wait(waiter.tokens, now)) is not None]
                if waits:
                    delay = max(min(waits), timedelta(milliseconds=1)).total_seconds()
                    pool.timer = asyncio.get_running_loop().call_later(delay, self._dispatch, pool)
                return
            queue.popleft()
            pool.waiting.move_to_end(tenant)
            if not queue:
                del pool.waiting[tenant]
            if not waiter.granted.done():
                waiter.granted.set_result(self._take(free, waiter.tokens, now))

    def _free(self, pool: Pool, tokens: int, now: datetime) -> Key | None:
        """Of the keys that may be used now, the one with the most room."""
        best: Key | None = None
        for key in pool.keys:
            if (best is None or key.limit.room > best.limit.room) and key.wait(tokens, now) == timedelta():
                best = key
        return best

    def _take(self, key: Key, tokens: int, now: datetime) -> Key:
        key.limit.began()
        key.requests.draw(1, now)
        key.tokens.draw(tokens, now)
        # The probe of a key that was refused; whatever comes of it is told to it.
        key.refused.admit(now)
        return key

    # --- what an attempt came to --------------------------------------------------------------------------------------

    def succeeded(self, turn: "KeyTurn", latency: timedelta, usage: Usage, limits: RateLimits | None) -> None:
        """An answer."""
        now, key = self._now(), turn.held
        turn.known.breaker.succeeded(now)
        turn.known.latency.measured(latency / timedelta(milliseconds=1), now)
        key.refused.succeeded(now)
        key.limit.succeeded(now)
        used = usage.input_tokens + usage.cache_write_tokens + usage.cache_read_tokens + usage.output_tokens
        key.tokens.corrected(turn.tokens, used, now)
        self._told(key, limits, now)

    def failed(self, turn: "KeyTurn", error: ProviderError) -> bool:
        """No answer. Whether another key of the same provider is free for the same target."""
        now, key = self._now(), turn.held
        self._told(key, error.limits, now)
        if error.kind != "needs_operator":
            # It says nothing about the key; whoever probes it next may.
            key.refused.ended()
        if error.kind == "wait" or error.status in _OVERLOADED or error.code == "timeout":
            key.limit.overloaded(now)
        else:
            key.limit.ended()
        match error.kind:
            case "retry":
                turn.known.breaker.failed(now, jitter=self._jitter())
                self._slow(turn, now)
            case "wait":
                turn.known.breaker.ended()
                if error.retry_after is not None:
                    key.cool_until = max(key.cool_until or now, now + error.retry_after)
            case "needs_operator":
                turn.known.breaker.ended()
                key.refused.failed(now, jitter=self._jitter())
            case "other_provider" | "never":
                if error.code in _UNHEALTHY:
                    turn.known.breaker.failed(now, jitter=self._jitter())
                    self._slow(turn, now)
                else:
                    turn.known.breaker.ended()
        if error.kind not in ("wait", "needs_operator"):
            return False
        return any(other is not key and other.wait(turn.tokens, now) == timedelta() for other in turn.pool.keys)

    def cancelled(self, turn: "KeyTurn") -> None:
        """We ended it."""
        turn.known.breaker.ended()
        turn.held.refused.ended()
        turn.held.limit.ended()

    def _slow(self, turn: "KeyTurn", now: datetime) -> None:
        """A failure is no quick answer: it counts as twice what was expected, or what it took if that was longer."""
        took = (now - turn.began) / timedelta(milliseconds=1)
        turn.known.latency.measured(max(took, 2 * turn.known.latency.expected_ms(now)), now)

    def _told(self, key: Key, limits: RateLimits | None, now: datetime) -> None:
        if limits is not None:
            key.requests.told(limits.requests_limit, limits.requests_left, limits.requests_reset, now)
            key.tokens.told(limits.tokens_limit, limits.tokens_left, limits.tokens_reset, now)

    # --- settings -----------------------------------------------------------------------------------------------------

    def _key(self, provider: str, label: str, adapter: ModelAdapter) -> Key:
        limits = self._limits(provider, label)
        return Key(
            label,
            adapter,
            Breaker(self._key_rules()),
            ConcurrencyLimit(most=limits.max_in_flight, start=_start(limits)),
            Pace(limits.requests_per_minute),
            Pace(limits.tokens_per_minute),
        )

    def _limits(self, provider: str, label: str) -> Limits:
        settings = self._configuration.provider(provider)
        return settings.keys.get(label) or settings.limits

    def _key_rules(self) -> BreakerRules:
        """One refusal is enough, and keys are mended by people: they are left alone for twice as long as a target."""
        told = self._configuration.breaker
        length, longest = timedelta(seconds=2 * told.open_s), timedelta(seconds=2 * told.longest_s)
        return BreakerRules(consecutive=1, open_for=length, longest=longest, probes=1)

    def _rules(self) -> BreakerRules:
        told = self._configuration.breaker
        return BreakerRules(
            consecutive=told.consecutive,
            share=told.share,
            least=told.least,
            window=timedelta(seconds=told.window_s),
            open_for=timedelta(seconds=told.open_s),
            longest=timedelta(seconds=told.longest_s),
            probes=told.probes,
        )


def _start(limits: Limits) -> int:
    """How many at once a key is trusted with at first: as many as its contract says; where nobody has said, some."""
    return limits.max_in_flight if "max_in_flight" in limits.model_fields_set else min(_UNTRIED, limits.max_in_flight)


class KeyTurn:
    """See ``choosing.Turn``."""

    __slots__ = ("_over", "_turns", "adapter", "began", "held", "key", "known", "pool", "tokens", "waited_ms")

    def __init__(self, turns: Turns, pool: Pool, known: Known, key: Key, tokens: int, asked: datetime, began: datetime) -> None:
        self._turns, self.pool, self.known, self.held, self.tokens, self.began = turns, pool, known, key, tokens, began
        self.adapter, self.key = key.adapter, key.label
        self.waited_ms = int((began - asked) / timedelta(milliseconds=1))
        self._over = False

    def succeeded(self, *, first_token: timedelta | None, duration: timedelta, usage: Usage, limits: RateLimits | None) -> None:
        """It brought an answer."""
        if not self._over:
            self._over = True
            self._turns.succeeded(self, duration if first_token is None else first_token, usage, limits)

    def failed(self, error: ProviderError) -> bool:
        """It brought none."""
        if self._over:
            return False
        self._over = True
        return self._turns.failed(self, error)

    def cancelled(self) -> None:
        """We ended it."""
        if not self._over:
            self._over = True
            self._turns.cancelled(self)
