"""The router's composition root."""

import asyncio
import os
import random
from datetime import timedelta

from adapters import registry
from adapters.simulated import SimulatedAdapter
from agentos.agents import AgentTable
from agentos.bus import BrokerSettings, Bus, keep_trying
from agentos.ending import end
from agentos.keyring import KeyRing
from agentos.killswitch import KillSwitch
from agentos.sealing import MasterKey
from agentos.service import serve
from services.router import catalogue, health, reloading
from services.router.agents import AgentRegistry
from services.router.asking import RoutingQueries
from services.router.attempts import utc_now
from services.router.book import PriceBook
from services.router.calls import ModelCalls
from services.router.comings import Comings
from services.router.configuration import load
from services.router.handlers import Router
from services.router.presence import LivePacks
from services.router.selection import Selection
from services.router.settings import Settings
from services.router.turns import Turns


async def run(settings: Settings, broker: BrokerSettings, stop: asyncio.Event) -> None:
    """Serve until ``stop``."""
    master = MasterKey.load_or_create(settings.master_key)
    keyed = registry.from_environment(os.environ)
    if settings.simulated_latency_ms:
        slow = SimulatedAdapter(latency=timedelta(milliseconds=settings.simulated_latency_ms))
        keyed["simulated"] = (("simulated#1", slow),)
    default = {"default": (registry.default_model(keyed),)}
    configuration = load(settings.config, aliases=default)
    turns = Turns(keyed, configuration, now=utc_now, jitter=random.random)
    book = PriceBook(configuration.prices)
    selection = Selection(turns, configuration, book, now=utc_now)

    async def body(bus: Bus, stop: asyncio.Event) -> None:
        kill, packs, agents = KillSwitch(bus), LivePacks(bus), AgentTable(bus)
        calls = ModelCalls(bus, KeyRing(bus, master), kill, selection)
        router = Router(bus, packs, agents, kill, calls, settings.concurrency)

        async def publish() -> None:
            aliases = {name: alias.targets for name, alias in selection.configuration.aliases.items()}
            await keep_trying(lambda: catalogue.publish(bus, keyed, aliases, book))

        # Before anything is served: policy must know what a call may cost.
        await publish()
        await kill.start()
        await packs.start()
        followers = [
            asyncio.create_task(agents.follow(), name="agents"),
            asyncio.create_task(Comings(bus, packs, agents).run(), name="comings"),
            asyncio.create_task(router.follow_stops(), name="stops"),
            asyncio.create_task(router.follow_waiting(), name="waiting"),
            asyncio.create_task(health.publish(bus, turns, selection, utc_now), name="health"),
        ]
        if settings.config is not None:
            followers.append(
                asyncio.create_task(reloading.follow(settings.config, default, selection, publish), name="configuration")
            )
        try:
            # Before a task is routed: it must be known whose agents are paused.
            await agents.ready()
            bus.consume([*router.routes(), *RoutingQueries(bus).routes(), *AgentRegistry(bus).routes()])
            await bus.start()
            await stop.wait()
        finally:
            await end(*followers)
            await bus.drain()
            await packs.stop()
            await kill.stop()
            await asyncio.gather(*(adapter.close() for keys in keyed.values() for _, adapter in keys), return_exceptions=True)

    await serve("router", broker, body, stop)
