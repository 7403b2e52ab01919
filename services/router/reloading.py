"""The routing configuration is read again when its file changes. What cannot be used changes nothing, and is told in the log."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import structlog

from agentos.telemetry import counter
from services.router.configuration import ConfigurationRefused, load
from services.router.selection import Selection

log = structlog.get_logger(__name__)

LOOK_S = 2.0


async def follow(
    path: Path, aliases: Mapping[str, tuple[str, ...]], selection: Selection, publish: Callable[[], Awaitable[None]]
) -> None:
    """Runs until cancelled. Calls that have begun keep the plan that they have; ``publish`` tells others what changed."""
    refused = counter(
        "agentos_router_configurations_refused_total", "Changed routing configurations that could not be used.", ()
    )
    seen = await asyncio.to_thread(_stamp, path)
    while True:
        await asyncio.sleep(LOOK_S)
        stamp = await asyncio.to_thread(_stamp, path)
        if stamp == seen:
            continue
        seen = stamp
        try:
            configuration = await asyncio.to_thread(load, path, aliases=aliases)
        except ConfigurationRefused as why:
            refused.inc()
            log.error("configuration_refused", detail=str(why), keeps=selection.configuration.digest)
            continue
        selection.configure(configuration)
        await publish()
        log.info("configuration_changed", digest=configuration.digest)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
