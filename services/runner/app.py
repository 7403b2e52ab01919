"""The runner's composition root."""

import asyncio

import structlog

from agentos.bus import BrokerSettings, Bus
from agentos.contracts.events.governance import ViolationNoted
from agentos.keyring import KeyRing
from agentos.killswitch import KillSwitch
from agentos.packhost import sandbox
from agentos.packhost.hiding import Hider
from agentos.packhost.process import HostBroken, HostOptions
from agentos.sdk.manifest import Pack, discover
from agentos.sealing import MasterKey
from agentos.service import serve
from agentos.violations import SYSTEM, Violations
from services.runner.answers import Answers
from services.runner.handlers import Runner
from services.runner.hosts import Hosts
from services.runner.presence import Presence
from services.runner.settings import Settings

log = structlog.get_logger(__name__)


async def run(settings: Settings, broker: BrokerSettings, stop: asyncio.Event) -> None:
    """Serve until ``stop``. Raises SandboxUnavailable where packs cannot be locked in and the settings do not allow that."""
    packs = discover(settings.runner_packs)
    master = await asyncio.to_thread(MasterKey.load_or_create, settings.master_key)
    options = HostOptions(
        mode="agents",
        sandboxed=_sandboxed(settings),
        hang_after=settings.runner_hang_after,
        memory_bytes=settings.runner_memory_bytes,
    )

    async def body(bus: Bus, stop: asyncio.Event) -> None:
        violations = {name: _unclaimed(bus, name) for name in packs}
        hosts = Hosts(packs, options, lambda pack, tried: violations[pack].take(tried))
        answers = Answers(bus, settings.runner_backstop)
        kill = KillSwitch(bus)
        try:
            sound = await _sound(packs, hosts)
            runner = Runner(bus, settings, sound, hosts, answers, KeyRing(bus, master), kill)
            presence = Presence(bus, sound, runner.active, settings.runner_max_active)
            await kill.start()
            await answers.start()
            bus.consume(runner.routes())
            await bus.start()
            await presence.start()
            try:
                await stop.wait()
            finally:
                await presence.stop()
                await runner.leave()
        finally:
            # Before the connection is closed: nats-py turns the cancellation of a reader on a closed connection into another error.
            await kill.stop()
            await answers.stop()
            await hosts.stop()
            for told in violations.values():
                await told.close()

    await serve("runner", broker, body, stop)


def _unclaimed(bus: Bus, pack: str) -> Violations:
    about = ViolationNoted(task=None, attempt=0, pack=pack, agent="", what="other", detail="")
    return Violations(bus, "violation.noted", about, tenant=SYSTEM, id_=pack, hide=Hider())


def _sandboxed(settings: Settings) -> bool:
    try:
        sandbox.probe()
    except sandbox.SandboxUnavailable as missing:
        if not settings.runner_allow_unsandboxed:
            raise
        log.critical(
            "packs_are_not_sandboxed",
            why=str(missing),
            means="packs can read every file that this process can and use the network; run only packs that you trust as yourself",
        )
        return False
    return True


async def _sound(packs: dict[str, Pack], hosts: Hosts) -> dict[str, Pack]:
    """The packs that can be imported; the first task then finds its process warm. A broken pack is not offered to anyone."""
    sound: dict[str, Pack] = {}
    for name, pack in packs.items():
        try:
            await hosts.host(name)
        except HostBroken as broken:
            log.error("pack_broken", pack=name, folder=str(pack.folder), code=broken.code, detail=broken.detail)
        else:
            sound[name] = pack
    return sound
