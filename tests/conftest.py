"""Fixtures that every suite shares: a real, provisioned broker with the generated permissions."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentos.bus import BrokerSettings, Bus
from agentos.bus.provision import provision
from agentos.bus.server import NatsServer, load_passwords
from agentos.bus.topology import PROVISIONER


@dataclass
class Broker:
    """A running server. ``connect`` makes a service's bus; all are drained at the end."""

    server: NatsServer
    buses: list[Bus]

    def settings(self, service: str) -> BrokerSettings:
        return self.server.settings(service)

    @property
    def admin(self) -> BrokerSettings:
        return self.server.settings(PROVISIONER)

    async def connect(self, service: str) -> Bus:
        bus = await Bus.connect(self.settings(service), service)
        self.buses.append(bus)
        return bus


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """A fresh one-replica server with every stream, consumer and user of the channel table."""
    server = NatsServer(tmp_path / "broker", load_passwords(tmp_path / "secrets"))
    await server.start()
    await provision(server.settings(PROVISIONER), replicas=1)
    running = Broker(server, [])
    yield running
    for bus in running.buses:
        await bus.drain()
    await server.stop()
