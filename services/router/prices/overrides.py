"""The operator's own prices, as they stand in the routing configuration: a contract with a provider, or a model that no table lists."""

from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from agentos.contracts.base import Contract
from services.router.prices.listed import hour_of_cache
from services.router.prices.tariff import Period, Rates

__all__ = ["OwnPrice", "own_periods"]

Price = Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=6, allow_inf_nan=False)]
"""USD. Six decimals, so that what a single token costs is exact to 1e-12."""


def _between(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError('write two times of the day in UTC, such as "16:30-00:30"')  # noqa: TRY004 - pydantic passes on no TypeError
    begins, dash, ends = (part.strip() for part in value.partition("-"))
    try:
        found = time.fromisoformat(begins), time.fromisoformat(ends)
    except ValueError:
        raise ValueError(f'{value!r} are no two times of the day: write them in UTC, such as "16:30-00:30"') from None
    if not dash or found[0] == found[1] or any(each.tzinfo is not None for each in found):
        raise ValueError(f'{value!r}: two different times of the day in UTC, without a zone, such as "16:30-00:30"')
    return found


def _day(value: Any) -> Any:
    if isinstance(value, datetime) or not isinstance(value, date | str):
        raise ValueError("write a day, such as 2026-01-31: prices change at midnight UTC")  # noqa: TRY004 - as above
    return value


class _Rates(Contract):
    input_per_mtok: Price
    """USD for a million tokens, as everywhere here."""
    output_per_mtok: Price
    cache_read_per_mtok: Price | None = None
    """As input where it is left out, and so is what is written to the cache."""
    cache_write_per_mtok: Price | None = None
    cache_write_1h_per_mtok: Price | None = None

    def rates(self, provider: str, *, request: Decimal, above: int) -> Rates:
        """With what is left out."""
        write = self.input_per_mtok if self.cache_write_per_mtok is None else self.cache_write_per_mtok
        hour = self.cache_write_1h_per_mtok
        return Rates(
            input=self.input_per_mtok,
            output=self.output_per_mtok,
            cache_read=self.input_per_mtok if self.cache_read_per_mtok is None else self.cache_read_per_mtok,
            cache_write=write,
            cache_write_1h=hour_of_cache(provider, self.input_per_mtok, write) if hour is None else hour,
            request=request,
            above=above,
        )


class Tier(_Rates):
    """What every token of a request costs that has more input tokens than ``above_input_tokens``."""

    above_input_tokens: int = Field(ge=1)


class OwnPrice(_Rates):
    """What a model costs from a day on (midnight UTC), in place of the price table. Later entries stand over earlier ones."""

    since: Annotated[date | None, BeforeValidator(_day)] = Field(default=None, alias="from")
    """Without it: always."""
    hours: Annotated[tuple[time, time] | None, BeforeValidator(_between)] = None
    """Only at these times of the day (UTC), such as "16:30-00:30"."""
    per_request: Price = Decimal(0)
    """USD for each attempt, whatever its tokens."""
    tiers: tuple[Tier, ...] = Field(default=(), max_length=16)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        starts = [tier.above_input_tokens for tier in self.tiers]
        if starts != sorted(set(starts)):
            raise ValueError("tiers stand in ascending order of above_input_tokens, each once")
        return self


def own_periods(provider: str, prices: Sequence[OwnPrice]) -> tuple[Period, ...]:
    """The entries as periods, by the day from which they hold; those for certain hours over those for the whole day."""
    ordered = sorted(prices, key=lambda price: (price.since or date.min, price.hours is not None))
    return tuple(
        Period(
            (
                price.rates(provider, request=price.per_request, above=0),
                *(tier.rates(provider, request=price.per_request, above=tier.above_input_tokens) for tier in price.tiers),
            ),
            since=price.since,
            between=price.hours,
        )
        for price in ordered
    )
