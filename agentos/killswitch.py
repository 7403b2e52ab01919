"""The kill switch as every service sees it: a live copy of bucket ``kill``, asked right before anything starts.

It fails closed: while the bucket cannot be seen (no connection, no heartbeat, not yet read) nothing may start.

``halt`` lets nothing in scope start and cancels what is in flight. ``drain`` lets nothing start either, but what runs may finish: for the
scopes that name whose work it is (global, tenant, pack, agent, task) an attempt that runs goes on to its end, with the calls that it
makes; for those that name what is used (provider, model, tool) a call that runs goes on, and no further one is made.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from agentos.bus import Bus, Entry, keep_trying
from agentos.bus.kv import entry_of
from agentos.contracts.base import Contract, Principal, Token, Utc
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import Conflict, RetryLater
from agentos.contracts.events.kill import KillCancelled, KillMode, KillScope, KillStage, Stopped
from agentos.ending import end

log = structlog.get_logger(__name__)

HEARTBEAT_S = 0.25
STALE_AFTER_S = HEARTBEAT_S * 6
"""How long a service that is cut off may go on believing that it sees the switch."""

_ANNOUNCE_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Work:
    """What wants to start, as far as it is known: None matches no switch of that scope."""

    tenant: str
    pack: str | None = None
    agent: str | None = None
    provider: str | None = None
    model: str | None = None
    """What is called, ``provider/model``."""
    tool: str | None = None
    task: str | None = None
    alias: str | None = None
    """The name under which the pack asked for the model."""
    running: bool = False
    """Whether it belongs to an attempt that runs already; a draining switch lets that finish."""


class KillEntry(Contract):
    """An engaged switch, as it stands in the bucket under its id."""

    switch: Token
    tenant: Token
    scope: KillScope
    target: str
    mode: KillMode = "halt"
    stage: KillStage = "blocked"
    share_percent: int = 0
    """During probation: how many of 100 tasks may start."""
    reason: str
    by: Principal
    engaged_at: Utc
    drill: bool = False
    """It covers nothing; every instance says that it has seen it."""

    def covers(self, work: Work) -> bool:
        """Whether the switch is about this work at all. A global one is about every tenant's."""
        if self.drill:
            return False
        own = self.tenant == work.tenant
        match self.scope:
            case "global":
                return True
            case "tenant":
                return self.target == work.tenant
            case "pack":
                return own and self.target == work.pack
            case "agent":
                return own and work.agent is not None and self.target == f"{work.pack}/{work.agent}"
            case "provider":
                return own and self.target == work.provider
            case "model":
                return own and self.target in (work.model, work.alias)
            case "tool":
                return own and self.target == work.tool
            case "task":
                return own and self.target == work.task

    def stops(self, work: Work) -> bool:
        """Whether this work may not start: not when a draining switch lets it finish, nor when it is in the share of a probation."""
        if not self.covers(work):
            return False
        if self.mode == "drain" and work.running and self.scope not in ("provider", "model", "tool"):
            return False
        return not (self.stage == "probation" and work.task is not None and self._draw(work.task) < self.share_percent)

    def cancels(self, work: Work) -> bool:
        """Whether this work is to be cancelled where it is in flight."""
        return self.mode == "halt" and self.stops(work)

    def _draw(self, task: str) -> int:
        """0 to 99, the same in every service; a larger share holds the smaller one."""
        return int.from_bytes(hashlib.sha256(f"{self.switch}:{task}".encode()).digest()[:4], "big") % 100

    def describe(self) -> str:
        """For fault messages: what was stopped and why."""
        what = "everything" if self.scope == "global" else f"{self.scope} {self.target}"
        return f"the kill switch {self.switch} stops {what}: {self.reason}"


