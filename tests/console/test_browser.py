"""The ops console in a real browser, against a real installation: `agentos up` with the demo's pack and the simulated model."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.installed import ROOT, installation, make_key

CONSOLE = ROOT / "ops-console"

# A spec is many tests in a browser.
pytestmark = pytest.mark.timeout(900)

SPECS = sorted(spec.name.removesuffix(".spec.ts") for spec in (CONSOLE / "e2e").glob("*.spec.ts"))


@dataclass(frozen=True)
class Running:
    """An installation, its administrator's key, that of somebody who only asks for work, and that of a second approver."""

    url: str
    key: str
    sender: str
    second: str


@pytest.fixture(scope="module")
def chromium() -> str:
    """The browser. Without it, or the built console, the tests fail if CI=true, and otherwise say in one line that they were not run."""
    found = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    built = (
        shutil.which("npx") is not None and (CONSOLE / "node_modules").is_dir() and (CONSOLE / "dist" / "index.html").is_file()
    )
    if found is not None and built:
        return found
    missing = (
        "Chromium (scripts/install-browser)"
        if found is None
        else "the built console (Node 20.19 or newer, then `make console`)"
    )
    if os.environ.get("CI") == "true":
        pytest.fail(f"{missing} is missing")
    pytest.skip(f"{missing} is missing: the console was not tested in a browser")


@pytest.fixture(scope="module")
def running(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    del chromium  # nothing is started where it cannot be looked at
    with installation(tmp_path_factory.mktemp("console")) as (url, key):
        grace = {"username": "grace", "name": "Grace H.", "password": "a long enough password"}
        made = httpx.post(f"{url}/api/v1/auth/setup", json=grace, trust_env=False)
        assert made.status_code == 201, made.text
        sender, second = (
            make_key(url, key, "issue tracker", "operator"),
            make_key(url, key, "Bob of the second desk", "approver"),
        )
        yield Running(url, key, sender, second)


@pytest.fixture
def unclaimed(chromium: str, tmp_path: Path) -> Iterator[Running]:
    """An installation that nobody has opened yet."""
    del chromium
    with installation(tmp_path) as (url, key):
        yield Running(url, key, make_key(url, key, "issue tracker", "operator"), "")


@pytest.mark.parametrize("spec", SPECS)
def test_the_console_holds_in_a_browser(running: Running, chromium: str, spec: str) -> None:
    """Its operators' flows work with live events, and its pages have no accessibility violation, error or overflow."""
    _play(f"{spec}.spec.ts", running, chromium)


def test_the_first_page_makes_the_administrator_who_is_led_to_what_waits(unclaimed: Running, chromium: str) -> None:
    _play("newcomer/first-run.spec.ts", unclaimed, chromium)


def _play(spec: str, running: Running, chromium: str) -> None:
    environment = os.environ | {
        "AGENTOS_URL": running.url, "AGENTOS_KEY": running.key, "AGENTOS_SENDER_KEY": running.sender,
        "AGENTOS_SECOND_KEY": running.second, "CHROMIUM": chromium,
    }  # fmt: skip
    ran = subprocess.run(
        ["npx", "playwright", "test", f"e2e/{spec}"], cwd=CONSOLE, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout[-12_000:] + ran.stderr[-2_000:]
