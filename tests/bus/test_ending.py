"""A task that is to end ends, even when its cancellation was lost."""

import asyncio

from agentos.ending import end


async def test_a_task_that_loses_its_first_cancellations_is_cancelled_again() -> None:
    lost = 0

    async def deaf() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                lost += 1
                if lost == 3:
                    raise

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await end(task)
    assert (lost, task.cancelled()) == (3, True)


async def test_whatever_tasks_end_with_is_nobodys_business() -> None:
    async def fails() -> None:
        raise ValueError("ended in its own way")

    async def ends() -> None:
        return

    tasks = [asyncio.create_task(fails()), asyncio.create_task(ends()), asyncio.create_task(asyncio.sleep(60))]
    await asyncio.sleep(0)
    await end(*tasks)
    assert all(task.done() for task in tasks)
    await end()
