"""One attempt in this runner: drives the pack host, answers its effects in order, and says how it came out."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

import structlog

from agentos.contracts.commands import WorkItem
from agentos.contracts.errors import AgentOSError, RetryLater
from agentos.ending import end
from agentos.killswitch import KillEntry
from agentos.packhost.listener import Tried
from agentos.packhost.process import Died, EffectFrame, EndedFrame, HostBroken, LogFrame, PackHost, RestFrame
from agentos.sdk.errors import NonDeterminismError
from agentos.sdk.journal import IMMEDIATE
from agentos.sdk.manifest import AgentEntry
from services.runner.domain import CRASHED, ESCAPING, HUNG, TIMED_OUT, Finish
from services.runner.hosts import Hosts
from services.runner.pack_log import PackLog
from services.runner.steps import Given, Note, Steps

log = structlog.get_logger(__name__)

TIDY_S = 5.0
"""What an effect that is cancelled has for its tidying up."""
_CLEAN_UP = timedelta(seconds=1)
_CLEAN_UP_WHEN_KILLED = timedelta(milliseconds=200)
"""An agent has neither network nor keys: one that goes on computing after this can do nothing that would be answered."""
_CRASHES_OF_ITS_OWN, _CRASHES_OF_NOBODY = 2, 5


@dataclass(frozen=True, slots=True)
class Suspend:
    """Put the attempt away until ``on`` has happened."""

    waiting_for: Literal["call", "tool", "approval", "timer", "subtask"]
    on: str


@dataclass(frozen=True, slots=True)
class Done:
    """The attempt is over. ``result`` counts only when it completed."""

    finish: Finish
    result: Any = None


@dataclass(frozen=True, slots=True)
class _Answered:
    step: int
    given: Given


@dataclass(frozen=True, slots=True)
class _Noted:
    step: int
    note: Note


@dataclass(frozen=True, slots=True)
class _Failed:
    error: BaseException


@dataclass(frozen=True, slots=True)
class _Stop:
    """``code`` is cancelled, killed or draining."""

    code: str
    message: str
    entry: KillEntry | None = None


@dataclass(slots=True)
class _State:
    """Where the run stands. ``outstanding`` maps a step to how it waits (None: still being looked up)."""

    outstanding: dict[int, Note | None] = field(default_factory=dict[int, "Note | None"])
    ready: dict[int, Given] = field(default_factory=dict[int, Given])
    asked: int = 0
    delivered: int = 0
    at_rest: bool = False
    long_since: float = 0.0

    def next_ready(self) -> int | None:
        """The step to answer next: none before every effect was looked up, for one of those may come first."""
        if not self.at_rest or not self.ready or None in self.outstanding.values():
            return None
        # Ends of sleeps have no place in the stream (seq 0); their due time puts them among the answers that have.
        first = min((s for s in self.ready if self.ready[s].seq), key=lambda s: self.ready[s].seq, default=None)
        woken = min((s for s in self.ready if not self.ready[s].seq), key=lambda s: (self.ready[s].time, s), default=None)
        if first is None or (woken is not None and self.ready[woken].time < self.ready[first].time):
            return woken
        return first

    def only_long(self) -> bool:
        """Whether the agent rests and nothing that it waits for comes soon."""
        notes = self.outstanding.values()
        return (
            self.at_rest and not self.ready and bool(notes) and all(note is not None and note.state == "long" for note in notes)
        )


class Attempt:
    """``run`` it once. ``stop`` may be called at any time."""

    def __init__(
        self,
        item: WorkItem,
        agent: AgentEntry,
        steps: Steps,
        hosts: Hosts,
        suspend_after: timedelta,
        tried: Callable[[Tried], bool],
        said: PackLog,
    ) -> None:
        """``tried`` takes down what the agent tries, and says whether that is enough."""
        self._item = item
        self._agent = agent
        self._steps = steps
        self._hosts = hosts
        self._suspend_after = suspend_after.total_seconds()
        self._tried = tried
        self._said = said
        self._mail: asyncio.Queue[object] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0
        self.killed_by: KillEntry | None = None
        """The switch that ended it, once ``run`` has returned."""
        self.confirmed_stopped = True
        """False when the agent was told to stop and has not said that it did."""

    def cancel(self, reason: str) -> None:
        """The task is to end: the agent may clean up for a moment."""
        self._mail.put_nowait(_Stop("cancelled", reason))

    def kill(self, entry: KillEntry) -> None:
        """A kill switch covers the task."""
        self._mail.put_nowait(_Stop("killed", entry.describe(), entry))

    def put_down(self) -> None:
        """The runner is leaving: another one takes over from the recorded steps."""
        self._mail.put_nowait(_Stop("draining", "the runner is leaving"))

    async def run(self, task_input: Any, task_type: str) -> Suspend | Done:
        """Drive the agent until it ends or has to wait long. Raises RetryLater when another try (elsewhere, later) is needed."""
        own, nobody = 0, 0
        while True:
            try:
                host = await self._hosts.host(self._item.pack)
            except HostBroken as broken:
                return Done(Finish("failed", broken.code, broken.detail, retryable=broken.code == "host_silent"))
            came = await self._drive(host, task_input, task_type)
            if not isinstance(came, Died):
                return came
            if came.guilty and came.hung:
                return Done(HUNG)
            # A neighbour's crash costs this attempt nothing; one that cannot be traced is nobody's, and cannot go on for ever.
            own, nobody = own + came.guilty, nobody + (not came.blamed)
            if own >= _CRASHES_OF_ITS_OWN or nobody >= _CRASHES_OF_NOBODY:
                return Done(CRASHED)
            # Nothing is lost: the recorded steps answer at once.
            self._steps.replaying = True

    async def _drive(self, host: PackHost, task_input: Any, task_type: str) -> Suspend | Done | Died:
        self._mail, pending = asyncio.Queue(), self._mail
        while not pending.empty():
            if isinstance(message := pending.get_nowait(), _Stop):
                self._mail.put_nowait(message)
        self._number = number = self._hosts.next_number()
        task = {"id": self._item.task, "type": task_type, "attempt": self._item.attempt}
        self._said.again()
        host.begin(number, {"t": "agent", "agent": self._agent.name, "task": task, "input": task_input}, self._mail.put_nowait)
        try:
            return await self._serve(host, number)
        finally:
            host.forget(number)
            await end(*self._tasks, again_s=TIDY_S)

    async def _serve(self, host: PackHost, number: int) -> Suspend | Done | Died:
        state = _State()
        loop = asyncio.get_running_loop()
        budget = self._agent.timeout_s
        while True:
            waits = state.at_rest and bool(state.outstanding)
            limit = (
                budget if not waits else (state.long_since + self._suspend_after - loop.time() if state.only_long() else None)
            )
            began = loop.time()
            try:
                async with asyncio.timeout(None if limit is None else max(limit, 0)):
                    message = await self._mail.get()
            except TimeoutError:
                if waits:
                    return self._suspension(state)
                return await self._end(host, number, Finish("failed", "pack_timeout", TIMED_OUT.format(self._agent.timeout_s)))
            if not waits:
                budget -= loop.time() - began
            ended = await self._take(host, number, state, message, loop.time())
            if ended is not None:
                return ended
            if (step := state.next_ready()) is not None:
                state.outstanding.pop(step)
                self._deliver(host, number, state, step, state.ready.pop(step))

    def _deliver(self, host: PackHost, number: int, state: _State, step: int, given: Given) -> None:
        state.at_rest = False
        state.delivered += 1
        host.answer(number, step, ok=given.answer.ok, value=given.answer.value)

    async def _take(self, host: PackHost, number: int, state: _State, message: object, now: float) -> Done | Died | None:
        match message:
            case Tried():
                return await self._note(host, number, message)
            case EffectFrame() if message.step != state.asked:
                # The SDK numbers them without a gap: whoever wrote this frame is not the SDK.
                forged = Tried("protocol", "sent a step out of its order")
                return await self._note(host, number, forged) or await self._put_out(host, number)
            case EffectFrame():
                state.at_rest = False
                state.asked += 1
                state.outstanding[message.step] = None
                self._begin(message)
            case RestFrame():
                state.at_rest = message.delivered == state.delivered
                state.long_since = now
            case _Noted(step, note):
                if step in state.outstanding and state.outstanding[step] != note:
                    state.outstanding[step] = note
                    state.long_since = now
            case _Answered(step, given):
                if given.seq == -1:  # immediate: nothing may overtake it
                    state.outstanding.pop(step)
                    self._deliver(host, number, state, step, given)
                else:
                    state.outstanding[step] = Note("short")
                    state.ready[step] = given
            case EndedFrame():
                return self._ended(message)
            case Died():
                return message
            case LogFrame():
                self._said.take(message)
            case _Failed(error):
                return self._failed(error)
            case _Stop():
                return await self._stopped(host, number, message)
            case other:
                raise TypeError(f"unexpected {type(other).__name__}")
        return None

    async def _note(self, host: PackHost, number: int, tried: Tried) -> Done | None:
        return await self._put_out(host, number) if self._tried(tried) else None

    async def _put_out(self, host: PackHost, number: int) -> Done:
        came = await self._end(host, number, ESCAPING, _CLEAN_UP_WHEN_KILLED)
        if not self.confirmed_stopped:
            # Neighbours of the same pack begin again from their recorded steps.
            host.kill()
        return came

    def _begin(self, frame: EffectFrame) -> None:
        async def perform() -> None:
            try:
                given = await self._steps.perform(frame, lambda step, note: self._mail.put_nowait(_Noted(step, note)))
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - handed to the attempt, which raises or records it
                self._mail.put_nowait(_Failed(error))
            else:
                if frame.kind in IMMEDIATE:
                    given = Given(given.answer, -1, given.time)
                self._mail.put_nowait(_Answered(frame.step, given))

        task = asyncio.create_task(perform())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _suspension(self, state: _State) -> Suspend:
        note = state.outstanding[min(state.outstanding)]
        if note is None:
            raise RuntimeError("an effect that is being looked up cannot be waited for")
        return Suspend(note.waiting_for, note.on)

    def _ended(self, frame: EndedFrame) -> Done:
        self._said.unsent(frame.unsent)
        if frame.trace:
            log.debug("agent_raised", task=self._item.task, trace=self._steps.hide(frame.trace))
        finish = Finish(frame.outcome, frame.code, frame.message, retryable=frame.retryable, step=frame.step)
        if frame.outcome == "cancelled":
            # Nobody cancelled it: the agent did so itself.
            finish = Finish("failed", "pack_raised", "the agent cancelled itself")
        return Done(finish, frame.result)

    def _failed(self, error: BaseException) -> Done:
        match error:
            case NonDeterminismError():
                return Done(Finish("parked", error.code, error.detail, step=error.step))
            case RetryLater():
                raise error
            case AgentOSError():
                # Such as an erased data key: the attempt cannot go on, now or later.
                return Done(Finish("failed", error.code, error.detail))
            case _:
                raise error

    async def _stopped(self, host: PackHost, number: int, stop: _Stop) -> Done:
        match stop.code:
            case "draining":
                raise RetryLater(stop.message, delay=timedelta(milliseconds=50), code="draining")
            case "killed":
                self.killed_by = stop.entry
                return await self._end(host, number, Finish("refused", "killed", stop.message), _CLEAN_UP_WHEN_KILLED)
            case _:
                return await self._end(host, number, Finish("cancelled", "cancelled", stop.message))

    async def _end(self, host: PackHost, number: int, finish: Finish, within: timedelta = _CLEAN_UP) -> Done:
        """Have the agent cancelled, and give it a moment to clean up; what it says then counts no more."""
        host.cancel(number)
        try:
            async with asyncio.timeout(within.total_seconds()):
                while not isinstance(message := await self._mail.get(), Died):
                    if isinstance(message, LogFrame):
                        self._said.take(message)
                    elif isinstance(message, EndedFrame):
                        self._said.unsent(message.unsent)
                        break
        except TimeoutError:
            self.confirmed_stopped = False
        return Done(finish)
