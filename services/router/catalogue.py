"""What this router serves and what it costs at most, for those who must know before a call (bucket ``models``)."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal

from agentos.bus import Bus
from agentos.contracts.budgets import ModelCatalogue, UnitPrice
from agentos.contracts.envelope import encode_body
from services.router.pricing import FREE, PROVIDER_IDS

SIZES = (1_000, 150_000, 300_000, 1_000_000)
"""Requests of these many tokens are priced: above a threshold some models cost more a token."""
HOURS = range(0, 24, 4)
"""And at these hours (UTC): some providers are cheaper at night."""
_SMALLEST = Decimal("1e-12")


async def publish(bus: Bus, providers: Collection[str], aliases: Mapping[str, tuple[str, ...]]) -> None:
    """Say what is served. Of several routers the last one counts: they are meant to be configured alike."""
    catalogue = await asyncio.to_thread(catalogue_of, providers, aliases)
    await bus.bucket("models").put("catalogue", encode_body(catalogue))


def catalogue_of(providers: Collection[str], aliases: Mapping[str, tuple[str, ...]]) -> ModelCatalogue:
    """The aliases, and the highest price a token of every model that the price table lists for the providers that are on."""
    prices = {
        f"{provider}/*": UnitPrice(input_usd=Decimal(0), output_usd=Decimal(0)) for provider in providers if provider in FREE
    }
    if any(provider in PROVIDER_IDS for provider in providers):
        named = {target for targets in aliases.values() for target in targets}
        for target in sorted(named | _listed(providers)):
            provider, _, model = target.partition("/")
            if provider in providers and (price := highest_price(provider, model)) is not None:
                prices[target] = price
    return ModelCatalogue(providers=tuple(sorted(providers)), aliases=dict(aliases), prices=prices)


def highest_price(provider: str, model: str) -> UnitPrice | None:
    """The most that one token can cost there; None when the table lacks the model. Takes some milliseconds."""
    if provider not in PROVIDER_IDS:
        return None
    # Loaded where a provider with prices is on: the table takes some 70 MB.
    from genai_prices import Usage, calc_price

    def cost(size: int, at: datetime, **usage: int) -> Decimal:
        used = Usage(**{"input_tokens": size, **usage})
        return calc_price(used, model_ref=model, provider_id=PROVIDER_IDS[provider], genai_request_timestamp=at).total_price

    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    highest_in = highest_out = Decimal(0)
    try:
        for at in (midnight + timedelta(hours=hour) for hour in (HOURS if provider == "deepseek" else (0,))):
            for size in SIZES:
                plain = cost(size, at)
                # A cache may make input dearer (writing) or cheaper (reading).
                highest_in = max(highest_in, max(plain, cost(size, at, cache_write_tokens=size)) / size)
                highest_out = max(highest_out, (cost(size, at, output_tokens=size) - plain) / size)
    except (LookupError, ValueError):
        return None
    return UnitPrice(
        input_usd=highest_in.quantize(_SMALLEST, ROUND_CEILING), output_usd=highest_out.quantize(_SMALLEST, ROUND_CEILING)
    )


def _listed(providers: Collection[str]) -> set[str]:
    from genai_prices.data_snapshot import get_snapshot

    ours = {theirs: provider for provider, theirs in PROVIDER_IDS.items() if provider in providers}
    return {f"{ours[each.id]}/{model.id}" for each in get_snapshot().providers if each.id in ours for model in each.models}
