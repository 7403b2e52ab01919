"""Many calls at once from several instances of policy: never overspent, and none refused that the truth leaves room for."""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime

from agentos.contracts.errors import RetryLater
from agentos.contracts.model import Usage
from services.policy.budgets.budgets import Budgets, Granted
from tests.governance.scenario import TENANT
from tests.services.policy.budgets.conftest import Rules, Site, budget, demand


async def call(budgets: Budgets, call_id: str, asked: datetime, tokens: int, took: float) -> str:
    """One call as policy and router make it: reserve (waiting as the bus would), run, settle the truth."""
    wait = 0.02
    while True:
        try:
            answer = await budgets.reserve(call_id, TENANT, demand(asked_at=asked))
        except RetryLater as later:
            assert later.code == "budget.reserved_by_others"
            await asyncio.sleep(wait * random.uniform(0.8, 1.2))
            wait = min(wait * 2, 0.5)
            continue
        break
    if not isinstance(answer, Granted):
        return answer.reasons[0]
    await asyncio.sleep(took)
    await budgets.settle(call_id, TENANT, answer.reservations, Usage(input_tokens=tokens), None)
    return "made"


async def test_of_10000_calls_at_once_from_three_instances_exactly_the_1000_that_the_budget_has_room_for_are_made(
    site: Site,
) -> None:
    one = budget(limit="1000")
    instances = [await site.budgets(Rules(one)) for _ in range(3)]
    asked = datetime.now(UTC)
    outcomes = Counter(
        await asyncio.gather(*(call(instances[n % 3], f"c{n}", asked, 1, random.uniform(0, 0.3)) for n in range(10_000)))
    )
    assert outcomes == {"made": 1_000, "budget.exceeded": 9_000}
    state = await site.state(one)
    assert (state.counted(datetime.now(UTC)), state.holds) == (1_000, {})


async def test_what_the_worst_case_held_back_and_the_truth_did_not_need_is_there_for_the_others(site: Site) -> None:
    # 150 tokens at worst, 50 in truth: 1,000 tokens are enough for (1,000 - 150) / 50 + 1 calls.
    one = budget(metric="tokens", limit="1000")
    instances = [await site.budgets(Rules(one)) for _ in range(3)]
    asked = datetime.now(UTC)
    outcomes = Counter(
        await asyncio.gather(*(call(instances[n % 3], f"c{n}", asked, 50, random.uniform(0, 0.05)) for n in range(300)))
    )
    assert outcomes == {"made": 18, "budget.exceeded": 282}
    assert (await site.state(one)).counted(datetime.now(UTC)) == 900
