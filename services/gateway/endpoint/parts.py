"""What the routes of the governed endpoint work with, put together here and run beside the gateway's other parts."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from agentos.bus import Bus
from agentos.ending import end
from agentos.keyring import KeyRing
from services.gateway.endpoint.asked import Defaults
from services.gateway.endpoint.calls import Calls
from services.gateway.endpoint.data_keys import DataKeys
from services.gateway.endpoint.ears import Ears
from services.gateway.endpoint.held import HeldCalls
from services.gateway.endpoint.models import Catalogue
from services.gateway.settings import Settings
from services.gateway.virtual_keys import VirtualKeys


@dataclass(frozen=True)
class Endpoint:
    """The parts."""

    settings: Settings
    bus: Bus
    keys: KeyRing
    virtual_keys: VirtualKeys
    catalogue: Catalogue
    calls: Calls
    defaults: Defaults


@asynccontextmanager
async def open_endpoint(settings: Settings, bus: Bus, keys: KeyRing) -> AsyncGenerator[Endpoint]:
    """The parts over a connected bus, with their watches running."""
    virtual_keys, catalogue, ears = VirtualKeys(bus), Catalogue(bus), Ears(bus)
    held, data_keys = HeldCalls(bus, keys.derive("endpoint.held")), DataKeys(keys)
    calls = Calls(bus, keys, ears, held, data_keys, settings)
    virtual_keys.table.on_revoked(calls.revoke)
    watches = [
        asyncio.create_task(virtual_keys.table.follow(), name="endpoint-virtual-keys"),
        asyncio.create_task(catalogue.follow(), name="endpoint-catalogue"),
        asyncio.create_task(held.follow(), name="endpoint-held"),
    ]
    try:
        await asyncio.gather(ears.start(), virtual_keys.table.ready(), held.ready())
        defaults = Defaults(max_output_tokens=settings.endpoint_max_output_tokens)
        yield Endpoint(settings, bus, keys, virtual_keys, catalogue, calls, defaults)
    finally:
        await data_keys.close()
        await ears.stop()
        await end(*watches)
