"""The maintained price table (``genai-prices``), read as tariffs."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING

from services.router.prices.tariff import Period, Rates

if TYPE_CHECKING:
    from genai_prices.types import ConditionalPrice, ModelPrice

__all__ = ["FREE", "PROVIDER_IDS", "hour_of_cache", "listed_periods", "listed_size", "listed_targets"]

PROVIDER_IDS = {"openai": "openai", "anthropic": "anthropic", "gemini": "google", "deepseek": "deepseek"}
"""Our provider names → the price table's."""

FREE = frozenset({"ollama", "simulated"})
"""The one runs on the operator's own machine, the other does not exist."""

ANTHROPIC_HOUR = Decimal(2)
"""Writing to Anthropic's cache for an hour costs twice the input, by its documentation of prompt caching; for where the table lacks it."""


def hour_of_cache(provider: str, input_: Decimal, cache_write: Decimal) -> Decimal:
    """What a token that is kept for an hour costs, where nobody says."""
    return input_ * ANTHROPIC_HOUR if provider == "anthropic" else cache_write


def listed_periods(target: str) -> tuple[Period, ...]:
    """What the table says of a model; nothing where it lacks it. Slow: some milliseconds, and the first time a second."""
    provider, _, model = target.partition("/")
    if provider not in PROVIDER_IDS:
        return ()
    # Loaded where a provider with prices is on: the table takes some 70 MB, which an installation without keys need not spend.
    from genai_prices.data_snapshot import get_snapshot
    from genai_prices.types import ConditionalPrice

    try:
        _, found = get_snapshot().find_provider_model(model, None, PROVIDER_IDS[provider], None)
    except (LookupError, ValueError):
        return ()
    prices = found.prices if isinstance(found.prices, list) else [ConditionalPrice(prices=found.prices)]
    periods: list[Period] = []
    for number, each in enumerate(prices):
        tiers = _tiers(provider, each.prices)
        if tiers is None:
            # Priced by the hour, the image or the character: not by what our usage counts.
            return ()
        # By the table's rule the first one holds where no other does.
        periods.append(_period(each, tiers) if number else Period(tiers))
    return tuple(periods)


def listed_size(target: str) -> int | None:
    """How many tokens fit into a model, by the table."""
    provider, _, model = target.partition("/")
    if provider not in PROVIDER_IDS:
        return None
    from genai_prices.data_snapshot import get_snapshot

    try:
        return get_snapshot().find_provider_model(model, None, PROVIDER_IDS[provider], None)[1].context_window
    except (LookupError, ValueError):
        return None


def listed_targets(provider: str) -> set[str]:
    """Every model of a provider in the table, as "provider/model"."""
    if provider not in PROVIDER_IDS:
        return set()
    from genai_prices.data_snapshot import get_snapshot

    return {
        f"{provider}/{model.id}"
        for each in get_snapshot().providers
        if each.id == PROVIDER_IDS[provider]
        for model in each.models
    }


def _period(price: "ConditionalPrice", tiers: tuple[Rates, ...]) -> Period:
    from genai_prices.types import StartDateConstraint, TimeOfDateConstraint

    match price.constraint:
        case None:
            return Period(tiers)
        case StartDateConstraint(start_date=start):
            return Period(tiers, since=start)
        case TimeOfDateConstraint(start_time=begins, end_time=ends):
            return Period(tiers, between=(_utc(begins), _utc(ends)))


def _utc(moment: time) -> time:
    if moment.tzinfo is None:
        return moment
    return datetime.combine(date(1970, 1, 1), moment).astimezone(UTC).time()


_CLASSES = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok")


def _tiers(provider: str, price: "ModelPrice") -> tuple[Rates, ...] | None:
    """None where the text of a request has no price. A model that is listed with no price at all is free there (Gemma, moderation)."""
    from genai_prices.types import TieredPrices

    # Attributes of a price are looked up dynamically there; these five are in its registry.
    of = {name: getattr(price, name) for name in _CLASSES}
    if of["input_mtok"] is None and any(value is not None for value in price.__dict__.values()):
        return None
    starts = {0} | {tier.start for value in of.values() if isinstance(value, TieredPrices) for tier in value.tiers}

    def at(name: str, start: int) -> Decimal | None:
        value = of[name]
        if not isinstance(value, TieredPrices):
            return value
        return next((tier.price for tier in reversed(value.tiers) if start >= tier.start), value.base)

    found: list[Rates] = []
    for start in sorted(starts):
        input_ = at("input_mtok", start) or Decimal(0)
        write = at("cache_write_mtok", start)
        write = input_ if write is None else write
        read, hour = at("cache_read_mtok", start), at("cache_write_1h_mtok", start)
        found.append(
            Rates(
                input=input_,
                output=at("output_mtok", start) or Decimal(0),
                cache_read=input_ if read is None else read,
                cache_write=write,
                cache_write_1h=hour_of_cache(provider, input_, write) if hour is None else hour,
                request=(getattr(price, "requests_kcount", None) or Decimal(0)) / 1000,
                above=start,
            )
        )
    return tuple(found)
