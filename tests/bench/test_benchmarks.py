"""Each benchmark runs in a tiny configuration and prints its table; what they compute besides measuring is right."""

from pathlib import Path

import pytest

from bench import _processes, _report, budgets, bus, embedded, governed_call, kill_switch, redaction


def test_a_percentile_is_a_value_that_was_observed() -> None:
    assert _report.percentile([5.0, 1.0, 3.0, 2.0, 4.0], 0.5) == 3.0
    assert _report.percentile([1.0, 2.0], 0.5) == 1.0
    assert _report.percentile([float(value) for value in range(1, 101)], 0.99) == 99.0
    assert _report.percentile([7.0], 0.99) == 7.0
    with pytest.raises(ValueError, match="nothing"):
        _report.percentile([], 0.5)


@pytest.mark.parametrize(
    ("value", "target", "at_most", "said"),
    [
        (2.0, 3.0, True, "met"),
        (6.0, 3.0, True, "missed by 2.0x"),
        (700.0, 600.0, False, "met"),
        (300.0, 600.0, False, "missed by 2.0x"),
    ],
)
def test_a_missed_target_is_said_to_be_missed_and_by_how_much(value: float, target: float, at_most: bool, said: str) -> None:
    assert _report.verdict(value, target, at_most=at_most) == said


def test_numbers_are_shown_with_the_digits_that_matter() -> None:
    assert [_report.shown(value) for value in (0.0, 0.0123, 1.234, 45.67, 1234.5, -3.21)] == [
        "0", "0.0123", "1.23", "45.7", "1,234", "-3.21",
    ]  # fmt: skip


def test_the_kill_switch_is_timed_by_what_the_provider_noted() -> None:
    events = [
        {"event": "request", "monotonic_ns": 90_000_000},
        {"event": "request", "monotonic_ns": 103_000_000},
        {"event": "aborted", "monotonic_ns": 110_000_000},
        {"event": "aborted", "monotonic_ns": 125_000_000},
    ]
    assert kill_switch.read(events, stored_ns=102_000_000) == (1.0, 23.0, 2, 1)
    assert kill_switch.read(events, stored_ns=200_000_000) == (0.0, 0.0, 2, 0)


def test_redaction_compares_the_same_texts_which_nobody_has_seen() -> None:
    first, second = redaction.texts(1), redaction.texts(2)
    assert first.keys() == second.keys()
    assert not {text for texts in first.values() for text in texts} & {text for texts in second.values() for text in texts}
    assert redaction.texts(1) == first


async def test_governed_call_runs(tmp_path: Path) -> None:
    told = await governed_call.run(1, 16, tmp_path)
    assert "governed, all services in one process" in told
    assert "floor: three bare events" in told


async def test_kill_switch_runs(tmp_path: Path) -> None:
    told = await kill_switch.run(2, tmp_path)
    assert "last call in flight settled" in told


async def test_bus_runs(tmp_path: Path) -> None:
    assert "append alone" in await bus.run(1, 16, tmp_path)


async def test_budgets_runs(tmp_path: Path) -> None:
    assert "3 instances, one account" in await budgets.run(1, 30, tmp_path)


async def test_embedded_runs(tmp_path: Path) -> None:
    assert "nats-server, MB" in await embedded.run(1, tmp_path)


async def test_redaction_runs() -> None:
    assert "presidio" in await redaction.run(1)


async def test_a_process_that_ends_early_is_named_and_not_waited_for() -> None:
    async with _processes.talking(["-c", "pass"]) as ask:
        with pytest.raises((RuntimeError, ConnectionError)):
            await ask("1")
