"""A model's prices over time, and what a usage costs by them. Pure, exact, and quick enough to be asked for every attempt.

The rules are those of the price table (``genai-prices``): of the periods that hold at a moment the last one counts, the tier follows from
all input tokens together and holds for every token, and a class without a price of its own costs what the class costs that it is part of.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_CEILING, Decimal

from agentos.contracts.budgets import UnitPrice
from agentos.contracts.model import Usage

__all__ = ["Period", "Rates", "Tariff"]

_MTOK = Decimal("1e-6")
_SMALLEST = Decimal("1e-12")
_MIDNIGHT = time(0)


@dataclass(frozen=True, slots=True)
class Rates:
    """USD for a million tokens of each class, for requests of more than ``above`` input tokens; ``request`` is USD for each attempt."""

    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write: Decimal
    cache_write_1h: Decimal
    request: Decimal = Decimal(0)
    above: int = 0

    def cost(self, usage: Usage) -> Decimal:
        """USD, to 1e-12."""
        # Thinking is part of the output; what is kept for an hour is part of what is written to the cache.
        million = self.input * usage.input_tokens + self.output * usage.output_tokens
        if usage.cache_read_tokens:
            million += self.cache_read * usage.cache_read_tokens
        if usage.cache_write_tokens or usage.cache_write_1h_tokens:
            hour = min(usage.cache_write_1h_tokens, usage.cache_write_tokens)
            million += self.cache_write_1h * hour + self.cache_write * (usage.cache_write_tokens - hour)
        return (million * _MTOK + self.request).quantize(_SMALLEST)

    @property
    def dearest_input(self) -> Decimal:
        """Of a million input tokens of whatever class."""
        return max(self.input, self.cache_read, self.cache_write, self.cache_write_1h)


@dataclass(frozen=True, slots=True)
class Period:
    """When some rates hold: from a day on (UTC), and every day between two times (UTC; it may cross midnight). ``tiers`` by ``above``."""

    tiers: tuple[Rates, ...]
    since: date | None = None
    between: tuple[time, time] | None = None

    def holds(self, at: datetime) -> bool:
        """Whether it holds at ``at``, which is in UTC."""
        if self.since is not None and at.date() < self.since:
            return False
        if self.between is None:
            return True
        begins, ends = self.between
        now = at.time()
        return begins <= now < ends if begins <= ends else now >= begins or now < ends


class Tariff:
    """The periods of one model, later ones over earlier ones."""

    __slots__ = ("_always", "_periods")

    def __init__(self, periods: Sequence[Period]) -> None:
        self._periods = tuple(periods)
        only = periods[0] if len(periods) == 1 else None
        self._always = only.tiers if only is not None and only.since is None and only.between is None else None

    def cost(self, usage: Usage, at: datetime) -> Decimal | None:
        """What one attempt that used ``usage`` at ``at`` cost; None where no price held."""
        tiers = self._tiers(at)
        return None if tiers is None else _tier(tiers, _input(usage)).cost(usage)

    def at_most(self, input_tokens: int, output_tokens: int, at: datetime) -> Decimal | None:
        """The most that one attempt with so many tokens of whatever class costs at ``at``; None where no price holds."""
        tiers = self._tiers(at)
        if tiers is None:
            return None
        rates = _tier(tiers, input_tokens)
        return (rates.dearest_input * input_tokens + rates.output * output_tokens) * _MTOK + rates.request

    def highest(self, at: datetime) -> UnitPrice | None:
        """The most that one token can cost from ``at`` on, at whatever hour and size; None where there is a time without any price."""
        found: list[Rates] = []
        for moment in self._changes(at):
            tiers = self._tiers(moment)
            if tiers is None:
                return None
            found.extend(tiers)
        return UnitPrice(
            input_usd=_token(rates.dearest_input for rates in found),
            output_usd=_token(rates.output for rates in found),
            request_usd=max(rates.request for rates in found),
        )

    def _tiers(self, at: datetime) -> tuple[Rates, ...] | None:
        if self._always is not None:
            return self._always
        if at.tzinfo is not UTC:
            at = at.astimezone(UTC)
        return next((period.tiers for period in reversed(self._periods) if period.holds(at)), None)

    def _changes(self, at: datetime) -> Iterable[datetime]:
        """One moment of every stretch with prices of its own, from ``at`` on: a day's stretches repeat until the next period begins."""
        at = at.astimezone(UTC)
        days = {at.date(), at.date() + timedelta(days=1)}
        days |= {period.since for period in self._periods if period.since is not None and period.since > at.date()}
        hours = {_MIDNIGHT} | {hour for period in self._periods if period.between is not None for hour in period.between}
        return [at, *(moment for day in days for hour in hours if (moment := datetime.combine(day, hour, UTC)) >= at)]


def _input(usage: Usage) -> int:
    return usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens


def _tier(tiers: tuple[Rates, ...], input_tokens: int) -> Rates:
    if len(tiers) == 1:
        return tiers[0]
    return next(rates for rates in reversed(tiers) if input_tokens > rates.above or rates.above == 0)


def _token(rates: Iterable[Decimal]) -> Decimal:
    return (max(rates) * _MTOK).quantize(_SMALLEST, ROUND_CEILING)
