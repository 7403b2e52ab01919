"""The driver and the offline harness: recorded steps answer at once, in the recorded order, and nothing is asked twice."""

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from pydantic import BaseModel

from agentos.contracts.model import ModelRequest, ModelResponse
from agentos.sdk import ApprovalRejected, CallRefused, Context, ModelError, ToolError, ToolFailure
from agentos.sdk.context import TaskInfo
from agentos.sdk.driver import AgentRun, AtRest, Effect, Ended, task_factory
from agentos.sdk.journal import Answer
from agentos.sdk.testing import Harness, says


class Verdict(BaseModel):
    kind: str


def scripted(request: ModelRequest) -> ModelResponse:
    return says('```json\n{"kind": "bug"}\n```' if request.response_format else "hello")


async def everything(ctx: Context, given: dict[str, Any]) -> dict[str, Any]:
    verdict = await ctx.model(f"what is {given['x']}", response_schema=Verdict)
    at = await ctx.now()
    chance = await ctx.random()
    both = await asyncio.gather(ctx.tool("read.a", n=1), ctx.tool("read.b", n=2))
    await ctx.sleep(timedelta(days=3))
    yes = await ctx.approval("go on?")
    child = await ctx.subtask("child", {"n": 1})
    return {"kind": verdict.kind, "at": at.isoformat(), "chance": chance, "both": both, "by": yes.by, "child": child}


def number_of(arguments: Mapping[str, Any]) -> Any:
    return arguments["n"]


def harness(**changes: Any) -> Harness:
    given: dict[str, Any] = {
        "model": scripted, "tools": {"read.a": number_of, "read.b": number_of}, "subtasks": {"child": number_of},
    }  # fmt: skip
    return Harness(**(given | changes))


async def test_a_crash_after_any_step_and_a_replay_perform_each_effect_once_and_end_the_same() -> None:
    run = await harness().check_crashes(everything, {"x": 1})
    assert run.result["kind"] == "bug"
    assert run.result["both"] == [1, 2]
    assert [p.step for p in run.performed] == list(range(8))


async def test_a_replay_of_the_whole_journal_performs_nothing() -> None:
    run = await harness().check_deterministic(everything, {"x": 1})
    again = await harness(model=None, tools={}).run(everything, {"x": 1}, journal=run.journal)
    assert again.result == run.result


async def test_an_agent_that_asks_for_something_else_at_a_recorded_step_is_parked_and_the_step_named() -> None:
    seen: list[int] = []

    async def fickle(ctx: Context, given: Any) -> Any:
        seen.append(1)
        await ctx.now()
        return (await ctx.model(f"run {len(seen)}")).text

    with pytest.raises(AssertionError, match=r"parked.*step 1 is recorded as model"):
        await harness().check_deterministic(fickle, {})


async def test_branches_of_a_gather_take_the_same_ordinals_in_replay_whatever_order_live_answers_had() -> None:
    """Branch one asks slowly and branch two fast: live, two's second effect comes first; so it must in replay."""

    async def branch(ctx: Context, name: str) -> list[Any]:
        return [await ctx.tool("t", who=name, turn=turn) for turn in range(3)]

    async def agent(ctx: Context, given: Any) -> Any:
        return await asyncio.gather(*(branch(ctx, name) for name in "abcd"))

    loop = asyncio.get_running_loop()
    loop.set_task_factory(task_factory)  # pyright: ignore[reportArgumentType] - typeshed wants Future, asyncio a Task
    for seed in range(20):
        chance = random.Random(seed)
        asked, order = await drive(agent, partial(pick, chance))
        rank = {step: place for place, step in enumerate(order)}
        again, _ = await drive(agent, partial(first_of, rank))
        assert again == asked
    loop.set_task_factory(None)


def pick(chance: random.Random, waiting: set[int]) -> int:
    return chance.choice(sorted(waiting))


def first_of(rank: dict[int, int], waiting: set[int]) -> int:
    return min(waiting, key=rank.__getitem__)


