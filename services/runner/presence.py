"""Tells the others which packs live here, every few seconds; an entry that is not renewed expires by itself."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import structlog

from agentos.bus import Bus
from agentos.contracts import packs as contracts
from agentos.contracts.errors import RetryLater
from agentos.contracts.packs import AgentCard, PackCard, ToolCard
from agentos.ending import end
from agentos.sdk.manifest import Pack

log = structlog.get_logger(__name__)

_EVERY_S = 5.0


def card(pack: Pack) -> PackCard:
    """What the manifest says, as the others need it."""
    manifest = pack.manifest
    return PackCard(
        pack=manifest.name,
        version=manifest.version,
        description=manifest.description,
        agents=tuple(
            AgentCard(name=agent.name, task_types=tuple(agent.task_types), tools=manifest.tools_of(agent.name))
            for agent in manifest.agents
        ),
        tools=tuple(ToolCard(name=tool.name, effect=tool.effect, description=tool.description) for tool in manifest.tools),
        capabilities=tuple(manifest.capabilities),
    )


def entry(pack: Pack, instance: str, active: int, max_active: int, at: datetime) -> bytes:
    """The value of ``presence`` key ``<pack>.<instance>``: what routing, admission and people need of a live pack."""
    said = contracts.Presence(**dict(card(pack)), instance=instance, active=active, max_active=max_active, at=at)
    return said.model_dump_json().encode()


class Presence:
    """``start`` says it once before it returns."""

    def __init__(self, bus: Bus, packs: Mapping[str, Pack], active: Callable[[str], int], max_active: int) -> None:
        self._bus = bus
        self._bucket = bus.bucket("presence")
        self._packs = packs
        self._active = active
        self._max_active = max_active
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Register the packs for good, appear, and stay."""
        registered = self._bus.bucket("packs")
        for name, pack in self._packs.items():
            await registered.put(name, card(pack).model_dump_json().encode())
        await self._say()
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Disappear at once, so that nothing is routed here any more."""
        if self._task is not None:
            await end(self._task)
        for name in self._packs:
            try:
                await self._bucket.delete(self._key(name))
            except RetryLater as fault:
                log.info("presence_not_deleted", code=fault.code)

    def _key(self, pack: str) -> str:
        return f"{pack}.{self._bus.instance}"

    async def _say(self) -> None:
        for name, pack in self._packs.items():
            said = entry(pack, self._bus.instance, self._active(name), self._max_active, datetime.now(UTC))
            await self._bucket.put(self._key(name), said)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self._say()
            except RetryLater as fault:
                log.info("presence_not_renewed", code=fault.code)
