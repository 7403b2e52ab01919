"""The router's composition root."""

import asyncio
import os
from datetime import timedelta

from adapters import registry
from adapters.simulated import SimulatedAdapter
from agentos.bus import BrokerSettings, Bus, keep_trying
from agentos.ending import end
from agentos.keyring import KeyRing
from agentos.killswitch import KillSwitch
from agentos.sealing import MasterKey
from agentos.service import serve
from services.router import catalogue
from services.router.calls import ModelCalls
from services.router.handlers import Router
from services.router.presence import LivePacks
from services.router.settings import Settings


async def run(settings: Settings, broker: BrokerSettings, stop: asyncio.Event) -> None:
    """Serve until ``stop``."""
    master = MasterKey.load_or_create(settings.master_key)
    adapters = registry.from_environment(os.environ)
    if settings.simulated_latency_ms:
        adapters["simulated"] = SimulatedAdapter(latency=timedelta(milliseconds=settings.simulated_latency_ms))
    aliases = {"default": (registry.default_model(adapters),), **settings.aliases}

    async def body(bus: Bus, stop: asyncio.Event) -> None:
        kill, packs = KillSwitch(bus), LivePacks(bus)
        calls = ModelCalls(
            bus,
            KeyRing(bus, master),
            kill,
            adapters,
            aliases,
            attempt_timeout=timedelta(seconds=settings.attempt_timeout_s),
            max_tries=settings.max_tries,
        )
        router = Router(bus, packs, kill, calls, settings.concurrency)
        # Before anything is served: policy must know what a call may cost.
        await keep_trying(lambda: catalogue.publish(bus, adapters, aliases))
        await kill.start()
        await packs.start()
        followers = [
            asyncio.create_task(router.follow_cancellations(), name="cancellations"),
            asyncio.create_task(router.follow_waiting(), name="waiting"),
        ]
        try:
            bus.consume(router.routes())
            await bus.start()
            await stop.wait()
        finally:
            await end(*followers)
            await bus.drain()
            await packs.stop()
            await kill.stop()
            await asyncio.gather(*(adapter.close() for adapter in adapters.values()), return_exceptions=True)

    await serve("router", broker, body, stop)
