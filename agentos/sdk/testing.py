"""Offline harness for pack authors: run an agent without a broker, crash it at any step, and see that replay asks nothing twice.

    harness = Harness(model=my_model, tools={"github.comment": my_tool})
    run = await harness.run(triage, {"title": "..."})
    await harness.check_crashes(triage, {"title": "..."})

``model`` is any callable from ModelRequest to ModelResponse (plain or async): a script, or the simulated adapter.
"""

import asyncio
import inspect
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from agentos.contracts.ids import derived_id
from agentos.contracts.model import ModelRequest, ModelResponse, TextPart, Usage
from agentos.sdk.context import TaskInfo, failure, refusal
from agentos.sdk.driver import Agent, AgentRun, AtRest, Effect, Ended, task_factory
from agentos.sdk.errors import CallRefused, NonDeterminismError, PackError
from agentos.sdk.journal import Answer, Answered, Journal, Step, StepKind, step_digest
from agentos.sdk.tools import ToolFailure, ToolResult

Model = Callable[[ModelRequest], ModelResponse | Awaitable[ModelResponse]]
Tool = Callable[[Mapping[str, Any]], Any]


def says(text: str) -> ModelResponse:
    """A scripted answer."""
    part = TextPart(text=text)
    return ModelResponse(provider="script", model="script", parts=(part,), finish_reason="stop", usage=Usage(), simulated=True)


@dataclass(frozen=True, slots=True)
class Performed:
    """An effect that was really performed (not replayed)."""

    step: int
    kind: StepKind
    request: Any


@dataclass
class Run:
    """How a run went. ``journal`` is what a later run replays."""

    ended: Ended | None
    journal: Journal
    performed: list[Performed] = field(default_factory=list[Performed])
    logs: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list[tuple[str, str, Mapping[str, Any]]])

    @property
    def result(self) -> Any:
        """The agent's result. Raises AssertionError with the fault when it did not complete."""
        if self.ended is None or self.ended.outcome != "completed":
            raise AssertionError(f"the agent did not complete: {self.ended}")
        return self.ended.result


