"""The accounts in bucket ``budgets``, shared by every instance of policy: compare-and-set, many operations a write.

What one instance is asked meanwhile goes into its next write (group commit), so that a thousand calls at once cost a handful of writes.
An answer counts once it is written, or, when nothing is to be written, once it was read from the broker: never from memory alone.
"""

import asyncio
import contextlib
import random
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from agentos.bus import Bus, Entry
from agentos.contracts.budgets import Budget, BudgetState
from agentos.contracts.envelope import encode_body
from agentos.contracts.errors import Conflict, RetryLater, Unavailable
from agentos.ending import end
from services.policy.budgets.domain import Account

R = TypeVar("R")

Operation = Callable[[Account, datetime], R]
"""What is to be done to an account, and what is said of it. Done again on another state whenever the write was lost."""

BUCKET = "budgets"
AT_ONCE = 2_000
"""Operations in one write."""
RACES = 200
"""How often a write is tried anew because another instance was first."""
KEPT = 2_000
"""Accounts that stay in memory between two uses."""
LINGER_S = 0.001
"""Between two writes of one account: operations gather, and the other instances get their turn."""
PATIENT_S = 0.05
"""How long an operation that no call waits for waits for company."""


@dataclass(slots=True)
class _Asked:
    operation: Operation[Any]
    answer: asyncio.Future[Any]
    budget: Budget | None
    patient: bool


@dataclass(slots=True)
class _Desk:
    """One account as this instance works on it. ``account`` is None when it has to be read again."""

    key: str
    waiting: deque[_Asked] = field(default_factory=deque[_Asked])
    account: Account | None = None
    revision: int | None = None
    busy: bool = False
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while somebody waits who is not patient."""


class Accounts:
    """All accounts. Safe for any number of instances at once."""

    def __init__(self, bus: Bus, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._bucket = bus.bucket(BUCKET)
        self._clock = clock
        self._desks: OrderedDict[str, _Desk] = OrderedDict()
        self._working: set[asyncio.Task[None]] = set()
        self.writes = 0
        self.conflicts = 0

    async def do(self, key: str, operation: Operation[R], budget: Budget | None = None, *, patient: bool = False) -> R:
        """Apply ``operation`` and give its answer, once that stands. ``key`` is ``<tenant>.<account>``.

        A ``patient`` one waits up to ``PATIENT_S`` for others to share its write with; whatever comes first, it is done before what is
        asked later.

        ``budget`` brings the account its current limit, or into being. Without one the account must exist (LookupError). Raises
        RetryLater when the broker does not answer (whether it was done is then not known: do it again), Unavailable when what is stored
        cannot be read.
        """
        desk = self._desks.get(key)
        if desk is None:
            desk = self._desks[key] = _Desk(key)
            self._tidy()
        self._desks.move_to_end(key)
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        desk.waiting.append(_Asked(operation, answer, budget, patient))
        if not patient:
            desk.hurry.set()
        if not desk.busy:
            desk.busy = True
            task = asyncio.create_task(self._work(desk), name=f"budget-{key}")
            self._working.add(task)
            task.add_done_callback(self._working.discard)
        return await answer

    async def close(self) -> None:
        """Stop what is under way; whoever waits for it is cancelled."""
        await end(*self._working)

    def _tidy(self) -> None:
        if len(self._desks) > KEPT:
            for key in [key for key, desk in self._desks.items() if not desk.busy][: KEPT // 2]:
                del self._desks[key]

    async def remove(self, key: str, revision: int) -> None:
        """Delete an account that nothing happened to since ``revision``. Raises Conflict when something did."""
        await self._bucket.delete(key, revision)

    async def entries(self) -> list[Entry]:
        """Every account as it stands in the bucket."""
        return await self._bucket.entries()

    async def _work(self, desk: _Desk) -> None:
        batch: list[_Asked] = []
        pause = 0.0
        try:
            while desk.waiting:
                # At first only for those who ask in the same turn of the loop.
                await asyncio.sleep(pause)
                if not desk.hurry.is_set():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(PATIENT_S):
                            await desk.hurry.wait()
                batch = [desk.waiting.popleft() for _ in range(min(len(desk.waiting), AT_ONCE))]
                if all(asked.patient for asked in desk.waiting):
                    desk.hurry.clear()
                await self._serve(desk, batch)
                pause = LINGER_S * random.random()  # noqa: S311 - jitter, no secret
        except asyncio.CancelledError:
            for asked in (*batch, *desk.waiting):
                asked.answer.cancel()
            desk.waiting.clear()
            raise
        finally:
            desk.busy = False

    async def _serve(self, desk: _Desk, batch: list[_Asked]) -> None:
        try:
            await self._commit(desk, batch)
        except Exception as fault:  # noqa: BLE001 - handed to everyone who waits for it
            desk.account = None
            for asked in batch:
                if not asked.answer.done():
                    asked.answer.set_exception(fault)

    async def _commit(self, desk: _Desk, batch: list[_Asked]) -> None:
        for _ in range(RACES):
            fresh = desk.account is None
            if fresh:
                await self._load(desk, batch)
            account, now = desk.account, self._clock()
            answers = [_answer(asked, account, now) for asked in batch]
            if account is None or not account.changed:
                if fresh:
                    return _tell(batch, answers)
                desk.account = None
                continue
            # Whatever comes of the write, what is in memory holds only when it is known to stand.
            desk.account = None
            try:
                await self._write(desk, account)
            except Conflict:
                self.conflicts += 1
                continue
            account.changed = False
            desk.account = account
            return _tell(batch, answers)
        raise RetryLater(f"budget {desk.key} is written to faster than it can be decided", code="budget_contended")

    async def _load(self, desk: _Desk, batch: list[_Asked]) -> None:
        entry = await self._bucket.get(desk.key)
        if entry is not None and entry.value:
            try:
                desk.account = Account(BudgetState.model_validate_json(entry.value))
            except ValidationError as broken:
                raise Unavailable(
                    f"the state of budget {desk.key} cannot be read, so nothing may be spent on it", code="budget_unreadable"
                ) from broken
            desk.revision = entry.revision
            return
        budget = next((asked.budget for asked in batch if asked.budget is not None), None)
        desk.revision = None if entry is None else entry.revision
        if budget is not None:
            desk.account = Account(BudgetState(budget=budget))

    async def _write(self, desk: _Desk, account: Account) -> None:
        value = encode_body(account.state())
        if desk.revision is None:
            desk.revision = await self._bucket.create(desk.key, value)
        else:
            desk.revision = await self._bucket.update(desk.key, value, desk.revision)
        self.writes += 1


def _answer(asked: _Asked, account: Account | None, now: datetime) -> Any:
    if account is None:
        return LookupError("there is no such account")
    if asked.budget is not None:
        account.apply_to(asked.budget)
    return asked.operation(account, now)


def _tell(batch: list[_Asked], answers: list[Any]) -> None:
    for asked, answer in zip(batch, answers, strict=True):
        if asked.answer.done():
            # Its caller was cancelled meanwhile.
            continue
        if isinstance(answer, LookupError):
            asked.answer.set_exception(answer)
        else:
            asked.answer.set_result(answer)
