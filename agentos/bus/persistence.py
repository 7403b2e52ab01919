"""For results that cannot be had a second time: they are held in memory until the broker takes them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from agentos.contracts.errors import RetryLater

log = structlog.get_logger(__name__)

T = TypeVar("T")

LONGEST_PAUSE_S = 1.0


async def keep_trying(work: Callable[[], Awaitable[T]]) -> T:
    """Do ``work`` until the broker answers, for as long as this process lives and is not asked to stop.

    Meant for the record of what has happened already and was paid for (a model's answer, a tool's effect): to let the message come
    again instead would make it happen twice. ``work`` must be idempotent.
    """
    pause = 0.1
    while True:
        try:
            return await work()
        except RetryLater as away:
            log.warning("result_is_held", code=away.code, detail=away.detail)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)


__all__ = ["keep_trying"]
