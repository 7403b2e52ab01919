"""The image: what it is built from, who it runs as, what reaches the build."""

import re
import tomllib
from pathlib import Path

from agentos.contracts.services import SERVICES

ROOT = Path(__file__).resolve().parents[2]
LINES = [line for line in (ROOT / "deploy/Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
TEXT = "\n".join(LINES)


def test_every_base_image_is_pinned_to_a_version() -> None:
    images = [line.split()[1] for line in LINES if line.startswith("FROM ")]
    assert len(images) == 3
    assert all(re.search(r":\d+\.\d+\.\d+", image) for image in images), images


def test_uv_is_the_same_version_as_in_the_bootstrap() -> None:
    bootstrap = re.search(r"^uv_version=(\S+)$", (ROOT / "scripts/bootstrap").read_text(), re.MULTILINE)
    assert bootstrap is not None
    assert f"ghcr.io/astral-sh/uv:{bootstrap[1]}" in TEXT


def test_dependencies_come_from_the_lock_alone() -> None:
    syncs = [line for line in LINES if "uv sync" in line]
    assert syncs
    assert all("--frozen" in line and "--no-dev" in line for line in syncs)


def test_the_image_holds_every_service() -> None:
    extras = set(re.findall(r"--extra (\w+)", next(line for line in LINES if line.startswith("ARG EXTRAS"))))
    declared = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    assert extras == {*SERVICES, "cli"}
    assert extras <= declared


def test_the_last_stage_runs_as_nobody_in_particular_and_checks_its_health() -> None:
    last = TEXT.rsplit("FROM ", 1)[1]
    user = re.search(r"^USER (\d+):(\d+)$", last, re.MULTILINE)
    assert user is not None
    assert int(user[1]) > 0
    assert "\nHEALTHCHECK " in last
    # exec: the service is process 1 and gets SIGTERM itself.
    assert "exec python -m services.${AGENTOS_SERVICE" in last


def test_only_what_the_image_needs_reaches_the_build() -> None:
    """An allow list, so that a new folder of secrets or data stays outside unless someone lets it in."""
    ignore = (ROOT / "deploy/Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in ignore if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied = {
        source
        for line in LINES
        if line.startswith("COPY ") and "--from" not in line
        for source in line.removeprefix("COPY ").split()[:-1]
    }
    assert copied == allowed
