"""What the compose file sets is what the services read."""

import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from agentos.contracts.services import SERVICES

COMPOSE = yaml.safe_load((Path(__file__).resolve().parents[2] / "deploy" / "compose.yaml").read_text())


def settings_of(service: str, monkeypatch: pytest.MonkeyPatch) -> BaseSettings:
    """The service's settings as its container would make them."""
    given: dict[str, Any] = COMPOSE["services"][service]["environment"]
    for key, value in given.items():
        if value is not None and not str(value).startswith("${"):
            monkeypatch.setenv(key, str(value))
    module = importlib.import_module(f"services.{service}.settings")
    (found,) = (
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, BaseSettings) and kind.__module__ == module.__name__
    )
    return found()


@pytest.mark.parametrize("service", SERVICES)
def test_shared_settings_reach_every_service(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(service, monkeypatch).model_dump()
    if "data" in settings:
        assert settings["data"] == Path("/data")
    if service != "ledger" and COMPOSE["services"][service]["environment"].get("AGENTOS_MASTER_KEY_FILE"):
        assert settings["master_key_file"] == Path("/run/secrets/master.key")


def test_the_gateway_is_reachable_inside_its_container_and_knows_its_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of("gateway", monkeypatch).model_dump()
    assert (settings["host"], settings["port"]) == ("0.0.0.0", 8080)
    assert settings["sources_file"] == Path("/run/secrets/sources.json")


def test_policy_asks_the_opa_server(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_of("policy", monkeypatch).model_dump()["opa_url"] == "http://opa:8181"


def test_the_ledger_signs_with_a_key_in_its_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_of("ledger", monkeypatch).model_dump()["audit_key_file"] == Path("/data/audit.key")
