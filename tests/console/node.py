"""The console's own tools, run so that none of them outlives its test."""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path


def node_tool(folder: Path, arguments: list[str], within_s: float, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run ``npx`` with ``arguments`` in ``folder``; its exit status, and the end of what it said.

    It writes to a file and has a session of its own: a browser that stays behind holds no pipe that somebody waits at, and what is
    not done after ``within_s`` seconds is killed with all it started. The status is then that of a killed process.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            ["npx", *arguments],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        note = ""
        try:
            process.wait(within_s)
        except subprocess.TimeoutExpired:
            note = f"\nIt was killed, for it was not done after {within_s:g} s.\n"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return process.returncode, output.read().decode("utf-8", "replace")[-14_000:] + note
