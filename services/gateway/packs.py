"""Which packs are alive, from bucket ``presence``: who could take a task."""

import asyncio
import json
from contextlib import aclosing
from typing import Any

import structlog

from agentos.bus import Bus, Entry
from agentos.contracts.ids import is_token

log = structlog.get_logger(__name__)


class Presence:
    """The live packs, read from the bucket when asked: entries expire there by themselves when a runner stops renewing them."""

    def __init__(self, bus: Bus) -> None:
        self._bucket = bus.bucket("presence")

    async def packs(self) -> list[dict[str, Any]]:
        """One object a pack: name, live instances, versions, agents and the task types it takes."""
        found: dict[str, dict[str, Any]] = {}
        for entry in await self._entries():
            name, _, instance = entry.key.partition(".")
            said = _read(entry)
            pack = found.setdefault(name, {"name": name, "instances": [], "versions": [], "agents": [], "task_types": []})
            pack["instances"].append({"id": instance, "seen_at": entry.created.isoformat(), "active": said.get("active")})
            for field, values in (("versions", [said.get("version")]), ("agents", _agents(said)), ("task_types", _task_types(said))):
                pack[field] += [value for value in values if isinstance(value, str) and value not in pack[field]]
        return sorted(found.values(), key=lambda pack: pack["name"])

    async def _entries(self) -> list[Entry]:
        async with asyncio.timeout(2):
            return [entry async for entry in _current(self._bucket.watch())]


async def _current(entries: Any) -> Any:
    async with aclosing(entries):
        async for entry in entries:
            if entry is None:
                return
            if entry.value is not None:
                yield entry


def _read(entry: Entry) -> dict[str, Any]:
    try:
        said = json.loads(entry.value or b"{}")
    except ValueError:
        log.error("a presence entry is unreadable", key=entry.key)
        return {}
    return said if isinstance(said, dict) else {}  # pyright: ignore[reportUnknownVariableType] -- a JSON object


def _agents(said: dict[str, Any]) -> list[Any]:
    agents = said.get("agents")
    if isinstance(agents, dict):
        return list(agents)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] -- a JSON object's names
    return [a.get("name") if isinstance(a, dict) else a for a in agents or []]  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] -- JSON


def _task_types(said: dict[str, Any]) -> list[str]:
    """Task types stand at the top of an entry or in its agents."""
    found: list[Any] = list(said.get("task_types") or [])
    agents: Any = said.get("agents")
    for agent in agents.values() if isinstance(agents, dict) else agents or []:  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] -- JSON
        if isinstance(agent, dict):
            found += agent.get("task_types") or agent.get("handles") or []  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType] -- JSON
    return [t for t in found if isinstance(t, str) and is_token(t.replace(".", "-"))]
