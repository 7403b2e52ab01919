"""A pack that computes for ever."""

from typing import Any

from agentos.sdk import Context


async def hangs(ctx: Context, input: dict[str, Any]) -> None:  # noqa: A002 - the SDK's own name
    """Never awaits."""
    while True:
        pass
