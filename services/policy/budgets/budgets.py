"""Reserve before a call, settle after it: the shell around the accounts.

The log decides what a reservation is worth: the one that ``call.decided`` names stands for the call until ``call.settled``. Everything
here may be done again, by any instance, at any time; what a crash leaves behind is found by ``sweeping``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import structlog

from agentos.bus import Bus
from agentos.contracts.base import Principal
from agentos.contracts.budgets import Budget
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import RetryLater
from agentos.contracts.events.call import CallDecided, ModelCallSettled, Reservation
from agentos.contracts.ids import new_id
from agentos.contracts.model import Cost, Usage
from agentos.contracts.subjects import EventSubject
from agentos.telemetry import counter
from services.policy.budgets import prices as pricing
from services.policy.budgets.domain import Account, Held, Short
from services.policy.budgets.prices import Prices
from services.policy.budgets.requesters import Requesters
from services.policy.budgets.rules import BudgetRules
from services.policy.budgets.store import Accounts
from services.policy.budgets.telling import Teller
from services.policy.decisions import Decisions
from services.policy.evaluator import PolicyEvaluator
from services.policy.questions import Asker, BudgetQuestion
from services.policy.verdicts import askable

log = structlog.get_logger(__name__)

SOON = timedelta(milliseconds=250)
"""When a call asks again that waits for others' reservations, at first."""
LATEST = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Demand:
    """What a call may use at most, and whose it is. ``asked_at`` is the time at which it was asked for, the same at every delivery."""

    asked_at: datetime
    task: str
    task_type: str
    pack: str
    agent: str
    model: str
    input_tokens: int
    max_output_tokens: int
    requester: Principal | None = None
    """On whose behalf; None: as the log says."""
    user: str | None = None
    """The end user, where the requester is a virtual key and its client has said for whom it asks."""
    providers: tuple[str, ...] = ()
    """Those that the policy permits; empty means any."""
    own: tuple[Budget, ...] = ()
    """The requester's own budgets, beside those that the rules name."""


@dataclass(frozen=True, slots=True)
class Owed:
    """What a soft budget has to be told of a call. It lets every call pass, so no call waits for its account."""

    budget: Budget
    amount: int
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Granted:
    """The call may be made. ``reservations`` belong into ``call.decided``; ``owed`` goes to ``Budgets.count`` with it."""

    reservations: tuple[Reservation, ...]
    owed: "tuple[Owed, ...]" = ()
    most_usd: Decimal | None = None
    """What the hard money budgets hold back for the call: for more there is no money. None where there are none."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The call may not be made, and nothing is held back for it. ``rules`` name the budgets: ``budget.<id>``."""

    reasons: tuple[str, ...]
    rules: tuple[str, ...]


