"""The ops console in a real browser, against a real installation: `agentos up` with the demo's pack and the simulated model."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from agentos.bus.server import free_port

ROOT = Path(__file__).resolve().parents[2]
CONSOLE = ROOT / "ops-console"
READY_WITHIN_S = 90

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


@contextmanager
def installation(data: Path) -> Generator[tuple[str, str]]:
    """`agentos up` in a process of its own: its address and the first admin key."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "agentos.cli", "up", "--data", str(data / "up"), "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    with (data / "output").open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            _await(url, process)
            yield url, (data / "up" / "secrets" / "admin.key").read_text().strip()
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="module")
def running(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    del chromium  # nothing is started where it cannot be looked at
    with installation(tmp_path_factory.mktemp("console")) as (url, key):
        grace = {"username": "grace", "name": "Grace H.", "password": "a long enough password"}
        made = httpx.post(f"{url}/api/v1/auth/setup", json=grace, trust_env=False)
        assert made.status_code == 201, made.text
        sender, second = _key(url, key, "issue tracker", "operator"), _key(url, key, "Bob of the second desk", "approver")
        yield Running(url, key, sender, second)


@pytest.fixture
def unclaimed(chromium: str, tmp_path: Path) -> Iterator[Running]:
    """An installation that nobody has opened yet."""
    del chromium
    with installation(tmp_path) as (url, key):
        yield Running(url, key, _key(url, key, "issue tracker", "operator"), "")


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.3)
    raise AssertionError(f"agentos up is not ready; it {'runs' if process.poll() is None else 'ended'}")


def _key(url: str, key: str, name: str, role: str) -> str:
    body = json.dumps({"name": name, "roles": [role]})
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    made = httpx.post(f"{url}/api/v1/keys", content=body, headers=headers, trust_env=False)
    assert made.status_code == 201, made.text
    return made.json()["key"]


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
