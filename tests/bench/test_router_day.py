"""The simulated day at the router, thinly populated: the checks of ``bench.router_day`` hold through the faults of every kind in it."""

from decimal import Decimal

from bench import _virtual as virtual
from bench.router_day import simulate


def test_no_call_is_stuck_and_what_was_settled_is_what_the_providers_charged() -> None:
    day, providers = virtual.run(simulate(16.5, 200))
    assert day.begun == day.outcomes.total() > 1_000
    assert day.outcomes["completed"] > 0.9 * day.begun
    assert day.attempts > day.outcomes["completed"], "there were faults to be mended"
    assert any(state == 1.0 for _, state in day.samples["breaker openai/gpt-5-mini"])
    assert day.continued, "streams broke off, and went on elsewhere"
    assert sum((each.charged for each in providers), Decimal(0)) == day.settled_usd > 0
    assert all(each.in_flight == 0 for each in providers)