class NoRoomYet(RetryLater):
    """The call has to wait. Put it off (``waiting``), for a message that is only put back stands in others' way."""

    code = "budget.waiting"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What came of one account, and how full it was then. Neither ``held`` nor ``short``: the call was settled before."""

    budget: Budget
    held: Held | None
    short: Short | None
    spent: int
    reserved: int
    now: datetime


class Budgets:
    """One per instance of policy, over all accounts of all tenants."""

    def __init__(
        self,
        bus: Bus,
        evaluator: PolicyEvaluator,
        prices: Prices | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._bus = bus
        self.decisions = Decisions(bus)
        self._rules = BudgetRules(evaluator)
        self.prices = prices or Prices(bus)
        self._clock = clock
        self.accounts = Accounts(bus, clock)
        self._requesters = Requesters(bus)
        self._teller = Teller(bus)
        self._outcomes = counter("agentos_budget_reservations_total", "Calls that budgets were asked about.", ("outcome",))

    async def close(self) -> None:
        """Stop what is under way."""
        await self.accounts.close()

    # --- before the call ----------------------------------------------------------------------------------------------

    async def reserve(self, call_id: str, tenant: str, demand: Demand) -> Granted | Refusal:
        """Hold the worst case back in every budget that can refuse the call, or in none. Idempotent by ``call_id``.

        Raises NoRoomYet while the call has to wait: for others' reservations to be settled, or for a throttling budget's window to move on;
        after the budget's ``wait_s`` since ``asked_at`` it is a refusal. Raises Unavailable when the rules or a state cannot be read,
        RetryLater when the broker does not answer.
        """
        catalogue = await self.prices.catalogue()
        found = pricing.targets(catalogue, demand.model, demand.providers)
        requester = demand.requester or await self._requesters.of(tenant, demand.task)
        question = askable(lambda: _question(tenant, demand, requester, pricing.providers(found)))
        applying = await self._rules.applying(question)
        if applying.reasons:
            return self._refused(Refusal(applying.reasons, applying.rules))
        budgets = (*applying.budgets, *demand.own)
        if not budgets:
            return Granted(())
        usd = pricing.worst_case(catalogue, found, demand.input_tokens, demand.max_output_tokens)
        amounts = [(budget, _worst_case(budget, demand, usd)) for budget in budgets]
        unpriced = [budget for budget, amount in amounts if amount is None and budget.mode != "soft"]
        if unpriced:
            return self._refused(_refusal("budget.unpriced", unpriced))
        owed = tuple(Owed(budget, amount or 0, demand.asked_at) for budget, amount in amounts if budget.mode == "soft")
        held = await self._hold(call_id, tenant, demand, [(one, amount or 0) for one, amount in amounts if one.mode != "soft"])
        if not isinstance(held, tuple):
            return held
        self._outcomes.labels("granted").inc()
        now = self._clock()
        telling = tuple(_reservation(one.budget, one.budget.slot(now), one.amount) for one in owed)
        return Granted((*held, *telling), owed, _most_usd(amounts))

    async def count(self, call_id: str, tenant: str, owed: Sequence[Owed], decided: Awaitable[bool]) -> None:
        """Write the worst case down in the soft budgets, while ``decided`` writes the verdict that names it; its result says whether it was
        written only now. Idempotent. Raises what ``decided`` raises, and as ``reserve`` does.
        """
        owner = new_id()[-12:]
        asked = [
            asyncio.ensure_future(self._ask(call_id, tenant, one.asked_at, owner, [(one.budget, one.amount)], patient=True))
            for one in owed
        ]
        try:
            fresh = await decided
        finally:
            seen = await asyncio.gather(*asked, return_exceptions=True)
        for one in seen:
            if isinstance(one, BaseException):
                raise one
            if all(each.held is None or each.held.confirmed for each in one):
                continue
            if fresh:
                await self._confirm(call_id, tenant, owner, one)
            else:
                # An account that does not remember whether it knows the call, and a verdict that stood before: it may be counted already.
                await self._withdraw(call_id, tenant, owner, one)

    async def _hold(
        self, call_id: str, tenant: str, demand: Demand, amounts: Sequence[tuple[Budget, int]]
    ) -> tuple[Reservation, ...] | Granted | Refusal:
        """The reservations, all of them; or, where this call was decided before, what was granted then."""
        if not amounts:
            return ()
        owner = new_id()[-12:]
        seen = await self._ask(call_id, tenant, demand.asked_at, owner, amounts)
        shorts = [(one, one.short) for one in seen if one.short is not None]
        if shorts:
            await self._withdraw(call_id, tenant, owner, seen)
            return await self._short(tenant, demand, shorts)
        if any(one.held is None or not one.held.confirmed for one in seen):
            standing = await self._standing(call_id, tenant, owner, seen)
            if standing is not None:
                return standing
        await asyncio.gather(
            *(self._teller.warn(tenant, one.budget, one.now, spent=one.spent, reserved=one.reserved) for one in seen)
        )
        return tuple(_reservation(one.budget, one.held.slot, one.held.amount) for one in seen if one.held is not None)

    async def _ask(
        self,
        call_id: str,
        tenant: str,
        asked_at: datetime,
        owner: str,
        amounts: Sequence[tuple[Budget, int]],
        *,
        patient: bool = False,
    ) -> list[_Seen]:
        asked_ms = int(asked_at.timestamp() * 1000)

        def reserving(budget: Budget, amount: int) -> Callable[[Account, datetime], _Seen]:
            def reserve(account: Account, now: datetime) -> _Seen:
                outcome = account.reserve(call_id, amount, asked_ms=asked_ms, owner=owner, now=now)
                held = outcome if isinstance(outcome, Held) else None
                short = outcome if isinstance(outcome, Short) else None
                return _Seen(budget, held, short, account.spent(now), account.reserved(now), now)

            return reserve

        return await asyncio.gather(
            *(
                self.accounts.do(f"{tenant}.{budget.account}", reserving(budget, amount), budget, patient=patient)
                for budget, amount in amounts
            )
        )

    async def _standing(self, call_id: str, tenant: str, owner: str, seen: Sequence[_Seen]) -> Granted | None:
        """Whether this call was decided before; otherwise the reservations are confirmed."""
        event = await self._bus.get(f"evt.{tenant}.call.{call_id}.decided")
        if event is not None:
            await self._withdraw(call_id, tenant, owner, seen)
            return Granted(event.payload(CallDecided).reservations)
        if any(one.held is None for one in seen):
            # It can only have been settled after it was decided.
            raise RetryLater(f"call {call_id} is settled, but its decision cannot be read", code="broker_unavailable")
        await self._confirm(call_id, tenant, owner, seen)
        return None

    async def _confirm(self, call_id: str, tenant: str, owner: str, seen: Sequence[_Seen]) -> None:
        confirmed = await asyncio.gather(
            *(
                self.accounts.do(f"{tenant}.{one.budget.account}", lambda account, _: account.confirm(call_id, owner))
                for one in seen
                if one.held is not None and not one.held.confirmed
            )
        )
        if not all(confirmed):
            raise RetryLater(f"call {call_id} is being handled elsewhere", delay=SOON, code="budget_contended")

    async def _withdraw(self, call_id: str, tenant: str, owner: str, seen: Sequence[_Seen]) -> None:
        """Take back what this handling made; what stood before may be another's, and the log will say what it is worth."""
        await asyncio.gather(
            *(
                self.accounts.do(f"{tenant}.{one.budget.account}", lambda account, _: account.withdraw(call_id, owner))
                for one in seen
                if one.held is not None and one.held.made
            )
        )

    async def _short(self, tenant: str, demand: Demand, shorts: Sequence[tuple[_Seen, Short]]) -> Refusal:
        """Refuse, or raise NoRoomYet with the time after which there may be room."""
        for one, short in shorts:
            if short.why == "spent":
                await self._teller.exceed(
                    tenant, one.budget, one.now, spent=one.spent, reserved=one.reserved, until=short.until
                )
        judged = [(one.budget, *_judge(one.budget, short, demand, one.now)) for one, short in shorts]
        for reason in ("budget.too_large", "budget.exceeded", "budget.throttled", "budget.reserved_by_others"):
            denying = [budget for budget, why, delay in judged if delay is None and why == reason]
            if denying:
                return self._refused(_refusal(reason, denying))
        delay = max(delay for _, _, delay in judged if delay is not None)
        self._outcomes.labels("waiting").inc()
        names = ", ".join(budget.id for budget, _, _ in judged)
        raise NoRoomYet(f"the call waits for room in budget {names}", delay=delay, code=judged[0][1])

    def _refused(self, refusal: Refusal) -> Refusal:
        self._outcomes.labels("refused").inc()
        return refusal

    # --- after the call -----------------------------------------------------------------------------------------------

    async def on_call_settled(self, message: Recorded) -> None:
        """The end of a call, whichever: put the truth in the place of what ``call.decided`` reserved.

        Raises RetryLater when the broker does not answer.
        """
        subject = EventSubject.parse(message.subject)
        settled = message.payload(ModelCallSettled)
        decided = await self.decisions.of(subject.tenant, subject.id)
        if decided is None:
            # A settlement follows its decision, so it stands; a read that does not show it is asked again.
            raise RetryLater(f"the decision on call {subject.id} cannot be read")
        truth = truth_of(settled)
        await self.settle(subject.id, subject.tenant, decided.reservations, truth, settled.cost, settled.provider)

    async def settle(
        self,
        call_id: str,
        tenant: str,
        reservations: Sequence[Reservation],
        truth: Usage | None,
        cost: Cost | None,
        provider: str | None = None,
    ) -> None:
        """Put the truth in the reservations' place; ``truth`` None means that no provider was asked, so nothing was spent.

        Idempotent, in any order. Where the cost is not known, what was reserved counts as spent.
        """

        async def one(reservation: Reservation) -> None:
            def settle(account: Account, now: datetime) -> tuple[Budget, int, int, datetime]:
                account.settle(call_id, _truth(reservation, account.budget, truth, cost, provider), now)
                return account.budget, account.spent(now), account.reserved(now), now

            try:
                budget, spent, reserved, now = await self.accounts.do(f"{tenant}.{reservation.account}", settle, patient=True)
            except LookupError:
                # The account has been cleared away, long after its window.
                return
            await self._teller.warn(tenant, budget, now, spent=spent, reserved=reserved)

        await asyncio.gather(*(one(reservation) for reservation in reservations))

    async def release(self, call_id: str, tenant: str, reservations: Sequence[Reservation]) -> None:
        """Give back what was granted and then not used, because the verdict became another. Call it when ``call.decided`` does not (or
        will not) name these reservations: what the log names stays. Idempotent."""
        event = await self._bus.get(f"evt.{tenant}.call.{call_id}.decided")
        named = {one.account for one in event.payload(CallDecided).reservations} if event is not None else set[str]()

        async def one(account: str) -> None:
            try:
                await self.accounts.do(f"{tenant}.{account}", lambda state, _: state.release(call_id))
            except LookupError:
                return

        await asyncio.gather(*(one(each.account) for each in reservations if each.account not in named))


