"""The composition root of the gates."""

import asyncio

from agentos.bus import BrokerSettings, Bus
from agentos.service import serve
from services.gates.handlers import Gates
from services.gates.notifications.targets import Targets
from services.gates.settings import Settings


async def run(settings: Settings, broker: BrokerSettings, stop: asyncio.Event) -> None:
    """Serve until ``stop``. Raises ValueError naming what is wrong in the file of notifications."""
    path = settings.notifications_file
    targets = Targets() if path is None else await asyncio.to_thread(Targets.load, path)

    async def body(bus: Bus, stop: asyncio.Event) -> None:
        gates = Gates(bus, settings, targets)
        try:
            await gates.reconcile()
            bus.consume(gates.routes())
            await bus.start()
            await stop.wait()
        finally:
            await bus.drain()
            await gates.close()

    await serve("gates", broker, body, stop)
