"""One tail of all events for every socket of this gateway: it stands while somebody listens, and nobody's slowness holds it up."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import structlog

from agentos.bus import Bus, Raw, Tail
from agentos.contracts.errors import RetryLater
from agentos.ending import end
from agentos.killswitch import KillEntry
from agentos.telemetry import counter, gauge
from agentos.violations import SYSTEM
from services.gateway.live.frames import Event

log = structlog.get_logger(__name__)

MOST_WAITING = 2_000
"""Events that may wait for one socket; one that lets more wait is too slow."""
MOST_MISSED = 5_000
"""Events that are sent again to a client that comes back; one that missed more fetches its lists instead."""
MOST_SWITCHES = 1_000


@dataclass(eq=False, slots=True)
class Listener:
    """One socket's place at the feed. ``overflowed`` is set when it was too slow; nothing is added any more then."""

    wants: Callable[[Event], bool]
    position: int
    """Everything after this position is, or will be, in ``waiting``."""
    waiting: "asyncio.Queue[Event]" = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))
    overflowed: asyncio.Event = field(default_factory=asyncio.Event)


class Feed:
    """Follows EVENTS while it has listeners. Of one event loop."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._tail: Tail | None = None
        self._reader: asyncio.Task[None] | None = None
        self._listeners: set[Listener] = set()
        self._position = 0
        self._global_switches: OrderedDict[str, None] = OrderedDict()
        """Ids of switches that stop every tenant: what is told later of them names no scope."""
        self._opening = asyncio.Lock()
        self._told = counter("agentos_live_events_total", "Events put before live sockets.", ())
        self._sockets = gauge("agentos_live_sockets", "Live sockets open.", ())

    @property
    def position(self) -> int:
        """The last event that was put before the listeners."""
        return self._position

    @property
    def listeners(self) -> int:
        """How many sockets are told."""
        return len(self._listeners)

    @property
    def live(self) -> bool:
        """Whether what was stored until just now has been told: not while the broker is away."""
        return self._tail is not None and self._tail.live and self._bus.connected

    @asynccontextmanager
    async def listen(self, wants: Callable[[Event], bool]) -> AsyncGenerator[Listener]:
        """A place at the feed: all that ``wants`` says yes to and that is stored from now on. Raises RetryLater without a broker."""
        async with self._opening:
            if self._reader is None or self._reader.done():
                await self._open()
            listener = Listener(wants, self._position)
            self._listeners.add(listener)
        self._sockets.set(len(self._listeners))
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            self._sockets.set(len(self._listeners))
            if not self._listeners:
                # Nobody listens: nothing is read.
                reader, self._reader, self._tail = self._reader, None, None
                if reader is not None:
                    await end(reader)

    async def close(self) -> None:
        """Stop following; for the gateway's end."""
        if self._reader is not None:
            await end(self._reader)

    async def missed(self, tenant: str, since: int, until: int) -> "list[Event] | None":
        """The tenant's events after ``since`` up to ``until``; None when they are too many, or the stream cannot be asked."""
        if since >= until:
            return []
        tail = self._bus.tail((f"evt.{tenant}.>", "evt.*.kill.>", f"evt.{SYSTEM}.presence.>"), start=since + 1)
        found: list[Event] = []
        try:
            async with asyncio.timeout(10), aclosing(tail.updates()) as updates:
                async for raw in updates:
                    # What there is is known with the first of it: the rest need not be carried over to be thrown away.
                    if raw is None or raw.seq > until:
                        break
                    if len(found) + min(raw.pending, until - raw.seq) > MOST_MISSED:
                        return None
                    found.append(self._read(raw))
                    if raw.seq == until:
                        break
        except TimeoutError:
            log.info("what a live client missed was not read in time", since=since, until=until)
            return None
        return found

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(5):
                for entry in await self._bus.bucket("kill").entries():
                    switch = KillEntry.model_validate_json(entry.value or b"{}")
                    if switch.scope == "global":
                        self._note_global(switch.switch)
                tail = self._bus.tail(("evt.>",), start="new")
                opened = asyncio.Event()
                reader = asyncio.create_task(self._follow(tail, opened), name="gateway-live-feed")
                try:
                    await opened.wait()
                except BaseException:
                    await end(reader)
                    raise
        except TimeoutError:
            raise RetryLater("the broker does not answer", code="broker_unavailable") from None
        self._tail, self._reader = tail, reader

    async def _follow(self, tail: Tail, opened: asyncio.Event) -> None:
        async with aclosing(tail.updates()) as updates:
            async for raw in updates:
                # The first of all says that the tail stands, where nothing has come yet.
                self._position = max(self._position, tail.position)
                if raw is not None:
                    self._tell(self._read(raw))
                    self._position = raw.seq
                opened.set()

    def _read(self, raw: Raw) -> Event:
        event = Event(raw)
        if event.aggregate == "kill" and event.for_everyone:
            self._note_global(event.id)
        return event

    def _note_global(self, switch: str) -> None:
        self._global_switches[switch] = None
        while len(self._global_switches) > MOST_SWITCHES:
            self._global_switches.popitem(last=False)

    def concerns(self, event: Event, tenant: str) -> bool:
        """Whether the event is of this tenant, of a switch that stops every tenant, or of an agent that serves every one."""
        if event.tenant == tenant:
            return True
        if event.aggregate == "presence":
            return event.tenant == SYSTEM
        return event.aggregate == "kill" and event.id in self._global_switches

    def _tell(self, event: Event) -> None:
        if not event.readable:
            return
        for listener in self._listeners:
            if listener.overflowed.is_set() or not listener.wants(event):
                continue
            try:
                listener.waiting.put_nowait(event)
                self._told.inc()
            except asyncio.QueueFull:
                listener.overflowed.set()
