"""The worker over a real broker: secrets by value, retries of passing faults, and calls that are called off."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agentos.contracts.events.call import CallAttempted, ToolCallSettled
from agentos.contracts.events.kill import KillCancelled
from tests.conftest import Broker
from tests.services.runner.world import World, world_of


@pytest.fixture
async def world(broker: Broker, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of(broker, tmp_path) as running:
        yield running


MAIN = """
        import asyncio, os, time
        from agentos.sdk import ToolFailure, ToolResult

        async def main(ctx, input):
            return await ctx.tool("local.try")
"""


async def run(world: World, code: str, **changes: Any) -> str:
    world.pack(MAIN + code, tools=["local.try"])
    world.run_runner()
    world.run_worker(worker_grants=("TRIAL_SECRET",), **changes)
    return await world.submit("main", {})


async def settled(world: World, task: str) -> ToolCallSettled:
    return (await world.until(f"tool.{task}-s0000-e1.settled")).payload(ToolCallSettled)


async def test_a_tool_gets_its_declared_secret_by_value_and_finds_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIAL_SECRET", "s3cret-value")
    monkeypatch.setenv("AGENTOS_NATS_PASSWORD", "never")
    task = await run(world, """
        async def local_try(call):
            return {"secrets": dict(call.secrets), "environment": "AGENTOS_NATS_PASSWORD" in os.environ}
    """)  # fmt: skip
    assert world.opened(await world.settled(task)) == {"secrets": {"TRIAL_SECRET": "s3cret-value"}, "environment": False}


async def test_a_passing_fault_is_tried_again_with_the_same_call_id_and_each_attempt_is_recorded(world: World) -> None:
    task = await run(world, """
        async def local_try(call):
            (call.outbox / f"{call.id}-{call.attempt}").touch()
            if call.attempt < 3:
                raise ToolFailure("busy", code="busy", retryable=True)
            return call.id
    """)  # fmt: skip
    assert world.opened(await world.settled(task)) == f"{task}-s0000-e1"
    assert len(list((world.data / "outbox").iterdir())) == 3
    attempted = (await world.until(f"tool.{task}-s0000-e1.attempted.2")).payload(CallAttempted)
    assert attempted.fault.code == "busy"


async def test_a_tool_that_raises_is_not_tried_again_and_its_secret_is_not_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIAL_SECRET", "s3cret-value")
    task = await run(world, """
        async def local_try(call):
            raise RuntimeError("cannot log in with " + call.secrets["TRIAL_SECRET"])
    """)  # fmt: skip
    end = await settled(world, task)
    assert end.fault is not None
    assert (end.outcome, end.fault.code) == ("failed", "tool_raised")
    assert end.fault.message == "RuntimeError: cannot log in with <TRIAL_SECRET>"


async def test_a_tool_that_blocks_is_found_out(world: World) -> None:
    task = await run(world, """
        async def local_try(call):
            time.sleep(3600)
    """, worker_hang_after=1.5)  # fmt: skip
    end = await settled(world, task)
    assert end.fault is not None
    assert end.fault.code == "tool_hung"


SLOW = """
        async def local_try(call):
            (call.outbox / "began").touch()
            await asyncio.sleep(3600)
"""


async def test_a_cancelled_task_calls_its_tool_off(world: World) -> None:
    task = await run(world, SLOW)
    await began(world)
    await world.cancel(task)
    end = await settled(world, task)
    assert end.fault is not None
    assert (end.outcome, end.fault.code) == ("cancelled", "cancelled")


async def test_the_kill_switch_calls_a_tool_off(world: World) -> None:
    task = await run(world, SLOW)
    await began(world)
    await world.engage("global", "*")
    end = await settled(world, task)
    assert end.fault is not None
    assert (end.outcome, end.fault.code) == ("cancelled", "killed")


STUBBORN = """
        async def local_try(call):
            while True:
                (call.outbox / "began").touch()
                with (call.outbox / "lines").open("a") as file:
                    file.write("x")
                try:
                    await asyncio.sleep(0.02)
                except asyncio.CancelledError:
                    pass
"""


@pytest.mark.parametrize("code", [SLOW, STUBBORN], ids=["heeds", "does_not_heed"])
async def test_a_killed_tool_is_told_of_before_it_is_settled_and_does_nothing_any_more(world: World, code: str) -> None:
    """One that does not heed its cancellation has its process ended."""
    task = await run(world, code)
    await began(world)
    switch = await world.engage("tool", "local.try")
    call = f"{task}-s0000-e1"
    end = await world.until(f"tool.{call}.settled")
    told = await world.until(f"kill.{switch}.tool-cancelled.{call}")
    assert told.seq < end.seq
    cancelled = told.payload(KillCancelled)
    assert (cancelled.what, cancelled.task, cancelled.confirmed) == ("tool", task, True)
    assert end.payload(ToolCallSettled).outcome == "cancelled"
    lines = world.data / "outbox" / "lines"
    before = lines.stat().st_size if lines.exists() else 0
    await asyncio.sleep(0.3)
    assert (lines.stat().st_size if lines.exists() else 0) == before


async def test_draining_a_tool_lets_its_call_finish(world: World) -> None:
    task = await run(world, """
        async def local_try(call):
            (call.outbox / "began").touch()
            while not (call.outbox / "go").exists():
                await asyncio.sleep(0.02)
            return "done"
    """)  # fmt: skip
    await began(world)
    switch = await world.engage("tool", "local.try", "drain")
    await world.until(f"kill.{switch}.engaged")
    (world.data / "outbox" / "go").touch()
    assert world.opened(await world.settled(task)) == "done"
    refused = await settled(world, await world.submit("main", {}))
    assert refused.outcome in ("refused", "cancelled")


async def began(world: World) -> None:
    async with asyncio.timeout(120):
        while not (world.data / "outbox" / "began").exists():
            await asyncio.sleep(0.02)
