"""A pack that computes for ever."""

from typing import Any

from agentos.sdk import Context


async def hangs(ctx: Context, input: dict[str, Any]) -> None:
    """Never awaits."""
    while True:
        pass
