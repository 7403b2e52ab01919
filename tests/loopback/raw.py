"""A server on 127.0.0.1 that answers each request with exactly the bytes that a test gives it, cut where the test cuts them.

In a test::

    async with RawServer() as server:
        server.reply(Reply(b"data: {...}\\n\\n", cuts="bytes", headers={"content-type": "text/event-stream"}))
        ...
        assert server.requests[0].json() == {...}
"""

import asyncio
import contextlib
import gzip
import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

__all__ = ["RawRequest", "RawServer", "Reply"]


@dataclass(frozen=True)
class Reply:
    """One answer. ``pieces`` reach the network one by one; ``end`` says how the body ends.

    ``whole``: as HTTP says. ``close``: the connection is closed, which ends a body without a length in good order. ``cut``: it is reset in
    the middle of a chunked body. ``open``: nothing more comes.
    """

    pieces: tuple[bytes, ...]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    end: Literal["whole", "close", "cut", "open"] = "whole"

    @classmethod
    def sse(cls, body: bytes, *, cut: int | None = None, zipped: bool = False, **options: Any) -> "Reply":
        """A stream of events, cut into pieces of ``cut`` bytes."""
        headers = {"content-type": "text/event-stream", **options.pop("headers", {})}
        if zipped:
            body, headers = gzip.compress(body), {**headers, "content-encoding": "gzip"}
        pieces = (body,) if cut is None else tuple(body[at : at + cut] for at in range(0, len(body), cut))
        return cls(pieces, headers=headers, **options)

    @classmethod
    def json(cls, value: Any, status: int = 200, **headers: str) -> "Reply":
        """A JSON body; underscores in the names of headers become dashes."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return cls((body,), status, {"content-type": "application/json", **named})


@dataclass(frozen=True)
class RawRequest:
    """One request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """Of the request line."""
        return self.line.split(" ")[1]

    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.body)


class RawServer:
    """See the module."""

    def __init__(self) -> None:
        self.requests: list[RawRequest] = []
        self.connections = 0
        self.closed = asyncio.Event()
        """Set whenever a client has closed its connection."""
        self.port = 0
        self._replies: deque[Reply] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reply(self, *replies: Reply) -> None:
        """The answers to the next requests; the last one answers all that follow."""
        self._replies = deque(replies)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._serve(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # The client is gone, or the test is over.
        finally:
            self._tasks.discard(task)
            self.closed.set()
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *lines = head.split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (each.partition(":") for each in lines if each)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.requests.append(RawRequest(line, headers, body))
        reply = self._replies.popleft() if len(self._replies) > 1 else self._replies[0]
        chunked = reply.end != "close"
        framing = {"transfer-encoding": "chunked"} if chunked else {"connection": "close"}
        named = "".join(f"{name}: {value}\r\n" for name, value in {**reply.headers, **framing}.items())
        writer.write(f"HTTP/1.1 {reply.status} Status\r\n{named}\r\n".encode("latin-1"))
        for piece in _framed(reply.pieces) if chunked else reply.pieces:
            writer.write(piece)
            await writer.drain()
            # Lets the other side read what there is, so that the cut is a cut there too.
            await asyncio.sleep(0)
        match reply.end:
            case "whole":
                writer.write(b"0\r\n\r\n")
                await writer.drain()
                return True
            case "open":
                await reader.read()
                return False
            case "cut" | "close":
                return False


def _framed(pieces: Iterable[bytes]) -> Iterable[bytes]:
    return (b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece)
