"""What follows a provider's failure: here again, elsewhere, or the end."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.domain.retries import ErrorKind, Next, Option, Patience, Standing, after_failure, elsewhere

PATIENCE = Patience(tries_per_target=3, attempts=8, longest_wait=timedelta(seconds=30), deadline=timedelta(minutes=5))
OTHER = Next(1, timedelta())


def standing(*, tries: int = 1, attempts: int = 1, elapsed: float = 0, other: int | None = 1, **fields: bool) -> Standing:
    return Standing(0, tries_here=tries, attempts=attempts, elapsed=timedelta(seconds=elapsed), elsewhere=other, **fields)


def here(seconds: float) -> Next:
    return Next(0, timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("kind", "where", "retry_after", "expected"),
    [
        ("never", standing(), None, None),
        ("other_provider", standing(), None, OTHER),
        ("other_provider", standing(other=None), None, None),
        ("other_provider", standing(other_key=True), None, OTHER),
        ("needs_operator", standing(), None, OTHER),
        ("needs_operator", standing(other=None), None, None),
        ("needs_operator", standing(other_key=True), None, here(0)),
        ("retry", standing(), None, here(0.25)),
        ("retry", standing(tries=2), None, here(0.5)),
        ("retry", standing(tries=3), None, OTHER),
        ("retry", standing(tries=3, other=None), None, None),
        ("retry", standing(), 7, here(7.5)),
        ("retry", standing(), 31, OTHER),
        ("wait", standing(), None, here(1.125)),
        ("wait", standing(tries=2), None, here(2.25)),
        ("wait", standing(), 0, here(0)),
        ("wait", standing(), 0.2, here(0.225)),
        ("wait", standing(), 7, here(7.5)),
        ("wait", standing(), 31, OTHER),
        ("wait", standing(other=None), 31, None),
        ("wait", standing(tries=3), 1, OTHER),
        ("wait", standing(other_key=True), 31, here(0)),
        # In the middle of an answer that this target cannot go on with.
        ("retry", standing(here=False), None, OTHER),
        ("wait", standing(here=False, other_key=True), None, OTHER),
        ("retry", standing(here=False, other=None), None, None),
        # At the end of the call's attempts and of its time.
        ("retry", standing(attempts=8), None, None),
        ("other_provider", standing(attempts=8), None, None),
        ("other_provider", standing(elapsed=300), None, None),
        ("wait", standing(elapsed=290), 20, OTHER),
        ("wait", standing(elapsed=290, other=None), 20, None),
    ],
)
def test_each_kind_of_failure_has_its_consequence(
    kind: ErrorKind, where: Standing, retry_after: float | None, expected: Next | None
) -> None:
    told = None if retry_after is None else timedelta(seconds=retry_after)
    assert after_failure(kind, where, PATIENCE, retry_after=told, jitter=0.5) == expected


@given(told=st.floats(0, 30), jitter=st.floats(0, 1), kind=st.sampled_from(["retry", "wait"]))
def test_nobody_is_asked_again_before_it_said(told: float, jitter: float, kind: ErrorKind) -> None:
    following = after_failure(kind, standing(), PATIENCE, retry_after=timedelta(seconds=told), jitter=jitter)
    assert following is not None
    assert timedelta(seconds=told) <= following.delay <= timedelta(seconds=told + 1)


OPTIONS = (
    Option("openai", continues=False),
    Option("anthropic", continues=True),
    Option("openai", continues=True),
    Option("deepseek", continues=True),
)


@pytest.mark.parametrize(
    ("at", "left", "begun", "expected"),
    [
        (0, (), False, 1),
        (1, (0,), False, 2),
        (3, (0, 1, 2), False, None),
        (0, (), True, 2),
        (0, (2,), True, 1),
        (0, (1, 2), True, 3),
        (1, (2, 3), True, None),
    ],
)
def test_a_broken_answer_goes_to_one_that_can_go_on_with_it_and_stays_with_its_provider_if_it_can(
    at: int, left: tuple[int, ...], *, begun: bool, expected: int | None
) -> None:
    assert elsewhere(OPTIONS, at, left, begun=begun) == expected


@given(
    kinds=st.lists(st.sampled_from(["retry", "wait", "other_provider", "needs_operator"]), min_size=1, max_size=20),
    begun=st.booleans(),
)
def test_any_series_of_failures_ends_after_a_bounded_number_of_attempts(kinds: list[ErrorKind], *, begun: bool) -> None:
    index, attempts, tries, left = 0, 0, [0] * len(OPTIONS), set[int]()
    while True:
        attempts, tries[index] = attempts + 1, tries[index] + 1
        where = Standing(
            index, tries[index], attempts, timedelta(), elsewhere(OPTIONS, index, left, begun=begun), other_key=True
        )
        following = after_failure(kinds[attempts % len(kinds)], where, PATIENCE, retry_after=None, jitter=0.5)
        if following is None:
            break
        if following.index != index:
            left.add(index)
        assert following.index not in left
        index = following.index
    assert attempts <= PATIENCE.attempts