def truth_of(settled: ModelCallSettled) -> Usage | None:
    """What a settlement says was used: None when no provider was asked."""
    return settled.usage if settled.attempts else None


def _question(tenant: str, demand: Demand, requester: Principal, providers: tuple[str, ...]) -> BudgetQuestion:
    return BudgetQuestion(
        tenant=tenant,
        pack=demand.pack,
        agent=demand.agent,
        task=demand.task,
        task_type=demand.task_type,
        # Roles are no dimension of a budget, and would only make equal questions differ.
        requester=Asker(kind=requester.kind, id=requester.id),
        user=demand.user or requester.id,
        model=demand.model,
        providers=providers,
    )


def _worst_case(budget: Budget, demand: Demand, usd: Decimal | None) -> int | None:
    """What to hold back, in the budget's units; None when it cannot be known."""
    match budget.metric:
        case "requests":
            return 1
        case "tokens":
            return demand.input_tokens + demand.max_output_tokens
        case "usd":
            return None if usd is None else budget.units(usd)


def _truth(
    reservation: Reservation, budget: Budget, truth: Usage | None, cost: Cost | None, provider: str | None
) -> int | None:
    """What to count as spent, in the budget's units; None for what was reserved."""
    if truth is None or (reservation.provider is not None and reservation.provider != provider):
        return 0
    match reservation.metric:
        case "requests":
            return 1
        case "tokens":
            return truth.input_tokens + truth.cache_read_tokens + truth.cache_write_tokens + truth.output_tokens
        case "usd":
            if cost is None:
                return 0
            return budget.units(cost.usd) if cost.priced else None


