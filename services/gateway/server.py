"""Uvicorn inside our event loop: a listening socket that we open, signals that we handle, an end that waits for requests in flight."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 32 * 1024
"""Request line and headers of one request, trailers included."""

MAX_FRAME_BYTES = 16 * 1024
"""Of a WebSocket's client: its frames hold a token at most."""


@dataclass(frozen=True, slots=True)
class Served:
    """A server that listens."""

    host: str
    port: int
    _task: "asyncio.Task[None]"

    @property
    def url(self) -> str:
        """Where clients connect."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "") else self.host  # noqa: S104 - only read here
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    async def ended(self) -> None:
        """Wait until the server ends by itself, which it does only on a fault."""
        await asyncio.shield(self._task)


class _Server(uvicorn.Server):
    """Leaves the process's signals alone: they belong to whoever runs the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class _Http(HttpToolsProtocol):
    """Bounds what a request may hold besides its body: httptools keeps whatever comes."""

    _head_bytes = 0
    _unfinished_bytes = 0
    """Came since a piece of the request was complete."""

    def data_received(self, data: bytes) -> None:
        self._unfinished_bytes += len(data)
        super().data_received(data)
        if self._unfinished_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("Invalid HTTP request received.")

    def on_message_begin(self) -> None:
        self._head_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._unfinished_bytes = 0
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._unfinished_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unfinished_bytes = 0
        super().on_message_complete()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            # What a callback raises is a parser's error, which is answered with 400 and an end.
            raise ValueError("the head of a request is too large")


@asynccontextmanager
async def serve_app(
    app: Any, host: str, port: int, drain_timeout: timedelta, on_drain: Callable[[], None]
) -> AsyncGenerator[Served]:
    """Listen while the context is open. Port 0 takes a free one. Raises OSError when the address cannot be had.

    At the end no new connection is taken, ``on_drain`` tells live streams to finish, and requests get ``drain_timeout`` to end.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=1024)
    listener.setblocking(False)
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=max(1, round(drain_timeout.total_seconds())),
        http=_Http,
        ws="websockets-sansio",
        ws_max_size=MAX_FRAME_BYTES,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="gateway-http")
    try:
        while not server.started:
            if task.done():
                task.result()
                raise RuntimeError("the HTTP server ended before it listened")
            await asyncio.sleep(0.005)
        yield Served(host, listener.getsockname()[1], task)
    finally:
        on_drain()
        server.should_exit = True
        await task
        listener.close()
