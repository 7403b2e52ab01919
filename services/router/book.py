"""What models cost and how much fits into them: the price table, with the operator's prices over it, looked up once a model."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from agentos.contracts.budgets import UnitPrice
from agentos.contracts.model import Cost, Usage
from services.router.prices.listed import FREE, listed_periods, listed_size
from services.router.prices.overrides import OwnPrice, own_periods
from services.router.prices.tariff import Period, Tariff

__all__ = ["PriceBook"]

NOTHING = Cost(usd=Decimal(0), priced=True)
UNPRICED = Cost(usd=Decimal(0), priced=False)
FREE_TOKENS = UnitPrice(input_usd=Decimal(0), output_usd=Decimal(0))

REMEMBERED = 4_096
"""Models: packs may ask for any name."""
_NONE = Usage()


class PriceBook:
    """One per router. ``own`` are the operator's prices by "provider/model"; ``listed`` is the price table."""

    def __init__(
        self,
        own: Mapping[str, tuple[OwnPrice, ...]] | None = None,
        listed: Callable[[str], tuple[Period, ...]] = listed_periods,
    ) -> None:
        self._own: Mapping[str, tuple[OwnPrice, ...]] = own or {}
        self._listed = listed
        self._tariffs: dict[str, Tariff | None] = {}
        self._sizes: dict[str, int | None] = {}

    def configure(self, own: Mapping[str, tuple[OwnPrice, ...]]) -> None:
        """From now on these are the operator's prices; what was priced before stays as it was."""
        self._own = own
        self._tariffs.clear()

    def price(self, target: str, usage: Usage, at: datetime) -> Cost:
        """What one attempt at ``target`` that began at ``at`` and used ``usage`` cost. An attempt that used nothing cost nothing."""
        if usage == _NONE:
            return NOTHING
        tariff = self._tariff(target)
        if tariff is None:
            return NOTHING if _free(target) else UNPRICED
        usd = tariff.cost(usage, at)
        return UNPRICED if usd is None else Cost.model_construct(usd=usd, priced=True)

    def at_most(self, target: str, input_tokens: int, output_tokens: int) -> Decimal | None:
        """See ``Book.at_most``."""
        tariff = self._tariff(target)
        if tariff is None:
            return Decimal(0) if _free(target) else None
        return tariff.at_most(input_tokens, output_tokens, datetime.now(UTC))

    def highest(self, target: str) -> UnitPrice | None:
        """The most that a token can cost there from now on, whatever its class; None where that is not known."""
        tariff = self._tariff(target)
        if tariff is None:
            return FREE_TOKENS if _free(target) else None
        return tariff.highest(datetime.now(UTC))

    @property
    def named(self) -> frozenset[str]:
        """The models that the operator has set prices for."""
        return frozenset(self._own)

    def context_tokens(self, target: str) -> int | None:
        """See ``Book.context_tokens``."""
        if target not in self._sizes:
            _bound(self._sizes)
            self._sizes[target] = listed_size(target)
        return self._sizes[target]

    def _tariff(self, target: str) -> Tariff | None:
        """None where nothing is known of prices there."""
        try:
            return self._tariffs[target]
        except KeyError:
            _bound(self._tariffs)
        periods = (*self._listed(target), *own_periods(target.partition("/")[0], self._own.get(target, ())))
        made = self._tariffs[target] = Tariff(periods) if periods else None
        return made


def _free(target: str) -> bool:
    return target.partition("/")[0] in FREE


def _bound(memory: dict[str, Tariff | None] | dict[str, int | None]) -> None:
    if len(memory) >= REMEMBERED:
        memory.clear()
