"""The kill switch as every service sees it: a live copy of bucket ``kill``, asked right before anything starts.

It fails closed: while the bucket cannot be seen (no connection, no heartbeat, not yet read) nothing may start.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import structlog

from agentos.bus import Bus, Entry
from agentos.bus.kv import entry_of
from agentos.bus.tail import HEARTBEAT_S
from agentos.contracts.base import Contract, Principal, Token
from agentos.contracts.errors import RetryLater
from agentos.contracts.events.governance import KillScope

log = structlog.get_logger(__name__)

STALE_AFTER_S = HEARTBEAT_S * 4


class KillEntry(Contract):
    """An engaged switch, as it stands in the bucket under its id."""

    switch: Token
    tenant: Token
    scope: KillScope
    target: str
    reason: str
    by: Principal

    def covers(self, tenant: str, *, pack: str | None, provider: str | None, task: str | None) -> bool:
        """Whether this switch stops something of that tenant, pack, provider or task. A global one stops every tenant's."""
        match self.scope:
            case "global":
                return True
            case "tenant":
                return self.target == tenant
            case "pack":
                return self.tenant == tenant and self.target == pack
            case "provider":
                return self.tenant == tenant and self.target == provider
            case "task":
                return self.tenant == tenant and self.target == task

    def describe(self) -> str:
        """For fault messages: what was stopped and why."""
        what = "everything" if self.scope == "global" else f"{self.scope} {self.target}"
        return f"the kill switch {self.switch} stops {what}: {self.reason}"


class KillSwitch:
    """One per service. ``start`` before anything is asked; ``stop`` at the end."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._entries: dict[str, KillEntry] = {}
        self._synchronised = False
        self._tail = bus.bucket("kill").follow()
        self._listeners: list[Callable[[KillEntry], None]] = []
        self._following: asyncio.Task[None] | None = None
        self._first = asyncio.Event()

    def on_engaged(self, listener: Callable[[KillEntry], None]) -> None:
        """Have ``listener`` called, on the loop and at once, for each newly engaged switch: to cancel what is in flight."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Read the bucket, then follow it."""
        self._following = asyncio.create_task(self._follow(), name="kill-switch")
        await self._first.wait()

    async def stop(self) -> None:
        """Stop following; from now on everything counts as killed."""
        self._synchronised = False
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    @property
    def synchronised(self) -> bool:
        """Whether the switch can be seen right now."""
        fresh = time.monotonic() - self._tail.heard_at < STALE_AFTER_S
        return self._synchronised and self._bus.connected and fresh and self._tail.live

    @property
    def entries(self) -> list[KillEntry]:
        """All engaged switches."""
        return list(self._entries.values())

    def blocked(
        self, tenant: str, *, pack: str | None = None, provider: str | None = None, task: str | None = None
    ) -> KillEntry | None:
        """The switch that stops this, or None when it may start.

        Raises RetryLater while the switch cannot be seen: what cannot be checked does not start.
        """
        if not self.synchronised:
            raise RetryLater("the kill switch cannot be seen, so nothing starts", code="kill_switch_unseen")
        for entry in self._entries.values():
            if entry.covers(tenant, pack=pack, provider=provider, task=task):
                return entry
        return None

    async def _follow(self) -> None:
        try:
            async with aclosing(self._tail.updates()) as updates:
                async for raw in updates:
                    if raw is None:
                        self._synchronised = True
                        self._first.set()
                    else:
                        self._note(entry_of(raw, "kill"))
        finally:
            # Whatever ended it: who does not follow any more sees nothing.
            self._synchronised = False

    def _note(self, entry: Entry) -> None:
        if entry.value is None:
            self._entries.pop(entry.key, None)
            return
        engaged = _parse(entry.key, entry.value)
        before = self._entries.get(entry.key)
        self._entries[entry.key] = engaged
        if before == engaged:
            return
        for listener in self._listeners:
            try:
                listener(engaged)
            except Exception:
                # One listener's defect must not keep the others, nor the next switch, from being heard of.
                log.exception("kill_listener_failed", switch=entry.key)


def _parse(key: str, value: bytes) -> KillEntry:
    try:
        return KillEntry.model_validate_json(value)
    except ValueError:
        # A switch that cannot be read stops everything: that is what failing closed means here.
        log.exception("kill_entry_unreadable", switch=key)
        unknown: dict[str, Any] = {"kind": "service", "id": "unknown"}
        return KillEntry(
            switch=key,
            tenant="unknown",
            scope="global",
            target="*",
            reason="its entry cannot be read; release it and engage it again",
            by=Principal.model_validate(unknown),
        )
