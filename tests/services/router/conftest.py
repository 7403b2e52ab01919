"""A router on a real broker, calling a real provider on loopback."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.openai import OpenAIAdapter
from adapters.port import Answer, Features, ModelAdapter
from agentos.agents import AgentTable
from agentos.bus import Bus
from agentos.contracts.events.call import ModelCallSettled
from agentos.contracts.model import Delta, ModelRequest, Usage
from agentos.contracts.packs import AgentCard, Presence
from agentos.ending import end
from agentos.keyring import KeyRing
from agentos.killswitch import KillSwitch
from agentos.sealing import MasterKey
from services.router.agents import AgentRegistry
from services.router.attempts import utc_now
from services.router.book import PriceBook
from services.router.calls import ModelCalls
from services.router.comings import Comings
from services.router.configuration import Configuration
from services.router.handlers import Router
from services.router.presence import LivePacks
from services.router.selection import Selection
from services.router.turns import Turns
from tests.conftest import Broker
from tests.governance.scenario import TENANT, decision, event
from tests.loopback.provider import LoopbackProvider
from tests.services.router.offline import Scripted, said


class Defective:
    """An adapter that breaks the port's promise."""

    provider = "broken"

    def features(self, model: str) -> Features:
        return Features(streaming=False, tools=bool(model))

    async def complete(self, request: ModelRequest, *, model: str, timeout: timedelta, idempotency_key: str) -> Answer:
        raise ZeroDivisionError(request.model, model, timeout, idempotency_key)

    def stream(
        self, request: ModelRequest, *, model: str, timeout: timedelta, idempotency_key: str
    ) -> AsyncGenerator[Delta | Usage | Answer]:
        raise ZeroDivisionError(request.model, model, timeout, idempotency_key)

    async def close(self) -> None:
        return


class Site:
    """The router's parts, put together as its composition root does, and the other services' connections."""

    def __init__(self, broker: Broker, master: MasterKey, provider: LoopbackProvider) -> None:
        self.broker, self.master, self.provider = broker, master, provider
        self.scripted = Scripted("scripted", said("Hello ", "world"), continues=True)
        second = OpenAIAdapter(api_key="k", base_url=provider.openai_base_url)
        second.provider = "second"
        self.adapters: dict[str, ModelAdapter] = {
            "openai": OpenAIAdapter(api_key="k", base_url=provider.openai_base_url),
            "second": second,
            "broken": Defective(),
            "scripted": self.scripted,
        }
        self.configuration = Configuration.model_validate(
            {"aliases": {"default": ["openai/gpt-5-mini", "second/gpt-5-mini"]}, "retries": {"tries_per_target": 2}}
        )
        self.calls: list[ModelCalls] = []
        self.agents: list[AgentTable] = []
        self.routers: list[tuple[KillSwitch, LivePacks, list[asyncio.Task[None]]]] = []

    async def start(self) -> None:
        self.policy, self.gates, self.gateway, self.runner = [
            await self.broker.connect(name) for name in ("policy", "gates", "gateway", "runner")
        ]
        await KeyRing(self.gateway, self.master).create(TENANT, "family")
        self.bus = await self.route()

    async def parts(self) -> tuple[Bus, Router, ModelCalls, KillSwitch]:
        """A router that does not consume yet."""
        bus = await self.broker.connect("router")
        kill, packs = KillSwitch(bus), LivePacks(bus)
        pools = {name: ((f"{name}#1", adapter),) for name, adapter in self.adapters.items()}
        turns = Turns(pools, self.configuration, now=utc_now, jitter=lambda: 0.5)
        selection = Selection(turns, self.configuration, PriceBook(self.configuration.prices), now=utc_now)
        calls = ModelCalls(bus, KeyRing(bus, self.master), kill, selection)
        self.calls.append(calls)
        agents = AgentTable(bus)
        self.agents.append(agents)
        router = Router(bus, packs, agents, kill, calls, 64)
        await kill.start()
        await packs.start()
        followers = [
            asyncio.create_task(each)
            for each in (
                router.follow_stops(),
                router.follow_waiting(),
                agents.follow(),
                Comings(bus, packs, agents, patience=timedelta(0)).run(),
            )
        ]
        await agents.ready()
        self.routers.append((kill, packs, followers))
        return bus, router, calls, kill

    async def route(self) -> Bus:
        bus, router, _, _ = await self.parts()
        bus.consume([*router.routes(), *AgentRegistry(bus).routes()])
        await bus.start()
        return bus

    async def stop(self) -> None:
        for kill, packs, followers in self.routers:
            await end(*followers)
            await packs.stop()
            await kill.stop()
        for adapter in self.adapters.values():
            await adapter.close()

    async def decide(self, call: str, *arguments: Any, **fields: Any) -> None:
        decided = decision(*arguments, **fields)
        await self.policy.append("call.decided", call, decided, tenant=TENANT, correlation_id=decided.context.task)

    async def settled(self, call: str) -> ModelCallSettled:
        return (await event(self.gateway, f"call.{call}.settled")).payload(ModelCallSettled)

    async def live(self, pack: str, *types: str) -> None:
        presence = Presence(
            pack=pack,
            version="1",
            description="",
            agents=(AgentCard(name="agent", task_types=types),),
            tools=(),
            instance="i1",
            active=0,
            max_active=4,
            at=datetime.now(UTC),
        )
        await self.runner.bucket("presence").put(f"{pack}.i1", presence.model_dump_json().encode())


@pytest.fixture
async def site(broker: Broker, tmp_path: Path) -> AsyncIterator[Site]:
    async with LoopbackProvider() as provider:
        made = Site(broker, MasterKey.load_or_create(tmp_path / "keys" / "master.key"), provider)
        await made.start()
        yield made
        await made.stop()
