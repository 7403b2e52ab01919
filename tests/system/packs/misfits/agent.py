"""One agent a misdeed."""

import os
import socket
from pathlib import Path
from typing import Any

from agentos.sdk import Context

_RUNS: list[str] = []


async def raises(ctx: Context, input: dict[str, Any]) -> None:
    """An exception that quotes its input."""
    raise RuntimeError(f"cannot work on {input['text']}")


async def nonsense(ctx: Context, input: dict[str, Any]) -> object:
    """A result that is no JSON."""
    return object()


async def drifts(ctx: Context, input: dict[str, Any]) -> str:
    """Asks something else each time it is run."""
    _RUNS.append(ctx.task.id)
    await ctx.model(f"This is run number {_RUNS.count(ctx.task.id)}.")
    await ctx.approval("May it go on?")
    return "went on"


async def undeclared(ctx: Context, input: dict[str, Any]) -> Any:
    """Asks for a tool that its manifest does not have."""
    return await ctx.tool("github.comment", repository="a/b", issue=1, body="mine")


async def snoops(ctx: Context, input: dict[str, Any]) -> dict[str, str]:
    """Tries to read files; tells what came of each. Bytes that it got would be in its result."""
    told: dict[str, str] = {}
    for path in input["paths"]:
        try:
            told[path] = Path(path).read_bytes().hex()
        except OSError as refused:
            told[path] = type(refused).__name__
    told["environment"] = " ".join(sorted(os.environ))
    return told


async def dials(ctx: Context, input: dict[str, Any]) -> str:
    """Tries to reach the network."""
    try:
        with socket.create_connection(("127.0.0.1", input["port"]), timeout=2) as connection:
            connection.sendall(b"GET /leak HTTP/1.1\r\n\r\n")
    except OSError as refused:
        return type(refused).__name__
    return "connected"


async def exits(ctx: Context, input: dict[str, Any]) -> None:
    """Takes its whole process down."""
    os._exit(3)
