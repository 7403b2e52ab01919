"""A server on 127.0.0.1 that answers with bytes given in advance, cut wherever the test wants, and keeps what it was sent.

For what ``LoopbackProvider`` is too well-behaved for: recorded bodies, byte by byte, compressed, mislabelled, broken off.
"""

import asyncio
import contextlib
import gzip
import json
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

__all__ = ["Scripted", "ScriptedServer", "Sent", "events", "in_pieces"]


@dataclass(frozen=True)
class Scripted:
    """One answer. ``pieces`` become one HTTP chunk each; ``broken`` ends the connection before the body's end; ``stall`` keeps it open."""

    pieces: Sequence[bytes]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    content_type: str = "application/json"
    broken: bool = False
    stall: bool = False


@dataclass(frozen=True)
class Sent:
    """What a request brought. ``headers`` have lower-case names."""

    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.body)


def events(*values: Any, newline: str = "\n", named: bool = True) -> bytes:
    """Values as server-sent events, named by their type as Anthropic does; texts are written as they are."""
    written: list[str] = []
    for value in values:
        if isinstance(value, str):
            written.append(value + newline)
            continue
        name = f"event: {value['type']}{newline}" if named and "type" in value else ""
        written.append(f"{name}data: {json.dumps(value, ensure_ascii=False)}{newline}{newline}")
    return "".join(written).encode()


def in_pieces(body: bytes, size: int) -> list[bytes]:
    """The body cut every ``size`` bytes, through characters and line ends alike."""
    return [body[at : at + size] for at in range(0, len(body), size)]


class ScriptedServer:
    """Answers each request with the next of the script; the last one stays."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.closed_by_client = 0
        self.connections = 0
        self._script: deque[Scripted] = deque()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def base_url(self) -> str:
        """Without a version."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def script(self, *answers: Scripted) -> None:
        """The answers of the next requests."""
        self._script = deque(answers)

    def answer(self, *pieces: bytes, content_type: str = "text/event-stream", **fields_: Any) -> None:
        """The answer from now on."""
        self.script(Scripted(pieces, content_type=content_type, **fields_))

    def answer_json(self, value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """The answer from now on: this value."""
        self.script(Scripted([json.dumps(value).encode()], status=status, headers=headers or {}))

    def answer_gzip(self, body: bytes, *, content_type: str, size: int = 7) -> None:
        """The answer from now on, compressed."""
        packed = in_pieces(gzip.compress(body), size)
        self.answer(*packed, content_type=content_type, headers={"content-encoding": "gzip"})

    async def wait_until_closed_by_client(self, times: int = 1) -> None:
        """Returns once clients have gone away from so many unfinished answers."""
        while self.closed_by_client < times:
            self._changed.clear()
            await self._changed.wait()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._serve(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # The client is gone, or the test is over: nobody is left to tell.
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.sent.append(Sent(head[0].split(" ")[1], headers, body))
        answer = self._script.popleft() if len(self._script) > 1 else self._script[0]
        named = {"content-type": answer.content_type, "transfer-encoding": "chunked", **answer.headers}
        lines = [f"HTTP/1.1 {answer.status} Said", *(f"{name}: {value}" for name, value in named.items())]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        await self._write(writer, answer.pieces)
        if answer.stall:
            if not await reader.read(1):
                self.closed_by_client += 1
                self._changed.set()
            return False
        if not answer.broken:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return not answer.broken

    async def _write(self, writer: asyncio.StreamWriter, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            if piece:
                writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        await writer.drain()
