"""What `agentos up` takes from the environment, and what from its own options."""

from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from agentos.bus.server import free_port
from agentos.cli import embedded
from agentos.cli.embedded import Choices, installation, ledger_settings


def test_the_audit_chain_is_signed_as_often_as_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTOS_LEDGER_CHECKPOINT_INTERVAL", "PT7S")
    assert ledger_settings(Choices(data=tmp_path, port=1)).checkpoint_interval == timedelta(seconds=7)


def test_an_interval_that_was_chosen_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTOS_LEDGER_CHECKPOINT_INTERVAL", "PT7S")
    chosen = ledger_settings(Choices(data=tmp_path, port=1, checkpoint_every=timedelta(seconds=2)))
    assert (chosen.checkpoint_interval, chosen.data) == (timedelta(seconds=2), tmp_path)


async def test_what_is_not_ready_in_time_names_the_service_that_failed_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "READY_WITHIN_S", 4.0)
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "ledger.db").write_text("no database")
    seen = pytest.raises(TimeoutError, match=r"ledger failed \d+ times, last with .*file is not a database")
    # Unconfigured, each failure is drawn on the terminal with its variables, for seconds.
    with structlog.testing.capture_logs(), seen:
        async with installation(Choices(data=tmp_path, port=free_port())):
            pass
