"""The registered agents as a service sees them: a live copy of bucket ``agents``. A pause holds as soon as it is heard of."""

from collections.abc import Callable

import structlog
from pydantic import ValidationError

from agentos.bus import Bus, Entry, LiveCopy
from agentos.contracts.agents import AgentRecord, AgentState, agent_id

log = structlog.get_logger(__name__)


class AgentTable:
    """Run ``follow`` as a task."""

    def __init__(self, bus: Bus) -> None:
        self._bucket = bus.bucket("agents")
        self._copy = LiveCopy(self._bucket, self._told)
        self._records: dict[str, AgentRecord | None] = {}
        self._listeners: list[Callable[[], None]] = []

    def on_changed(self, listener: Callable[[], None]) -> None:
        """Have ``listener`` called, on the loop, for each change from now on."""
        self._listeners.append(listener)

    async def follow(self) -> None:
        """Follow the bucket for ever."""
        await self._copy.follow()

    async def ready(self) -> None:
        """Wait until all that is registered is known."""
        await self._copy.ready()

    def all(self) -> list[AgentRecord]:
        """Every record that can be read."""
        return [record for record in self._records.values() if record is not None]

    def known(self, tenant: str, pack: str, agent: str) -> AgentState:
        """How the agent stands for the tenant, as of the last change that the broker told us. Nobody has changed most: those are active."""
        key = f"{tenant}.{agent_id(pack, agent)}"
        if key not in self._records:
            return "active"
        record = self._records[key]
        # Fail closed: what cannot be read starts nothing.
        return "paused" if record is None else record.state

    async def find(self, tenant: str, pack: str, agent: str) -> AgentState:
        """As ``known``; the broker is asked while changes may be missing. Raises RetryLater when it does not answer."""
        if not (self._copy.complete and self._copy.live):
            key = f"{tenant}.{agent_id(pack, agent)}"
            entry = await self._bucket.get(key)
            self._take(key, None if entry is None else entry.value)
        return self.known(tenant, pack, agent)

    def _told(self, entry: Entry) -> None:
        self._take(entry.key, entry.value)
        for listener in self._listeners:
            listener()

    def _take(self, key: str, value: bytes | None) -> None:
        if value is None:
            self._records.pop(key, None)
            return
        try:
            self._records[key] = AgentRecord.model_validate_json(value)
        except ValidationError:
            log.warning("an agent's record is unreadable: it counts as paused", key=key)
            self._records[key] = None
