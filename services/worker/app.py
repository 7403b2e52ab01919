"""The worker's composition root."""

import asyncio
import os

import structlog

from agentos.bus import BrokerSettings, Bus
from agentos.contracts.events.governance import ViolationNoted
from agentos.ending import end
from agentos.keyring import KeyRing
from agentos.killswitch import KillSwitch
from agentos.packhost import sandbox
from agentos.packhost.hiding import Hider
from agentos.packhost.process import HostOptions, outbox_writable
from agentos.sdk.manifest import discover
from agentos.sealing import MasterKey
from agentos.service import serve
from agentos.violations import SYSTEM, Violations
from services.worker.execution import ToolHosts
from services.worker.handlers import Worker
from services.worker.settings import Settings

log = structlog.get_logger(__name__)


async def run(settings: Settings, broker: BrokerSettings, stop: asyncio.Event) -> None:
    """Serve until ``stop``. Raises SandboxUnavailable where tools cannot be locked in and the settings do not allow that."""
    packs = discover(settings.worker_packs)
    master = await asyncio.to_thread(MasterKey.load_or_create, settings.master_key)
    outbox = outbox_writable(settings.outbox)
    options = HostOptions(
        mode="tools",
        sandboxed=_sandboxed(settings),
        writable=(outbox.resolve(),),
        network=True,
        hang_after=settings.worker_hang_after,
    )
    environment = {name: os.environ[name] for name in settings.worker_grants if os.environ.get(name)}

    async def body(bus: Bus, stop: asyncio.Event) -> None:
        violations = {name: _unclaimed(bus, name) for name in packs}
        hosts = ToolHosts(packs, options, environment, outbox, lambda pack, tried: violations[pack].take(tried))
        kill = KillSwitch(bus)
        worker = Worker(bus, settings, hosts, KeyRing(bus, master), kill)
        tail = worker.cancellations()
        following = asyncio.create_task(worker.follow_cancellations(tail))
        try:
            await tail.ready()
            await kill.start()
            bus.consume(worker.routes())
            await bus.start()
            await stop.wait()
            await worker.leave()
        finally:
            # Before the connection is closed: nats-py turns the cancellation of a reader on a closed connection into another error.
            await end(following)
            await kill.stop()
            await hosts.stop()
            for told in violations.values():
                await told.close()

    await serve("worker", broker, body, stop)


def _unclaimed(bus: Bus, pack: str) -> Violations:
    about = ViolationNoted(task=None, attempt=0, pack=pack, agent="", what="other", detail="")
    return Violations(bus, "violation.reported", about, tenant=SYSTEM, id_=pack, hide=Hider())


def _sandboxed(settings: Settings) -> bool:
    try:
        sandbox.probe()
    except sandbox.SandboxUnavailable as missing:
        if not settings.worker_allow_unsandboxed:
            raise
        log.critical(
            "tools_are_not_sandboxed",
            why=str(missing),
            means="tools can read every file that this process can; run only packs that you trust as yourself",
        )
        return False
    return True
