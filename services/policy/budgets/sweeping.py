"""What a crash leaves behind: reservations that nobody will settle any more, and accounts that nobody will use again.

The log decides, never the clock alone: a call that may still run keeps what was reserved for it.
"""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from pydantic import ValidationError

from agentos.bus import Bus, Entry
from agentos.contracts.budgets import BudgetState, Hold
from agentos.contracts.errors import AgentOSError, Conflict
from agentos.contracts.events.call import CallDecided, ModelCallRequested, ModelCallSettled
from agentos.contracts.events.task import TaskSettled
from agentos.lineage import model_call
from services.policy.budgets.budgets import Budgets, truth_of
from services.policy.budgets.domain import UNCONFIRMED

log = structlog.get_logger(__name__)

EVERY = timedelta(seconds=30)
YOUNG = timedelta(seconds=60)
"""How old a reservation must be before anyone looks after it."""
ENDED = timedelta(hours=1)
"""How long after the end of its task a call without a settlement counts as lost: far longer than the router works on any."""
IDLE = timedelta(days=7)
"""How long an account without reservations stays after its last use, if what it counts has left its window or never will."""


class Sweeper:
    """One per instance; that several look at the same costs reads and changes nothing."""

    def __init__(self, bus: Bus, budgets: Budgets, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._bus = bus
        self._budgets = budgets
        self._clock = clock

    async def run(self) -> None:
        """Sweep for ever. A sweep that fails is logged and made again."""
        while True:
            await asyncio.sleep(EVERY.total_seconds() * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, no secret
            try:
                await self.sweep()
            except AgentOSError as fault:
                log.info("budget_sweep_failed", code=fault.code, detail=fault.detail)

    async def sweep(self) -> int:
        """Look once at everything; how many reservations were settled or released. Raises RetryLater when the broker is away."""
        swept = 0
        for entry in await self._budgets.accounts.entries():
            try:
                state = BudgetState.model_validate_json(entry.value or b"")
            except ValidationError:
                log.error("budget_unreadable", account=entry.key)
                continue
            old = (self._clock() - YOUNG).timestamp() * 1000
            for call, hold in state.holds.items():
                if hold[2] < old:
                    swept += await self._look_after(entry.key, state, call, hold)
            await self._clear_away(entry, state)
        if swept:
            log.info("budget_reservations_swept", count=swept)
        return swept

    async def _look_after(self, key: str, state: BudgetState, call: str, hold: Hold) -> bool:
        tenant = key.partition(".")[0]
        account = state.budget.account
        decided = await self._bus.get(f"evt.{tenant}.call.{call}.decided")
        if decided is not None:
            ruling = decided.payload(CallDecided)
            named = [one for one in ruling.reservations if one.account == account]
            if not named or hold[3].startswith(UNCONFIRMED):
                # Another handling decided, without this reservation.
                return await self._release(key, call)
            settled = await self._bus.get(f"evt.{tenant}.call.{call}.settled")
            if settled is not None:
                truth = settled.payload(ModelCallSettled)
                await self._budgets.settle(call, tenant, named, truth_of(truth), truth.cost, truth.provider)
                return True
            task, attempt = ruling.context.task, ruling.context.attempt
        else:
            requested = await model_call(self._bus, tenant, call)
            if requested is None:
                return False
            context = requested.payload(ModelCallRequested).context
            task, attempt = context.task, context.attempt
        if await self._ended(tenant, task, attempt):
            return await self._release(key, call)
        return False

    async def _ended(self, tenant: str, task: str, attempt: int) -> bool:
        """Whether that attempt is over since long ago."""
        for event in await self._bus.load(tenant, "task", task):
            if isinstance(event.data, TaskSettled) and int(event.subject.rpartition(".")[2]) >= attempt:
                return self._clock() - event.meta.time > ENDED
        return False

    async def _release(self, key: str, call: str) -> bool:
        return await self._budgets.accounts.do(key, lambda account, _: account.release(call))

    async def _clear_away(self, entry: Entry, state: BudgetState) -> None:
        if state.holds or self._clock() - entry.created < IDLE:
            return
        now = self._clock()
        lasting = state.budget.window == "total" and "task" not in state.budget.key
        if lasting or (state.budget.window != "total" and state.counted(now)):
            return
        try:
            await self._budgets.accounts.remove(entry.key, entry.revision)
        except Conflict:
            # It is used again.
            return
