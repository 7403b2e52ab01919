"""Tells when an agent has come or gone: from what runners and external agents say of themselves, once for each change."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import structlog
from pydantic import ValidationError

from agentos.agents import AgentTable
from agentos.bus import Bus, Entry
from agentos.contracts.agents import AgentPresence, Heartbeat, agent_id
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import AgentOSError, Conflict
from agentos.contracts.events.agent import PresenceChanged
from agentos.ending import end
from agentos.violations import SYSTEM
from services.router.domain import agents as domain
from services.router.domain.agents import Seen
from services.router.presence import SILENT_AFTER, LivePacks

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0
KEPT = timedelta(hours=1)
"""No agent may be silent for longer."""


class Comings:
    """Run ``run`` as a task. Every router does: the first one's word is written, the others find it.

    For ``patience`` after the start nobody is told to have gone, for the others may not have spoken yet.
    """

    def __init__(self, bus: Bus, packs: LivePacks, agents: AgentTable, patience: timedelta = SILENT_AFTER) -> None:
        self._bus = bus
        self._packs = packs
        self._agents = agents
        self._bucket = bus.bucket("agentpresence")
        self._told: dict[str, AgentPresence] = {}
        self._beats: dict[str, Heartbeat] = {}
        self._goings_from = datetime.max.replace(tzinfo=UTC)
        self._patience = patience

    async def run(self) -> None:
        """Look once a second, for ever."""
        await self._agents.ready()
        following = asyncio.create_task(self._follow(), name="heartbeats")
        try:
            for entry in await self._bucket.entries():
                self._note_told(entry)
            self._goings_from = datetime.now(UTC) + self._patience
            while True:
                await self.look(datetime.now(UTC))
                await asyncio.sleep(LOOK_EVERY_S)
                if following.done():
                    following.result()
        finally:
            await end(following)

    async def look(self, now: datetime) -> None:
        """Write down who has come or gone since it was told last."""
        seen = {f"{SYSTEM}.{agent_id(pack, agent)}": one for (pack, agent), one in domain.hosted(self._packs.alive()).items()}
        # The bucket drops what is too old without a word.
        self._beats = {key: beat for key, beat in self._beats.items() if now - beat.at < KEPT}
        beats = [(key.partition(".")[0], beat) for key, beat in self._beats.items()]
        for (tenant, pack, agent), one in domain.external(self._agents.all(), beats, now).items():
            seen[f"{tenant}.{agent_id(pack, agent)}"] = one
        for key in sorted({*seen, *self._told}):
            one = seen.get(key)
            if one is None and now < self._goings_from:
                continue
            try:
                await self._tell(key, one)
            except AgentOSError as fault:
                # The broker is away, say: the next look finds the same.
                log.info("presence_not_told", key=key, code=fault.code)

    async def _tell(self, key: str, seen: Seen | None) -> None:
        told = self._told.get(key)
        fact = domain.turned(told, seen)
        if fact is None:
            return
        tenant, _, id_ = key.partition(".")
        ordinal = 1 if told is None else told.ordinal + 1
        at = datetime.now(UTC)
        try:
            await self._bus.append("presence.changed", id_, fact, ordinal=ordinal, tenant=tenant, correlation_id=id_)
        except Conflict as conflict:
            # Another router was faster, or we were before a crash: what stands is what was told.
            standing = conflict.fields.get("existing")
            if not isinstance(standing, Recorded):
                raise
            fact, at = standing.payload(PresenceChanged), standing.meta.time
        said = AgentPresence(pack=fact.pack, agent=fact.agent, kind=fact.kind, online=fact.online, ordinal=ordinal, at=at)
        self._told[key] = said
        await self._bucket.put(key, said.model_dump_json().encode())

    def _note_told(self, entry: Entry) -> None:
        try:
            self._told[entry.key] = AgentPresence.model_validate_json(entry.value or b"")
        except ValidationError:
            log.warning("an agent's presence is unreadable: it is told anew", key=entry.key)

    async def _follow(self) -> None:
        async with aclosing(self._bus.bucket("heartbeats").watch()) as entries:
            async for entry in entries:
                if entry is None:
                    continue
                try:
                    self._beats[entry.key] = Heartbeat.model_validate_json(entry.value or b"")
                except ValidationError:
                    self._beats.pop(entry.key, None)
