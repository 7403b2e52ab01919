"""A pack host as its service sees it: start it, give it runs, hear from it, notice when it hangs or dies."""

import asyncio
import contextlib
import mmap
import os
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from io import FileIO
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

import agentos
from agentos.contracts.base import Contract
from agentos.packhost.child import SLOTS
from agentos.packhost.frames import BadFrame, Decoder, encode
from agentos.packhost.listener import Listener, Sight, Tried
from agentos.packhost.sandbox import Confinement, network_paths, runtime_paths
from agentos.packhost.syscalls import What
from agentos.sdk.journal import StepKind
from agentos.sdk.manifest import Pack

_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from agentos.packhost.child import main; main()"
_ROOT = Path(agentos.__file__).resolve().parents[1]
_TRIES: dict[str, What] = {"network": "network", "process": "process", "file": "file", "other": "other"}
"""What an audit hook may tell of."""
_REMEMBERED = 4_096
"""Runs that were begun here: a frame that comes late for one of them is no try."""
_MOST_STRAYS = 20
"""Frames for runs of others after which a host is ended: nobody's run, so that none could be ended for it."""
_OUTPUT_LINES = 500
_OUTPUT_LINE_CHARS = 2_000


class HostBroken(Exception):
    """The host did not come up. ``code`` is sandbox_unavailable, pack_broken or host_silent."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class EffectFrame(Contract):
    """The agent asks for something."""

    t: Literal["effect"]
    run: int
    step: int
    kind: StepKind
    request: Any


class RestFrame(Contract):
    """Nothing moves in the run until an answer comes."""

    t: Literal["rest"]
    run: int
    delivered: int


class EndedFrame(Contract):
    """The run is over."""

    t: Literal["ended"]
    run: int
    outcome: Literal["completed", "failed", "refused", "cancelled", "parked"]
    result: Any = None
    code: str = ""
    message: str = ""
    retryable: bool = False
    step: int | None = None
    trace: str = ""
    unsent: int = Field(default=0, ge=0)
    """Lines of ``ctx.log`` that were too many to send."""


class LogFrame(Contract):
    """A line of ``ctx.log``."""

    t: Literal["log"]
    run: int
    level: Literal["debug", "info", "warning", "error"]
    event: str
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class Died:
    """The host is gone. ``guilty``: this run's step was being taken; ``blamed``: some run's was."""

    hung: bool
    guilty: bool
    blamed: bool


Frame = EffectFrame | RestFrame | EndedFrame | LogFrame
Sink = Callable[[Frame | Died | Tried], None]
_FRAME: TypeAdapter[Frame] = TypeAdapter(Frame)


@dataclass(frozen=True, slots=True)
class HostOptions:
    """How to host. ``sandboxed`` false lets a pack do what this process may do: only for machines without the means."""

    mode: Literal["agents", "tools"]
    sandboxed: bool = True
    writable: tuple[Path, ...] = ()
    network: bool = False
    hang_after: timedelta = timedelta(seconds=10)
    start_within: timedelta = timedelta(seconds=30)
    memory_bytes: int = 2 * 1024**3


class PackHost:
    """One host process of one pack. Make it with ``start``; it is of no use after ``died`` is set."""

    def __init__(
        self, pack: Pack, options: HostOptions, output: Callable[[str, str], None], unclaimed: Callable[[Tried], object]
    ) -> None:
        self.pack = pack
        self.died = asyncio.Event()
        self._options = options
        self._output = output
        self._unclaimed = unclaimed
        self._listener: Listener | None = None
        self._lines = b""
        self._strays = 0
        self._over: deque[int] = deque(maxlen=_REMEMBERED)
        self._sinks: dict[int, Sink] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._hung = False

    @classmethod
    async def start(
        cls, pack: Pack, options: HostOptions, output: Callable[[str, str], None], unclaimed: Callable[[Tried], object]
    ) -> "PackHost":
        """Start the process and have it import the pack. ``output`` gets (stream, line) of what the pack prints, bounded.

        What a run tries is told to its sink; ``unclaimed`` hears what no run can be named for, such as tries while importing.
        Raises HostBroken when the sandbox is not to be had or the pack cannot be imported.
        """
        host = cls(pack, options, output, unclaimed)
        try:
            await host._spawn()
        except BaseException:
            await host.stop()
            raise
        return host

    async def _spawn(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="agentos-pack-")
        self._shared = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the host; closed in stop()
        self._shared.truncate(SLOTS.size)
        self._memory = mmap.mmap(self._shared.fileno(), SLOTS.size)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._handover, given = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._handover.setblocking(False)
        root = _ROOT
        fds = (theirs.fileno(), given.fileno(), self._shared.fileno())
        # Pipes of our own: the loop would make sockets, and a pack gets no descriptor that can do more than it needs.
        (stdout, out), (stderr, err) = os.pipe(), os.pipe()
        try:
            # -s -P: no user site, no working directory on the path; a fixed hash seed keeps the order of sets in replays.
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-s", "-P", "-c", _BOOT, str(root), *map(str, fds),
                pass_fds=fds, cwd=self._temporary.name, stdin=asyncio.subprocess.DEVNULL,
                stdout=out, stderr=err,
                env={"PYTHONHASHSEED": "0", "LANG": "C.UTF-8", "HOME": self._temporary.name, "TMPDIR": self._temporary.name},
            )  # fmt: skip
        except BaseException:
            ours.close()
            os.close(stdout)
            os.close(stderr)
            raise
        finally:
            theirs.close()
            given.close()
            os.close(out)
            os.close(err)
        limits = self._limits(root)
        asyncio.get_running_loop().add_reader(self._handover, self._take_over, _sight(limits, root))
        self._reader, self._writer = await asyncio.open_connection(sock=ours)
        for name, printed in (("stdout", stdout), ("stderr", stderr)):
            self._tasks.append(asyncio.create_task(self._read_output(name, os.fdopen(printed, "rb", buffering=0))))
        self._write({"t": "hello", "folder": str(self.pack.folder), "mode": self._options.mode, "confinement": limits})
        decoder = Decoder()
        try:
            async with asyncio.timeout(self._options.start_within.total_seconds()):
                while data := await self._reader.read(1 << 18):
                    for frame in decoder.feed(data):
                        if frame.get("t") == "ready":
                            self._tasks += [
                                asyncio.create_task(self._read(decoder)), asyncio.create_task(self._watch()),
                            ]  # fmt: skip
                            return
                        raise HostBroken(str(frame.get("code")), str(frame.get("message")))
        except TimeoutError:
            raise HostBroken("host_silent", "the pack did not finish importing in time") from None
        raise HostBroken("pack_broken", "the process ended while it imported the pack")

    def _limits(self, root: Path) -> dict[str, Any] | None:
        if not self._options.sandboxed:
            return None
        readable = (*runtime_paths(), root / "agentos", self.pack.folder)
        limits = Confinement(
            readable=(*readable, *network_paths()) if self._options.network else readable,
            writable=(Path(self._temporary.name), *self._options.writable),
            network=self._options.network,
            memory_bytes=self._options.memory_bytes,
        )
        fields = {name: getattr(limits, name) for name in limits.__slots__}
        return fields | {name: [str(path) for path in fields[name]] for name in ("readable", "writable")}

    @property
    def watched(self) -> bool:
        """Whether the kernel tells of what the pack tries."""
        return self._listener is not None

    def _take_over(self, sight: Sight) -> None:
        """Of a host that is locked in comes one listener; of one that nobody can listen to come lines of its audit hook."""
        try:
            data, fds, _, _ = socket.recv_fds(self._handover, 4096, 1)
        except BlockingIOError:
            return
        if fds:
            self._listener = Listener(fds[0], sight, self._tried)
        if fds or not data:
            asyncio.get_running_loop().remove_reader(self._handover)
            return
        *lines, rest = (self._lines + data).split(b"\n")
        self._lines = rest[:_OUTPUT_LINE_CHARS]
        for what, _, detail in (line.decode("utf-8", "replace").partition(" ") for line in lines):
            if what in _TRIES:
                self._tried(Tried(_TRIES[what], detail[:100]))

    def _tried(self, tried: Tried) -> None:
        """Tell the run whose turn it is. The pack itself writes down whose turn it is: it may blame another run of its own."""
        _, turn = SLOTS.unpack(self._memory[: SLOTS.size])
        if turn not in self._sinks and len(self._sinks) == 1:
            (turn,) = self._sinks
        self._sinks.get(turn, self._unclaimed)(tried)

    def begin(self, run: int, frame: dict[str, Any], sink: Sink) -> None:
        """Give the host a run (``frame`` is what ``child`` takes). ``sink`` hears of it until it ended or the host died."""
        self._sinks[run] = sink
        self._over.append(run)
        if self.died.is_set():
            self._sinks.pop(run)(Died(hung=False, guilty=False, blamed=False))
            return
        self._write({**frame, "run": run})

    def answer(self, run: int, step: int, *, ok: bool, value: Any) -> None:
        """Answer an effect."""
        self._write({"t": "answer", "run": run, "step": step, "ok": ok, "value": value})

    def cancel(self, run: int) -> None:
        """Raise CancelledError in the run."""
        self._write({"t": "cancel", "run": run})

    def forget(self, run: int) -> None:
        """Cancel the run and hear no more of it."""
        if self._sinks.pop(run, None) is not None:
            self.cancel(run)

    def kill(self) -> None:
        """End the process now; every run hears Died."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    @property
    def active(self) -> int:
        """Runs that this host holds."""
        return len(self._sinks)

    async def stop(self) -> None:
        """Kill the process if it lives and let go of everything. Idempotent."""
        if hasattr(self, "_process"):
            self.kill()
            await self._process.wait()
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()
        await asyncio.gather(*(t for t in self._tasks if t is not current), return_exceptions=True)
        if hasattr(self, "_writer"):
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
        if hasattr(self, "_handover"):
            asyncio.get_running_loop().remove_reader(self._handover)
            self._handover.close()
        if self._listener is not None:
            self._listener.close()
        if hasattr(self, "_memory"):
            self._memory.close()
        if hasattr(self, "_shared"):
            self._shared.close()
        if hasattr(self, "_temporary"):
            await asyncio.to_thread(self._temporary.cleanup)
        self._end()

    def _write(self, frame: dict[str, Any]) -> None:
        if not self._writer.is_closing():
            self._writer.write(encode(frame))

    async def _read(self, decoder: Decoder) -> None:
        try:
            while data := await self._reader.read(1 << 18):
                for raw in decoder.feed(data):
                    self._hand_on(_FRAME.validate_python(raw))
        except (BadFrame, ValidationError) as bad:
            self._output("protocol", f"the pack host sent what it must not: {type(bad).__name__}")
            self._tried(
                Tried("protocol", "sent what is no frame" if isinstance(bad, BadFrame) else "sent a frame of no known shape")
            )
        except OSError as gone:
            self._output("protocol", f"the pack host is gone: {gone}")
        finally:
            self.kill()
            self._end()

    def _hand_on(self, frame: Frame) -> None:
        sink = self._sinks.get(frame.run)
        if sink is None:
            if frame.run not in self._over:
                self._tried(Tried("protocol", f"sent a frame ({frame.t}) for a run that is not its own"))
                self._strays += 1
                if self._strays > _MOST_STRAYS:
                    self.kill()
            return
        if isinstance(frame, EndedFrame):
            del self._sinks[frame.run]
        sink(frame)

    def _end(self) -> None:
        if self.died.is_set():
            return
        _, turn = SLOTS.unpack(self._memory[: SLOTS.size]) if hasattr(self, "_memory") and not self._memory.closed else (0, 0)
        self.died.set()
        sinks, self._sinks = self._sinks, {}
        for run, sink in sinks.items():
            sink(Died(hung=self._hung, guilty=run == turn, blamed=turn in sinks))

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        patience = self._options.hang_after.total_seconds()
        seen, since = -1, loop.time()
        while not self.died.is_set():
            await asyncio.sleep(min(patience / 8, 0.5))
            beat, _ = SLOTS.unpack(self._memory[: SLOTS.size])
            if beat != seen:
                seen, since = beat, loop.time()
            elif loop.time() - since >= patience:
                self._hung = True
                self.kill()
                return

    async def _read_output(self, name: str, pipe: FileIO) -> None:
        """A pack that prints without end must neither fill the log nor block on a full pipe."""
        stream = asyncio.StreamReader(limit=1 << 16)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
        with contextlib.closing(transport):
            await self._hand_on_lines(name, stream)

    async def _hand_on_lines(self, name: str, stream: asyncio.StreamReader) -> None:
        lines = 0
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # a line longer than the limit: the reader has dropped it
                line = b"(a line too long to show)\n"
            if not line:
                return
            lines += 1
            if lines <= _OUTPUT_LINES:
                self._output(name, line[:_OUTPUT_LINE_CHARS].decode("utf-8", "replace").rstrip())
            elif lines == _OUTPUT_LINES + 1:
                self._output(name, f"(more than {_OUTPUT_LINES} lines; the rest is dropped)")


def _sight(limits: dict[str, Any] | None, root: Path) -> Sight:
    if limits is None:
        return Sight(readable=("/",), writable=("/",))
    readable, writable = (tuple(str(Path(path).resolve()) for path in limits[name]) for name in ("readable", "writable"))
    plain = tuple(str(path) for path in limits["readable"])
    return Sight((*readable, *plain), (*writable, *limits["writable"]), ours=(str(root),))


def outbox_writable(folder: Path) -> Path:
    """Make the outbox folder, for its owner only."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chmod(folder, 0o700)  # noqa: PTH101 - on an existing folder as well
    return folder
