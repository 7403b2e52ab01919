"""One account of a budget, decided and folded in memory. Pure: the time, ids and amounts are arguments.

For a hard or throttling budget ``spent + reserved <= limit`` holds after every reservation, for each window. Only a provider that uses
more than the worst case can break it: then the truth is recorded, and nothing more is let through.

A call reserves once and is settled once, however often and in whatever order either is tried:

- a reservation that stands is found again by its call id, whoever made it;
- a settlement without a reservation is one that was made before;
- a call that was settled lately is remembered (``done``). Of calls that were asked for before the last forgotten one (``forgotten_ms``)
  nobody here knows, so their reservation stays unconfirmed until the log was looked at: settlements pass over it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from agentos.contracts.budgets import Budget, BudgetState, Hold, Sliding

REMEMBERED = 256
"""Settled calls that an account remembers; those that were asked for last."""
OUTSTANDING = 4_000
"""Reservations that stand at once: some 90 bytes each, 185 with the longest ids, so that an entry fits into one message."""
UNCONFIRMED = "?"
SKEW = timedelta(minutes=5)
"""How far apart the clocks of two instances may be."""


@dataclass(frozen=True, slots=True)
class Held:
    """The reservation stands. ``made`` when it did not stand before; ``confirmed`` when it may be relied upon."""

    slot: int
    amount: int
    made: bool
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Settled:
    """This call was settled already."""


@dataclass(frozen=True, slots=True)
class Short:
    """There is no room: ``large``, more than the whole limit; ``spent``, what is settled leaves none until ``until`` (None: for ever);
    ``reserved``, what is settled leaves room, and others hold it back."""

    why: Literal["large", "spent", "reserved"]
    until: datetime | None = None


class Account:
    """The mutable working copy of a ``BudgetState``. ``changed`` says whether it differs from what was loaded."""

    def __init__(self, state: BudgetState) -> None:
        self.budget = state.budget
        self.changed = False
        self._spent = dict(state.spent)
        self._holds = dict(state.holds)
        self._done = dict(state.done)
        self._forgotten_ms = state.forgotten_ms
        self._reserved: dict[int, int] = {}
        for slot, amount, _, _ in self._holds.values():
            self._reserved[slot] = self._reserved.get(slot, 0) + amount

    def state(self) -> BudgetState:
        """What is to be stored."""
        return BudgetState.model_construct(
            budget=self.budget, spent=self._spent, holds=self._holds, done=self._done, forgotten_ms=self._forgotten_ms
        )

    def apply_to(self, budget: Budget) -> None:
        """From now on the limit, mode and warnings are those of ``budget`` (the account is the same)."""
        if budget != self.budget:
            self.budget = budget
            self.changed = True

    def spent(self, now: datetime) -> int:
        """What is settled in the window at ``now``."""
        return sum(amount for slot, amount in self._spent.items() if self.budget.live(slot, now))

    def reserved(self, now: datetime) -> int:
        """What is held back in the window at ``now``. In a sliding window a reservation counts for as long as it stands."""
        if isinstance(self.budget.window, Sliding):
            return sum(self._reserved.values())
        return self._reserved.get(self.budget.slot(now), 0)

    def holds(self) -> dict[str, Hold]:
        """What is held back, by call."""
        return self._holds

    def reserve(self, call: str, amount: int, *, asked_ms: int, owner: str, now: datetime) -> Held | Settled | Short:
        """Hold ``amount`` back for ``call``. Whoever reserves last owns the reservation, so that nobody else takes it back."""
        standing = self._holds.get(call)
        if standing is not None:
            slot, held, since, former = standing
            confirmed = not former.startswith(UNCONFIRMED)
            self._holds[call] = (slot, held, since, owner if confirmed else UNCONFIRMED + owner)
            self.changed = True
            return Held(slot, held, made=False, confirmed=confirmed)
        if call in self._done:
            return Settled()
        short = self._short(amount, now)
        if short is not None:
            # A soft budget only tells, so it lets a call pass that it has no place to write down.
            return Held(self.budget.slot(now), 0, made=False, confirmed=True) if self.budget.mode == "soft" else short
        slot = self.budget.slot(now)
        confirmed = asked_ms > self._forgotten_ms
        self._holds[call] = (slot, amount, asked_ms, owner if confirmed else UNCONFIRMED + owner)
        self._reserved[slot] = self._reserved.get(slot, 0) + amount
        self.changed = True
        return Held(slot, amount, made=True, confirmed=confirmed)

    def confirm(self, call: str, owner: str) -> bool:
        """The log was looked at: the call has not been decided before. False when another handling has taken it over."""
        standing = self._holds.get(call)
        if standing is None or standing[3] != UNCONFIRMED + owner:
            return standing is not None and not standing[3].startswith(UNCONFIRMED)
        self._holds[call] = (*standing[:3], owner)
        self.changed = True
        return True

    def withdraw(self, call: str, owner: str) -> None:
        """Take a reservation back whose handling comes to nothing, unless another handling relies on it by now."""
        standing = self._holds.get(call)
        if standing is not None and standing[3].removeprefix(UNCONFIRMED) == owner:
            self._drop(call, standing)

    def settle(self, call: str, amount: int | None, now: datetime) -> bool:
        """Put the truth in the reservation's place; None: what was reserved. False when there is nothing to settle (any more)."""
        standing = self._holds.get(call)
        if standing is None or standing[3].startswith(UNCONFIRMED):
            return False
        self._drop(call, standing)
        # A reservation counts in the fixed window that it was made in, and in a sliding one for as long as it stands.
        slot = self.budget.slot(now) if isinstance(self.budget.window, Sliding) else standing[0]
        truth = standing[1] if amount is None else amount
        if truth and self.budget.live(slot, now):
            self._spent[slot] = self._spent.get(slot, 0) + truth
            self._forget(now)
        self._remember(call, standing[2])
        return True

    def release(self, call: str) -> bool:
        """Drop a reservation that the log says nobody relies on. False when it does not stand."""
        standing = self._holds.get(call)
        if standing is None:
            return False
        self._drop(call, standing)
        return True

    def _drop(self, call: str, hold: Hold) -> None:
        del self._holds[call]
        self._reserved[hold[0]] -= hold[1]
        if not self._reserved[hold[0]]:
            del self._reserved[hold[0]]
        self.changed = True

    def _remember(self, call: str, asked_ms: int) -> None:
        self._done[call] = asked_ms
        if len(self._done) > 2 * REMEMBERED:
            # In one go, for sorting at every settlement would cost more than everything else.
            ordered = sorted(self._done.items(), key=lambda item: item[1])
            forgotten, kept = ordered[:-REMEMBERED], ordered[-REMEMBERED:]
            self._done = dict(kept)
            self._forgotten_ms = max(self._forgotten_ms, forgotten[-1][1])

    def _forget(self, now: datetime) -> None:
        """Drop what has left the window, not before it has for every instance, whatever their clocks."""
        for slot in [slot for slot in self._spent if not self.budget.live(slot, now - SKEW)]:
            del self._spent[slot]

    def _short(self, amount: int, now: datetime) -> Short | None:
        if len(self._holds) >= OUTSTANDING:
            return Short("reserved")
        # What costs nothing is nobody's loss; a soft budget only tells.
        if amount == 0 or self.budget.mode == "soft":
            return None
        limit, spent = self.budget.limit_units, self.spent(now)
        if amount > limit:
            return Short("large")
        if spent + amount > limit:
            return Short("spent", self._room_at(amount, spent, limit, now))
        if spent + self.reserved(now) + amount > limit:
            return Short("reserved")
        return None

    def _room_at(self, amount: int, spent: int, limit: int, now: datetime) -> datetime | None:
        """When what is settled by now leaves room for ``amount``."""
        for slot in sorted(slot for slot in self._spent if self.budget.live(slot, now)):
            spent -= self._spent[slot]
            if spent + amount <= limit:
                return self.budget.leaves(slot)
        return None