class KillSwitch:
    """One per service. ``start`` before anything is asked; ``stop`` at the end."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._entries: dict[str, KillEntry] = {}
        self._stored: dict[str, datetime] = {}
        self._synchronised = False
        self._tail = bus.bucket("kill").follow(heartbeat_s=HEARTBEAT_S)
        self._listeners: list[Callable[[KillEntry], None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._saying: set[asyncio.Task[None]] = set()
        self._first = asyncio.Event()

    def on_engaged(self, listener: Callable[[KillEntry], None]) -> None:
        """Have ``listener`` called, on the loop and at once, for each switch that is new or changed: to cancel what is in flight."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Read the bucket, then follow it."""
        self._tasks = [
            asyncio.create_task(self._follow(), name="kill-switch"),
            asyncio.create_task(self._announce(), name="kill-switch-instance"),
        ]
        await self._first.wait()

    async def stop(self) -> None:
        """Stop following; from now on everything counts as killed."""
        self._synchronised = False
        await end(*self._tasks, *self._saying)
        if self._bus.connected:
            try:
                await self._bus.bucket("instances").delete(self._name)
            except RetryLater as fault:
                log.info("instance_not_withdrawn", code=fault.code)

    @property
    def synchronised(self) -> bool:
        """Whether the switch can be seen right now."""
        fresh = time.monotonic() - self._tail.heard_at < STALE_AFTER_S
        return self._synchronised and self._bus.connected and fresh and self._tail.live

    @property
    def entries(self) -> list[KillEntry]:
        """All engaged switches."""
        return list(self._entries.values())

    def covering(self, work: Work) -> list[KillEntry]:
        """The engaged switches that are about this work, whether or not they stop it now, in the order of their engagement.

        Raises RetryLater while the switch cannot be seen.
        """
        self._require_sight()
        found = [entry for entry in self._entries.values() if entry.covers(work)]
        return sorted(found, key=lambda entry: entry.engaged_at)

    def blocked(self, work: Work) -> KillEntry | None:
        """The switch that stops this, or None when it may start.

        Raises RetryLater while the switch cannot be seen: what cannot be checked does not start.
        """
        self._require_sight()
        for entry in self._entries.values():
            if entry.stops(work):
                return entry
        return None

    def age_ms(self, entry: KillEntry) -> float:
        """How long ago the broker stored what the switch says now, by this machine's clock."""
        stored = self._stored.get(entry.switch, entry.engaged_at)
        return max(0.0, (datetime.now(UTC) - stored).total_seconds() * 1000)

    async def note_cancelled(
        self,
        entry: KillEntry,
        what: Stopped,
        id_: str,
        work: Work,
        *,
        attempt: int,
        after_ms: float,
        cause: Recorded,
        confirmed: bool = True,
    ) -> None:
        """Write down, once, that ``entry`` cancelled the call, tool call or attempt ``id_``; before its settlement is written."""
        cancelled = KillCancelled(
            what=what,
            task=work.task or id_,
            attempt=attempt,
            pack=work.pack or "",
            agent=work.agent or "",
            instance=self._bus.instance,
            confirmed=confirmed,
            after_ms=round(after_ms, 3),
        )
        try:
            await keep_trying(
                lambda: self._bus.append(
                    f"kill.{what}-cancelled",
                    entry.switch,
                    cancelled,
                    ordinal=id_,
                    tenant=work.tenant,
                    cause=cause,
                    correlation_id=work.task,
                )
            )
        except Conflict:
            # It came again, or the switch was tightened and cancelled it a second time: the first counts.
            log.info("cancelled_already", switch=entry.switch, what=what, id=id_)

    def _require_sight(self) -> None:
        if not self.synchronised:
            raise RetryLater("the kill switch cannot be seen, so nothing starts", code="kill_switch_unseen")

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
            self._stored.pop(entry.key, None)
            return
        engaged = _parse(entry)
        if engaged.drill:
            saying = asyncio.create_task(self._say_seen(engaged.switch))
            self._saying.add(saying)
            saying.add_done_callback(self._saying.discard)
            return
        before = self._entries.get(entry.key)
        self._entries[entry.key] = engaged
        self._stored[entry.key] = entry.created
        if before == engaged:
            return
        for listener in self._listeners:
            try:
                listener(engaged)
            except Exception:  # one listener's defect must not keep the others, nor the next switch, from being heard of
                log.exception("kill_listener_failed", switch=entry.key)

    # --- being counted ------------------------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return f"{self._bus.service}.{self._bus.instance}"

    async def _announce(self) -> None:
        """Be known as one who has to see the switch, so that a drill can name those who did not."""
        while True:
            try:
                await self._bus.bucket("instances").put(self._name, b"")
            except RetryLater as fault:
                log.info("instance_not_announced", code=fault.code)
            await asyncio.sleep(_ANNOUNCE_EVERY_S)

    async def _say_seen(self, switch: str) -> None:
        try:
            await self._bus.bucket("killacks").put(f"{switch}.{self._name}", b"")
        except RetryLater as fault:
            log.info("drill_not_answered", switch=switch, code=fault.code)


def _parse(entry: Entry) -> KillEntry:
    try:
        return KillEntry.model_validate_json(entry.value or b"")
    except ValueError:
        # A switch that cannot be read stops everything: that is what failing closed means here.
        log.exception("kill_entry_unreadable", switch=entry.key)
        return KillEntry(
            switch=entry.key,
            tenant="unknown",
            scope="global",
            target="*",
            reason="its entry cannot be read; release it and engage it again",
            by=Principal(kind="service", id="unknown"),
            engaged_at=entry.created,
        )
