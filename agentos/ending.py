"""Ending tasks for good."""

import asyncio
from typing import Any


async def end(*tasks: "asyncio.Task[Any]", again_s: float = 0.2) -> None:
    """Cancel ``tasks`` and wait until each has ended, whatever it ends with.

    Again and again: Python 3.11's ``wait_for``, beneath nats-py, loses a cancellation that comes together with an answer, and a task that goes
    on for ever would never be asked a second time. ``again_s`` is what a task has for its tidying up before it is asked again.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again_s)
    # What they ended with was somebody else's to hear; it must only not be reported as never heard.
    await asyncio.gather(*tasks, return_exceptions=True)


__all__ = ["end"]