def ignore(level: str, event: str, fields: Mapping[str, Any]) -> None:
    return None


async def drive(agent: Any, choose: Callable[[set[int]], int]) -> tuple[dict[int, Any], list[int]]:
    events: asyncio.Queue[Effect | AtRest | Ended] = asyncio.Queue()
    run = AgentRun(agent, TaskInfo("t", "t", 1), {}, events.put_nowait, log=ignore)
    run.start()
    asked: dict[int, Any] = {}
    outstanding: set[int] = set()
    order: list[int] = []
    while True:
        match await events.get():
            case Effect(step, _, request):
                asked[step] = request
                outstanding.add(step)
            case AtRest():
                step = choose(outstanding)
                outstanding.discard(step)
                order.append(step)
                run.answer(step, Answer(True, step))
            case Ended() as ended:
                assert ended.outcome == "completed"
                return asked, order


async def test_an_agent_may_await_things_of_its_own_between_effects() -> None:
    async def agent(ctx: Context, given: Any) -> Any:
        first = await ctx.tool("read.a", n=1)
        await asyncio.sleep(0.02)
        return [first, await ctx.tool("read.a", n=2)]

    assert (await harness().run(agent, {})).result == [1, 2]


async def test_what_an_agent_did_not_expect_ends_it_with_a_fault_that_names_the_step() -> None:
    def broken(_: Any) -> Any:
        raise ToolFailure("no such issue", retryable=True)

    async def uses_tool(ctx: Context, given: Any) -> Any:
        await ctx.now()
        return await ctx.tool("read.a")

    ended = (await harness(tools={"read.a": broken}).run(uses_tool, {})).ended
    assert ended is not None
    assert (ended.outcome, ended.code, ended.step, ended.retryable) == ("failed", "tool_failed", 1, True)
    refused = (await harness(tools={}).run(uses_tool, {})).ended
    assert refused is not None
    assert (refused.outcome, refused.code, refused.step) == ("refused", "undeclared_tool", 1)


def babble(request: ModelRequest) -> ModelResponse:
    return says("not json")


def refuse(question: str) -> bool:
    return False


async def test_an_agent_may_catch_every_error_of_its_effects() -> None:
    async def careful(ctx: Context, given: Any) -> Any:
        caught: list[str] = []
        try:
            await ctx.model("x", response_schema=Verdict)
        except ModelError as error:
            caught.append(error.code)
        try:
            await ctx.tool("read.a")
        except ToolError as error:
            caught.append(error.code)
        try:
            await ctx.tool("none")
        except CallRefused as error:
            caught.append(error.code)
        try:
            await ctx.approval("?")
        except ApprovalRejected as error:
            caught.append(error.outcome)
        return caught

    def broken(_: Any) -> Any:
        raise ToolFailure("no")

    run = await harness(model=babble, tools={"read.a": broken}, approve=refuse).run(careful, {})
    assert run.result == ["bad_answer", "tool_failed", "undeclared_tool", "rejected"]


@pytest.mark.parametrize(
    "nonsense", [object(), float("nan"), {1, 2}, b"bytes", datetime(2026, 1, 1, tzinfo=UTC), "\ud800", {"a": [object()]}]
)
async def test_a_result_that_is_not_json_is_a_bad_result(nonsense: Any) -> None:
    async def agent(ctx: Context, given: Any) -> Any:
        return nonsense

    ended = (await harness().run(agent, {})).ended
    assert ended is not None
    assert (ended.outcome, ended.code) == ("failed", "bad_result")


@pytest.mark.parametrize("error", [ValueError("boom"), SystemExit(3), KeyboardInterrupt(), RecursionError("deep")])
async def test_whatever_an_agent_raises_ends_only_its_run(error: BaseException) -> None:
    async def agent(ctx: Context, given: Any) -> Any:
        async def child() -> None:
            raise error

        await asyncio.gather(child())

    ended = (await harness().run(agent, {})).ended
    assert ended is not None
    assert (ended.outcome, ended.code) == ("failed", "pack_raised")
