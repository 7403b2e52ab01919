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
        h11_max_incomplete_event_size=32 * 1024,
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
