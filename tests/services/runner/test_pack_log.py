"""What agents log: sealed, once a line, and not without end; over a real broker and a real pack's process."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agentos.contracts.events.task import LogWritten
from agentos.packhost.child import MAX_LOG_LINES
from agentos.sealing import open_sealed
from services.runner.pack_log import MAX_BYTES, PURPOSE, Tally
from tests.conftest import Broker
from tests.services.runner.world import EMAIL, TENANT, World, world_of


@pytest.fixture
async def world(broker: Broker, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of(broker, tmp_path) as running:
        yield running


async def written(world: World, task: str) -> list[LogWritten]:
    return [event.payload(LogWritten) for event in await world.gateway.load(TENANT, "log", task)]


def lines(world: World, events: list[LogWritten]) -> list[dict[str, Any]]:
    sealed = [event.lines for event in events if event.lines is not None]
    return [line for one in sealed for line in json.loads(open_sealed(world.key, one.key, PURPOSE, one))]


async def test_what_an_agent_logs_by_its_context_by_logging_and_in_a_thread_is_kept_sealed_and_counted_by_level(
    world: World,
) -> None:
    world.pack("""
        import asyncio, logging

        async def main(ctx, input):
            ctx.log.info("got a letter", sender=input["mail"])
            logging.getLogger("trial.reader").warning("from %s", input["mail"])
            logging.getLogger("trial.reader").debug("not from INFO on")
            try:
                raise ValueError("no")
            except ValueError:
                logging.exception("odd \\ud800")
            await asyncio.to_thread(ctx.log.error, "from a thread")
            await ctx.now()
            return 1
    """)
    world.run_runner()
    task = await world.submit("main", {"mail": EMAIL})
    await world.settled(task)
    events = await written(world, task)
    assert [(e.attempt, e.levels, e.dropped) for e in events] == [(1, {"info": 1, "warning": 1, "error": 2}, 0)]
    assert EMAIL not in events[0].model_dump_json()
    said = lines(world, events)
    assert [(line["level"], line["text"]) for line in said] == [
        ("info", "got a letter"), ("warning", f"from {EMAIL}"), ("error", "odd ?"), ("error", "from a thread"),
    ]  # fmt: skip
    assert said[0]["fields"] == {"sender": EMAIL}
    assert said[1]["fields"] == {"logger": "trial.reader"}
    assert said[2]["fields"] == {"logger": "root", "raised": "ValueError: no"}


async def test_an_agent_that_runs_again_from_its_record_says_nothing_twice(world: World) -> None:
    world.pack("""
        async def main(ctx, input):
            ctx.log.info("before")
            await ctx.model("x")
            ctx.log.info("asking")
            await ctx.approval("go?")
            ctx.log.info("after")
            return 1
    """)
    end = world.run_runner()
    task = await world.submit("main", {})
    await world.until(f"task.{task}.suspended.1")
    await end()
    assert [line["text"] for line in lines(world, await written(world, task))] == ["before", "asking"]
    world.run_runner()
    await world.resolve(f"{task}-s0001-e1")
    await world.settled(task)
    events = await written(world, task)
    assert [line["text"] for line in lines(world, events)] == ["before", "asking", "after"]
    assert [event.first for event in events] == [1, 3]


async def test_a_crash_of_the_packs_process_repeats_no_line(world: World) -> None:
    world.pack("""
        import os, pathlib
        async def main(ctx, input):
            ctx.log.info("first")
            await ctx.now()
            return (await ctx.model("x")).text

        async def dies(ctx, input):
            ctx.log.info("first")
            await ctx.now()
            ctx.log.info("second")
            os._exit(3)
    """, agents=["main", "dies"])  # fmt: skip
    world.run_runner()
    task = await world.submit("dies", {})
    assert (await world.settled(task)).outcome == "failed"
    texts = [line["text"] for line in lines(world, await written(world, task))]
    assert texts[0] == "first"
    assert len(texts) == len(set(texts))


async def test_of_too_many_lines_the_first_are_kept_and_the_log_says_how_many_were_dropped(world: World) -> None:
    world.pack(f"""
        async def main(ctx, input):
            for n in range({MAX_LOG_LINES} + 234):
                ctx.log.info(f"line {{n}}")
            return 1
    """)
    world.run_runner()
    task = await world.submit("main", {})
    await world.settled(task)
    events = await written(world, task)
    assert len(lines(world, events)) == MAX_LOG_LINES == sum(event.count for event in events)
    assert [event.dropped for event in events if event.dropped] == [234]
    assert events[-1].lines is None


async def test_long_lines_use_up_what_an_attempt_may_say(world: World) -> None:
    world.pack("""
        async def main(ctx, input):
            for n in range(200):
                ctx.log.info("x" * 10_000, **{f"field {m}": "y" * 10_000 for m in range(30)})
            return 1
    """)
    world.run_runner()
    task = await world.submit("main", {})
    await world.settled(task)
    events = await written(world, task)
    said = lines(world, events)
    assert sum(len(event.lines.ciphertext) for event in events if event.lines) <= MAX_BYTES + 32 * len(events)
    assert all(len(line["text"]) == 500 and len(line["fields"]) == 20 for line in said)
    assert len(said) + events[-1].dropped == 200


def test_after_a_line_that_does_not_fit_none_is_kept_so_that_what_is_kept_is_a_beginning() -> None:
    tally = Tally()
    assert [tally.take(size) for size in (MAX_BYTES - 10, 11, 1)] == [True, False, False]
    assert tally.dropped == 2
    tally.again()
    assert (tally.take(MAX_BYTES - 10), tally.dropped) == (False, 0)
    tally.skip(3)
    assert tally.dropped == 3
