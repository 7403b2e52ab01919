"""`agentos up` in a process of its own, as an operator starts it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx

from agentos.bus.server import free_port

ROOT = Path(__file__).resolve().parents[1]
READY_WITHIN_S = 240


@contextmanager
def installation(data: Path, **environ: str) -> Generator[tuple[str, str]]:
    """Its address and the first admin key; its data are in ``data/up``, and what it prints is in ``data/output``."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "agentos.cli", "up", "--data", str(data / "up"), "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")} | environ
    with (data / "output").open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            _await(url, process)
            yield url, (data / "up" / "secrets" / "admin.key").read_text().strip()
        finally:
            process.terminate()
            process.wait(120)


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.3)
    raise AssertionError(f"agentos up is not ready; it {'runs' if process.poll() is None else 'ended'}")


def make_key(url: str, key: str, name: str, role: str) -> str:
    """A key for somebody, made by the admin whose ``key`` it is."""
    body = json.dumps({"name": name, "roles": [role]})
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    made = httpx.post(f"{url}/api/v1/keys", content=body, headers=headers, timeout=60, trust_env=False)
    assert made.status_code == 201, made.text
    return made.json()["key"]