def _judge(budget: Budget, short: Short, demand: Demand, now: datetime) -> tuple[str, timedelta | None]:
    """Why a call does not fit, and how long it waits; None when it waits no longer."""
    last = demand.asked_at + timedelta(seconds=budget.wait_s)
    match short.why:
        case "large":
            return "budget.too_large", None
        case "reserved":
            return "budget.reserved_by_others", SOON if now < last else None
        case "spent":
            if budget.mode == "hard":
                return "budget.exceeded", None
            if short.until is None or short.until > last:
                return "budget.throttled", None
            return "budget.throttled", min(max(short.until - now, SOON), LATEST)


def _most_usd(amounts: Sequence[tuple[Budget, int | None]]) -> Decimal | None:
    hard = (
        budget.amount(amount)
        for budget, amount in amounts
        if amount is not None and budget.metric == "usd" and budget.mode == "hard"
    )
    return min(hard, default=None)


def _reservation(budget: Budget, slot: int, amount: int) -> Reservation:
    return Reservation(
        budget=budget.id,
        account=budget.account,
        window=budget.name(slot),
        metric=budget.metric,
        amount=budget.amount(amount),
        provider=budget.provider,
    )


def _refusal(reason: str, budgets: Sequence[Budget]) -> Refusal:
    return Refusal((reason,), tuple(sorted({f"budget.{budget.id}" for budget in budgets})))
