"""Which packs are alive, from bucket ``presence``: who could take a task."""

import asyncio
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from agentos.bus import Bus, Entry

log = structlog.get_logger(__name__)


class _Agent(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name: str
    task_types: tuple[str, ...] = ()


class _Said(BaseModel):
    """What the gateway reads of a presence entry; runners write more."""

    model_config = ConfigDict(extra="ignore")

    version: str | None = None
    active: int | None = None
    agents: tuple[_Agent, ...] = ()


class Presence:
    """The live packs, read from the bucket when asked: entries expire there by themselves when a runner stops renewing them."""

    def __init__(self, bus: Bus) -> None:
        self._bucket = bus.bucket("presence")

    async def packs(self) -> list[dict[str, Any]]:
        """One object a pack: name, live instances, versions, agents and the task types it takes."""
        found: dict[str, dict[str, Any]] = {}
        async with asyncio.timeout(2):
            entries = await self._bucket.entries()
        for entry in entries:
            name, _, instance = entry.key.partition(".")
            said = _read(entry)
            pack = found.setdefault(name, {"name": name, "instances": [], "versions": [], "agents": [], "task_types": []})
            pack["instances"].append({"id": instance, "seen_at": entry.created.isoformat(), "active": said.active})
            _add(pack["versions"], [said.version] if said.version else [])
            _add(pack["agents"], [agent.name for agent in said.agents])
            _add(pack["task_types"], [kind for agent in said.agents for kind in agent.task_types])
        return sorted(found.values(), key=lambda pack: pack["name"])


def _read(entry: Entry) -> _Said:
    try:
        return _Said.model_validate_json(entry.value or b"{}")
    except ValidationError:
        log.warning("a presence entry is unreadable: it counts as a pack without agents", key=entry.key)
        return _Said()


def _add(known: list[str], more: list[str]) -> None:
    known += [value for value in dict.fromkeys(more) if value not in known]
