"""A component that cannot see the switch counts as killed, whichever part of its sight is lost."""

import asyncio
from pathlib import Path

import nats
import pytest

from adapters.openai import OpenAIAdapter
from agentos.agents import AgentTable
from agentos.bus import Bus
from agentos.bus.provision import provision
from agentos.contracts.errors import RetryLater
from agentos.contracts.events.call import ModelCallSettled
from agentos.keyring import KeyRing
from agentos.killswitch import STALE_AFTER_S, KillSwitch, Work
from agentos.sealing import MasterKey
from services.router.attempts import utc_now
from services.router.book import PriceBook
from services.router.calls import ModelCalls
from services.router.configuration import Configuration
from services.router.handlers import Router
from services.router.presence import LivePacks
from services.router.selection import Selection
from services.router.turns import Turns
from tests.conftest import Broker
from tests.governance.scenario import TENANT, decision, engage, event, switch, until
from tests.loopback.provider import LoopbackProvider, Status
from tests.wire import Wire


async def test_a_router_that_is_cut_off_makes_no_call_although_decided_ones_are_in_its_hands(
    broker: Broker, tmp_path: Path
) -> None:
    """Two calls are to be tried again within moments and eight wait for their turn when the wire goes dead and the switch is engaged."""
    async with LoopbackProvider() as provider, Wire(broker.server.port) as line:
        provider.always(Status(503))
        policy, gates, gateway = [await broker.connect(name) for name in ("policy", "gates", "gateway")]
        master = MasterKey.load_or_create(tmp_path / "keys" / "master.key")
        await KeyRing(gateway, master).create(TENANT, "family")
        settings = broker.settings("router").model_copy(update={"url": f"nats://127.0.0.1:{line.port}"})
        bus = await Bus.connect(settings, "router")
        adapter = OpenAIAdapter(api_key="k", base_url=provider.openai_base_url)
        kill, packs = KillSwitch(bus), LivePacks(bus)
        turns = Turns({"openai": (("openai#1", adapter),)}, Configuration(), now=utc_now, jitter=lambda: 0.5)
        calls = ModelCalls(bus, KeyRing(bus, master), kill, Selection(turns, Configuration(), PriceBook(), now=utc_now))
        router = Router(bus, packs, AgentTable(bus), kill, calls, concurrency=2)
        await kill.start()
        await packs.start()
        bus.consume(router.routes())
        await bus.start()
        try:
            for number in range(10):
                await policy.append("call.decided", f"c{number}", decision(), tenant=TENANT, correlation_id="t1")
            await provider.wait_for(requests=2)
            for number in range(2):
                await event(gateway, f"call.c{number}.attempted.1")
            line.hold()
            await engage(gates, switch())
            assert kill.entries == []
            # Much longer than the pauses, and than it may go on believing that it sees.
            await asyncio.sleep(STALE_AFTER_S + 3)
            assert len(provider.requests) == 2, "a call began while the router could not see the switch"
            assert not kill.synchronised
            line.flow()
            for number in range(10):
                settled = (await event(gateway, f"call.c{number}.settled")).payload(ModelCallSettled)
                assert settled.outcome in ("refused", "cancelled")
            assert len(provider.requests) == 2
        finally:
            line.flow()
            await bus.drain()
            await packs.stop()
            await kill.stop()
            await adapter.close()


async def test_a_watch_that_has_gone_silent_on_a_healthy_connection_counts_as_killed_until_it_is_back(broker: Broker) -> None:
    bus = await broker.connect("router")
    kill = KillSwitch(bus)
    await kill.start()
    assert kill.blocked(Work(TENANT)) is None
    admin = broker.admin
    client = await nats.connect(admin.servers[0], user=admin.user, password=admin.secret(), inbox_prefix="_INBOX_provisioner")
    await client.jetstream().delete_stream("KV_kill")
    await client.close()
    async with asyncio.timeout(STALE_AFTER_S + 60):
        await until(lambda: _blind(kill))
    assert bus.connected
    with pytest.raises(RetryLater, match="cannot be seen"):
        kill.blocked(Work(TENANT))
    with pytest.raises(RetryLater, match="cannot be seen"):
        kill.covering(Work(TENANT))
    await provision(admin, replicas=1)
    await engage(await broker.connect("gates"), switch())
    await until(lambda: _sees(kill))
    assert kill.blocked(Work(TENANT)) is not None
    await kill.stop()


async def _blind(kill: KillSwitch) -> bool:
    return not kill.synchronised


async def _sees(kill: KillSwitch) -> bool:
    return kill.synchronised and bool(kill.entries)
