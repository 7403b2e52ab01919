"""The two facts that a budget gives of itself: that a share of it is spent, and that it has no room left. Each once a window.

The subject names the window, so that the stream itself refuses the second one, whichever instance tells it and after whichever crash.
"""

from collections import OrderedDict
from datetime import datetime

from agentos.bus import Bus
from agentos.contracts.budgets import Budget
from agentos.contracts.errors import Conflict
from agentos.contracts.events.governance import BudgetExceeded, BudgetWarned

REMEMBERED = 10_000


class Teller:
    """Appends ``budget.warned`` and ``budget.exceeded``."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._told: OrderedDict[tuple[str, ...], None] = OrderedDict()

    async def warn(self, tenant: str, budget: Budget, now: datetime, *, spent: int, reserved: int) -> None:
        """Tell of every threshold that ``spent`` has reached. Raises RetryLater when the broker does not answer."""
        for threshold in budget.warn_at:
            if spent < threshold * budget.limit_units or not budget.limit_units:
                continue
            ordinal = f"{budget.period(now)}-{round(threshold * 1000):04d}"
            fact = BudgetWarned(
                budget=budget.id, key=budget.key, metric=budget.metric, mode=budget.mode, window=budget.name(budget.slot(now)),
                threshold=threshold, limit=budget.limit, spent=budget.amount(spent), reserved=budget.amount(reserved),
            )  # fmt: skip
            await self._tell("budget.warned", tenant, budget, ordinal, fact)

    async def exceed(
        self, tenant: str, budget: Budget, now: datetime, *, spent: int, reserved: int, until: datetime | None
    ) -> None:
        """Tell that a call found no room. Raises RetryLater when the broker does not answer."""
        fact = BudgetExceeded(
            budget=budget.id, key=budget.key, metric=budget.metric, mode=budget.mode, window=budget.name(budget.slot(now)),
            limit=budget.limit, spent=budget.amount(spent), reserved=budget.amount(reserved), until=until,
        )  # fmt: skip
        await self._tell("budget.exceeded", tenant, budget, budget.period(now), fact)

    async def _tell(self, channel: str, tenant: str, budget: Budget, ordinal: str, fact: BudgetWarned | BudgetExceeded) -> None:
        what = (channel, tenant, budget.account, ordinal)
        if what in self._told:
            return
        # Before the append, so that a thousand calls that find the same make one try; taken back when it fails.
        self._told[what] = None
        try:
            await self._bus.append(channel, budget.account, fact, tenant=tenant, ordinal=ordinal, correlation_id=budget.account)
        except Conflict:
            # Told already, by another instance or before a restart.
            pass
        except BaseException:
            self._told.pop(what, None)
            raise
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
