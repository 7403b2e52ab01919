"""Which packs are alive, from bucket ``presence``: who could take a task."""

import asyncio
from typing import Any

import structlog
from pydantic import ValidationError

from agentos.bus import Bus, Entry
from agentos.contracts.packs import Presence

log = structlog.get_logger(__name__)


class LivePacks:
    """The live packs, read from the bucket when asked: entries expire there by themselves when a runner stops renewing them."""

    def __init__(self, bus: Bus) -> None:
        self._bucket = bus.bucket("presence")

    async def packs(self) -> list[dict[str, Any]]:
        """One object a pack: name, live instances, versions, agents and the task types it takes."""
        found: dict[str, dict[str, Any]] = {}
        async with asyncio.timeout(2):
            entries = await self._bucket.entries()
        for entry in entries:
            said = _read(entry)
            if said is None:
                continue
            empty: dict[str, Any] = {
                "name": said.pack,
                "description": said.description,
                "instances": [],
                "versions": [],
                "agents": [],
                "task_types": [],
                "types_of": {},
            }
            pack = found.setdefault(said.pack, empty)
            pack["instances"].append(
                {"id": said.instance, "seen_at": said.at.isoformat(), "active": said.active, "max_active": said.max_active}
            )
            for agent in said.agents:
                _add(pack["types_of"].setdefault(agent.name, []), [str(kind) for kind in agent.task_types])
            _add(pack["versions"], [said.version])
            _add(pack["agents"], [agent.name for agent in said.agents])
            _add(pack["task_types"], [str(kind) for agent in said.agents for kind in agent.task_types])
        return sorted(found.values(), key=lambda pack: pack["name"])


def _read(entry: Entry) -> Presence | None:
    try:
        return Presence.model_validate_json(entry.value or b"{}")
    except ValidationError:
        log.warning("a presence entry is unreadable: the instance is passed over", key=entry.key)
        return None


def _add(known: list[str], more: list[str]) -> None:
    known += [value for value in dict.fromkeys(more) if value not in known]
