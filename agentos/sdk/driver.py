"""Drives one run of an agent: numbers its effects, delivers answers one at a time, and says when the agent is at rest.

Between two deliveries the run is let come to rest, so that the order in which branches of an ``asyncio.gather`` ask for their
next effects follows from the order of answers alone, live and in replay alike. The caller delivers, at rest, the answer
that is first in recorded order (see ``Journal.next_answer``).
"""

import asyncio
import contextvars
import threading
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from agentos.sdk.context import Context, TaskInfo
from agentos.sdk.errors import CallRefused, NonDeterminismError, PackError
from agentos.sdk.journal import IMMEDIATE, Answer, StepKind, canonical

Agent = Callable[[Context, Any], Awaitable[Any]]
MAX_RESULT_BYTES = 4 * 1024 * 1024
_REST_PASSES = 3
"""Passes of the event loop without a step of the run before it counts as at rest: a done future wakes a gather in one, the
gather its waiter in a second."""

_running: contextvars.ContextVar["AgentRun | None"] = contextvars.ContextVar("agentos_running", default=None)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Effect:
    """The agent asks for something."""

    step: int
    kind: StepKind
    request: Any


@dataclass(frozen=True, slots=True)
class AtRest:
    """Nothing moves until an answer comes. ``delivered`` counts the answers so far."""

    delivered: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The agent is done. ``code``, ``message``, ``retryable`` and ``step`` say why when it did not complete."""

    outcome: Literal["completed", "failed", "refused", "cancelled", "parked"]
    result: Any = None
    code: str = ""
    message: str = ""
    retryable: bool = False
    step: int | None = None
    trace: str = ""


class _Driven(Coroutine[Any, Any, Any]):
    """A coroutine that says whose turn it is before each of its steps: how a hang is traced to its task."""

    def __init__(self, inner: Coroutine[Any, Any, Any], run: "AgentRun") -> None:
        self._inner = inner
        self._run = run

    def send(self, value: Any) -> Any:
        return self._step(self._inner.send, value)

    def throw(self, *error: Any) -> Any:
        return self._step(self._inner.throw, *error)

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()

    def _step(self, move: Callable[..., Any], *arguments: Any) -> Any:
        self._run.enter()
        try:
            return move(*arguments)
        except (SystemExit, KeyboardInterrupt) as leaving:
            # asyncio lets these two stop the loop, and with it every other task of the pack.
            raise RuntimeError(f"the agent raised {type(leaving).__name__}") from leaving
        finally:
            self._run.leave()


def current_run() -> "AgentRun | None":
    """The run that the caller's code belongs to."""
    return _running.get()


def task_factory(
    loop: asyncio.AbstractEventLoop, coro: Any, *, context: contextvars.Context | None = None
) -> asyncio.Task[Any]:
    """To be set on the loop that drives agents: tasks that an agent makes belong to its run."""
    run = _running.get() if context is None else context.get(_running)
    if run is None:
        return asyncio.Task(coro, loop=loop, context=context)
    task: asyncio.Task[Any] = asyncio.Task(_Driven(coro, run), loop=loop, context=context)
    run.adopt(task)
    return task


