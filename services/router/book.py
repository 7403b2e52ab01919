"""What the price table lists of models, looked up once a model: how many tokens fit in, and what they cost at most."""

from collections.abc import Callable
from decimal import Decimal

from agentos.contracts.budgets import UnitPrice
from services.router.catalogue import highest_price
from services.router.pricing import FREE, PROVIDER_IDS

_NOTHING = UnitPrice(input_usd=Decimal(0), output_usd=Decimal(0))


class PriceBook:
    """See ``selection.Book``. ``price`` is the highest price of a token of a model."""

    def __init__(self, price: Callable[[str, str], UnitPrice | None] = highest_price) -> None:
        self._price = price
        self._prices: dict[str, UnitPrice | None] = {}
        self._sizes: dict[str, int | None] = {}

    def at_most(self, target: str, input_tokens: int, output_tokens: int) -> Decimal | None:
        """See ``Book.at_most``."""
        if target not in self._prices:
            provider, _, model = target.partition("/")
            self._prices[target] = _NOTHING if provider in FREE else self._price(provider, model)
        price = self._prices[target]
        return None if price is None else price.input_usd * input_tokens + price.output_usd * output_tokens

    def context_tokens(self, target: str) -> int | None:
        """See ``Book.context_tokens``."""
        if target not in self._sizes:
            self._sizes[target] = _listed_size(*target.split("/", 1))
        return self._sizes[target]


def _listed_size(provider: str, model: str) -> int | None:
    if provider not in PROVIDER_IDS:
        return None
    # Loaded where a provider with prices is on: the table takes some 70 MB.
    from genai_prices.data_snapshot import get_snapshot

    try:
        _, found = get_snapshot().find_provider_model(model, None, PROVIDER_IDS[provider], None)
    except (LookupError, ValueError):
        return None
    return found.context_window
