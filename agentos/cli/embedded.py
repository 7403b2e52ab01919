"""Everything in one process, with a broker of its own: what `agentos up` and `agentos demo` run.

Each service keeps its own connection and its own broker user, exactly as when it runs alone.
"""

import contextlib

# The command line alone comes without it, and runs nothing.
with contextlib.suppress(ModuleNotFoundError):
    import services.policy as _  # noqa: F401  # before whatever loads the C++ runtime: it says why

# isort: split

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import structlog

from agentos.bus import BrokerSettings
from agentos.bus.provision import idle_consumers, provision
from agentos.bus.server import NatsServer, free_port, load_passwords
from agentos.bus.topology import PROVISIONER
from agentos.cli.occupied import occupied
from agentos.ending import end

if TYPE_CHECKING:
    from services.ledger.settings import Settings as LedgerSettings

log = structlog.get_logger(__name__)

Run = Callable[[BrokerSettings, asyncio.Event], Awaitable[None]]

READY_WITHIN_S = 60.0
Failures = dict[str, tuple[int, str]]
"""By service: how often it failed, and what with the last time."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the operator chose for this installation."""

    data: Path
    port: int
    host: str = "127.0.0.1"
    sources_file: Path | None = None
    simulated_latency_ms: int = 0
    checkpoint_every: timedelta | None = None
    """How soon the audit chain is signed after something happened; as the ledger's own settings say unless given."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What runs: where the gateway listens, and the broker for those who look beneath."""

    url: str
    admin_key_file: Path
    broker: NatsServer


def services(choices: Choices) -> dict[str, Run]:
    """Every service with its settings for this data folder. Imported here: none of this is needed to print `--help`."""
    from services.gates import app as gates
    from services.gates.settings import Settings as GatesSettings
    from services.gateway import app as gateway
    from services.gateway.settings import Settings as GatewaySettings
    from services.ledger import app as ledger
    from services.orchestrator import app as orchestrator
    from services.orchestrator.settings import Settings as OrchestratorSettings
    from services.policy import app as policy
    from services.policy.settings import Settings as PolicySettings
    from services.router import app as router
    from services.router.settings import Settings as RouterSettings
    from services.runner import app as runner
    from services.runner.settings import Settings as RunnerSettings
    from services.worker import app as worker
    from services.worker.settings import Settings as WorkerSettings

    data = choices.data
    gateway_settings = GatewaySettings(data=data, host=choices.host, port=choices.port)
    if choices.sources_file is not None:
        gateway_settings = gateway_settings.model_copy(update={"sources_file": choices.sources_file})
    router_settings = RouterSettings(data=data)
    if choices.simulated_latency_ms:
        router_settings = router_settings.model_copy(update={"simulated_latency_ms": choices.simulated_latency_ms})
    ledger_of_these = ledger_settings(choices)
    return {
        "ledger": lambda broker, stop: ledger.run(ledger_of_these, broker, stop),
        "gates": lambda broker, stop: gates.run(GatesSettings(data=data), broker, stop),
        "policy": lambda broker, stop: policy.run(PolicySettings(data=data), broker, stop),
        "router": lambda broker, stop: router.run(router_settings, broker, stop),
        "orchestrator": lambda broker, stop: orchestrator.run(OrchestratorSettings(data=data), broker, stop),
        "worker": lambda broker, stop: worker.run(WorkerSettings(data=data), broker, stop),
        "runner": lambda broker, stop: runner.run(RunnerSettings(data=data), broker, stop),
        "gateway": lambda broker, stop: gateway.run(gateway_settings, broker, stop),
    }


def ledger_settings(choices: Choices) -> "LedgerSettings":
    """The environment's settings of the ledger, but for what the operator chose for this installation."""
    from services.ledger.settings import Settings

    settings = Settings(data=choices.data)
    if choices.checkpoint_every is None:
        return settings
    return settings.model_copy(update={"checkpoint_interval": choices.checkpoint_every})


