"""Asking rules that nobody has seen yet in a process of their own: those that crash or loop take nothing with them."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from services.policy.bundles import BundleFault

_MOST_MEMORY_BYTES = 1024**3


async def ask_apart(module: str, arguments: Sequence[str], asked: bytes, deadline: timedelta) -> bytes:
    """What ``python -m <module>`` says to ``asked``; it is killed, with whatever it started, at the deadline. Raises BundleFault then.

    A process that ends before its time leaves what it said till then, as a rule nothing.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        # A group of its own, so that what it starts ends with it.
        start_new_session=True,
    )
    watch = asyncio.create_task(_until_too_large(process.pid))
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            said, _ = await process.communicate(asked)
    except TimeoutError:
        raise BundleFault(
            f"The rules did not compile and answer within {deadline.total_seconds():g} s: do they loop?", code="bundle.too_slow"
        ) from None
    finally:
        watch.cancel()
        _kill(process.pid)
        await process.wait()
    return said


async def _until_too_large(pid: int) -> None:
    """Kill what takes too much memory. A limit of the system's would not do: the interpreter reserves far more than it uses."""
    while (resident_bytes := _resident_bytes(pid)) is not None:
        if resident_bytes > _MOST_MEMORY_BYTES:
            _kill(pid)
        await asyncio.sleep(0.1)


def _resident_bytes(pid: int) -> int | None:
    """None when the process has ended, or the system does not say; then the deadline alone holds."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return None


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


__all__ = ["ask_apart"]
