"""Budgets on a real broker: what is granted, what waits, what is refused, and what is told."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from agentos.contracts.base import Principal
from agentos.contracts.budgets import Budget
from agentos.contracts.errors import RetryLater, Unavailable
from agentos.contracts.events.governance import BudgetExceeded, BudgetWarned
from agentos.contracts.model import Cost, Usage
from services.policy.budgets.budgets import Budgets, Granted, Refusal
from services.policy.questions import BudgetQuestion
from tests.governance.scenario import TENANT, submission
from tests.services.policy.budgets.conftest import Clock, Rules, Site, budget, demand, facts, used


async def granted(budgets: Budgets, call: str, **fields: Any) -> Granted:
    answer = await budgets.reserve(call, TENANT, demand(**fields))
    assert isinstance(answer, Granted)
    return answer


async def refused(budgets: Budgets, call: str, **fields: Any) -> Refusal:
    answer = await budgets.reserve(call, TENANT, demand(**fields))
    assert isinstance(answer, Refusal)
    return answer


async def written(*, fresh: bool = True) -> bool:
    """In the place of the append of a verdict."""
    return fresh


async def counts(site: Site, one: Budget, now: datetime | None = None) -> tuple[int, int]:
    state = await site.state(one)
    return state.counted(now or datetime.now(UTC)), state.reserved(now or datetime.now(UTC))


# --- what is held back --------------------------------------------------------------------------------------------------


async def test_a_call_without_budgets_needs_nothing(site: Site) -> None:
    assert await granted(await site.budgets(Rules()), "c1") == Granted(())


async def test_the_worst_case_is_held_back_in_each_budget_and_the_truth_takes_its_place(site: Site) -> None:
    kinds = [budget(id=metric, metric=metric, limit="1000") for metric in ("requests", "tokens", "usd")]
    budgets = await site.budgets(Rules(*kinds))
    answer = await granted(budgets, "c1")
    # 100 tokens in at 0.001 and 50 out at 0.01, at the dearer of the two models behind the alias.
    assert [(one.budget, one.amount) for one in answer.reservations] == [
        ("requests", Decimal(1)), ("tokens", Decimal(150)), ("usd", Decimal("0.6")),
    ]  # fmt: skip
    await site.decide("c1", answer.reservations)
    await budgets.on_call_settled(await site.settle("c1", **used(90, "0.25")))
    assert [await counts(site, one) for one in kinds] == [(1, 0), (90, 0), (250_000_000_000, 0)]


async def test_a_call_is_granted_as_much_money_as_its_hard_money_budgets_hold_back(site: Site) -> None:
    hard, soft = budget(id="hard", metric="usd", limit="1000"), budget(id="soft", metric="usd", limit="1000", mode="soft")
    others = [
        budget(id="tokens", metric="tokens", limit="1000"),
        budget(id="slow", metric="usd", limit="1000", mode="throttle"),
    ]
    assert (await granted(await site.budgets(Rules(hard, soft, *others)), "c1")).most_usd == Decimal("0.6")
    assert (await granted(await site.budgets(Rules(soft, *others)), "c2")).most_usd is None


@pytest.mark.parametrize(
    ("settled", "spent"),
    [
        pytest.param({"outcome": "refused", "attempts": 0}, (0, 0, 0), id="refused"),
        pytest.param({"outcome": "cancelled", "attempts": 0}, (0, 0, 0), id="cancelled before it began"),
        pytest.param({"outcome": "failed", "attempts": 3, "provider": "openai"}, (1, 0, 0), id="failed"),
        pytest.param(used(10, "0", priced=False), (1, 10, 600_000_000_000), id="unpriced in the end: what was reserved"),
    ],
)
async def test_every_end_of_a_call_gives_back_what_it_did_not_use(
    site: Site, settled: dict[str, Any], spent: tuple[int, int, int]
) -> None:
    kinds = [budget(id=metric, metric=metric, limit="1000") for metric in ("requests", "tokens", "usd")]
    budgets = await site.budgets(Rules(*kinds))
    await site.decide("c1", (await granted(budgets, "c1")).reservations)
    await budgets.on_call_settled(await site.settle("c1", **settled))
    assert [await counts(site, one) for one in kinds] == [(amount, 0) for amount in spent]


async def test_a_held_call_keeps_its_reservation_until_its_approval_is_refused(site: Site) -> None:
    one = budget(limit="1")
    budgets = await site.budgets(Rules(one))
    await site.decide("c1", (await granted(budgets, "c1")).reservations, verdict="hold")
    with pytest.raises(RetryLater, match="room in budget b"):
        await granted(budgets, "c2")
    await budgets.on_call_settled(await site.settle("c1", outcome="refused", attempts=0))
    await granted(budgets, "c2")


async def test_a_call_is_granted_by_all_of_its_budgets_or_holds_nothing_back(site: Site) -> None:
    wide, narrow = budget(id="wide"), budget(id="narrow", limit="0")
    budgets = await site.budgets(Rules(wide, narrow))
    assert await refused(budgets, "c1") == Refusal(("budget.too_large",), ("budget.narrow",))
    assert await counts(site, wide) == (0, 0)


async def test_a_providers_budget_is_reserved_for_each_that_may_serve_and_spent_by_the_one_that_did(site: Site) -> None:
    each = [
        budget(id="p", key={"tenant": TENANT, "provider": name}, metric="tokens", limit="1000") for name in ("openai", "ollama")
    ]
    rules = Rules(*each)
    budgets = await site.budgets(rules)
    answer = await granted(budgets, "c1")
    question = rules.asked[0]
    assert isinstance(question, BudgetQuestion)
    assert question.providers == ("openai", "ollama")
    assert [await counts(site, one) for one in each] == [(0, 150), (0, 150)]
    await budgets.settle("c1", TENANT, answer.reservations, Usage(input_tokens=70), None, "ollama")
    assert [await counts(site, one) for one in each] == [(0, 0), (70, 0)]


async def test_an_overshooting_provider_is_recorded_in_truth_and_blocks_what_follows(site: Site) -> None:
    one = budget(metric="tokens", limit="200")
    budgets = await site.budgets(Rules(one))
    answer = await granted(budgets, "c1")
    await budgets.settle("c1", TENANT, answer.reservations, Usage(output_tokens=500), None, "openai")
    assert await counts(site, one) == (500, 0)
    assert (await refused(budgets, "c2")).reasons == ("budget.exceeded",)


async def test_a_soft_budget_is_told_of_a_call_after_its_verdict_and_counts_the_truth_once(site: Site) -> None:
    one, hard = budget(id="s", metric="tokens", limit="100", mode="soft"), budget(id="h")
    budgets = await site.budgets(Rules(one, hard))
    answer = await granted(budgets, "c1")
    assert sorted((held.budget, held.amount) for held in answer.reservations) == [("h", 1), ("s", 150)]
    assert await site.gateway.bucket("budgets").get(f"{TENANT}.{one.account}") is None

    async def decide() -> bool:
        await site.decide("c1", answer.reservations)
        return True

    await budgets.count("c1", TENANT, answer.owed, decide())
    await budgets.count("c1", TENANT, answer.owed, written(fresh=False))
    assert await counts(site, one) == (0, 150)
    settled = await site.settle("c1", **used(90))
    for _ in range(2):
        await budgets.on_call_settled(settled)
        await budgets.count("c1", TENANT, answer.owed, written(fresh=False))
    assert await counts(site, one) == (90, 0)


async def test_a_verdict_that_cannot_be_written_is_heard_of_and_leaves_the_soft_budget_to_the_next_try(site: Site) -> None:
    one = budget(mode="soft")
    budgets = await site.budgets(Rules(one))
    answer = await granted(budgets, "c1")

    async def lost() -> bool:
        raise RetryLater("the broker is away")

    with pytest.raises(RetryLater):
        await budgets.count("c1", TENANT, answer.owed, lost())
    await budgets.count("c1", TENANT, answer.owed, written())
    assert await counts(site, one) == (0, 1)


async def test_what_nobody_waits_for_shares_one_write_and_is_done_before_what_somebody_does(site: Site) -> None:
    one = budget(limit="3")
    budgets = await site.budgets(Rules(one))
    held = [(await granted(budgets, f"c{number}")).reservations for number in range(3)]
    writes = budgets.accounts.writes
    settling = [asyncio.ensure_future(budgets.settle(f"c{number}", TENANT, of, None, None)) for number, of in enumerate(held)]
    await asyncio.sleep(0)
    # Full until those three are settled: they wait for company, and this one is company.
    await granted(budgets, "c4")
    await asyncio.gather(*settling)
    assert budgets.accounts.writes == writes + 1


# --- prices ---------------------------------------------------------------------------------------------------------------


async def test_an_unpriced_model_is_refused_under_a_hard_money_budget_and_let_through_by_a_soft_one(site: Site) -> None:
    hard, soft = budget(metric="usd"), budget(id="s", metric="usd", mode="soft")
    assert await refused(await site.budgets(Rules(hard)), "c1", model="openai/gpt-unheard-of") == Refusal(
        ("budget.unpriced",), ("budget.b",)
    )
    assert (await refused(await site.budgets(Rules(hard)), "c2", model="alias-of-nobody")).reasons == ("budget.unpriced",)
    await granted(await site.budgets(Rules(soft)), "c3", model="openai/gpt-unheard-of")
    await granted(await site.budgets(Rules(budget(id="r"))), "c4", model="openai/gpt-unheard-of")


async def test_only_the_permitted_providers_count_for_the_price(site: Site) -> None:
    one = budget(metric="usd", limit="0")
    budgets = await site.budgets(Rules(one))
    assert (await granted(budgets, "c1", providers=("ollama",))).reservations[0].amount == 0
    assert (await refused(budgets, "c2", providers=("openai",))).reasons == ("budget.too_large",)


@pytest.mark.parametrize("value", [None, b"", b"{}"])
async def test_without_a_readable_catalogue_nothing_has_a_price(site: Site, value: bytes | None) -> None:
    models = site.router.bucket("models")
    await (models.delete("catalogue") if value is None else models.put("catalogue", value))
    assert (await refused(await site.budgets(Rules(budget(metric="usd"))), "c1")).reasons == ("budget.unpriced",)


# --- on whose behalf --------------------------------------------------------------------------------------------------------


async def test_a_subtasks_call_is_made_on_behalf_of_who_asked_for_the_first_task_of_the_family(site: Site) -> None:
    rules = Rules()
    budgets = await site.budgets(rules)
    with pytest.raises(RetryLater, match="cannot be read yet"):
        await granted(budgets, "c1", task="child", requester=None)
    orchestrator = await site.broker.connect("orchestrator")
    spawned = submission(parent="root", requester=Principal(kind="pack", id="engineering"))
    await orchestrator.append("task.submitted", "root", submission(), tenant=TENANT)
    await orchestrator.append("task.submitted", "child", spawned, tenant=TENANT)
    await granted(budgets, "c1", task="child", requester=None)
    question = rules.asked[-1]
    assert isinstance(question, BudgetQuestion)
    assert (question.requester.kind, question.requester.id, question.requester.roles) == ("api_key", "ops", ())


# --- waiting and being refused ----------------------------------------------------------------------------------------------


async def test_a_call_waits_for_others_reservations_and_is_denied_when_it_has_waited_long_enough(site: Site) -> None:
    clock = Clock()
    one = budget(limit="1", wait_s=60)
    budgets = await site.budgets(Rules(one), clock)
    await granted(budgets, "c1", asked_at=clock.now)
    asked = clock.now
    with pytest.raises(RetryLater) as waiting:
        await granted(budgets, "c2", asked_at=asked)
    assert (waiting.value.code, waiting.value.delay) == ("budget.reserved_by_others", timedelta(seconds=0.25))
    clock.move(seconds=60)
    assert (await refused(budgets, "c2", asked_at=asked)).reasons == ("budget.reserved_by_others",)
    assert await facts(site.gateway, "budget.exceeded", one) == []


async def test_a_throttling_budget_makes_a_call_wait_until_the_window_moves_on(site: Site) -> None:
    clock = Clock()
    one = budget(limit="1", window="minute", mode="throttle")
    budgets = await site.budgets(Rules(one), clock)
    answer = await granted(budgets, "c1", asked_at=clock.now)
    await budgets.settle("c1", TENANT, answer.reservations, Usage(), None)
    asked = clock.now
    with pytest.raises(RetryLater) as waiting:
        await granted(budgets, "c2", asked_at=asked)
    assert (waiting.value.code, waiting.value.delay) == ("budget.throttled", timedelta(seconds=30))
    clock.move(seconds=30)
    await granted(budgets, "c2", asked_at=asked)
    (told,) = await facts(site.gateway, "budget.exceeded", one)
    assert told.until == datetime(2026, 11, 21, 12, 1, tzinfo=UTC)


async def test_a_throttling_budget_that_has_no_room_in_time_denies(site: Site) -> None:
    clock = Clock()
    budgets = await site.budgets(Rules(budget(limit="1", window="day", mode="throttle")), clock)
    answer = await granted(budgets, "c1", asked_at=clock.now)
    await budgets.settle("c1", TENANT, answer.reservations, Usage(), None)
    assert (await refused(budgets, "c2", asked_at=clock.now)).reasons == ("budget.throttled",)


async def test_a_sliding_window_has_room_again_when_what_was_spent_has_left_it(site: Site) -> None:
    clock = Clock()
    one = budget(limit="2", window={"sliding_s": 60}, mode="throttle")
    budgets = await site.budgets(Rules(one), clock)
    for call in ("c1", "c2"):
        answer = await granted(budgets, call, asked_at=clock.now)
        await budgets.settle(call, TENANT, answer.reservations, Usage(), None)
        clock.move(seconds=10)
    with pytest.raises(RetryLater) as waiting:
        await granted(budgets, "c3", asked_at=clock.now)
    assert waiting.value.delay == timedelta(seconds=41)
    clock.move(seconds=41)
    await granted(budgets, "c3", asked_at=clock.now)


async def test_a_new_window_has_room_while_calls_of_the_last_one_are_under_way(site: Site) -> None:
    clock = Clock()
    one = budget(limit="1")
    budgets = await site.budgets(Rules(one), clock)
    first = await granted(budgets, "c1", asked_at=clock.now)
    clock.move(days=1)
    second = await granted(budgets, "c2", asked_at=clock.now)
    assert [each.reservations[0].window for each in (first, second)] == ["2026-11-21", "2026-11-22"]
    await budgets.settle("c1", TENANT, first.reservations, Usage(), None)
    assert await counts(site, one, clock.now) == (0, 1)


async def test_a_changed_limit_counts_from_the_next_call_on_and_what_is_spent_stays(site: Site) -> None:
    rules = Rules(budget(limit="1"))
    budgets = await site.budgets(rules)
    answer = await granted(budgets, "c1")
    await budgets.settle("c1", TENANT, answer.reservations, Usage(), None)
    await refused(budgets, "c2")
    rules.budgets, rules.revision = (budget(limit="2"),), "next"
    await granted(budgets, "c2")
    assert await counts(site, budget()) == (1, 1)


# --- what is told -----------------------------------------------------------------------------------------------------------


async def test_each_threshold_is_told_once_a_window_however_many_instances_see_it(site: Site) -> None:
    clock = Clock()
    one = budget(limit="10", mode="soft", warn_at=(0.5, 1.0))
    instances = [await site.budgets(Rules(one), clock) for _ in range(3)]
    for number in range(12):
        budgets = instances[number % 3]
        answer = await granted(budgets, f"c{number}", asked_at=clock.now)
        await budgets.count(f"c{number}", TENANT, answer.owed, written())
        await budgets.settle(f"c{number}", TENANT, answer.reservations, Usage(), None)
    told = await facts(site.gateway, "budget.warned", one)
    assert [(fact.threshold, fact.spent, fact.window) for fact in told] == [(0.5, 5, "2026-11-21"), (1.0, 10, "2026-11-21")]
    assert isinstance(told[0], BudgetWarned)
    clock.move(days=1)
    for number in range(5):
        answer = await granted(instances[0], f"d{number}", asked_at=clock.now)
        await instances[0].count(f"d{number}", TENANT, answer.owed, written())
        await instances[0].settle(f"d{number}", TENANT, answer.reservations, Usage(), None)
    assert len(await facts(site.gateway, "budget.warned", one)) == 3


async def test_that_a_budget_is_exceeded_is_told_once_a_window_and_not_for_each_call(site: Site) -> None:
    one = budget(limit="1")
    instances = [await site.budgets(Rules(one)) for _ in range(2)]
    answer = await granted(instances[0], "c1")
    await instances[0].settle("c1", TENANT, answer.reservations, Usage(), None)
    await asyncio.gather(*(refused(instances[n % 2], f"d{n}") for n in range(20)))
    (told,) = await facts(site.gateway, "budget.exceeded", one)
    assert isinstance(told, BudgetExceeded)
    assert (told.spent, told.limit, told.mode) == (1, 1, "hard")


# --- fail closed ------------------------------------------------------------------------------------------------------------


async def test_a_state_that_cannot_be_read_means_no_call(site: Site) -> None:
    one = budget()
    await site.policy.bucket("budgets").put(f"{TENANT}.{one.account}", b'{"budget": 1}')
    with pytest.raises(Unavailable, match="cannot be read"):
        await granted(await site.budgets(Rules(one)), "c1")


@pytest.mark.parametrize(
    "change", [{"limit": "much"}, {"limit": "-1"}, {"limit": "NaN"}, {"window": {"sliding_s": 1}}, {"wait_s": -1}]
)
async def test_budgets_that_cannot_be_understood_mean_no_call(site: Site, change: dict[str, Any]) -> None:
    rules = Rules()
    rules.said = [budget().model_dump(mode="json") | change]
    with pytest.raises(Unavailable):
        await granted(await site.budgets(rules), "c1")


async def test_a_missing_account_has_nothing_to_settle(site: Site) -> None:
    budgets = await site.budgets(Rules(budget()))
    answer = await granted(budgets, "c1")
    gone = answer.reservations[0].model_copy(update={"account": "gone"})
    await budgets.settle("c1", TENANT, (gone,), Usage(), Cost(usd=Decimal(1), priced=True))
