"""What every suite shares: a real, provisioned broker with the generated permissions, and how tests are spread and generated."""

import os

# Before numpy is loaded, as in the workers of policy: the name model's matrices are small, and more threads would only spin.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

# isort: split

import services.policy as _  # noqa: F401  # before whatever loads the C++ runtime: it says why

# isort: split

import asyncio
import faulthandler
import gc
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import uvloop
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from agentos.bus import BrokerSettings, Bus
from agentos.bus.provision import provision
from agentos.bus.server import NatsServer, load_passwords
from agentos.bus.topology import PROVISIONER

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


WHOLE = ("tests/bench/", "tests/system/")
"""Folders whose tests run a whole system for a while: on a slow machine they take longer than the time-out of the others."""


class ByFile(LoadScopeScheduling):
    """The tests of a file stay together, for they share its fixtures; those of some folders do."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid.split("::", 1)[0])

    def remove_node(self, node: Any) -> str | None:
        """The test that a process died of; it is not handed to the next process, which would die of it as well, and so on."""
        undone = ((tests, test) for tests in self.assigned_work[node].values() for test, done in tests.items() if not done)
        tests, test = next(undone, (None, None))
        if tests is not None and test is not None:
            tests[test] = True
        super().remove_node(node)
        return test


class WatchedLoop(uvloop.Loop):
    """The loop that the services run on; of each that runs, it is known what it runs for."""

    running: ClassVar[dict[asyncio.AbstractEventLoop, asyncio.Future[Any]]] = {}

    def run_until_complete(self, future: Any) -> Any:
        """Runs a test, or one part of a fixture."""
        main = asyncio.ensure_future(future, loop=self)
        WatchedLoop.running[self] = main
        try:
            return super().run_until_complete(main)
        finally:
            del WatchedLoop.running[self]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """How each test gets its loop."""
    return {"platform": WatchedLoop}


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Called in the process that hands out the tests."""
    config.option.loadscopereorder = False  # the order of ``pytest_collection_modifyitems`` counts, not the number of tests
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long work first; otherwise as it was collected."""

    def rank(item: pytest.Item) -> int:
        return next((place for place, path in enumerate(LONG) if item.nodeid.startswith(path)), len(LONG))

    items.sort(key=rank)
    for item in items:
        if item.nodeid.startswith(WHOLE):
            item.add_marker(pytest.mark.timeout(900))


STUCK_AFTER_S = 60
"""What a test that was told of its time-out has for its tidying up."""
stuck = pytest.StashKey[int]()
timer = pytest.StashKey[threading.Timer]()


def pytest_configure(config: pytest.Config) -> None:
    """The real standard error is kept: while a test runs, what goes there is captured."""
    config.stash[stuck] = os.dup(sys.__stderr__.fileno() if sys.__stderr__ is not None else 2)


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool:
    """A test that takes too long is cancelled where it waits, and says what each of its tasks waits for.

    The time-out's own way is a signal whose handler raises; libuv's loop only logs what a handler raises while nothing else happens. One
    that hangs even so, as in its tidying up or outside the loop, ends this process with every thread's stack on standard error: the test
    has then failed as a crash, and the other tests are run by a new process.
    """
    errors = item.config.stash[stuck]

    def expire() -> None:
        with os.fdopen(os.dup(errors), "w") as told:
            print(f"{item.nodeid} has taken {settings.timeout} s; what its tasks wait for:", file=told)
            for loop, main in list(WatchedLoop.running.items()):
                for task in asyncio.all_tasks(loop):
                    task.print_stack(file=told)
                loop.call_soon_threadsafe(main.cancel)

    item.stash[timer] = threading.Timer(settings.timeout, expire)
    item.stash[timer].daemon = True
    item.stash[timer].start()
    faulthandler.dump_traceback_later(settings.timeout + STUCK_AFTER_S, exit=True, file=errors)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_cancel_timer(item: pytest.Item) -> bool:
    """The test has ended."""
    faulthandler.cancel_dump_traceback_later()
    item.stash[timer].cancel()
    return True


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A failure is told at once: a run that is cut off prints no summary."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\n--- {report.nodeid} failed after {report.duration:.1f} s\n{report.longreprtext[-3000:]}", flush=True)


def pytest_collection_finish() -> None:
    """Thousands of tests live until the end: the collector need not look at them again after each file, or whenever it thinks it should."""
    gc.collect()
    gc.freeze()


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
