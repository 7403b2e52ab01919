"""The pack host: the process in which a pack's code runs. No broker, no keys, no environment; one socket to its service.

It says whose turn it is in shared memory before each step of a pack's coroutine, so that even a pack that never gives the
loop back is found out. Started by ``agentos.packhost.process``, never by hand.
"""

import asyncio
import ctypes
import mmap
import os
import resource
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from agentos.packhost.frames import BadFrame, Decoder, encode
from agentos.packhost.hook import watch
from agentos.packhost.sandbox import Confinement, SandboxUnavailable, confine
from agentos.sdk.context import TaskInfo
from agentos.sdk.driver import AgentRun, AtRest, Effect, Ended, task_factory
from agentos.sdk.journal import Answer, canonical
from agentos.sdk.logs import take_over
from agentos.sdk.manifest import Pack
from agentos.sdk.tools import ToolCall, ToolFailure, ToolResult

SLOTS = struct.Struct("=QQ")
"""Shared memory: a counter that grows while the loop turns, and the number of the run whose step is being taken (0: none)."""
_BEAT_S = 0.1
MAX_LOG_LINES = 1_000
"""Of a run, that are sent: the others are counted."""
_PR_SET_PDEATHSIG = 1


class _Host:
    def __init__(self, pack: Pack, functions: Mapping[str, Any], sock: socket.socket, memory: mmap.mmap) -> None:
        self._pack = pack
        self._functions = functions
        self._sock = sock
        self._memory = memory
        self._beat = 0
        self._runs: dict[int, AgentRun] = {}
        self._tools: dict[int, asyncio.Task[None]] = {}
        self._log_lines: dict[int, int] = {}
        self._writer: asyncio.StreamWriter | None = None

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(task_factory)  # pyright: ignore[reportArgumentType] - typeshed wants Future, asyncio a Task
        reader, self._writer = await asyncio.open_connection(sock=self._sock)
        self._tick()
        self._send({"t": "ready"})
        decoder = Decoder()
        while data := await reader.read(1 << 18):
            for frame in decoder.feed(data):
                self._take(frame)

    def _tick(self) -> None:
        self._beat += 1
        struct.pack_into("=Q", self._memory, 0, self._beat)
        asyncio.get_running_loop().call_later(_BEAT_S, self._tick)

    def _turn(self, run: int) -> None:
        struct.pack_into("=Q", self._memory, 8, run)

    def _take(self, frame: dict[str, Any]) -> None:
        run: int = frame["run"]
        match frame["t"]:
            case "agent":
                task = TaskInfo(**frame["task"])
                function = self._functions[frame["agent"]]
                driven = AgentRun(
                    function,
                    task,
                    frame["input"],
                    lambda event: self._emit(run, event),
                    log=lambda level, event, fields: self._log(run, level, event, fields),
                    enter=lambda: self._turn(run),
                    leave=lambda: self._turn(0),
                )
                self._runs[run] = driven
                driven.start()
            case "answer":
                if run in self._runs:
                    self._runs[run].answer(frame["step"], Answer(frame["ok"], frame["value"]))
            case "tool":
                self._tools[run] = asyncio.get_running_loop().create_task(self._tool(run, frame))
            case "cancel":
                if run in self._runs:
                    self._runs[run].cancel()
                if run in self._tools:
                    self._tools[run].cancel()
            case unknown:
                raise BadFrame(f"unknown frame {unknown!r}")

    def _emit(self, run: int, event: Effect | AtRest | Ended) -> None:
        match event:
            case Effect():
                self._send({"t": "effect", "run": run, "step": event.step, "kind": event.kind, "request": event.request})
            case AtRest():
                self._send({"t": "rest", "run": run, "delivered": event.delivered})
            case Ended():
                self._runs.pop(run, None)
                unsent = max(self._log_lines.pop(run, 0) - MAX_LOG_LINES, 0)
                self._send({"t": "ended", "run": run, **_bounded(asdict(event)), "unsent": unsent})

    async def _tool(self, run: int, frame: dict[str, Any]) -> None:
        call = ToolCall(**(frame["call"] | {"outbox": Path(frame["call"]["outbox"])}))
        self._turn(run)
        try:
            result = await self._functions[call.name](call)
            if not isinstance(result, ToolResult):
                result = ToolResult(result)
            canonical(result.value)
            answer: dict[str, Any] = {"outcome": "completed", "result": {"value": result.value, "simulated": result.simulated}}
        except ToolFailure as failed:
            answer = {"outcome": "failed", "code": failed.code, "message": failed.detail, "retryable": failed.retryable}
        except asyncio.CancelledError:
            answer = {"outcome": "cancelled"}
        except BaseException as error:  # noqa: BLE001 - a pack's code may raise anything; it is told to the worker in any case
            message = f"{type(error).__name__}: {error}"
            answer = {"outcome": "failed", "code": "tool_raised", "message": message, "trace": traceback.format_exc(limit=-20)}
        finally:
            self._turn(0)
            self._tools.pop(run, None)
        self._send({"t": "ended", "run": run, **_bounded(answer)})

    def _log(self, run: int, level: str, event: str, fields: Mapping[str, Any]) -> None:
        lines = self._log_lines[run] = self._log_lines.get(run, 0) + 1
        if lines <= MAX_LOG_LINES:
            plain = {str(key)[:64]: str(value)[:500] for key, value in list(fields.items())[:20]}
            self._send({"t": "log", "run": run, "level": level, "event": str(event)[:500], "fields": plain})

    def _send(self, frame: dict[str, Any]) -> None:
        if self._writer is not None:
            self._writer.write(encode(frame))


