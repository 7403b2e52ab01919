"""A wire between a service and its broker that a test can cut without either end being told."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from agentos.bus import BrokerSettings
from agentos.ending import end


class Wire:
    """A TCP proxy. While ``cut``, bytes are taken from nobody: both ends believe that the other is merely slow."""

    def __init__(self, broker: BrokerSettings) -> None:
        self._broker = broker
        self._whole = asyncio.Event()
        self._whole.set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def start(self) -> BrokerSettings:
        """How the service reaches the broker over this wire."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return self._broker.model_copy(update={"url": f"nats://127.0.0.1:{port}"})

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    async def stop(self) -> None:
        self._server.close()
        await end(*self._pumps)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        url = urlsplit(self._broker.url)
        await self._whole.wait()
        far_reader, far_writer = await asyncio.open_connection(url.hostname, url.port)
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            pump = asyncio.create_task(self._pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(1 << 16):
                await self._whole.wait()
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            return
        finally:
            sink.close()


@asynccontextmanager
async def wire(broker: BrokerSettings) -> AsyncGenerator[tuple[Wire, BrokerSettings]]:
    """A wire to ``broker``, and the settings of the service at its end."""
    made = Wire(broker)
    settings = await made.start()
    try:
        yield made, settings
    finally:
        made.mend()
        await made.stop()
