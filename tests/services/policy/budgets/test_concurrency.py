"""Many calls at once from several instances of policy: never overspent, and none refused that the truth leaves room for."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TypeVar

from agentos.contracts.budgets import BudgetState
from agentos.contracts.errors import RetryLater
from agentos.contracts.model import Usage
from agentos.ending import end
from services.policy.budgets.budgets import Budgets, Granted
from tests.governance.scenario import TENANT
from tests.services.policy.budgets.conftest import Rules, Site, budget, demand

T = TypeVar("T")


async def patiently(step: Callable[[], Awaitable[T]]) -> T:
    """Do ``step`` as the bus would: put off, it is delivered again."""
    wait = 0.02
    while True:
        try:
            return await step()
        except RetryLater as later:
            # The second: 10,000 at once in one process may keep the broker's acknowledgement waiting for longer than it is waited for.
            assert later.code in ("budget.reserved_by_others", "broker_unavailable")
            await asyncio.sleep(wait * random.uniform(0.8, 1.2))
            wait = min(wait * 2, 0.5)


async def call(budgets: Budgets, call_id: str, asked: datetime, tokens: int, took: float) -> str:
    """One call as policy and router make it: reserve, run, settle the truth."""
    answer = await patiently(lambda: budgets.reserve(call_id, TENANT, demand(asked_at=asked)))
    if not isinstance(answer, Granted):
        return answer.reasons[0]
    await asyncio.sleep(took)
    await patiently(lambda: budgets.settle(call_id, TENANT, answer.reservations, Usage(input_tokens=tokens), None))
    return "made"


async def watched(site: Site, seen: list[BudgetState]) -> None:
    """Every state that is stored, as it is stored."""
    async with aclosing(site.gateway.bucket("budgets").watch()) as entries:
        async for entry in entries:
            if entry is not None:
                seen.append(BudgetState.model_validate_json(entry.value or b""))  # noqa: PERF401 - it never ends, and is read meanwhile


async def test_of_10000_calls_at_once_from_three_instances_exactly_the_1000_that_the_budget_has_room_for_are_made(
    site: Site,
) -> None:
    one = budget(limit="1000", window="total")
    instances = [await site.budgets(Rules(one)) for _ in range(3)]
    asked, seen = datetime.now(UTC), list[BudgetState]()
    watching = asyncio.create_task(watched(site, seen))
    outcomes = Counter(
        await asyncio.gather(*(call(instances[n % 3], f"c{n}", asked, 1, random.uniform(0, 0.3)) for n in range(10_000)))
    )
    assert outcomes == {"made": 1_000, "budget.exceeded": 9_000}
    state = await site.state(one)
    assert (state.counted(datetime.now(UTC)), state.holds) == (1_000, {})
    await end(watching)
    assert len(seen) > 3
    assert max(state.counted(asked) + state.reserved(asked) for state in seen) == 1_000


async def test_what_the_worst_case_held_back_and_the_truth_did_not_need_is_there_for_the_others(site: Site) -> None:
    # 150 tokens at worst, 50 in truth: 1,000 tokens are enough for (1,000 - 150) / 50 + 1 calls.
    one = budget(metric="tokens", limit="1000", window="total")
    instances = [await site.budgets(Rules(one)) for _ in range(3)]
    asked = datetime.now(UTC)
    outcomes = Counter(
        await asyncio.gather(*(call(instances[n % 3], f"c{n}", asked, 50, random.uniform(0, 0.05)) for n in range(300)))
    )
    assert outcomes == {"made": 18, "budget.exceeded": 282}
    assert (await site.state(one)).counted(datetime.now(UTC)) == 900