class AgentRun:
    """One run of an agent's coroutine, from the beginning. ``emit`` gets Effect, AtRest and at last Ended, synchronously."""

    def __init__(
        self,
        agent: Agent,
        task: TaskInfo,
        input: Any,  # noqa: A002 - the field's own name
        emit: Callable[[Effect | AtRest | Ended], None],
        *,
        log: Callable[[str, str, Mapping[str, Any]], None],
        enter: Callable[[], None] = lambda: None,
        leave: Callable[[], None] = lambda: None,
    ) -> None:
        self._agent = agent
        self._context = Context(task, self)
        self._input = input
        self._emit = emit
        self._log = log
        self._enter, self.leave = enter, leave
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.get_ident()
        self._next = 0
        self._delivered = 0
        self._steps_taken = 0
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._immediate: set[int] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._main: asyncio.Task[Any] | None = None
        self._resting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin. The loop must have ``task_factory``."""
        context = contextvars.copy_context()
        context.run(_running.set, self)
        self._loop = loop = asyncio.get_running_loop()
        self._main = loop.create_task(_as_coroutine(self._agent, self._context, self._input), context=context)
        self._main.add_done_callback(self._finished)
        self._settle()

    def answer(self, step: int, answer: Answer) -> None:
        """Deliver. An answer to a step that is not waited for is ignored."""
        waiting = self._waiting.pop(step, None)
        if waiting is None or waiting.done():
            return
        self._immediate.discard(step)
        self._delivered += 1
        waiting.set_result(answer)
        self._settle()

    def cancel(self) -> None:
        """Raise CancelledError in the agent, as asyncio does; it may clean up."""
        if self._main is not None and not self._main.done():
            self._main.cancel()

    # --- Port -------------------------------------------------------------------------------------------------------
    def ask(self, kind: StepKind, request: Any) -> tuple[int, Awaitable[Answer]]:
        step, self._next = self._next, self._next + 1
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[step] = future
        if kind in IMMEDIATE:
            self._immediate.add(step)
        self._emit(Effect(step, kind, request))
        # Also what a timer of the agent's own has woken comes to rest again.
        self._settle()
        return step, future

    def log(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        if threading.get_ident() == self._thread:
            self._log(level, event, fields)
        elif self._loop is not None:
            # An agent may compute in a thread of its own, and what it logs there goes out by the loop's pipe.
            self._loop.call_soon_threadsafe(self._log, level, event, fields)

    # --- for the task factory -------------------------------------------------------------------------------------------
    def enter(self) -> None:
        self._steps_taken += 1
        self._enter()

    def adopt(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- inside -----------------------------------------------------------------------------------------------------
    def _settle(self) -> None:
        if self._resting is None or self._resting.done():
            self._resting = asyncio.get_running_loop().create_task(self._come_to_rest(), context=_outside())

    async def _come_to_rest(self) -> None:
        quiet, seen = 0, -1
        while quiet < _REST_PASSES:
            await asyncio.sleep(0)
            moved = (self._steps_taken, self._delivered)
            quiet = quiet + 1 if moved == seen else 0
            seen = moved
        # Waiting for the clock or for randomness is no rest: nothing may overtake their answers.
        if not self._immediate and (self._main is None or not self._main.done()):
            self._resting = None
            self._emit(AtRest(self._delivered))

    def _finished(self, main: asyncio.Task[Any]) -> None:
        for task in tuple(self._tasks):
            if task is not main:
                task.cancel()
        for future in self._waiting.values():
            future.cancel()
        self._emit(_ended(main))


def _outside() -> contextvars.Context:
    context = contextvars.copy_context()
    context.run(_running.set, None)
    return context


async def _as_coroutine(agent: Agent, context: Context, input: Any) -> Any:  # noqa: A002 - the field's own name
    return await agent(context, input)


def _ended(main: asyncio.Task[Any]) -> Ended:
    if main.cancelled():
        return Ended("cancelled")
    error = main.exception()
    match error:
        case None:
            return _result(main.result())
        case NonDeterminismError():
            return Ended("parked", code=error.code, message=error.detail, step=error.step)
        case CallRefused():
            return Ended("refused", code=error.code, message=error.detail, step=error.step)
        case PackError():
            return Ended("failed", code=error.code, message=error.detail, retryable=error.retryable, step=error.step)
        case _:
            message = f"{type(error).__name__}: {error}"
            return Ended(
                "failed", code="pack_raised", message=message, trace="".join(traceback.format_exception(error, limit=-20))
            )


def _result(value: Any) -> Ended:
    try:
        plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        size = len(canonical(plain))
    except Exception as bad:  # noqa: BLE001 - a pack's own serializer may raise anything; it is the pack's fault either way
        return Ended(
            "failed", code="bad_result", message=f"the agent returned {type(value).__name__}, which is not JSON: {bad}"
        )
    if size > MAX_RESULT_BYTES:
        return Ended(
            "failed", code="bad_result", message=f"the result has {size} bytes of JSON; {MAX_RESULT_BYTES} are allowed"
        )
    return Ended("completed", result=plain)
