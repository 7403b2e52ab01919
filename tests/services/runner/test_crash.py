"""A runner process that is killed in the middle: its work comes again and no recorded model call is made twice."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import Broker
from tests.services.runner.world import World, world_of


@pytest.fixture
async def world(broker: Broker, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of(broker, tmp_path) as running:
        yield running


async def runner_process(world: World) -> asyncio.subprocess.Process:
    broker = world.broker.settings("runner")
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "AGENTOS_NATS_URL": broker.url,
        "AGENTOS_NATS_USER": broker.user,
        "AGENTOS_NATS_PASSWORD": broker.secret(),
        "AGENTOS_DATA": str(world.data),
        "AGENTOS_RUNNER_PACKS": f'["{world.packs}"]',
    }
    quiet = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.runner", env=environment, stdin=quiet, stdout=quiet, stderr=quiet
    )


async def test_killing_the_runner_again_and_again_loses_no_task_and_pays_for_no_call_twice(world: World) -> None:
    world.pack("""
        import asyncio
        async def main(ctx, input):
            texts = []
            for n in range(4):
                texts.append((await ctx.model(f"task {input['n']} call {n}")).text)
                await asyncio.sleep(0.3)
            return texts
    """)
    process = await runner_process(world)
    try:
        tasks = [await world.submit("main", {"n": n}) for n in range(12)]
        for enough in (5, 20, 35):
            async with asyncio.timeout(120):
                while len(world.asked) < enough:
                    await asyncio.sleep(0.02)
            process.kill()
            await process.wait()
            process = await runner_process(world)
        for n, task in enumerate(tasks):
            result = world.opened(await world.settled(task))
            assert result == [f"echo task {n} call {call}" for call in range(4)]
        assert len(world.asked) == 48
        assert set(world.asked.values()) == {1}
        process.terminate()
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
