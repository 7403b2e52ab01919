"""The ops console in a real browser, against a real installation: `agentos up` with the demo's pack and the simulated model."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from agentos.bus.server import free_port

ROOT = Path(__file__).resolve().parents[2]
CONSOLE = ROOT / "ops-console"
READY_WITHIN_S = 90

pytestmark = [
    pytest.mark.skipif(
        shutil.which("npx") is None or not (CONSOLE / "node_modules").is_dir(), reason="needs Node: make console"
    ),
    pytest.mark.skipif(not (CONSOLE / "dist" / "index.html").is_file(), reason="needs the built console: make console"),
    pytest.mark.skipif(shutil.which(os.environ.get("CHROMIUM", "chromium")) is None, reason="needs Chromium"),
]


@dataclass(frozen=True)
class Running:
    """An installation, its administrator's key, that of somebody who only asks for work, and that of a second approver."""

    url: str
    key: str
    sender: str
    second: str


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("console")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "agentos.cli", "up", "--data", str(data / "up"), "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    with (data / "output").open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            _await(url, process)
            key = (data / "up" / "secrets" / "admin.key").read_text().strip()
            yield Running(
                url, key, _key(url, key, "issue tracker", "operator"), _key(url, key, "Bob of the second desk", "approver")
            )
        finally:
            process.terminate()
            process.wait(30)


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


@pytest.mark.parametrize("spec", ["flows", "pages"])
def test_the_console_holds_in_a_browser(running: Running, spec: str) -> None:
    """Its operators' flows work with live events, and its pages have no accessibility violation, error or overflow."""
    environment = os.environ | {
        "AGENTOS_URL": running.url, "AGENTOS_KEY": running.key, "AGENTOS_SENDER_KEY": running.sender, "AGENTOS_SECOND_KEY": running.second,
    }  # fmt: skip
    chromium = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    assert chromium is not None
    ran = subprocess.run(
        ["npx", "playwright", "test", f"{spec}.spec.ts"],
        cwd=CONSOLE, env=environment | {"CHROMIUM": chromium}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-12_000:] + ran.stderr[-2_000:]
