"""Each boundary of the tree is a contract that can fail: a violation of each, and what the linter says to it."""

import shutil
import subprocess
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

import pytest

from agentos.contracts.services import SERVICES

ROOT = Path(__file__).resolve().parents[2]
LINT_IMPORTS = Path(sysconfig.get_path("scripts")) / "lint-imports"

# contract id, the file that breaks it, the import
VIOLATIONS = [
    ("services-independent", "services/policy/app.py", "from services.router import app"),
    ("contracts-stand-alone", "agentos/contracts/ids.py", "from agentos.bus import bus"),
    ("contracts-no-io", "agentos/contracts/ids.py", "import asyncio"),
    ("contracts-no-io", "agentos/contracts/ids.py", "import structlog"),
    ("domain-no-clock", "services/gates/domain/kill.py", "import time"),
    ("domain-no-clock", "services/ledger/domain/tasks.py", "from uuid import uuid4"),
    ("domain-pure", "services/gates/domain/kill.py", "from nats.aio import client"),
    ("domain-pure", "services/ledger/domain/tasks.py", "import httpx"),
    ("domain-pure", "services/gates/domain/kill.py", "from agentos.bus import bus"),
    ("shared-knows-no-service", "agentos/bus/bus.py", "from services.router import app"),
    ("cli-on-top", "services/router/app.py", "from agentos.cli import up"),
    ("adapters-know-contracts", "adapters/openai.py", "from agentos.bus import bus"),
    ("router-alone-calls-providers", "services/worker/app.py", "import openai"),
    ("router-alone-calls-providers", "services/runner/app.py", "from adapters import openai"),
    ("packs-know-the-sdk", "packs/example/agent.py", "from agentos.bus import bus"),
    ("packs-know-the-sdk", "packs/example/agent.py", "from agentos.contracts import ids"),
    ("packs-know-the-sdk", "packs/example/agent.py", "import adapters.openai"),
]


def contracts() -> list[dict[str, Any]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The shape of the real tree, empty, and with imports of every kind that is allowed."""
    files = {
        "agentos/contracts/ids.py": "import hashlib",
        "agentos/bus/bus.py": "import asyncio\nimport nats\nfrom agentos.contracts import ids",
        "agentos/sdk/context.py": "from agentos.contracts import ids",
        "agentos/cli/up.py": "from services.router import app",
        "adapters/openai.py": "import openai\nfrom agentos.contracts import ids",
        "packs/example/agent.py": "from agentos.sdk import context",
    }
    for service in SERVICES:
        files[f"services/{service}/app.py"] = "import asyncio\nfrom agentos.bus import bus"
        files[f"services/{service}/domain.py"] = "from agentos.contracts import ids"
    del files["services/ledger/domain.py"], files["services/gates/domain.py"]
    files["services/gates/domain/kill.py"] = "from agentos.contracts import ids"
    files["services/ledger/domain/tasks.py"] = "from agentos.contracts import ids"
    files["services/router/app.py"] += "\nfrom adapters import openai"
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
        for folder in path.relative_to(tmp_path).parents[:-1]:
            (tmp_path / folder / "__init__.py").touch()
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(tree: Path) -> tuple[int, str]:
    done = subprocess.run([LINT_IMPORTS, "--no-cache", "--no-logo"], cwd=tree, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_tree_within_its_boundaries_passes(tree: Path) -> None:
    status, said = lint(tree)
    assert status == 0, said


@pytest.mark.parametrize(("contract", "file", "violation"), VIOLATIONS)
def test_a_violation_breaks_its_contract(tree: Path, contract: str, file: str, violation: str) -> None:
    with (tree / file).open("a") as source:
        source.write(violation + "\n")
    status, said = lint(tree)
    assert status == 1, said
    broken = {each["id"] for each in contracts() if f"{each['name']} BROKEN" in said}
    assert contract in broken, said


def test_every_contract_is_proven_to_fail() -> None:
    assert {contract for contract, _, _ in VIOLATIONS} == {each["id"] for each in contracts()}
