"""What `agentos up` takes from the environment, and what from its own options."""

from datetime import timedelta
from pathlib import Path

import pytest

from agentos.cli.embedded import Choices, ledger_settings


def test_the_audit_chain_is_signed_as_often_as_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTOS_LEDGER_CHECKPOINT_INTERVAL", "PT7S")
    assert ledger_settings(Choices(data=tmp_path, port=1)).checkpoint_interval == timedelta(seconds=7)


def test_an_interval_that_was_chosen_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTOS_LEDGER_CHECKPOINT_INTERVAL", "PT7S")
    chosen = ledger_settings(Choices(data=tmp_path, port=1, checkpoint_every=timedelta(seconds=2)))
    assert (chosen.checkpoint_interval, chosen.data) == (timedelta(seconds=2), tmp_path)
