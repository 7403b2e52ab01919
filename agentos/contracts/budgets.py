"""Budgets: what is limited, over which window, and the state that policy keeps of each and others may read (bucket ``budgets``).

Amounts are integers inside: one request, one token, or a millionth of a millionth of a US dollar, so that sums are exact.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import Field

from agentos.contracts.base import Contract, Token, Usd
from agentos.contracts.ids import derived_id

Metric = Literal["requests", "tokens", "usd"]
Mode = Literal["hard", "soft", "throttle"]
FixedWindow = Literal["minute", "hour", "day", "month", "total"]

PER_USD = 10**12
SLICES = 60
"""A sliding window is counted in this many slices: what was spent leaves it up to one slice late, never early."""

_LENGTHS: dict[str, timedelta] = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Sliding(Contract):
    """The last ``sliding_s`` seconds, at every moment."""

    sliding_s: int = Field(ge=SLICES, le=366 * 86_400)


@lru_cache(4_096)
def _account(budget: str, metric: Metric, window: str, *whose: str) -> str:
    """Asked for several times a call."""
    return f"{budget}-{derived_id(metric, window, *whose)[-12:]}"


class Budget(Contract):
    """A budget as it applies to one call: ``key`` names whose it is, such as ``{"tenant": "acme", "pack": "engineering"}``."""

    id: Annotated[Token, Field(max_length=64)]
    key: dict[str, str]
    metric: Metric
    limit: Annotated[Decimal, Field(ge=0, max_digits=24, decimal_places=12, allow_inf_nan=False)]
    window: FixedWindow | Sliding
    mode: Mode
    warn_at: tuple[Annotated[float, Field(gt=0, le=1)], ...] = ()
    """Shares of the limit; each is told once a window."""
    wait_s: int = Field(default=120, ge=0, le=86_400)
    """How long a call waits for room before it is denied."""

    @property
    def account(self) -> str:
        """Where its state stands, below the tenant. Another metric or window under the same id is another account."""
        window = self.window if isinstance(self.window, str) else f"sliding-{self.window.sliding_s}"
        return _account(self.id, self.metric, window, *(part for pair in sorted(self.key.items()) for part in pair))

    @property
    def provider(self) -> str | None:
        """The one provider that it is about, if it is about one."""
        return self.key.get("provider")

    def units(self, amount: Decimal | int) -> int:
        """An amount of this metric as an integer; fractions of the smallest unit are rounded up."""
        scaled = Decimal(amount) * (PER_USD if self.metric == "usd" else 1)
        return int(scaled.to_integral_value(rounding="ROUND_CEILING"))

    @property
    def limit_units(self) -> int:
        """The limit as an integer, rounded down."""
        return int(self.limit * (PER_USD if self.metric == "usd" else 1))

    def amount(self, units: int) -> Decimal:
        """The inverse of ``units``."""
        return Decimal(units) / PER_USD if self.metric == "usd" else Decimal(units)

    # --- the window: time in slots ------------------------------------------------------------------------------------

    def slot(self, now: datetime) -> int:
        """What is spent now is counted here: a slot is a whole fixed window (UTC), or a slice of a sliding one."""
        now = now.astimezone(UTC)
        match self.window:
            case Sliding():
                return (now - _EPOCH) // self._slice
            case "total":
                return 0
            case "month":
                return now.year * 12 + now.month - 1
            case _:
                return (now - _EPOCH) // _LENGTHS[self.window]

    def live(self, slot: int, now: datetime) -> bool:
        """Whether what was spent in ``slot`` still counts."""
        leaves = self.leaves(slot)
        return leaves is None or now < leaves

    def leaves(self, slot: int) -> datetime | None:
        """When what was spent in ``slot`` no longer counts; None for never."""
        match self.window:
            case Sliding():
                return _EPOCH + self._slice * (slot + 1) + timedelta(seconds=self.window.sliding_s)
            case "total":
                return None
            case "month":
                return datetime((slot + 1) // 12, (slot + 1) % 12 + 1, 1, tzinfo=UTC)
            case _:
                return _EPOCH + _LENGTHS[self.window] * (slot + 1)

    def begins(self, slot: int) -> datetime | None:
        """When a fixed window began; None where nothing begins."""
        match self.window:
            case Sliding() | "total":
                return None
            case "month":
                return datetime(slot // 12, slot % 12 + 1, 1, tzinfo=UTC)
            case _:
                return _EPOCH + _LENGTHS[self.window] * slot

    def period(self, now: datetime) -> str:
        """The name of the window at ``now``, as it stands in events: a sliding one is told of once in its own length."""
        match self.window:
            case Sliding():
                return f"s{(now.astimezone(UTC) - _EPOCH) // timedelta(seconds=self.window.sliding_s)}"
            case _:
                return self.name(self.slot(now))

    def name(self, slot: int) -> str:
        """A slot's name for people: ``2026-11-21``, ``2026-11-21T13``, ``2026-11``, ``total``, ``sliding``."""
        begin = self.begins(slot)
        if begin is None:
            return "sliding" if isinstance(self.window, Sliding) else "total"
        formats = {"month": "%Y-%m", "day": "%Y-%m-%d", "hour": "%Y-%m-%dT%H", "minute": "%Y-%m-%dT%H-%M"}
        return begin.strftime(formats[str(self.window)])

    @property
    def _slice(self) -> timedelta:
        return timedelta(seconds=self.window.sliding_s if isinstance(self.window, Sliding) else 0) / SLICES


Hold = tuple[int, int, int, str]
"""Slot, amount, when the call was asked for (Unix ms), and the handling that reserved it (``?`` in front: not confirmed yet)."""


class BudgetState(Contract):
    """The entry of one account in bucket ``budgets``: what was spent by slot, and what is held back for whom."""

    budget: Budget
    spent: dict[int, int] = Field(default_factory=dict[int, int])
    holds: dict[str, Hold] = Field(default_factory=dict[str, Hold])
    """By call id."""
    done: dict[str, int] = Field(default_factory=dict[str, int])
    """Calls that were settled lately, and when each was asked for (Unix ms): they are not reserved for again."""
    forgotten_ms: int = 0
    """Every settled call that was asked for after this stands in ``done``."""

    def counted(self, now: datetime) -> int:
        """What is spent in the window at ``now``."""
        return sum(amount for slot, amount in self.spent.items() if self.budget.live(slot, now))

    def reserved(self, now: datetime) -> int:
        """What is held back in the window at ``now``. In a sliding window a reservation counts for as long as it stands."""
        sliding = isinstance(self.budget.window, Sliding)
        return sum(hold[1] for hold in self.holds.values() if sliding or self.budget.live(hold[0], now))


class UnitPrice(Contract):
    """The most that one token can cost at a model, whatever its class, the size of the request and the time of day."""

    input_usd: Usd
    output_usd: Usd
    request_usd: Usd = Decimal(0)
    """For each attempt, whatever its tokens."""


class ModelCatalogue(Contract):
    """What the router can serve, as it said at its start (bucket ``models``, key ``catalogue``)."""

    providers: tuple[str, ...]
    """Those that are switched on."""
    aliases: dict[str, tuple[str, ...]]
    """Alias → "provider/model", in order of fallback."""
    prices: dict[str, UnitPrice]
    """By "provider/model". A model that is not here has no known price; "provider/*" stands for all models of a provider."""
