"""The history of a task family: labels only grow, windows count what lies in them, and nothing is counted twice."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from services.policy.history.domain import (
    REMEMBERED,
    SLOT_S,
    FamilyHistory,
    Happened,
    asked,
    marked,
    note,
    refused,
    spent,
    used,
)

T0 = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def fold(*happened: Happened) -> FamilyHistory:
    history = FamilyHistory()
    for one in happened:
        history = note(history, one)
    return history


def test_a_label_never_goes_away_and_keeps_its_first_source() -> None:
    history = fold(marked("tool.a", ["untrusted"], T0), marked("tool.b", ["untrusted", "injection.suspected"], at(1)))
    assert history.labels == {"untrusted": "tool.a", "injection.suspected": "tool.b"}


def test_a_window_counts_what_lies_in_it_and_the_total_counts_everything() -> None:
    history = fold(
        used("1", "web.fetch", "read", T0),
        used("2", "mail.send", "egress", at(50)),
        spent("3", Decimal("0.0000015"), at(70)),
        refused("4", at(75)),
    )
    minute, hour = history.window("minute", at(75)), history.window("hour", at(75))
    assert (minute.tools, minute.read, minute.egress, minute.models, minute.denied) == (1, 0, 1, 1, 1)
    assert (hour.tools, hour.read, hour.egress, hour.microusd) == (2, 1, 1, 2)
    assert history.tools == {"web.fetch": 1, "mail.send": 1}
    assert note(history, used("5", "web.fetch", "read", at(4_000))).window("hour", at(4_000)).tools == 1
    assert note(history, used("5", "web.fetch", "read", at(4_000))).total.tools == 3


def test_each_task_of_a_family_has_asked_what_it_asked_itself_and_a_question_counts_itself_never() -> None:
    history = fold(asked("a1", "t1", T0), asked("a2", "t1", T0), asked("b1", "t2", T0))
    assert history.checkpoints == {"t1": 2, "t2": 1}
    assert (history.asked_before("a3", "t1"), history.asked_before("a2", "t1"), history.asked_before("c1", "t3")) == (2, 1, 0)
    assert note(history, asked("a2", "t1", at(9))) is history


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 4_000)), max_size=60))
def test_what_comes_again_changes_nothing(calls: list[tuple[int, float]]) -> None:
    once = dict(reversed(calls))
    happened = [used(str(call), "t", "write", at(seconds)) for call, seconds in sorted(once.items(), key=lambda each: each[1])]
    history = fold(*happened)
    for one in happened:
        assert note(history, one) is history
    assert history.total.write == len(once)


@given(st.lists(st.floats(0, 7_200), min_size=1, max_size=60))
def test_a_window_is_never_too_small_and_at_most_a_slot_too_long(seconds: list[float]) -> None:
    seconds = sorted(seconds)
    now = at(seconds[-1])
    history = fold(*(used(str(n), "t", "egress", at(second)) for n, second in enumerate(seconds)))
    spans: tuple[tuple[Literal["minute", "hour"], int], ...] = (("minute", 60), ("hour", 3_600))
    for name, length in spans:
        inside = sum(1 for second in seconds if seconds[-1] - second <= length)
        at_most = sum(1 for second in seconds if seconds[-1] - second <= length + SLOT_S)
        assert inside <= history.window(name, now).egress <= at_most


def test_a_long_life_keeps_the_entry_small() -> None:
    history = FamilyHistory()
    for n in range(REMEMBERED * 4):
        history = note(history, used(str(n), "t", "read", at(n * 60)))
    assert len(history.counted) == REMEMBERED
    assert len(history.slots) <= 3_600 // SLOT_S + 2
    assert history.total.read == REMEMBERED * 4
    assert len(history.model_dump_json()) < 30_000
