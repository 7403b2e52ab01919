"""The event loop that every process of the platform runs on: libuv's, where it exists."""

import asyncio
import gc
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

if sys.platform == "win32":
    from asyncio import new_event_loop
else:
    from uvloop import new_event_loop

T = TypeVar("T")

__all__ = ["new_event_loop", "run"]


_NEW_OBJECTS = 10_000
"""Python's 700 come together several times in every message that is decoded, and what a message makes is freed by counting references."""


def quiet_collector() -> None:
    """Have the collector of cycles walk through neither what was imported, nor every message."""
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 10, 20)


def run(main: Coroutine[Any, Any, T]) -> T:
    """As ``asyncio.run``, with ``quiet_collector``."""
    quiet_collector()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)