@asynccontextmanager
async def installation(choices: Choices) -> AsyncGenerator[Installation]:
    """A running installation. On leaving, the services drain in reverse order and the broker stops last."""
    data = choices.data.resolve()
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with occupied(data):
        async with _started(choices, data) as running:
            yield running


@asynccontextmanager
async def _started(choices: Choices, data: Path) -> AsyncGenerator[Installation]:
    passwords = load_passwords(data / "secrets")
    broker = NatsServer(data / "broker", passwords, port=free_port())
    await broker.start()
    stop = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []
    failures: Failures = {}
    keeper = asyncio.create_task(_keep_broker(broker, stop), name="broker-keeper")
    try:
        await provision(broker.settings(PROVISIONER), replicas=1)
        for name, run in services(choices).items():
            tasks.append(asyncio.create_task(_keep_service(name, run, broker.settings(name), stop, failures), name=name))
        url = f"http://{choices.host}:{choices.port}"
        await _until_ready(url, broker.settings(PROVISIONER), tasks, failures)
        yield Installation(url, data / "secrets" / "admin.key", broker)
    finally:
        stop.set()
        if tasks:
            await asyncio.wait(tasks, timeout=20)
        await end(*tasks, keeper)
        await broker.stop()


async def _keep_service(name: str, run: Run, broker: BrokerSettings, stop: asyncio.Event, failures: Failures) -> None:
    """Run a service; start it again when it fails. One that fails at once again and again says so in the log each time."""
    delay = 0.2
    while not stop.is_set():
        own = asyncio.Event()
        relay = asyncio.create_task(_relay(stop, own))
        began = asyncio.get_running_loop().time()
        try:
            await run(broker, own)
        except Exception as fault:  # supervision: whatever ended the service, it is started again
            failures[name] = (failures.get(name, (0, ""))[0] + 1, repr(fault))
            log.exception("service_failed", service=name, restart_in_s=delay)
        finally:
            await end(relay)
        if stop.is_set():
            return
        delay = 0.2 if asyncio.get_running_loop().time() - began > 30 else min(delay * 2, 10.0)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), delay)


async def _relay(stop: asyncio.Event, own: asyncio.Event) -> None:
    await stop.wait()
    own.set()


async def _keep_broker(broker: NatsServer, stop: asyncio.Event) -> None:
    """Start the broker again, on the same port and store, when it dies."""
    while not stop.is_set():
        process = broker.process
        assert process is not None, "the broker was started before"  # noqa: S101 - an invariant
        code = await process.wait()
        if stop.is_set():
            return
        log.error("broker_died", code=code)
        await asyncio.sleep(0.1)
        await broker.start()


async def _until_ready(url: str, admin: BrokerSettings, tasks: list["asyncio.Task[None]"], failures: Failures) -> None:
    """Wait until the gateway answers and every service pulls. Raises TimeoutError naming what is missing, and what failed meanwhile."""
    last = "nothing"
    deadline = asyncio.get_running_loop().time() + READY_WITHIN_S
    async with httpx.AsyncClient(trust_env=False) as client:
        while asyncio.get_running_loop().time() < deadline:
            for task in tasks:
                if task.done() and not task.cancelled() and (fault := task.exception()) is not None:
                    raise fault
            try:
                answer = await client.get(f"{url}/readyz", timeout=2)
            except httpx.HTTPError as fault:
                last = str(fault)
            else:
                idle = await idle_consumers(admin)
                if answer.status_code == 200 and not idle:
                    return
                last = f"{answer.text} nobody reads {', '.join(idle)}"
            await asyncio.sleep(0.05)
    failed = [f"{name} failed {times} times, last with {fault}" for name, (times, fault) in failures.items()]
    raise TimeoutError("; ".join([f"not ready after {READY_WITHIN_S:.0f} s", *failed, f"last seen: {last}"]))
