"""A breaker leaves a failing target alone, tries it with care, and comes back."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.router.domain.breaker import Breaker, BreakerRules

START = datetime(2026, 1, 1, tzinfo=UTC)
RULES = BreakerRules(
    consecutive=3, least=10, share=0.5, open_for=timedelta(seconds=10), longest=timedelta(seconds=60), probes=2
)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def opened() -> Breaker:
    breaker = Breaker(RULES)
    for second in range(3):
        assert breaker.admit(at(second))
        breaker.failed(at(second), jitter=0.5)
    return breaker


def test_failures_in_a_row_open_it_and_nothing_goes_through() -> None:
    breaker = opened()
    assert breaker.state(at(3)) == "open"
    assert not breaker.admit(at(3))


def test_a_success_between_starts_the_row_anew() -> None:
    breaker = Breaker(RULES)
    for second in range(8):
        breaker.failed(at(second), jitter=0.5) if second % 3 else breaker.succeeded(at(second))
    assert breaker.state(at(9)) == "closed"


def test_a_share_of_failures_opens_it_without_a_row() -> None:
    breaker = Breaker(RULES)
    for second in range(10):
        breaker.failed(at(second), jitter=0.5) if second % 2 else breaker.succeeded(at(second))
    assert breaker.state(at(10)) == "open"


def test_failures_older_than_the_window_do_not_count() -> None:
    breaker = Breaker(BreakerRules(consecutive=99, least=4, share=0.5, window=timedelta(seconds=60)))
    for second in (0, 1):
        breaker.failed(at(second), jitter=0.5)
    for second in (100, 101, 102):
        breaker.succeeded(at(second))
    breaker.failed(at(103), jitter=0.5)
    assert breaker.state(at(103)) == "closed"


def test_half_open_lets_only_the_probes_through_and_closes_when_they_succeed() -> None:
    breaker = opened()
    assert breaker.state(at(20)) == "half_open"
    assert [breaker.admit(at(20)) for _ in range(4)] == [True, True, False, False]
    breaker.succeeded(at(21))
    assert breaker.state(at(21)) == "half_open"
    breaker.succeeded(at(22))
    assert breaker.state(at(22)) == "closed"
    assert all(breaker.admit(at(23)) for _ in range(10))


def test_a_failed_probe_opens_it_for_twice_as_long() -> None:
    breaker = opened()
    first = (breaker.open_until() or START) - at(2)
    assert breaker.admit(at(20))
    breaker.failed(at(20), jitter=0.5)
    second = (breaker.open_until() or START) - at(20)
    assert (first, second) == (timedelta(seconds=10), timedelta(seconds=20))


def test_openings_never_last_longer_than_the_longest_with_its_jitter() -> None:
    breaker, now = opened(), at(20)
    for _ in range(20):
        now = breaker.open_until() or now
        assert breaker.admit(now)
        breaker.failed(now, jitter=0.99)
    assert (breaker.open_until() or now) - now <= timedelta(seconds=60 * 1.25)


def test_a_probe_that_says_nothing_makes_room_for_another() -> None:
    breaker = opened()
    assert breaker.admit(at(20))
    assert breaker.admit(at(20))
    breaker.ended()
    assert breaker.admit(at(20))


def test_what_the_provider_asks_for_opens_it_at_once_and_for_that_long() -> None:
    breaker = Breaker(RULES)
    breaker.failed(at(0), jitter=0.0, wait=timedelta(seconds=45))
    assert breaker.state(at(44)) == "open"
    assert breaker.state(at(45)) == "half_open"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["ok", "bad", "none"]), st.floats(0, 40)), max_size=80))
def test_whatever_happens_it_admits_again_some_day(story: list[tuple[str, float]]) -> None:
    breaker, seconds = Breaker(RULES), 0.0
    for outcome, pause in story:
        seconds += pause
        if breaker.admit(at(seconds)):
            match outcome:
                case "ok":
                    breaker.succeeded(at(seconds))
                case "bad":
                    breaker.failed(at(seconds), jitter=0.5)
                case _:
                    breaker.ended()
    assert breaker.admit(at(seconds + 3_600))
