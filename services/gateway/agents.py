"""Every agent as a tenant sees it: what packs declare, what people registered, who lives, what is paused or stopped."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeVar

import structlog
from pydantic import BaseModel, Field, ValidationError

from agentos.bus import Bus, Entry
from agentos.contracts.agents import AgentKind, AgentPresence, AgentRecord, AgentState, AgentTerms, Heartbeat, agent_id
from agentos.contracts.base import Contract, Utc
from agentos.contracts.packs import PackCard, Presence
from agentos.killswitch import KillEntry, Work
from agentos.violations import SYSTEM

log = structlog.get_logger(__name__)

C = TypeVar("C", bound=Contract)


class AgentInstance(BaseModel):
    """A runner that hosts the agent's pack, or an instance of an external agent."""

    id: str
    seen_at: Utc
    active: int
    max_active: int
    version: str


class AgentTool(BaseModel):
    """A tool that the agent may ask for."""

    name: str
    effect: str
    description: str


class AgentStop(BaseModel):
    """A kill switch that is about the agent."""

    switch: str
    scope: str
    mode: Literal["halt", "drain"]


class Agent(BaseModel):
    """An agent as your tenant sees it."""

    id: str = Field(description="`<pack>/<agent>`, as the kill switch names it.")
    key: str = Field(description="Its id in the log: the events `agent.changed` and `presence.changed` stand under it.")
    pack: str
    agent: str
    kind: AgentKind = Field(description="hosted: a pack's, run by runners. external: it runs elsewhere and sends heartbeats.")
    state: AgentState
    online: bool
    since: Utc | None = Field(description="When it came or went last; null where nobody has seen it.")
    seen_at: Utc | None = Field(description="When an instance was last heard of; null where none is kept.")
    stopped_by: list[AgentStop]
    description: str
    pack_description: str
    labels: dict[str, str]
    silent_after_s: int = Field(description="After how long without a heartbeat an external agent counts as gone.")
    revision: int = Field(description="How often people have changed it; 0 for a hosted one as it came.")
    reason: str = Field(description="Why it is paused or was taken off.")
    versions: list[str]
    task_types: list[str]
    tools: list[AgentTool]
    capabilities: list[str]
    instances: list[AgentInstance]
    virtual_keys: int = Field(description="How many virtual keys that hold carry its name.")


@dataclass(slots=True)
class _Known:
    pack: str
    agent: str
    card: PackCard | None = None
    record: AgentRecord | None = None
    told: AgentPresence | None = None
    instances: list[AgentInstance] = field(default_factory=list[AgentInstance])


