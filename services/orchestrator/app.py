"""The orchestrator's composition root."""

import asyncio

from agentos.bus import BrokerSettings, Bus
from agentos.service import serve
from services.orchestrator.handlers import Orchestrator
from services.orchestrator.settings import Settings


async def run(settings: Settings, broker: BrokerSettings, stop: asyncio.Event) -> None:
    """Serve until ``stop``."""
    del settings  # nothing of its own to set yet; the signature is every service's

    async def body(bus: Bus, stop: asyncio.Event) -> None:
        bus.consume(Orchestrator(bus).routes())
        await bus.start()
        await stop.wait()

    await serve("orchestrator", broker, body, stop)
