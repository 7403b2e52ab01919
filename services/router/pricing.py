"""What an attempt costs, from the maintained price table of ``genai-prices``, and what it used where its provider could not say."""

from datetime import datetime
from decimal import Decimal

from agentos.contracts.model import Cost, ModelRequest, Usage, texts

PROVIDER_IDS = {"openai": "openai", "anthropic": "anthropic", "gemini": "google", "deepseek": "deepseek"}
"""Our provider names → the price table's."""

FREE = frozenset({"ollama", "simulated"})
"""The one runs on the operator's own machine, the other does not exist."""

NOTHING = Cost(usd=Decimal(0), priced=True)
_BYTES_PER_TOKEN = 4


def price(target: str, usage: Usage, at: datetime) -> Cost:
    """What ``usage`` at ``target`` ("provider/model") cost at ``at``. A local provider costs nothing; an unknown model is unpriced."""
    provider, _, model = target.partition("/")
    if provider in FREE or usage == Usage():
        return NOTHING
    if provider not in PROVIDER_IDS:
        return Cost(usd=Decimal(0), priced=False)
    # Loaded on the first priced call: the table takes some 70 MB, which an installation without keys need not spend.
    from genai_prices import Usage as PricedUsage
    from genai_prices import calc_price

    try:
        calculated = calc_price(
            PricedUsage(
                # The table's input_tokens include both cache classes.
                input_tokens=usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens,
                cache_read_tokens=usage.cache_read_tokens,
                cache_write_tokens=usage.cache_write_tokens,
                output_tokens=usage.output_tokens,
            ),
            model_ref=model,
            provider_id=PROVIDER_IDS[provider],
            genai_request_timestamp=at,
        )
    except (LookupError, ValueError):
        return Cost(usd=Decimal(0), priced=False)
    return Cost(usd=calculated.total_price.quantize(Decimal("0.000000000001")), priced=True)


def estimate(request: ModelRequest) -> Usage:
    """The input that ``request`` is, roughly: one token for every four bytes of its texts."""
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts(request))
    return Usage(input_tokens=-(-size // _BYTES_PER_TOKEN))
