"""The composition root of the gates."""

import asyncio

from agentos.bus import BrokerSettings, Bus
from agentos.service import serve
from services.gates.handlers import Gates
from services.gates.settings import Settings


async def run(settings: Settings, broker: BrokerSettings, stop: asyncio.Event) -> None:
    """Serve until ``stop``."""

    async def body(bus: Bus, stop: asyncio.Event) -> None:
        gates = Gates(bus, settings)
        await gates.reconcile()
        bus.consume(gates.routes())
        await bus.start()
        await stop.wait()

    await serve("gates", broker, body, stop)
