"""What a call costs, from the maintained price table of ``genai-prices``."""

from decimal import Decimal

from agentos.contracts.model import Cost, ModelResponse

PROVIDER_IDS = {"openai": "openai", "anthropic": "anthropic", "gemini": "google", "deepseek": "deepseek"}
"""Our provider names → the price table's."""

FREE = frozenset({"ollama", "simulated"})
"""The one runs on the operator's own machine, the other does not exist."""


def price(response: ModelResponse) -> Cost:
    """The cost of an answer. The simulated provider and a local one cost nothing; an unknown model is unpriced."""
    if response.simulated or response.provider in FREE:
        return Cost(usd=Decimal(0), priced=True)
    # Loaded on the first priced call: the table takes some 70 MB, which an installation without keys need not spend.
    from genai_prices import Usage as PricedUsage
    from genai_prices import calc_price

    usage = response.usage
    try:
        calculated = calc_price(
            PricedUsage(
                # The table's input_tokens include both cache classes.
                input_tokens=usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens,
                cache_read_tokens=usage.cache_read_tokens,
                cache_write_tokens=usage.cache_write_tokens,
                output_tokens=usage.output_tokens,
            ),
            model_ref=response.model,
            provider_id=PROVIDER_IDS[response.provider],
        )
    except (LookupError, ValueError):
        return Cost(usd=Decimal(0), priced=False)
    return Cost(usd=calculated.total_price.quantize(Decimal("0.000000000001")), priced=True)
