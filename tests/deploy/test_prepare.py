"""deploy/prepare: what it makes fits the compose file, is for its owner's eyes only, and is made once."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def deploy(tmp_path: Path) -> Path:
    """A copy of the deploy folder in which prepare has run."""
    folder = tmp_path / "deploy"
    shutil.copytree(ROOT / "deploy", folder, ignore=shutil.ignore_patterns("secrets", "data", ".env"))
    shutil.copy(ROOT / ".env.example", tmp_path)
    subprocess.run([folder / "prepare"], check=True, capture_output=True)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_secret_and_folder_of_the_compose_file_is_made(deploy: Path) -> None:
    compose = yaml.safe_load((deploy / "compose.yaml").read_text())
    for secret in compose["secrets"].values():
        assert (deploy / secret["file"]).stat().st_size > 0
    for container in compose["services"].values():
        for volume in container.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (deploy / source).is_dir(), source


def test_secrets_are_readable_by_their_owner_alone(deploy: Path) -> None:
    for path in [*(deploy / "secrets").iterdir(), deploy / ".env"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
    assert (deploy / "secrets/master.key").stat().st_size == 32


def test_a_second_run_changes_nothing(deploy: Path) -> None:
    before = contents(deploy)
    subprocess.run([deploy / "prepare"], check=True, capture_output=True)
    assert contents(deploy) == before


def test_the_broker_and_each_service_get_the_same_password(deploy: Path) -> None:
    given = dict(line.split("=", 1) for line in (deploy / "secrets/nats.env").read_text().splitlines())
    for path in (deploy / "secrets").glob("nats-*.password"):
        user = path.name.removeprefix("nats-").removesuffix(".password")
        assert given[f"NATS_{user.upper()}_PASSWORD"] == path.read_text()
        # nats-server reads it as configuration: a digit or a dash in front would make it a number or an error.
        assert path.read_text()[0].isalpha()


def test_containers_run_as_whoever_prepared(deploy: Path) -> None:
    lines = (deploy / ".env").read_text().splitlines()
    assert f"AGENTOS_UID={os.getuid()}" in lines
    assert f"AGENTOS_GID={os.getgid()}" in lines
