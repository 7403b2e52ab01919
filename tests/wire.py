"""A wire on loopback that a test holds up or cuts."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from agentos.bus.server import free_port
from agentos.ending import end


class Wire:
    """A TCP proxy with a port of its own."""

    def __init__(self, far_port: int) -> None:
        self.port = free_port()
        self._far_port = far_port
        self._flows = asyncio.Event()
        self._flows.set()
        self._carrying: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.cut()

    async def mend(self) -> None:
        """Take connections again."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def cut(self) -> None:
        """End every connection and refuse new ones."""
        self._server.close()
        carrying = dict(self._carrying)
        await end(*carrying)
        for near in carrying.values():
            near.transport.abort()  # of a task that had not yet begun
        await asyncio.gather(*(near.wait_closed() for near in carrying.values()), return_exceptions=True)
        await self._server.wait_closed()

    def hold(self) -> None:
        """Take bytes from nobody: each end believes that the other is merely slow."""
        self._flows.clear()

    def flow(self) -> None:
        """Carry what was held up, and go on."""
        self._flows.set()

    def _accept(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        # A task of our own: one that the stream makes is known to nobody until it runs, and a connection would outlive the cut.
        task = asyncio.create_task(self._carry(reader, near))
        self._carrying[task] = near
        task.add_done_callback(self._carrying.pop)

    async def _carry(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        """One connection, until an end hangs up and the other has what was said."""
        try:
            await self._flows.wait()
            there, far = await asyncio.open_connection("127.0.0.1", self._far_port)
            try:
                await asyncio.gather(self._pump(reader, far), self._pump(there, near))
                await asyncio.gather(far.wait_closed(), near.wait_closed(), return_exceptions=True)
            finally:
                far.transport.abort()
        except ConnectionError:
            return  # nobody at the far end
        finally:
            near.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            # What hangs up first ends both: its reader is at its end when its writer is closed.
            with contextlib.suppress(ConnectionError):
                while data := await source.read(1 << 16):
                    await self._flows.wait()
                    sink.write(data)
                    await sink.drain()
        finally:
            sink.close()
