"""The highest price of a call before it is made, from what the router said that it serves (bucket ``models``)."""

import asyncio
import time
from decimal import Decimal

import structlog
from pydantic import ValidationError

from agentos.bus import Bus
from agentos.contracts.budgets import ModelCatalogue, UnitPrice

log = structlog.get_logger(__name__)

FRESH_S = 5.0
"""How soon a router's new catalogue is seen."""


class Prices:
    """Reads the catalogue when it is needed. Without one nothing has a price."""

    def __init__(self, bus: Bus) -> None:
        self._bucket = bus.bucket("models")
        self._catalogue: ModelCatalogue | None = None
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def catalogue(self) -> ModelCatalogue | None:
        """What the router serves; None before any router has said so. Raises RetryLater when the broker does not answer."""
        if time.monotonic() - self._read_at > FRESH_S:
            # One reading for all who wait.
            async with self._reading:
                if time.monotonic() - self._read_at > FRESH_S:
                    self._catalogue = await self._read()
                    self._read_at = time.monotonic()
        return self._catalogue

    async def _read(self) -> ModelCatalogue | None:
        entry = await self._bucket.get("catalogue")
        try:
            return None if entry is None else ModelCatalogue.model_validate_json(entry.value or b"")
        except ValidationError:
            # Without prices money budgets refuse; that says loudly enough that something is wrong.
            log.exception("catalogue_unreadable")
            return None


def targets(catalogue: ModelCatalogue | None, model: str, permitted: tuple[str, ...]) -> tuple[str, ...]:
    """The "provider/model" that may serve ``model``, of the permitted providers (empty: any). Pure."""
    wanted = (model,) if catalogue is None else catalogue.aliases.get(model, (model,))
    return tuple(
        target
        for target in wanted
        if (provider := target.partition("/")[0])
        and (not permitted or provider in permitted)
        and (catalogue is None or provider in catalogue.providers)
    )


def providers(found: tuple[str, ...]) -> tuple[str, ...]:
    """The providers of some targets, each once."""
    return tuple(dict.fromkeys(target.partition("/")[0] for target in found if "/" in target))


def worst_case(
    catalogue: ModelCatalogue | None, found: tuple[str, ...], input_tokens: int, output_tokens: int
) -> Decimal | None:
    """The most that a call can cost in USD at any of the targets; None when one of them has no known price. Pure."""
    highest = Decimal(0)
    for target in found:
        price = _price(catalogue, target)
        if price is None:
            return None
        cost = price.input_usd * input_tokens + price.output_usd * output_tokens + price.request_usd
        highest = max(highest, cost)
    # A model that nobody serves is not made cheap by that.
    return highest if found else None


def _price(catalogue: ModelCatalogue | None, target: str) -> UnitPrice | None:
    if catalogue is None:
        return None
    return catalogue.prices.get(target) or catalogue.prices.get(f"{target.partition('/')[0]}/*")
