"""An agent that does much of little."""

import asyncio
from typing import Any

from agentos.sdk import Context

AT_ONCE = 8


async def long(ctx: Context, input: dict[str, Any]) -> int:  # noqa: A002 - the SDK's own name
    """``calls`` model calls, eight at once, and then the clock read ``clocks`` times: each reading is an event."""
    calls = int(input["calls"])
    for first in range(0, calls, AT_ONCE):
        await asyncio.gather(*(ctx.model(f"Say {number}.") for number in range(first, min(first + AT_ONCE, calls))))
    for _ in range(int(input["clocks"])):
        await ctx.now()
    return calls
