"""Sums over sliding windows, pure."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.policy.windows import KEPT, Key, Totals, Windows

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PACK, TENANT_KEY, OTHER = Key("acme", "pack", "p"), Key("acme", "tenant", "acme"), Key("globex", "pack", "p")
MINUTE = timedelta(minutes=1)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 1)), max_size=60), st.integers(0, 59))
def test_a_window_holds_what_happened_within_it_in_whatever_order_it_was_noted(events: list[tuple[int, int]], cut: int) -> None:
    windows = Windows()
    for ago_s, failed in events[cut:] + events[:cut]:
        windows.note([PACK], NOW - timedelta(seconds=ago_s), Totals(calls=1, failed=failed))
    windows.forget(NOW)
    for span in (MINUTE, KEPT):
        within = [failed for ago_s, failed in events if ago_s < span.total_seconds()]
        found = windows.totals(PACK, NOW, span)
        assert (found.calls, found.failed) == (len(within), sum(within))


def test_a_key_is_named_once_for_all_that_changed_and_forgotten_when_nothing_is_left() -> None:
    windows = Windows()
    for _ in range(3):
        windows.note([PACK, TENANT_KEY], NOW, Totals(spend_usd=Decimal("0.1")))
    assert windows.changed() == [PACK, TENANT_KEY]
    assert windows.changed() == []
    assert windows.totals(PACK, NOW, MINUTE).spend_usd == Decimal("0.3")
    windows.forget(NOW + KEPT + MINUTE)
    assert windows.totals(PACK, NOW, MINUTE).calls == 0


def test_a_release_begins_anew_for_what_the_switch_covered_and_for_nothing_else() -> None:
    windows = Windows()
    for key in (PACK, TENANT_KEY, OTHER):
        windows.note([key], NOW, Totals(calls=1))
    windows.restart("acme", "pack", "p", NOW)
    assert [windows.totals(key, NOW, MINUTE).calls for key in (PACK, TENANT_KEY, OTHER)] == [0, 1, 1]
    # What happened before and is read only now does not come back.
    windows.note([PACK], NOW - timedelta(seconds=1), Totals(calls=1))
    windows.note([PACK], NOW + timedelta(seconds=1), Totals(calls=1))
    assert windows.totals(PACK, NOW + timedelta(seconds=2), MINUTE).calls == 1
    windows.restart("acme", "tenant", "acme", NOW + MINUTE)
    assert [windows.totals(key, NOW, MINUTE).calls for key in (PACK, TENANT_KEY, OTHER)] == [0, 0, 1]
    windows.restart("acme", "global", "*", NOW + MINUTE)
    assert windows.totals(OTHER, NOW, MINUTE).calls == 0
