"""What becomes of an agent's registration, and when it has come or gone. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from agentos.contracts.agents import AgentKind, AgentPresence, AgentRecord, AgentTerms, Heartbeat
from agentos.contracts.commands import ControlAgent, RegisterAgent, UnregisterAgent, UpdateAgent
from agentos.contracts.errors import NotFound, Refused
from agentos.contracts.events.agent import AgentChanged, PresenceChanged
from agentos.contracts.packs import Presence

Command = RegisterAgent | UpdateAgent | ControlAgent | UnregisterAgent


def decide(standing: AgentRecord | None, command: Command, *, hosted: bool) -> AgentChanged:
    """The change that a command makes. ``hosted`` says that an installed pack has such an agent: it needs no registration to begin with.

    Raises NotFound, or Refused with a code that says how the agent stands.
    """
    state = standing.state if standing is not None else "active" if hosted else None
    revision = 0 if standing is None else standing.revision
    kind: AgentKind = "hosted" if hosted else "external"
    terms = AgentTerms() if standing is None else _terms(standing)
    name = f"{command.pack}/{command.agent}"
    if isinstance(command, RegisterAgent):
        if state is not None and state != "unregistered":
            raise Refused(f"{name} is registered: change it instead", code="already_registered")
        return _changed("registered", command, kind, command.terms)
    if state is None:
        raise NotFound(f"there is no agent {name}: no installed pack has it, and nobody has registered it")
    if state == "unregistered":
        raise Refused(f"{name} was taken off: register it first", code="agent_unregistered")
    if not isinstance(command, ControlAgent) and command.revision not in (None, revision):
        raise Refused(f"{name} is at revision {revision} by now: read it again", code="stale_revision")
    match command:
        case UpdateAgent():
            return _changed("updated", command, kind, command.terms)
        case ControlAgent(action="pause"):
            if state == "paused":
                raise Refused(f"{name} is paused already", code="already_paused")
            return _changed("paused", command, kind, terms, command.reason)
        case ControlAgent(action="resume"):
            if state != "paused":
                raise Refused(f"{name} is not paused", code="not_paused")
            return _changed("resumed", command, kind, terms, command.reason)
        case ControlAgent():
            raise ValueError(f"unknown action {command.action!r}")
        case UnregisterAgent():
            return _changed("unregistered", command, kind, terms, command.reason)
        case _:
            assert_never(command)


def _changed(change: str, command: Command, kind: AgentKind, terms: AgentTerms, reason: str = "") -> AgentChanged:
    fields = {"change": change, "pack": command.pack, "agent": command.agent, "kind": kind, "terms": terms}
    return AgentChanged.model_validate({**fields, "reason": reason, "by": command.by})


def evolve(standing: AgentRecord | None, event: AgentChanged, tenant: str, revision: int, at: datetime) -> AgentRecord:
    """The record after change ``revision``."""
    match event.change:
        case "registered" | "resumed":
            state = "active"
        case "paused":
            state = "paused"
        case "unregistered":
            state = "unregistered"
        case "updated":
            state = "active" if standing is None else standing.state
        case _:
            assert_never(event.change)
    return AgentRecord(
        **dict(event.terms), tenant=tenant, pack=event.pack, agent=event.agent, kind=event.kind,
        state=state, revision=revision, changed_at=at, reason=event.reason,
    )  # fmt: skip


def _terms(record: AgentRecord) -> AgentTerms:
    return AgentTerms(**{name: getattr(record, name) for name in AgentTerms.model_fields})


# --- who lives --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """An agent that was heard of: by how many instances, and when last."""

    pack: str
    agent: str
    kind: AgentKind
    instances: int
    at: datetime


def hosted(alive: Iterable[Presence]) -> dict[tuple[str, str], Seen]:
    """The agents of the packs that are alive."""
    seen: dict[tuple[str, str], Seen] = {}
    for presence in alive:
        for agent in presence.agents:
            before = seen.get((presence.pack, agent.name))
            count, at = (0, presence.at) if before is None else (before.instances, max(before.at, presence.at))
            seen[presence.pack, agent.name] = Seen(presence.pack, agent.name, "hosted", count + 1, at)
    return seen


def external(
    records: Iterable[AgentRecord], beats: Iterable[tuple[str, Heartbeat]], now: datetime
) -> dict[tuple[str, str, str], Seen]:
    """By tenant, pack and agent: the registered external agents of which an instance has spoken within its agent's time.

    ``beats`` are heartbeats with their tenants.
    """
    registered = {(r.tenant, r.pack, r.agent): r for r in records if r.kind == "external" and r.state != "unregistered"}
    seen: dict[tuple[str, str, str], Seen] = {}
    for tenant, beat in beats:
        key = (tenant, beat.pack, beat.agent)
        record = registered.get(key)
        if record is None or now - beat.at > timedelta(seconds=record.silent_after_s):
            continue
        before = seen.get(key)
        count, at = (0, beat.at) if before is None else (before.instances, max(before.at, beat.at))
        seen[key] = Seen(beat.pack, beat.agent, "external", count + 1, at)
    return seen


def turned(told: AgentPresence | None, seen: Seen | None) -> PresenceChanged | None:
    """What is to be told of an agent, given what was told last; None while that still holds."""
    if seen is not None:
        if told is not None and told.online:
            return None
        return PresenceChanged(
            pack=seen.pack, agent=seen.agent, kind=seen.kind, online=True, instances=seen.instances, seen_at=seen.at
        )
    if told is None or not told.online:
        return None
    return PresenceChanged(pack=told.pack, agent=told.agent, kind=told.kind, online=False, instances=0, seen_at=None)
