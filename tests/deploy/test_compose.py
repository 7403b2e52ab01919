"""The compose file, read as an engine would read it: who gets which secret, who reaches what, and what is pinned."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentos.contracts.buckets import BUCKETS
from agentos.contracts.services import SERVICES

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
# The gates may read wrapped data keys, but nothing sealed is theirs to open.
OPENS_SEALED = {service for bucket in BUCKETS if bucket.name == "keys" for service in bucket.readers} - {"gates"}
PROVIDER_KEYS = {"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "DEEPSEEK_API_KEY"}


def environment(name: str) -> dict[str, Any]:
    found: dict[str, Any] = CONTAINERS[name].get("environment", {})
    return found


def test_every_service_of_the_channel_table_has_a_container_of_its_own() -> None:
    named = {environment(name).get("AGENTOS_SERVICE") for name in CONTAINERS} - {None}
    assert named == set(SERVICES)
    for service in SERVICES:
        assert environment(service)["AGENTOS_SERVICE"] == service


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_gets_its_own_broker_password_and_no_other(service: str) -> None:
    passwords = {secret for secret in CONTAINERS[service]["secrets"] if secret.startswith("nats-")}
    assert passwords == {f"nats-{service}"}
    assert environment(service)["AGENTOS_NATS_USER"] == service
    assert environment(service)["AGENTOS_NATS_PASSWORD_FILE"] == f"/run/secrets/nats-{service}"
    assert COMPOSE["secrets"][f"nats-{service}"] == {"file": f"./secrets/nats-{service}.password"}
    assert "env_file" not in CONTAINERS[service], "an env_file would hand over more than is listed"


def test_only_those_who_open_sealed_payloads_get_the_master_key() -> None:
    holders = {name for name, container in CONTAINERS.items() if "master.key" in container.get("secrets", [])}
    assert holders == OPENS_SEALED
    for name in holders:
        assert environment(name)["AGENTOS_MASTER_KEY_FILE"] == "/run/secrets/master.key"


def test_provider_keys_reach_the_router_alone_and_tool_secrets_the_worker_alone() -> None:
    for name in CONTAINERS:
        given = set(environment(name))
        assert (given & PROVIDER_KEYS) == (PROVIDER_KEYS if name == "router" else set()), name
        assert ("GITHUB_TOKEN" in given) == (name == "worker"), name


def test_the_provisioner_is_known_to_the_provisioning_job_alone() -> None:
    holders = {name for name, container in CONTAINERS.items() if "nats-provisioner" in container.get("secrets", [])}
    assert holders == {"provision"}
    assert CONTAINERS["provision"]["command"] == ["agentos", "provision", "--replicas", "3"]


def test_the_broker_alone_reads_the_file_of_all_passwords() -> None:
    holders = {name for name, container in CONTAINERS.items() if "env_file" in container}
    assert holders == {"nats-1", "nats-2", "nats-3"}


def test_only_the_gateway_publishes_a_port_and_only_router_and_worker_reach_the_outside() -> None:
    assert {name for name, container in CONTAINERS.items() if "ports" in container} == {"gateway"}
    networks = COMPOSE["networks"]
    closed = {name for name, network in networks.items() if (network or {}).get("internal")}
    for name, container in CONTAINERS.items():
        open_networks = set(container["networks"]) - closed
        assert open_networks == {"gateway": {"edge"}, "router": {"outside"}, "worker": {"outside"}}.get(name, set()), name
    assert networks["edge"]["driver_opts"] == {"com.docker.network.bridge.enable_ip_masquerade": "false"}


def test_only_policy_reaches_opa_and_only_the_ledger_reaches_the_database() -> None:
    members = {
        network: {name for name, container in CONTAINERS.items() if network in container["networks"]}
        for network in COMPOSE["networks"]
    }
    assert members["policy"] == {"policy", "opa"}
    assert members["database"] == {"ledger", "postgres"}


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_is_locked_down(name: str) -> None:
    container = CONTAINERS[name]
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert "cap_add" not in container
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert container["user"].startswith("${AGENTOS_UID")
    assert "privileged" not in container


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_image_is_pinned_to_a_version(name: str) -> None:
    assert re.search(r":\d+\.\d+(\.\d+)?(-[a-z]+)?$", CONTAINERS[name]["image"]), CONTAINERS[name]["image"]


def test_nothing_starts_before_the_broker_is_provisioned() -> None:
    for service in SERVICES:
        assert CONTAINERS[service]["depends_on"]["provision"] == {"condition": "service_completed_successfully"}, service
    assert set(CONTAINERS["provision"]["depends_on"]) == {"nats-1", "nats-2", "nats-3"}


def test_every_dependency_on_health_has_a_health_check() -> None:
    for container in CONTAINERS.values():
        for needed, condition in container.get("depends_on", {}).items():
            if condition["condition"] == "service_healthy":
                assert "test" in CONTAINERS[needed]["healthcheck"]


def test_every_secret_is_declared_and_used() -> None:
    used = {secret for container in CONTAINERS.values() for secret in container.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])


def test_no_secret_stands_in_the_file() -> None:
    """Whatever is secret comes from a file or from the operator's environment."""
    for name in CONTAINERS:
        for key, value in environment(name).items():
            if re.search(r"KEY$|TOKEN$|SECRET$|PASSWORD$|DATABASE_URL$", key):
                assert value is None or str(value).startswith("${"), f"{name}: {key}"
