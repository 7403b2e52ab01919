"""Engaging a kill switch stops what it covers, at once, and nothing else."""

import asyncio
import time

import pytest

from tests.killswitch.conftest import DEEPSEEK, OPENAI, System

IN_FLIGHT = 50


async def test_a_global_switch_ends_every_call_in_flight_and_lets_no_other_start(system: System) -> None:
    """Fifty calls are held by the provider and more are on their way when the switch is engaged."""
    first = await asyncio.gather(*(system.submit() for _ in range(IN_FLIGHT)))
    await system.provider.wait_for(in_flight=IN_FLIGHT)
    on_their_way = [asyncio.create_task(system.submit()) for _ in range(10)]
    switch = await system.engage("global")
    visible_ns = time.monotonic_ns()
    late = list(await asyncio.gather(*on_their_way)) + [await system.submit() for _ in range(5)]
    tasks = [await system.ended(task) for task in (*first, *late)]

    assert max(system.starts_ns()) < visible_ns, "a provider call began after the API had said that the switch is engaged"
    assert await system.stored_ns(switch) < visible_ns
    assert system.provider.in_flight == 0
    assert system.provider.aborted == len(system.provider.requests)
    assert system.provider.answered == 0

    settled = await system.settlements()
    for task in first:
        assert settled[task].outcome == "cancelled"
        fault = settled[task].fault
        assert fault is not None
        assert fault.code == "killed"
        assert switch in fault.message
    for task in late:
        if task in settled:
            assert settled[task].outcome in ("cancelled", "refused")
    assert {task["outcome"] for task in tasks} == {"refused"}
    for task in tasks:
        told = f"{task['fault_message']} {task['reasons']}"
        assert switch in told
        assert "a test says so" in told


async def test_after_the_release_new_tasks_run(system: System) -> None:
    """And what the switch refused stays refused."""
    switch = await system.engage("global")
    refused = await system.ended(await system.submit())
    await system.release(switch)
    system.answer()
    done = await system.ended(await system.submit())

    assert (refused["outcome"], done["outcome"]) == ("refused", "completed")
    assert len(system.provider.requests) == 1


@pytest.mark.parametrize("scope", ["pack", "provider", "task"])
async def test_a_narrower_switch_leaves_everything_else_alone(system: System, scope: str) -> None:
    """Half of the calls in flight are covered; the others are answered as if nothing had happened."""
    covered_one = await system.submit()
    covered = [covered_one]
    if scope != "task":
        covered += await asyncio.gather(*(system.submit() for _ in range(9)))
    match scope:
        case "pack":
            target, spared = "asker", await asyncio.gather(*(system.submit(pack="other") for _ in range(10)))
        case "provider":
            target, spared = "openai", await asyncio.gather(*(system.submit(model=DEEPSEEK) for _ in range(10)))
        case _:
            target, spared = covered_one, await asyncio.gather(*(system.submit() for _ in range(10)))
    await system.provider.wait_for(in_flight=len(covered) + len(spared))

    switch = await system.engage(scope, target)
    await system.provider.wait_for(in_flight=len(spared))
    stopped = [await system.ended(task) for task in covered]
    settled = await system.settlements()
    assert {settled[task].outcome for task in covered} == {"cancelled"}
    assert all(switch in (settled[task].fault or pytest.fail("no fault")).message for task in covered)
    assert {task["outcome"] for task in stopped} <= {"refused", "failed"}
    for task in stopped:
        assert switch in f"{task['fault_message']} {task['reasons']}", task
    assert not settled.keys() & set(spared)

    # What is covered is refused from now on; what is not still starts.
    before = len(system.provider.requests)
    if scope != "task":
        again = await system.ended(await system.submit())
        assert again["outcome"] in ("refused", "failed")
        assert len(system.provider.requests) == before
    system.answer()
    other = {"pack": ("other", OPENAI), "provider": ("asker", DEEPSEEK), "task": ("asker", OPENAI)}[scope]
    assert (await system.ended(await system.submit(pack=other[0], model=other[1])))["outcome"] == "completed"
    assert system.provider.in_flight == len(spared), "calls that the switch does not cover were disturbed"
    assert system.provider.aborted == len(covered)