def _bounded(ended: dict[str, Any]) -> dict[str, Any]:
    for key, limit in (("message", 4_000), ("trace", 20_000)):
        if key in ended:
            # A pack's text may hold anything, lone surrogates included.
            ended[key] = ended[key][:limit].encode("utf-8", "replace").decode()
    return ended


def _first_frame(sock: socket.socket, decoder: Decoder) -> dict[str, Any]:
    while data := sock.recv(1 << 16):
        for frame in decoder.feed(data):
            return frame
    raise BadFrame("the service went away before it said which pack to host")


def _lock_in(confinement: Confinement, handover: socket.socket) -> None:
    """Before any of the pack's code: it never holds the listener."""
    sys.dont_write_bytecode = True  # it may not, and would try
    listener = confine(confinement)
    if listener is None:
        watch(handover, network=confinement.network)
        return
    socket.send_fds(handover, [b"\n"], [listener])
    os.close(listener)
    handover.close()


def _close_all_but(given: Sequence[int]) -> None:
    """Close what the service's event loop left open for this process beside its standard streams: libuv closes nothing itself."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    kept = [2, *sorted(given), most]
    for before, after in pairwise(kept):
        os.closerange(before + 1, after)


def main() -> None:
    """``argv``: the numbers of the socket, of the socket that the listener is handed over on, and of the shared memory."""
    parent = os.getppid()
    if sys.platform == "linux":
        # A pack that hangs would not notice that its service is gone.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C in the terminal is the service's to handle
    given = [int(number) for number in sys.argv[-3:]]
    _close_all_but(given)
    sock, handover = socket.socket(fileno=given[0]), socket.socket(fileno=given[1])
    memory = mmap.mmap(given[2], SLOTS.size)
    hello = _first_frame(sock, Decoder())
    try:
        if (limits := hello["confinement"]) is not None:
            _lock_in(
                Confinement(**(limits | {name: tuple(Path(p) for p in limits[name]) for name in ("readable", "writable")})),
                handover,
            )
        pack = Pack.load(Path(hello["folder"]))
        agents = hello["mode"] == "agents"
        entries = pack.manifest.agents if agents else pack.manifest.tools
        if agents:
            take_over()
        host = _Host(pack, {entry.name: pack.function(entry.entry) for entry in entries}, sock, memory)
    except SandboxUnavailable as missing:
        sock.sendall(encode({"t": "broken", "run": 0, "code": "sandbox_unavailable", "message": str(missing)}))
        return
    except BaseException as error:  # noqa: BLE001 - importing a pack may raise anything; the service is told in any case
        message = f"{type(error).__name__}: {error}"[:4_000].encode("utf-8", "replace").decode()
        sock.sendall(encode({"t": "broken", "run": 0, "code": "pack_broken", "message": message}))
        return
    asyncio.run(host.serve())
