"""Recorded traffic through another configuration, in virtual time: what it would have cost, how long taken, and what would have failed.

What is taken from the record: when each call came, what it needed, what it used, and how each target really behaved: the attempts at a
target are the lot from which an attempt there is drawn, failures and latencies alike, those close in time being likelier. What is assumed:
a target that was never tried behaves like the others of its provider, and where there are none, like all; every target answers with as
many tokens as were recorded. Queues and limits of keys are not simulated. The same dice give the same result.
"""

import bisect
import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from agentos.contracts.model import Usage
from agentos.contracts.routing import Ordering
from services.router.domain.breaker import Breaker, BreakerRules
from services.router.domain.candidates import Ability, Needs, judge
from services.router.domain.latency import Latency
from services.router.domain.ordering import Standing, order
from services.router.domain.retries import ErrorKind, Option, Patience, after_failure, elsewhere
from services.router.domain.retries import Standing as Stand

NEIGHBOURS = 50
"""An attempt is drawn from so many that are nearest in time: a bad hour stays a bad hour."""


class Dice(Protocol):
    """Where chance comes from, such as a seeded ``random.Random``."""

    def random(self) -> float:
        """A number in [0, 1)."""
        ...


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt as it was recorded. ``error`` None: it brought the answer."""

    target: str
    at: datetime
    duration: timedelta
    first_token: timedelta | None = None
    error: ErrorKind | None = None
    usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Past:
    """A call as it was recorded."""

    call: str
    at: datetime
    requested: str
    needs: Needs
    usage: Usage
    tries: tuple[Try, ...]
    completed: bool


@dataclass(frozen=True, slots=True)
class Alternative:
    """What an alias stands for in the configuration that is tried."""

    targets: tuple[str, ...]
    ordering: Ordering = "listed"
    fallbacks: bool = True


@dataclass(frozen=True, slots=True)
class World:
    """The configuration that is tried, as far as it decides."""

    aliases: Mapping[str, Alternative]
    ability: Callable[[str], Ability]
    price: Callable[[str, Usage, datetime], Decimal | None]
    """None: unpriced."""
    alive: frozenset[str]
    breaker: BreakerRules
    patience: Patience


@dataclass(slots=True)
class Sums:
    """What became of some calls."""

    calls: int = 0
    completed: int = 0
    failed: int = 0
    attempts: int = 0
    fallbacks: int = 0
    """Calls that were answered by another target than the first of their chain."""
    usd: Decimal = Decimal(0)
    unpriced: int = 0
    seconds: list[float] = field(default_factory=list[float])
    """Of the completed calls, pauses included."""
    by_target: Counter[str] = field(default_factory=Counter[str])
    """Who answered."""
    unserved: Counter[str] = field(default_factory=Counter[str])
    """Why nobody could, by code."""

    def percentile(self, share: float) -> float:
        """Seconds that ``share`` of the completed calls do not exceed; 0 where none was completed."""
        if not self.seconds:
            return 0.0
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True, slots=True)
class Comparison:
    """By what was asked for, and over all (key ""): as it was, and as it would have been. ``guessed`` are targets nobody had tried."""

    was: Mapping[str, Sums]
    becomes: Mapping[str, Sums]
    guessed: Mapping[str, str]
    """Target → what it was taken to behave like."""


class _Behaviour:
    """The lots of attempts, by target."""

    def __init__(self, pasts: Sequence[Past]) -> None:
        self._lots: dict[str, list[Try]] = defaultdict(list)
        for past in pasts:
            for each in past.tries:
                self._lots[each.target].append(each)
        for lot in self._lots.values():
            lot.sort(key=lambda each: each.at)
        self.guessed: dict[str, str] = {}

    def draw(self, target: str, at: datetime, dice: Dice) -> Try | None:
        lot = self._lots.get(target) or self._like(target)
        if not lot:
            return None
        place = bisect.bisect_left(lot, at, key=lambda each: each.at)
        low = max(0, min(place - NEIGHBOURS // 2, len(lot) - NEIGHBOURS))
        near = lot[low : low + NEIGHBOURS]
        return near[int(dice.random() * len(near))]

    def _like(self, target: str) -> list[Try]:
        provider = target.partition("/")[0]
        kin = [each for name, lot in self._lots.items() if name.partition("/")[0] == provider for each in lot]
        lot = kin or [each for lot in self._lots.values() for each in lot]
        self.guessed[target] = f"the other models of {provider}" if kin else "all other models"
        lot.sort(key=lambda each: each.at)
        # Found once: the next draw looks it up.
        self._lots[target] = lot
        return lot


@dataclass(slots=True)
class _Running:
    past: Past
    chain: list[str]
    index: int = 0
    attempts: int = 0
    tries: Counter[int] = field(default_factory=Counter[int])
    left: set[int] = field(default_factory=set[int])
    drawn: Try | None = None


def compare(pasts: Sequence[Past], world: World, dice: Dice) -> Comparison:
    """Replay ``pasts`` through ``world``."""
    run = _Run(pasts, world, dice)
    run.all()
    was: dict[str, Sums] = defaultdict(Sums)
    for past in pasts:
        for sums in (was[""], was[past.requested]):
            _add_past(sums, past)
    return Comparison(was, run.sums, run.behaviour.guessed)


class _Run:
    def __init__(self, pasts: Sequence[Past], world: World, dice: Dice) -> None:
        self._pasts, self._world = pasts, world
        self._dice = dice
        self.behaviour = _Behaviour(pasts)
        self.sums: dict[str, Sums] = defaultdict(Sums)
        self._breakers: dict[str, Breaker] = defaultdict(lambda: Breaker(world.breaker))
        self._latencies: dict[str, Latency] = defaultdict(Latency)
        self._agenda: list[tuple[datetime, int, _Running]] = []
        self._numbers = iter(range(2**62))

    def all(self) -> None:
        for past in sorted(self._pasts, key=lambda each: each.at):
            # What has ended by now is known before the next call is routed.
            self._until(past.at)
            self._begin(past)
        self._until(None)

    def _until(self, at: datetime | None) -> None:
        while self._agenda and (at is None or self._agenda[0][0] <= at):
            now, _, running = heapq.heappop(self._agenda)
            if running.drawn is None:
                self._try(running, now)
            else:
                self._ended(running, running.drawn, now)

    def _later(self, at: datetime, running: _Running) -> None:
        heapq.heappush(self._agenda, (at, next(self._numbers), running))

    def _both(self, past: Past) -> tuple[Sums, Sums]:
        return self.sums[""], self.sums[past.requested]

    def _begin(self, past: Past) -> None:
        world = self._world
        for sums in self._both(past):
            sums.calls += 1
        alternative = world.aliases.get(past.requested)
        if alternative is None:
            alternative = Alternative((past.requested,) if "/" in past.requested else ())
        verdicts = [judge(world.ability(target), past.needs, world.alive) for target in alternative.targets]
        fit = [verdict.ability for verdict in verdicts if not verdict.rejected]
        if not fit:
            code = verdicts[0].rejected[0] if verdicts else "unknown_model"
            for sums in self._both(past):
                sums.unserved[code] += 1
            return
        standings = [
            Standing(
                ability.target,
                place,
                usd=world.price(ability.target, past.usage, past.at),
                latency_ms=self._latencies[ability.target].expected_ms(past.at),
                quality=ability.quality,
                weight=ability.weight,
                breaker=self._breakers[ability.target].state(past.at),
                wants_probe=self._breakers[ability.target].would_admit(past.at),
            )
            for place, ability in enumerate(fit)
        ]
        chain = order(standings, alternative.ordering, call=past.call)
        self._try(_Running(past, chain if alternative.fallbacks else chain[:1]), past.at)

    def _try(self, running: _Running, now: datetime) -> None:
        target = running.chain[running.index]
        running.tries[running.index] += 1
        if not self._breakers[target].admit(now):
            self._follow(running, "other_provider", now)
            return
        drawn = self.behaviour.draw(target, now, self._dice)
        if drawn is None:
            self._breakers[target].ended()
            self._failed(running.past)
            return
        running.attempts += 1
        running.drawn = drawn
        for sums in self._both(running.past):
            sums.attempts += 1
        self._later(now + drawn.duration, running)

    def _failed(self, past: Past) -> None:
        for sums in self._both(past):
            sums.failed += 1

    def _ended(self, running: _Running, drawn: Try, now: datetime) -> None:
        target, past = running.chain[running.index], running.past
        running.drawn = None
        if drawn.error is None:
            self._breakers[target].succeeded(now)
            self._latencies[target].measured((drawn.first_token or drawn.duration) / timedelta(milliseconds=1), now)
            usd = self._world.price(target, past.usage, now)
            for sums in self._both(past):
                sums.completed += 1
                sums.fallbacks += running.index > 0
                sums.by_target[target] += 1
                sums.seconds.append((now - past.at).total_seconds())
                sums.unpriced += usd is None
                sums.usd += usd or Decimal(0)
            return
        for sums in self._both(past):
            # What was paid for an attempt that failed is paid again where it fails again.
            sums.usd += drawn.usd
        if drawn.error == "retry":
            self._breakers[target].failed(now, jitter=self._dice.random())
        else:
            self._breakers[target].ended()
        self._follow(running, drawn.error, now)

    def _follow(self, running: _Running, error: ErrorKind, now: datetime) -> None:
        options = [Option(target.partition("/")[0], continues=False) for target in running.chain]
        standing = Stand(
            running.index,
            tries_here=running.tries[running.index],
            attempts=running.attempts,
            elapsed=now - running.past.at,
            elsewhere=elsewhere(options, running.index, running.left, begun=False),
        )
        following = after_failure(error, standing, self._world.patience, retry_after=None, jitter=self._dice.random())
        if following is None:
            self._failed(running.past)
            return
        if following.index != running.index:
            running.left.add(running.index)
        running.index = following.index
        self._later(now + following.delay, running)


def _add_past(sums: Sums, past: Past) -> None:
    sums.calls += 1
    sums.attempts += len(past.tries)
    sums.usd += sum((each.usd for each in past.tries), Decimal(0))
    sums.failed += not past.completed
    if past.completed and past.tries:
        sums.completed += 1
        last = past.tries[-1]
        sums.by_target[last.target] += 1
        sums.fallbacks += last.target != past.tries[0].target
        sums.seconds.append((last.at + last.duration - past.at).total_seconds())
