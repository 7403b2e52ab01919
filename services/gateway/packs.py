"""Which packs there are: alive, from bucket ``presence``, and registered for good, from bucket ``packs``."""

import asyncio
from typing import Any, TypeVar

import structlog
from pydantic import ValidationError

from agentos.bus import Bus, Entry
from agentos.contracts.packs import PackCard, Presence

log = structlog.get_logger(__name__)

Card = TypeVar("Card", bound=PackCard)


class Packs:
    """Read from the buckets when asked: entries of who lives expire there by themselves when a runner stops renewing them."""

    def __init__(self, bus: Bus) -> None:
        self._live = bus.bucket("presence")
        self._registered = bus.bucket("packs")

    async def registered(self) -> list[PackCard]:
        """What a runner has ever brought, as it was last. A pack that starts again or whose runner is slow to tell of itself is one of them."""
        async with asyncio.timeout(2):
            entries = await self._registered.entries()
        return [card for card in (_read(entry, PackCard) for entry in entries) if card is not None]

    async def alive(self) -> list[dict[str, Any]]:
        """One object a pack: name, live instances, versions, agents and the task types it takes."""
        found: dict[str, dict[str, Any]] = {}
        async with asyncio.timeout(2):
            entries = await self._live.entries()
        for entry in entries:
            said = _read(entry, Presence)
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


def _read(entry: Entry, kind: type[Card]) -> Card | None:
    try:
        return kind.model_validate_json(entry.value or b"{}")
    except ValidationError:
        log.warning("an entry is unreadable: it is passed over", key=entry.key, kind=kind.__name__)
        return None


def _add(known: list[str], more: list[str]) -> None:
    known += [value for value in dict.fromkeys(more) if value not in known]
