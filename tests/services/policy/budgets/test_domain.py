"""An account under every order of operations: never overspent, each call counted once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.contracts.budgets import PER_USD, Budget, BudgetState
from agentos.contracts.envelope import encode_body
from services.policy.budgets import domain
from services.policy.budgets.domain import Account, Held, Settled, Short

NOW = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
WINDOWS = st.sampled_from(["minute", "hour", "day", "month", "total", {"sliding_s": 60}, {"sliding_s": 3600}])


def budget(**fields: Any) -> Budget:
    given: dict[str, Any] = {
        "id": "b",
        "key": {"tenant": "t"},
        "metric": "tokens",
        "limit": "100",
        "window": "day",
        "mode": "hard",
    }
    return Budget.model_validate(given | fields)


def account(**fields: Any) -> Account:
    return Account(BudgetState(budget=budget(**fields)))


def reserve(
    one: Account, call: str, amount: int, now: datetime = NOW, *, owner: str = "o", asked_ms: int = 1
) -> Held | Settled | Short:
    return one.reserve(call, amount, asked_ms=asked_ms, owner=owner, now=now)


# --- the window -----------------------------------------------------------------------------------------------------------


@given(WINDOWS, MOMENTS)
def test_a_moment_lies_in_its_slot_and_counts_until_the_slot_leaves(window: Any, now: datetime) -> None:
    one = budget(window=window)
    slot = one.slot(now)
    begins, leaves = one.begins(slot), one.leaves(slot)
    assert one.live(slot, now)
    if begins is not None and leaves is not None:
        assert begins <= now < leaves
        assert (one.slot(begins), one.slot(leaves)) == (slot, slot + 1)
    if leaves is not None:
        assert not one.live(slot, leaves)
        assert one.live(slot, leaves - timedelta(microseconds=1))


@given(st.integers(60, 86_400), MOMENTS)
def test_what_is_spent_stays_in_a_sliding_window_for_its_length_and_at_most_one_slice_more(length: int, now: datetime) -> None:
    one = budget(window={"sliding_s": length})
    leaves = one.leaves(one.slot(now))
    assert leaves is not None
    assert timedelta(seconds=length) <= leaves - now <= timedelta(seconds=length) * (1 + 1 / 60) + timedelta(microseconds=1)


def test_money_is_exact_and_counts_are_whole() -> None:
    money, count = budget(metric="usd", limit="25.10"), budget(metric="requests", limit="2.9")
    assert money.limit_units == 25_100_000_000_000 == 25 * PER_USD + PER_USD // 10
    assert money.amount(money.limit_units) == money.limit
    assert count.limit_units == 2


def test_another_key_metric_or_window_is_another_account_and_another_limit_the_same() -> None:
    accounts = {budget(**change).account for change in ({}, {"key": {"tenant": "u"}}, {"metric": "usd"}, {"window": "hour"})}
    assert len(accounts) == 4
    assert budget(limit="5", mode="soft").account == budget().account


# --- reserving and settling ------------------------------------------------------------------------------------------------


def test_a_call_that_does_not_fit_because_of_others_reservations_waits_and_is_refused_only_by_settled_truth() -> None:
    one = account()
    assert isinstance(reserve(one, "a", 80), Held)
    assert reserve(one, "b", 30) == Short("reserved")
    one.settle("a", 60, NOW)
    assert isinstance(reserve(one, "b", 30), Held)
    one.settle("b", 30, NOW)
    assert reserve(one, "c", 11) == Short("spent", datetime(2026, 11, 22, tzinfo=UTC))
    assert isinstance(reserve(one, "d", 10), Held)
    assert reserve(one, "e", 101) == Short("large")


def test_what_costs_nothing_passes_an_exhausted_budget() -> None:
    one = account()
    reserve(one, "a", 100)
    one.settle("a", 130, NOW)
    assert isinstance(reserve(one, "b", 0), Held)
    assert isinstance(reserve(one, "c", 1), Short)


def test_a_soft_budget_lets_everything_pass_and_counts_it() -> None:
    one = account(mode="soft")
    for number in range(5):
        assert isinstance(reserve(one, f"c{number}", 60), Held)
        one.settle(f"c{number}", 50, NOW)
    assert one.spent(NOW) == 250


def test_more_reservations_than_an_entry_can_hold_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain, "OUTSTANDING", 3)
    one, soft = account(), account(mode="soft")
    for number in range(3):
        reserve(one, f"c{number}", 1)
        reserve(soft, f"c{number}", 1)
    assert reserve(one, "c3", 1) == Short("reserved")
    assert isinstance(reserve(one, "c2", 1), Held)
    assert reserve(soft, "c3", 1) == Held(soft.budget.slot(NOW), 0, made=False, confirmed=True)


def test_a_full_entry_stays_below_what_the_broker_takes_in_one_message() -> None:
    one = account(limit="1000000")
    for number in range(domain.OUTSTANDING):
        call = f"{number:0128d}-s0001-e1"
        assert isinstance(reserve(one, call, 10, owner="a1b2c3d4e5f6", asked_ms=1_790_000_000_000), Held)
    assert 500_000 < len(encode_body(one.state())) < 900_000


def test_a_reservation_counts_in_the_fixed_window_that_it_was_made_in() -> None:
    one, tomorrow = account(), NOW + timedelta(days=1)
    reserve(one, "a", 80)
    assert isinstance(reserve(one, "b", 100, tomorrow), Held)
    one.settle("a", 70, tomorrow)
    assert (one.spent(tomorrow), one.reserved(tomorrow)) == (0, 100)
    one.settle("b", 90, tomorrow)
    assert one.spent(tomorrow) == 90


def test_a_reservation_that_outlasts_a_sliding_window_still_counts_and_its_truth_counts_from_its_settlement() -> None:
    one, later = account(window={"sliding_s": 60}), NOW + timedelta(minutes=10)
    reserve(one, "a", 80)
    assert reserve(one, "b", 30, later) == Short("reserved")
    one.settle("a", 80, later)
    short = reserve(one, "b", 30, later + timedelta(seconds=59))
    assert isinstance(short, Short)
    assert short.why == "spent"
    assert short.until is not None
    assert isinstance(reserve(one, "b", 30, short.until - timedelta(microseconds=1)), Short)
    assert isinstance(reserve(one, "b", 30, short.until), Held)


def test_a_clock_that_is_behind_does_not_find_an_emptied_window() -> None:
    one = account()
    reserve(one, "a", 100)
    one.settle("a", 100, NOW)
    ahead, behind = datetime(2026, 11, 22, 0, 0, 1, tzinfo=UTC), datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC)
    reserve(one, "b", 10, ahead)
    one.settle("b", 10, ahead)
    assert isinstance(reserve(one, "c", 1, behind), Short)


# --- once, whatever is tried ------------------------------------------------------------------------------------------------


def test_reserving_twice_holds_once_and_settling_twice_counts_once_in_any_order() -> None:
    one = account()
    assert not one.settle("a", 10, NOW)
    first, second = reserve(one, "a", 40), reserve(one, "a", 60, owner="other")
    assert isinstance(first, Held)
    assert isinstance(second, Held)
    assert (first.made, second.made, second.amount) == (True, False, 40)
    assert one.reserved(NOW) == 40
    assert one.settle("a", 10, NOW)
    assert not one.settle("a", 10, NOW)
    assert reserve(one, "a", 40) == Settled()
    assert (one.spent(NOW), one.reserved(NOW)) == (10, 0)


def test_a_handling_takes_back_only_what_no_other_relies_on() -> None:
    one = account()
    reserve(one, "a", 40, owner="first")
    reserve(one, "a", 40, owner="second")
    one.withdraw("a", "first")
    assert one.reserved(NOW) == 40
    one.withdraw("a", "second")
    assert one.reserved(NOW) == 0


def test_a_forgotten_call_that_comes_again_is_not_counted_again_before_the_log_was_looked_at() -> None:
    one = account(limit="1000000")
    for number in range(2 * domain.REMEMBERED + 1):
        reserve(one, f"c{number}", 1, asked_ms=number + 1)
        one.settle(f"c{number}", 1, NOW)
    spent = one.spent(NOW)
    again = reserve(one, "c0", 1, asked_ms=1, owner="o")
    assert again == Held(one.budget.slot(NOW), 1, made=True, confirmed=False)
    assert not one.settle("c0", 1, NOW)
    assert one.spent(NOW) == spent
    assert not one.confirm("c0", "another")
    assert one.confirm("c0", "o")
    assert one.settle("c0", 1, NOW)
    young = reserve(one, "new", 1, asked_ms=2 * domain.REMEMBERED + 2)
    assert isinstance(young, Held)
    assert young.confirmed


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "reserve", "reserve", "settle", "settle", "withdraw", "release", "tick", "store"]),
        st.integers(0, 12),
        st.integers(0, 60),
        st.sampled_from(["x", "y", "z"]),
    ),
    max_size=80,
)


@given(WINDOWS, OPERATIONS, st.sampled_from(["hard", "throttle"]))
def test_spent_and_reserved_never_exceed_the_limit_and_each_call_is_counted_once(
    window: Any, operations: list[tuple[str, int, int, str]], mode: str
) -> None:
    one, now = account(window=window, mode=mode), NOW
    settled: dict[str, int] = {}
    at: dict[str, datetime] = {}
    for what, number, amount, owner in operations:
        call = f"c{number}"
        held = one.holds().get(call)
        match what:
            case "reserve":
                outcome = reserve(one, call, amount, now, owner=owner, asked_ms=number + 1)
                # Remembered: no call that was settled is held for again.
                assert isinstance(outcome, Settled) == (call in settled)
            case "settle":
                # The truth is at most the worst case.
                truth = min(amount, held[1]) if held is not None else amount
                if one.settle(call, truth, now):
                    assert call not in settled
                    settled[call] = truth
                    at[call] = now
            case "withdraw":
                one.withdraw(call, owner)
            case "release":
                one.release(call)
            case "tick":
                now += timedelta(seconds=amount * 7)
            case _:
                one = Account(BudgetState.model_validate_json(encode_body(one.state())))
        assert one.spent(now) + one.reserved(now) <= one.budget.limit_units
    if window == "total":
        assert one.spent(now) == sum(settled.values())
    if isinstance(window, dict):
        # The promise of a sliding window, counted exactly: in no stretch of its length more than the limit.
        length = timedelta(seconds=window["sliding_s"])
        for end in at.values():
            assert sum(settled[call] for call, moment in at.items() if end - length < moment <= end) <= 100
