"""What stops a model call: a kill switch, its task's cancellation, the client that went away. Each reaches it at once, wherever it is."""

import asyncio
from collections import OrderedDict
from types import TracebackType
from typing import Self, TypeVar

from agentos.bus import Bus
from agentos.contracts.base import Fault
from agentos.contracts.envelope import Recorded
from agentos.contracts.events.call import CallContext, CallDecided
from agentos.killswitch import KillEntry, KillSwitch, Work
from agentos.telemetry import counter
from services.router.attempts import Halted
from services.router.choosing import Target

__all__ = ["ABANDONED", "CANCELLED", "Flight", "Stopped", "Stops"]

CANCELLED = Fault(code="cancelled", message="the task was cancelled")
ABANDONED = Fault(code="abandoned", message="the client that waited for the answer went away")

T = TypeVar("T")

REMEMBERED = 10_000
"""Cancelled tasks and abandoned calls that are remembered, so that what waits for its turn does not start."""


class Stopped(Exception):
    """A call was stopped while it ran: why, and by which switch, if it was one."""

    def __init__(self, fault: Fault, killed: tuple[KillEntry, Work] | None = None) -> None:
        super().__init__(fault.message)
        self.fault = fault
        self.killed = killed


class Flight:
    """A call while it runs, between its first turn and its end: the pauses too. Leaving it raises Stopped when the call was stopped."""

    def __init__(self, stops: "Stops", tenant: str, call: str, decided: CallDecided) -> None:
        self.tenant, self.call, self.decided = tenant, call, decided
        self.targets: tuple[Target, ...] = ()
        """Those that it asks, or is about to ask."""
        self.stopped: Stopped | None = None
        self._stops = stops
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0

    def work(self, target: Target | None = None) -> Work:
        """The call as the kill switch knows it."""
        context = self.decided.context
        return Work(
            self.tenant,
            pack=context.pack,
            agent=context.agent,
            provider=None if target is None else target.provider,
            model=None if target is None else target.name,
            task=context.task,
            alias=self.decided.model,
            running=True,
        )

    def works(self) -> list[Work]:
        """One for each of its targets."""
        return [self.work(target) for target in self.targets] or [self.work()]

    def permit(self, target: Target) -> None:
        """Whether the call may go to ``target`` right now. Raises Halted, and RetryLater when the switch cannot be seen."""
        self._stops.permit(self, target)

    def at(self, *targets: Target) -> None:
        """See ``Journal.at``."""
        self.targets = targets

    def stop(self, stopped: Stopped) -> None:
        """End it. The first reason counts."""
        if self.stopped is None and self._task is not None:
            self.stopped = stopped
            self._task.cancel()

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        assert self._task is not None, "a flight is entered by a coroutine"  # noqa: S101 - an invariant
        self._cancelling = self._task.cancelling()
        self._stops.flights[(self.tenant, self.call)] = self
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        task, self._task = self._task, None
        del self._stops.flights[(self.tenant, self.call)]
        if self.stopped is None or task is None:
            return
        # As in asyncio.timeout: a cancellation that is not ours alone (the service is stopping) goes on.
        if task.uncancel() <= self._cancelling and (kind is None or issubclass(kind, asyncio.CancelledError)):
            raise self.stopped from None


class Stops:
    """Everything that runs, and what must not run any more."""

    def __init__(self, bus: Bus, kill: KillSwitch) -> None:
        self.flights: dict[tuple[str, str], Flight] = {}
        self._bus, self._kill = bus, kill
        self._cancelled_tasks: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._abandoned: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._count = counter("agentos_kill_cancelled_total", "Calls cancelled by a kill switch.", ("scope",))
        kill.on_engaged(self.on_killed)

    def require_sight(self, flight: Flight) -> None:
        """Raises RetryLater while the kill switch cannot be seen. What it says counts right before the call."""
        self._kill.blocked(flight.work())

    def permit(self, flight: Flight, target: Target) -> None:
        """See ``Flight.permit``."""
        if (blocked := self._kill.blocked(flight.work(target))) is not None:
            raise Halted("refused", Fault(code="killed", message=blocked.describe()), ("kill_switch",))
        if self._is_cancelled(flight.tenant, flight.decided.context):
            raise Halted("cancelled", CANCELLED)
        if (flight.tenant, flight.call) in self._abandoned:
            raise Halted("cancelled", ABANDONED)

    def on_killed(self, entry: KillEntry) -> None:
        """Cancel everything in flight that the switch covers. At once; the settlements follow."""
        for flight in list(self.flights.values()):
            if flight.stopped is None and (work := next(filter(entry.cancels, flight.works()), None)) is not None:
                flight.stop(Stopped(Fault(code="killed", message=entry.describe()), (entry, work)))
                self._count.labels(entry.scope).inc()

    async def note_killed(self, flight: Flight, stopped: Stopped, cause: Recorded) -> None:
        """Write down which switch cancelled the call, where one did; before its settlement is written."""
        if stopped.killed is not None:
            entry, work = stopped.killed
            after_ms = self._kill.age_ms(entry)
            await self._kill.note_cancelled(
                entry, "call", flight.call, work, attempt=flight.decided.context.attempt, after_ms=after_ms, cause=cause
            )

    def cancel_task(self, tenant: str, task: str, attempt: int) -> None:
        """Cancel what is in flight for an attempt of a task, and let nothing of it start any more."""
        _remember(self._cancelled_tasks, (tenant, task), max(attempt, self._cancelled_tasks.get((tenant, task), 0)))
        for flight in list(self.flights.values()):
            if flight.tenant == tenant and self._is_cancelled(tenant, flight.decided.context):
                flight.stop(Stopped(CANCELLED))

    def abandon(self, tenant: str, call: str) -> None:
        """Cancel a call that nobody waits for any more, or see to it that it does not start."""
        _remember(self._abandoned, (tenant, call), None)
        if (flight := self.flights.get((tenant, call))) is not None:
            flight.stop(Stopped(ABANDONED))

    async def recall_cancellation(self, tenant: str, context: CallContext) -> None:
        """A call that comes again may have been cancelled while nobody here listened."""
        if await self._bus.get(f"evt.{tenant}.task.{context.task}.cancelling.{context.attempt}") is not None:
            self.cancel_task(tenant, context.task, context.attempt)

    async def recall_abandonment(self, tenant: str, call: str) -> None:
        """A call that waited for a person may have been abandoned long before this router listened, or remembers."""
        if await self._bus.get(f"evt.{tenant}.call.{call}.abandoned") is not None:
            self.abandon(tenant, call)

    def _is_cancelled(self, tenant: str, context: CallContext) -> bool:
        return self._cancelled_tasks.get((tenant, context.task), 0) >= context.attempt


def _remember(memory: OrderedDict[tuple[str, str], T], key: tuple[str, str], value: T) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)
