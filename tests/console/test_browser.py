"""The ops console in a real browser, against a real installation: `agentos up` with the demo's pack and the simulated model."""

import asyncio
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import nats
import pytest

from agentos.contracts.envelope import Meta, encode_headers
from agentos.contracts.ids import new_id
from tests.console.node import node_tool
from tests.console.seeded import seed
from tests.installed import ROOT, installation, make_key

CONSOLE = ROOT / "ops-console"

PLAY_WITHIN_S = 1000
"""A bound on liveness: a spec is many tests in a browser."""
pytestmark = pytest.mark.timeout(1200)

SLOW = {"kill"}
"""Specs whose model takes its time to answer, so that a call in flight can be stopped."""
SPECS = sorted({spec.name.removesuffix(".spec.ts") for spec in (CONSOLE / "e2e").glob("*.spec.ts")} - SLOW)


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
    # A machine without Chromium or Node has no browser to test in; where CI runs, this fails.
    pytest.skip(f"{missing} is missing: the console was not tested in a browser")


@pytest.fixture(scope="module")
def running(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    del chromium  # nothing is started where it cannot be looked at
    data = tmp_path_factory.mktemp("console")
    (data / "secret").touch(mode=0o600)
    (data / "secret").write_text("a secret of the tracker's, long enough")
    source = {"kind": "github", "secret_file": str(data / "secret"), "events": {"issues.opened": "issue-triage"}}
    (data / "sources.json").write_text(json.dumps({"tracker": source}))
    # Signed every few seconds: nobody waits a minute to see an event proved.
    environ = {"AGENTOS_GATEWAY_SOURCES_FILE": str(data / "sources.json"), "AGENTOS_LEDGER_CHECKPOINT_INTERVAL": "PT3S"}
    with installation(data, **environ) as (url, key):
        asyncio.run(_unreadable(data / "up", "first", "second"))
        yield _with_people(url, key)


@pytest.fixture(scope="module")
def million(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An installation with a million tasks behind it."""
    del chromium
    data = tmp_path_factory.mktemp("million")
    with installation(data) as (url, key):
        people = _with_people(url, key)
    seed(data / "up" / "ledger" / "ledger.db", 1_000_000)
    with installation(data) as (url, key):
        yield replace(people, url=url)


@pytest.fixture(scope="module")
def slow(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An installation whose model takes a minute over each answer."""
    del chromium
    with installation(tmp_path_factory.mktemp("slow"), AGENTOS_ROUTER_SIMULATED_LATENCY_MS="60000") as (url, key):
        yield _with_people(url, key)


def _with_people(url: str, key: str) -> Running:
    grace = {"username": "grace", "name": "Grace H.", "password": "a long enough password"}
    made = httpx.post(f"{url}/api/v1/auth/setup", json=grace, timeout=60, trust_env=False)
    assert made.status_code == 201, made.text
    sender, second = (
        make_key(url, key, "issue tracker", "operator"),
        make_key(url, key, "Bob of the second desk", "approver"),
    )
    return Running(url, key, sender, second)


async def _unreadable(data: Path, *names: str) -> None:
    """Commands of a version that nobody here reads, as a newer gateway would send them: each becomes a dead letter."""
    listen = re.search(r'listen: "([^"]+)"', (data / "broker" / "nats-server.conf").read_text())
    assert listen is not None
    password = (data / "secrets" / "nats-gateway.password").read_text().strip()
    client = await nats.connect(f"nats://{listen[1]}", user="gateway", password=password, inbox_prefix=b"_INBOX_gateway")
    for name in names:
        headers = encode_headers(Meta(new_id(), "orchestrator.cancel/99", "default", name, name, datetime.now(UTC)))
        await client.request(f"cmd.orchestrator.cancel.{name}", b"{}", headers=headers, timeout=60)
    await client.close()


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


@pytest.mark.parametrize("spec", sorted(SLOW))
def test_what_runs_is_stopped_in_a_browser(slow: Running, chromium: str, spec: str) -> None:
    _play(f"{spec}.spec.ts", slow, chromium)


def test_a_million_tasks_are_searched_in_a_browser(million: Running, chromium: str) -> None:
    _play("million/search.spec.ts", million, chromium)


def test_the_first_page_makes_the_administrator_who_is_led_to_what_waits(unclaimed: Running, chromium: str) -> None:
    _play("newcomer/first-run.spec.ts", unclaimed, chromium)


def _play(spec: str, running: Running, chromium: str) -> None:
    environment = os.environ | {
        "AGENTOS_URL": running.url, "AGENTOS_KEY": running.key, "AGENTOS_SENDER_KEY": running.sender,
        "AGENTOS_SECOND_KEY": running.second, "CHROMIUM": chromium,
    }  # fmt: skip
    # Two failures say what is wrong; each of the others would wait as long again to say the same.
    ended, said = node_tool(CONSOLE, ["playwright", "test", f"e2e/{spec}", "--max-failures=2"], PLAY_WITHIN_S, environment)
    assert ended == 0, said
