"""What every suite shares: a real, provisioned broker with the generated permissions, and how tests are spread and generated."""

import services.policy as _  # noqa: F401  # before whatever loads the C++ runtime: it says why

# isort: split

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from agentos.bus import BrokerSettings, Bus
from agentos.bus.provision import provision
from agentos.bus.server import NatsServer, load_passwords
from agentos.bus.topology import PROVISIONER
from agentos.loop import new_event_loop

# The same tree generates the same examples on every machine, and a busy machine fails none of them for its slowness.
# `--hypothesis-profile=default` looks for new ones.
settings.register_profile(
    "repeatable", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")

TOGETHER = ("tests/bench/", "tests/bus/", "tests/system/")
"""Folders whose tests go to one worker, one after the other: they share a cluster or a whole system, or keep several processes busy."""
LONG = ("tests/system/", "tests/services/policy/test_redaction.py", "tests/bus/", "tests/services/policy/test_publishing.py")
"""What takes longest, longest first: begun early, so that no worker is left alone with it at the end."""


class ByFile(LoadScopeScheduling):
    """The tests of a file stay together, for they share its fixtures; those of some folders do."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid.split("::", 1)[0])


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Tests run on the loop that the services run on."""
    return {"platform": new_event_loop}


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Called in the process that hands out the tests."""
    config.option.loadscopereorder = False  # the order of ``pytest_collection_modifyitems`` counts, not the number of tests
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long work first; otherwise as it was collected."""

    def rank(item: pytest.Item) -> int:
        return next((place for place, path in enumerate(LONG) if item.nodeid.startswith(path)), len(LONG))

    items.sort(key=rank)


@pytest.fixture(scope="module", autouse=True)
def garbage() -> Iterator[None]:
    """Whole installations are garbage in cycles, and the collector looks at old objects the more seldom the more there are."""
    yield
    gc.collect()


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
    # An orderly stop takes two thirds of a second, and nobody reads this store again.
    await server.kill()
