"""Concurrency and pace adapt to what a provider key bears, and never lose count."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.router.domain.latency import Latency
from services.router.domain.limiter import ConcurrencyLimit
from services.router.domain.pacing import Pace

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_refusals_of_one_round_cut_the_limit_once() -> None:
    limit = ConcurrencyLimit(start=100)
    for _ in range(50):
        limit.began()
    for _ in range(50):
        limit.overloaded(at(0))
    assert (limit.limit, limit.in_flight) == (70, 0)


def test_the_limit_grows_by_about_one_with_each_full_round() -> None:
    limit = ConcurrencyLimit(start=10)
    for _ in range(10):
        limit.began()
    for _ in range(100):
        limit.succeeded(at(0))
        limit.began()
    assert 17 <= limit.limit <= 21


def test_an_idle_key_proves_nothing() -> None:
    limit = ConcurrencyLimit(start=10)
    for _ in range(500):
        limit.began()
        limit.succeeded(at(0))
    assert limit.limit == 10


def test_a_cut_is_forgotten_in_the_end() -> None:
    limit = ConcurrencyLimit(start=10)
    for second in range(0, 20, 2):
        limit.began()
        limit.overloaded(at(second))
    assert limit.limit == 1
    for second in range(200, 400):
        limit.began()
        limit.succeeded(at(second))
    assert limit.limit == 10


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["began", "ok", "over", "end"]), max_size=200))
def test_the_limit_stays_within_its_bounds_and_the_count_is_right(story: list[str]) -> None:
    limit, running = ConcurrencyLimit(most=8, least=2, start=4), 0
    for second, event in enumerate(story):
        if event == "began":
            limit.began()
            running += 1
        elif running:
            running -= 1
            match event:
                case "ok":
                    limit.succeeded(at(0))
                case "over":
                    limit.overloaded(at(second))
                case _:
                    limit.ended()
        assert 2 <= limit.limit <= 8
        assert limit.in_flight == running


def test_without_a_limit_nothing_waits() -> None:
    pace = Pace()
    pace.draw(1e9, at(0))
    assert pace.wait(1e9, at(0)) == timedelta()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(1, 200), st.floats(0, 5)), min_size=1, max_size=100))
def test_whoever_waits_as_told_never_draws_more_than_the_limit_and_the_burst(draws: list[tuple[float, float]]) -> None:
    pace, now, drawn = Pace(per_minute=600.0, burst_s=10.0), at(0), 0.0
    for amount, pause in draws:
        now += timedelta(seconds=pause)
        now += pace.wait(amount, now) + timedelta(microseconds=1)
        pace.draw(amount, now)
        drawn += amount
        # A bucket, what has flowed in, and the one draw that may exceed the bucket.
        assert drawn <= 100 + (now - at(0)).total_seconds() * 10 + 200 + 1e-3


def test_what_was_reserved_too_much_comes_back() -> None:
    pace = Pace(per_minute=600.0)
    pace.draw(100, at(0))
    assert pace.wait(50, at(0)) == timedelta(seconds=5)
    pace.corrected(100, 20, at(0))
    assert pace.wait(50, at(0)) == timedelta()


def test_a_header_teaches_the_limit_and_what_is_left() -> None:
    pace = Pace()
    pace.told(60, 0, timedelta(seconds=30), at(0))
    assert pace.per_minute == 60
    assert timedelta(seconds=29) < pace.wait(1, at(0)) <= timedelta(seconds=31)
    assert pace.wait(1, at(40)) == timedelta()


def test_a_header_never_raises_a_configured_limit() -> None:
    pace = Pace(per_minute=10)
    pace.told(1_000, 999, None, at(0))
    assert pace.per_minute == 10


def test_latency_follows_what_is_measured_and_forgets_it() -> None:
    latency = Latency(prior_ms=1_000, half_life=timedelta(minutes=5))
    for second in range(50):
        latency.measured(200, at(second))
    assert 200 < latency.expected_ms(at(50)) < 250
    assert latency.expected_ms(at(24 * 3_600)) > 990
