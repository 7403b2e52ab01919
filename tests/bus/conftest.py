"""Where the bus contract suite runs: a real server with one replica, and a real cluster of three on loopback.

The servers live for the whole session, so every test works in a tenant of its own and needs no reset. They run on an event
loop of their own, in a thread, because each test has its own loop.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import nats
import pytest
from nats.aio.client import Client

from agentos.bus import BrokerSettings, Bus, Route
from agentos.bus.provision import provision
from agentos.bus.server import NatsServer, load_passwords, start_cluster
from agentos.bus.topology import PROVISIONER
from agentos.contracts.base import Principal
from agentos.contracts.commands import CancelTask
from agentos.contracts.envelope import Recorded
from agentos.contracts.events.task import TaskDecided
from agentos.contracts.ids import new_id

T = TypeVar("T")

DECIDED = TaskDecided(verdict="allow", reasons=(), rules=(), bundle="b1")


def cancel(tenant: str, reason: str = "no longer needed") -> CancelTask:
    """A small command: gateway to orchestrator."""
    return CancelTask(tenant=tenant, task="t", reason=reason, by=Principal(kind="api_key", id="ops"))


@dataclass
class Site:
    """A running broker, of one server or three."""

    replicas: int
    servers: list[NatsServer]
    loop: asyncio.AbstractEventLoop
    buses: list[Bus] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    disturbed: bool = False

    def settings(self, user: str) -> BrokerSettings:
        url = ",".join(server.url for server in self.servers)
        return self.servers[0].settings(user).model_copy(update={"url": url})

    async def connect(self, service: str, settings: BrokerSettings | None = None) -> Bus:
        bus = await Bus.connect(settings or self.settings(service), service)
        self.buses.append(bus)
        return bus

    async def raw(self, user: str, on_error: Callable[[Exception], Awaitable[None]] | None = None) -> Client:
        """A plain connection as ``user``: what a service could do if its code were another."""

        async def ignore(_: Exception) -> None:
            return

        settings = self.settings(user)
        client = await nats.connect(
            settings.servers,
            user=user,
            password=settings.secret(),
            inbox_prefix=f"_INBOX_{user}".encode(),
            error_cb=on_error or ignore,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.1,  # pyright: ignore[reportArgumentType]
        )
        self.clients.append(client)
        return client

    async def on_servers(self, work: Coroutine[Any, Any, T]) -> T:
        """Run what concerns the server processes on their own loop."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))

    async def kill(self, index: int = 0) -> None:
        """kill -9."""
        self.disturbed = True
        await self.on_servers(self.servers[index].kill())

    async def start(self, index: int = 0) -> None:
        """Again, on the same port and store."""
        await self.on_servers(self.servers[index].start())

    async def settle(self) -> None:
        """Wait until every stream takes writes again, so that the next test begins on a whole broker."""
        await self.on_servers(provision(self.settings(PROVISIONER), replicas=self.replicas))
        self.disturbed = False

    async def leader(self, stream: str) -> NatsServer:
        """Which server leads a stream of a cluster."""
        client = await self.raw(PROVISIONER)
        answer = await client.request(f"$JS.API.STREAM.INFO.{stream}")
        name = json.loads(answer.data)["cluster"]["leader"]
        return next(server for server in self.servers if server.name == name)

    def serving(self, bus: Bus) -> int:
        """Index of the server that ``bus`` is connected to."""
        url = bus.client.connected_url
        assert url is not None
        return next(index for index, server in enumerate(self.servers) if url.port == server.port)


@pytest.fixture(scope="package")
def server_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(scope="package", params=[1, pytest.param(3, marks=pytest.mark.cluster)], ids=["one", "three"])
def running(
    request: pytest.FixtureRequest, server_loop: asyncio.AbstractEventLoop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    replicas: int = request.param
    folder = tmp_path_factory.mktemp(f"broker{replicas}")
    passwords = load_passwords(folder / "secrets")

    async def start() -> list[NatsServer]:
        if replicas == 3:
            servers = await start_cluster(folder, passwords)
        else:
            servers = [NatsServer(folder / "one", passwords)]
            await servers[0].start()
        await provision(servers[0].settings(PROVISIONER), replicas=replicas)
        return servers

    def on_servers(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, server_loop).result(timeout=240)

    servers = on_servers(start())
    yield Site(replicas, servers, server_loop)
    for server in servers:
        on_servers(server.stop())


on_one_server = pytest.mark.parametrize("running", [1], indirect=True, ids=["one"], scope="package")
"""For a test that kills the only server: a cluster's elections are covered by appending, consuming and tailing, and take long."""

in_a_cluster = pytest.mark.parametrize(
    "running", [pytest.param(3, marks=pytest.mark.cluster)], indirect=True, ids=["three"], scope="package"
)


@pytest.fixture
async def site(running: Site) -> AsyncIterator[Site]:
    """The broker, for one test: what the test connects is closed after it."""
    yield running
    for bus in running.buses:
        await bus.drain()
    for client in running.clients:
        await client.close()
    running.buses.clear()
    running.clients.clear()
    if running.disturbed:
        await running.settle()


@pytest.fixture
def tenant() -> str:
    """A tenant of this test's own: nothing that other tests left is in it."""
    return f"t{new_id()[-12:]}"


class Seen:
    """What a handler saw of one tenant; messages of others are acknowledged unseen."""

    def __init__(self, tenant: str, act: Callable[[Recorded], Awaitable[None]] | None = None) -> None:
        self.tenant = tenant
        self.recorded: list[Recorded] = []
        self._act = act
        self._more = asyncio.Condition()

    async def __call__(self, recorded: Recorded) -> None:
        if recorded.meta.tenant != self.tenant:
            return
        async with self._more:
            self.recorded.append(recorded)
            self._more.notify_all()
        if self._act is not None:
            await self._act(recorded)

    async def wait(self, count: int, seconds: float = 120) -> list[Recorded]:
        """Until ``count`` deliveries were seen."""
        async with asyncio.timeout(seconds), self._more:
            await self._more.wait_for(lambda: len(self.recorded) >= count)
        return self.recorded

    @property
    def subjects(self) -> list[str]:
        return [recorded.subject for recorded in self.recorded]


async def consuming(
    site: Site, service: str, channel: str, handler: Callable[[Recorded], Awaitable[None]], concurrency: int = 16
) -> Bus:
    """An instance of ``service`` whose one handler is ``handler``."""
    bus = await site.connect(service)
    bus.consume([Route(channel, handler, concurrency)])
    await bus.start()
    return bus
