"""The pack hosts of this runner: one process a pack, started again when it is gone."""

import asyncio
import itertools
from collections.abc import Callable, Mapping

import structlog

from agentos.packhost.hiding import Hider
from agentos.packhost.listener import Tried
from agentos.packhost.process import HostBroken, HostOptions, PackHost
from agentos.sdk.manifest import Pack

log = structlog.get_logger(__name__)


class Hosts:
    """Safe to use from many coroutines of one loop."""

    def __init__(self, packs: Mapping[str, Pack], options: HostOptions, unclaimed: Callable[[str, Tried], object]) -> None:
        """``unclaimed`` hears what a pack tries while it is imported, or what none of its runs can be named for."""
        self._packs = packs
        self._unclaimed = unclaimed
        self._options = options
        self._hosts: dict[str, PackHost] = {}
        self._locks = {name: asyncio.Lock() for name in packs}
        self._numbers = itertools.count(1)
        self._closed = False

    def next_number(self) -> int:
        """A number for a run, never used before in this process."""
        return next(self._numbers)

    async def host(self, pack: str) -> PackHost:
        """The live host of ``pack``. Raises HostBroken when it cannot be started."""
        async with self._locks[pack]:
            if self._closed:
                raise HostBroken("host_silent", "the runner is leaving")
            known = self._hosts.get(pack)
            if known is not None and not known.died.is_set():
                return known
            if known is not None:
                log.warning("pack_host_gone", pack=pack)
                await known.stop()
            self._hosts[pack] = fresh = await PackHost.start(
                self._packs[pack],
                self._options,
                lambda s, line: _output(pack, s, line),
                lambda tried: self._unclaimed(pack, tried),
            )
            if self._options.sandboxed and not fresh.watched:
                log.warning("pack_is_not_watched", pack=pack, means="it is locked in, but only Python tells of what it tries")
            return fresh

    async def stop(self) -> None:
        """End every process."""
        self._closed = True
        for name, lock in self._locks.items():
            async with lock:
                if name in self._hosts:
                    await self._hosts.pop(name).stop()


def _output(pack: str, stream: str, line: str) -> None:
    # Whose task a line belongs to is not known, nor what it quotes: only for debugging, and without what looks personal.
    log.debug("pack_output", pack=pack, stream=stream, line=Hider()(line))