class Agents:
    """Read from the buckets when asked: entries of who lives expire there by themselves."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def all(self, tenant: str, keys: dict[tuple[str, str], int]) -> list[Agent]:
        """The agents, by name. ``keys`` counts virtual keys by pack and agent."""
        known = _known(
            await self._read("packs", PackCard),
            await self._read("presence", Presence),
            await self._read("agents", AgentRecord, f"{tenant}."),
            await self._read("heartbeats", Heartbeat, f"{tenant}."),
        )
        for prefix in (f"{SYSTEM}.", f"{tenant}."):
            for told in await self._read("agentpresence", AgentPresence, prefix):
                found = known.get((told.pack, told.agent))
                if found is not None and (prefix == f"{SYSTEM}.") == (found.card is not None):
                    found.told = told
        switches = await self._read("kill", KillEntry)
        return [_shown(tenant, known[name], switches, keys.get(name, 0)) for name in sorted(known)]

    async def find(self, tenant: str, pack: str, agent: str, keys: dict[tuple[str, str], int]) -> Agent | None:
        """One agent. Nothing is read that is about others, however many there are: a heartbeat asks for its agent each time."""
        id_ = agent_id(pack, agent)
        known = _known(
            await self._one("packs", pack, PackCard),
            await self._read("presence", Presence, f"{pack}."),
            await self._one("agents", f"{tenant}.{id_}", AgentRecord),
            await self._read("heartbeats", Heartbeat, f"{tenant}.{id_}."),
        )
        found = known.get((pack, agent))
        if found is None:
            return None
        of = SYSTEM if found.card is not None else tenant
        found.told = next(iter(await self._one("agentpresence", f"{of}.{id_}", AgentPresence)), None)
        return _shown(tenant, found, await self._read("kill", KillEntry), keys.get((pack, agent), 0))

    async def beat(self, tenant: str, heartbeat: Heartbeat) -> None:
        """An external agent lives. Nothing is written to the log: the router says when it comes and when it has gone."""
        key = f"{tenant}.{agent_id(heartbeat.pack, heartbeat.agent)}.{heartbeat.instance}"
        await self._bus.bucket("heartbeats").put(key, heartbeat.model_dump_json().encode())

    async def _read(self, bucket: str, kind: type[C], prefix: str = "") -> list[C]:
        read = [_parse(bucket, entry, kind) for entry in await self._bus.bucket(bucket).entries(prefix)]
        return [each for each in read if each is not None]

    async def _one(self, bucket: str, key: str, kind: type[C]) -> list[C]:
        entry = await self._bus.bucket(bucket).get(key)
        read = None if entry is None else _parse(bucket, entry, kind)
        return [] if read is None else [read]


def _known(
    cards: list[PackCard], alive: list[Presence], records: list[AgentRecord], beats: list[Heartbeat]
) -> dict[tuple[str, str], _Known]:
    """Who there is, by name: what packs declare, and what people registered, with the instances that live."""
    known: dict[tuple[str, str], _Known] = {}

    def one(pack: str, agent: str) -> _Known:
        return known.setdefault((pack, agent), _Known(pack, agent))

    for card in cards:
        for each in card.agents:
            one(card.pack, each.name).card = card
    for said in alive:
        instance = AgentInstance(
            id=said.instance, seen_at=said.at, active=said.active, max_active=said.max_active, version=said.version
        )
        for each in said.agents:
            found = one(said.pack, each.name)
            found.card = said
            found.instances.append(instance)
    for record in records:
        one(record.pack, record.agent).record = record
    now = datetime.now(UTC)
    for beat in beats:
        found = known.get((beat.pack, beat.agent))
        if found is None or found.card is not None or found.record is None or found.record.state == "unregistered":
            continue
        if now - beat.at <= timedelta(seconds=found.record.silent_after_s):
            instance = AgentInstance(
                id=beat.instance, seen_at=beat.at, active=beat.active, max_active=beat.max_active, version=beat.version
            )
            found.instances.append(instance)
    return known


def _parse(bucket: str, entry: Entry, kind: type[C]) -> C | None:
    try:
        return kind.model_validate_json(entry.value or b"")
    except ValidationError:
        log.warning("an entry is unreadable: it is passed over", bucket=bucket, key=entry.key)
        return None


def _shown(tenant: str, known: _Known, switches: list[KillEntry], keys: int) -> Agent:
    card, record, told = known.card, known.record, known.told
    terms = record or AgentTerms()
    entry = next((each for each in card.agents if each.name == known.agent), None) if card is not None else None
    wanted = set(entry.tools) if entry is not None else set[str]()
    work = Work(tenant, pack=known.pack, agent=known.agent)
    return Agent(
        id=f"{known.pack}/{known.agent}",
        key=agent_id(known.pack, known.agent),
        pack=known.pack,
        agent=known.agent,
        kind="external" if card is None else "hosted",
        state="active" if record is None else record.state,
        online=bool(known.instances),
        since=None if told is None else told.at,
        seen_at=max((each.seen_at for each in known.instances), default=None),
        stopped_by=[
            AgentStop(switch=each.switch, scope=each.scope, mode=each.mode)
            for each in switches
            if each.scope in ("global", "tenant", "pack", "agent") and each.covers(work)
        ],
        description=terms.description,
        pack_description="" if card is None else card.description,
        labels=terms.labels,
        silent_after_s=terms.silent_after_s,
        revision=0 if record is None else record.revision,
        reason="" if record is None else record.reason,
        versions=sorted(
            {each.version for each in known.instances if each.version} or ({card.version} if card is not None else set())
        ),
        task_types=[] if entry is None else [str(each) for each in entry.task_types],
        tools=[
            AgentTool(name=each.name, effect=each.effect, description=each.description)
            for each in (card.tools if card is not None else ())
            if each.name in wanted
        ],
        capabilities=list(card.capabilities) if card is not None else [],
        instances=sorted(known.instances, key=lambda each: each.id),
        virtual_keys=keys,
    )
