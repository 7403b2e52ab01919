"""What every service's process does alike: settings, signals, logs, a lost broker, an orderly stop."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from prometheus_client import start_http_server
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from agentos.bus import BrokerSettings, Bus
from agentos.ending import end
from agentos.loop import run as run_loop
from agentos.telemetry import configure_logging, configure_tracing

log = structlog.get_logger(__name__)


class ServiceSettings(BaseSettings):
    """What every service reads: ``AGENTOS_DATA``, ``AGENTOS_LOG_LEVEL``, ``AGENTOS_MASTER_KEY_FILE``."""

    model_config = SettingsConfigDict(env_prefix="AGENTOS_", frozen=True, extra="ignore", populate_by_name=True)

    # Named by alias: a service's own prefix must not apply to what all share.
    data: Path = Field(default=Path("data"), validation_alias="AGENTOS_DATA")
    """Where this installation keeps its files."""
    log_level: str = Field(default="INFO", validation_alias="AGENTOS_LOG_LEVEL")
    master_key_file: Path | None = Field(default=None, validation_alias="AGENTOS_MASTER_KEY_FILE")
    """Mode 0600; <data>/secrets/master.key unless set."""

    @property
    def master_key(self) -> Path:
        """The master key's file."""
        return self.master_key_file or self.data / "secrets" / "master.key"


Body = Callable[[Bus, asyncio.Event], Awaitable[None]]
"""A service's life on a connected bus: set up, start, wait for the stop event, tear down."""


async def serve(service: str, broker: BrokerSettings, body: Body, stop: asyncio.Event) -> None:
    """Run ``body`` on a bus of its own until ``stop``, then drain.

    Raises ConnectionError when the broker connection is gone for good, so that a supervisor starts the process again.
    """
    bus = await Bus.connect(broker, service)
    ended = asyncio.create_task(_until_closed(bus, stop))
    try:
        log.info("service_started", service=service, instance=bus.instance)
        await body(bus, stop)
    finally:
        await end(ended)
        await bus.drain()
        log.info("service_stopped", service=service)
    if bus.closed.is_set() and not stop.is_set():
        raise ConnectionError("the broker connection was closed for good")


async def _until_closed(bus: Bus, stop: asyncio.Event) -> None:
    await bus.closed.wait()
    if not stop.is_set():
        log.error("broker_connection_closed", service=bus.service)
        stop.set()


def run_process(service: str, run: Callable[[asyncio.Event], Awaitable[None]], log_level: str = "INFO") -> int:
    """The main of ``python -m services.<service>``: logs, traces, SIGTERM and SIGINT; the exit code."""
    configure_logging(log_level)
    configure_tracing(service)

    async def main() -> None:
        # For a collector only; services never ask one another by HTTP. The gateway serves its own beside its API.
        if port := os.environ.get("AGENTOS_METRICS_PORT"):
            start_http_server(int(port), addr=os.environ.get("AGENTOS_METRICS_HOST", "127.0.0.1"))
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await run(stop)

    try:
        run_loop(main())
    except (
        Exception
    ):  # the process's last line: whatever ended it is logged as all else is, and the exit code tells the supervisor
        log.exception("service_failed", service=service)
        return 1
    return 0