class Harness:
    """Plays the platform. ``approve`` answers ``ctx.approval`` (True, False); ``subtasks`` answer by type; no wait is waited."""

    def __init__(
        self,
        *,
        model: Model | None = None,
        tools: Mapping[str, Tool] | None = None,
        subtasks: Mapping[str, Tool] | None = None,
        approve: Callable[[str], bool] = lambda _question: True,
        now: datetime = datetime(2026, 1, 1, tzinfo=UTC),
        seed: int = 0,
    ) -> None:
        self._model = model
        self._tools = dict(tools or {})
        self._subtasks = dict(subtasks or {})
        self._approve = approve
        self._now = now
        self._random = random.Random(seed)  # noqa: S311 - the harness must be repeatable, not secret

    async def run(
        self,
        agent: Agent,
        input: Any,  # noqa: A002 - the field's own name
        *,
        journal: Journal | None = None,
        crash_after: int | None = None,
        task: TaskInfo | None = None,
    ) -> Run:
        """Run the agent, replaying ``journal``; stop dead once ``crash_after`` effects were performed (``ended`` is then None)."""
        task = task or TaskInfo(id=derived_id("harness"), type="test", attempt=1)
        run = Run(None, journal or Journal())
        events: asyncio.Queue[Effect | AtRest | Ended] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        before = loop.get_task_factory()
        loop.set_task_factory(task_factory)  # pyright: ignore[reportArgumentType] - typeshed wants Future, asyncio a Task

        def log(level: str, event: str, fields: Mapping[str, Any]) -> None:
            run.logs.append((level, event, fields))

        driven = AgentRun(agent, task, input, events.put_nowait, log=log)
        try:
            driven.start()
            run.ended = await self._serve(driven, events, run, crash_after)
        finally:
            driven.cancel()
            while run.ended is None and not isinstance(await events.get(), Ended):
                pass
            loop.set_task_factory(before)
        return run

    async def _serve(
        self, driven: AgentRun, events: "asyncio.Queue[Effect | AtRest | Ended]", run: Run, crash_after: int | None
    ) -> Ended | None:
        outstanding: dict[int, Effect] = {}
        while True:
            match await events.get():
                case Ended() as ended:
                    return ended
                case Effect() as effect:
                    step = Step(effect.step, effect.kind, step_digest(effect.kind, effect.request))
                    try:
                        asked = run.journal.decide(step)
                    except NonDeterminismError as differs:
                        return Ended("parked", code=differs.code, message=differs.detail, step=differs.step)
                    for event in asked:
                        run.journal = run.journal.evolve(event)
                    if effect.step not in run.journal.answers:
                        if crash_after is not None and len(run.performed) >= crash_after:
                            return None
                        run.performed.append(Performed(effect.step, effect.kind, effect.request))
                        answer = await self._perform(effect)
                        run.journal = run.journal.evolve(Answered(effect.step, answer, len(run.journal.answers)))
                    if effect.kind in ("now", "random"):
                        driven.answer(effect.step, run.journal.answers[effect.step].answer)
                    else:
                        outstanding[effect.step] = effect
                case AtRest():
                    answered = run.journal.next_answer(outstanding)
                    if answered is not None:
                        del outstanding[answered.ordinal]
                        driven.answer(answered.ordinal, answered.answer)

    async def check_crashes(self, agent: Agent, input: Any) -> Run:  # noqa: A002 - the field's own name
        """Crash after each effect in turn and run again: same result, no effect performed twice. Gives the undisturbed run."""
        whole = await self.run(agent, input)
        for crash_after in range(len(whole.performed) + 1):
            first = await self.run(agent, input, crash_after=crash_after)
            again = await self.run(agent, input, journal=first.journal)
            steps = [effect.step for effect in (*first.performed, *again.performed)]
            if sorted(steps) != sorted({effect.step for effect in whole.performed}):
                raise AssertionError(f"after a crash behind effect {crash_after}, the performed steps are {steps}")
            if again.ended is None or whole.ended is None or again.ended.outcome != whole.ended.outcome:
                raise AssertionError(f"after a crash behind effect {crash_after}: {again.ended} instead of {whole.ended}")
        return whole

    async def check_deterministic(self, agent: Agent, input: Any) -> Run:  # noqa: A002 - the field's own name
        """Run, then replay the whole journal: every step must be the same. Raises AssertionError naming the first that differs."""
        first = await self.run(agent, input)
        again = await self.run(agent, input, journal=first.journal)
        if again.ended != first.ended or again.performed:
            raise AssertionError(
                f"the replay differs: {again.ended} instead of {first.ended}; performed anew: {again.performed}"
            )
        return first

    async def _perform(self, effect: Effect) -> Answer:
        try:
            return Answer(True, await self._value(effect))
        except CallRefused as refused:
            return refusal(refused.reasons, refused.code)
        except (PackError, ToolFailure) as failed:
            return failure(failed.code, failed.detail, retryable=failed.retryable)

    async def _value(self, effect: Effect) -> Any:
        request = effect.request
        match effect.kind:
            case "model":
                if self._model is None:
                    raise CallRefused(("the harness was given no model",))
                response = await _maybe(self._model(ModelRequest.model_validate(request)))
                return response.model_dump(mode="json")
            case "tool":
                if request["tool"] not in self._tools:
                    raise CallRefused((f"the harness was given no tool {request['tool']}",), code="undeclared_tool")
                result = await _maybe(self._tools[request["tool"]](request["arguments"]))
                return result.value if isinstance(result, ToolResult) else result
            case "approval":
                outcome = "approved" if self._approve(request["question"]) else "rejected"
                return {"outcome": outcome, "by": "harness"}
            case "now":
                self._now += timedelta(milliseconds=1)
                return self._now.isoformat()
            case "random":
                return self._random.random()
            case "sleep":
                self._now += timedelta(milliseconds=request["ms"])
                return None
            case "subtask":
                if request["type"] not in self._subtasks:
                    raise PackError(f"the harness was given no subtask {request['type']}", code="not_found")
                return await _maybe(self._subtasks[request["type"]](request["input"]))


async def _maybe(value: Any) -> Any:
    if inspect.isawaitable(value):
        return await value
    return value


__all__ = ["Harness", "Performed", "Run", "says"]
