"""Tries as events: of agents, of tools, of imports; gathered, bounded, and the end of who does not stop."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.contracts.events.governance import ViolationNoted
from agentos.packhost.listener import Tried
from agentos.violations import SYSTEM, Tally
from tests.bypass.conftest import CODE, violations
from tests.bypass.site import site_in
from tests.services.runner.world import World


async def test_a_try_is_an_event_of_its_task_and_the_agent_may_go_on(world: World, tmp_path: Path) -> None:
    world.pack(CODE)
    world.run_runner()
    async with site_in(tmp_path / "site") as site:
        task = await world.submit("main", {**site.x, "do": "inet"})
        result = world.opened(await world.settled(task))
    assert result == {"refused": "PermissionError"}
    assert site.untouched()
    expected = ViolationNoted(task=task, attempt=1, pack="trial", agent="main", what="network", detail="socket inet", count=1)
    assert await violations(world, task) == [expected]


async def test_who_tries_on_and_on_is_ended_as_refused(world: World) -> None:
    world.pack(CODE)
    world.run_runner()
    task = await world.submit("main", {"do": "socket_flood", "times": 1_000_000})
    settled = await world.settled(task)
    assert (settled.outcome, settled.fault and settled.fault.code) == ("refused", "sandbox_violation")
    noted = await violations(world, task)
    assert sum(each.count for each in noted) >= 10
    assert len(noted) < 5


async def test_where_tries_are_only_noted_equal_ones_become_one_event_with_a_count(world: World) -> None:
    world.pack(CODE)
    world.run_runner(runner_violations="note")
    task = await world.submit("main", {"do": "socket_flood", "times": 230})
    assert (await world.settled(task)).outcome == "completed"
    noted = await violations(world, task)
    assert {(each.what, each.detail) for each in noted} == {("network", "socket inet")}
    assert sum(each.count for each in noted) == 230
    assert len(noted) < 10


async def test_looking_for_files_alone_ends_nobody(world: World, tmp_path: Path) -> None:
    world.pack("""
        import contextlib
        async def main(ctx, x):
            for _ in range(30):
                with contextlib.suppress(OSError):
                    open(x["secret"])
    """)
    world.run_runner()
    async with site_in(tmp_path / "site") as site:
        task = await world.submit("main", site.x)
        assert (await world.settled(task)).outcome == "completed"
    assert sum(each.count for each in await violations(world, task)) == 30


async def test_the_next_attempt_s_tries_come_after_those_of_the_first(world: World) -> None:
    world.pack("""
        import contextlib, socket
        async def main(ctx, x):
            with contextlib.suppress(OSError):
                socket.socket()
            raise RuntimeError("again")
    """)
    world.run_runner()
    task = await world.submit("main", {})
    await world.settled(task)
    await world.retry(task)
    await world.ended(task, 2)
    assert [each.attempt for each in await violations(world, task)] == [1, 2]


async def test_what_is_tried_while_importing_is_an_event_of_the_pack(world: World) -> None:
    world.pack("""
        import contextlib, os, socket
        with contextlib.suppress(OSError):
            socket.socket(socket.AF_INET6)
        async def main(ctx, x): ...
    """)
    end = world.run_runner()
    await world.settled(await world.submit("main", {}))
    await end()
    (noted,) = await violations(world, "trial", SYSTEM)
    assert (noted.task, noted.pack, noted.what, noted.detail) == (None, "trial", "network", "socket inet6")


async def test_a_pack_that_does_not_survive_its_own_import_is_told_of_as_well(world: World) -> None:
    world.pack("import os\nos.fork()\nasync def main(ctx, x): ...\n")
    world.run_runner()
    async with asyncio.timeout(120):
        while not (noted := await violations(world, "trial", SYSTEM)):
            await asyncio.sleep(0.05)
    assert [each.what for each in noted] == ["process"]


AS_A_TOOL = CODE.replace("return attempt(x)", 'return await ctx.tool("local.do", **x)')


@pytest.mark.parametrize(
    ("do", "what"),
    [
        ("read_secret", "file"), ("read_neighbour", "file"), ("environment_of_parent", "environment"), ("program", "process"),
        ("trace_parent", "memory"), ("vsock", "network"), ("packet", "network"), ("io_uring", "other"), ("kill_parent", "process"),
    ],
)  # fmt: skip
async def test_a_tool_has_a_network_and_every_other_way_out_is_refused_and_told(
    do: str, what: str, world: World, tmp_path: Path
) -> None:
    world.pack(AS_A_TOOL, tools=["local.do"])
    world.run_runner()
    world.run_worker()
    async with site_in(tmp_path / "site") as site:
        task = await world.submit("main", {**site.x, "do": do})
        result = world.opened(await world.settled(task))
    assert result["refused"] is not None
    assert site.untouched()
    told = await violations(world, task, fact="reported")
    assert what in {each.what for each in told}
    assert {(each.task, each.tool) for each in told} == {(task, "local.do")}


async def test_a_tool_reaches_no_daemon_by_a_socket_of_this_machine(world: World, tmp_path: Path) -> None:
    world.pack(AS_A_TOOL, tools=["local.do"])
    world.run_runner()
    world.run_worker()
    async with site_in(tmp_path / "site") as site:
        for do in ("unix", "abstract_unix"):
            assert world.opened(await world.settled(await world.submit("main", {**site.x, "do": do}))) == {"refused": "OSError"}
    assert site.untouched()


TRIES = st.lists(
    st.builds(Tried, st.sampled_from(["network", "file", "process"]), st.text(max_size=2), st.integers(1, 5)), max_size=60
)


@given(st.lists(TRIES, max_size=6), st.integers(1, 30))
def test_however_they_come_no_try_is_lost_and_no_more_events_are_made_than_allowed(
    rounds: list[list[Tried]], most: int
) -> None:
    tally, told = Tally(most), list[Tried]()
    for each in rounds:
        for tried in each:
            tally.take(tried)
        told += tally.drain()
    told += tally.drain(last=True)
    everything: list[Any] = [tried for each in rounds for tried in each]
    assert sum(tried.count for tried in told) == sum(tried.count for tried in everything)
    assert len(told) <= most + 1
