"""What this router serves and what it costs at most, for those who must know before a call (bucket ``models``)."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Protocol

from agentos.bus import Bus
from agentos.contracts.budgets import ModelCatalogue, UnitPrice
from agentos.contracts.envelope import encode_body
from services.router.book import FREE_TOKENS
from services.router.prices.listed import FREE, listed_targets


class Highest(Protocol):
    """The prices that hold."""

    def highest(self, target: str) -> UnitPrice | None:
        """The most that a token of a model can cost from now on."""
        ...

    @property
    def named(self) -> frozenset[str]:
        """The models that the operator has set prices for."""
        ...


async def publish(bus: Bus, providers: Collection[str], aliases: Mapping[str, tuple[str, ...]], book: Highest) -> None:
    """Say what is served. Of several routers the last one counts: they are meant to be configured alike."""
    catalogue = await asyncio.to_thread(catalogue_of, providers, aliases, book)
    await bus.bucket("models").put("catalogue", encode_body(catalogue))


def catalogue_of(providers: Collection[str], aliases: Mapping[str, tuple[str, ...]], book: Highest) -> ModelCatalogue:
    """The aliases, and the highest price a token of every model with a price, of the providers that are on."""
    prices = {f"{provider}/*": FREE_TOKENS for provider in providers if provider in FREE}
    targets = {target for targets in aliases.values() for target in targets} | book.named
    for provider in providers:
        targets |= listed_targets(provider)
    for target in sorted(targets):
        provider = target.partition("/")[0]
        own = target in book.named
        if provider in providers and (own or provider not in FREE) and (price := book.highest(target)) is not None:
            prices[target] = price
    return ModelCatalogue(providers=tuple(sorted(providers)), aliases=dict(aliases), prices=prices)
