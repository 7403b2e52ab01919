"""Ending tasks for good."""

import asyncio
from typing import Any


async def end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel ``tasks`` and wait until each has ended, whatever it ends with.

    Again and again: Python 3.11's ``wait_for``, beneath nats-py, loses a cancellation that comes together with an answer, and a task that goes
    on for ever would never be asked a second time.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.2)
    # What they ended with was somebody else's to hear; it must only not be reported as never heard.
    await asyncio.gather(*tasks, return_exceptions=True)


__all__ = ["end"]
