"""The terminal's feed beside a gateway that does not behave."""

import asyncio

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from agentos.cli.top import feed as feed_module
from agentos.cli.top.feed import Feed, Listener
from agentos.ending import end


async def test_whoever_leaves_waits_for_no_farewell_and_leaves_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway never answers the end of the connection, and the feed is cancelled twice, as a terminal does that is closed in haste."""
    said_hello = asyncio.Event()
    opened: list[ClientConnection] = []

    class Noted(connect):
        async def __aenter__(self) -> ClientConnection:
            opened.append(await super().__aenter__())
            return opened[-1]

    monkeypatch.setattr(feed_module, "connect", Noted)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gateway = ServerProtocol()
        try:
            while data := await reader.read(65_536):
                gateway.receive_data(data)
                for event in gateway.events_received():
                    if isinstance(event, Request):
                        gateway.send_response(gateway.accept(event))
                        writer.write(b"".join(gateway.data_to_send()))
                    elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                        said_hello.set()
        except ConnectionResetError:
            pass
        writer.close()

    def told(*_: object) -> None:
        """Nobody looks."""

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    feed = asyncio.create_task(Feed(f"http://127.0.0.1:{port}", "key", Listener(told, told, told, lambda: None)).run())
    try:
        async with asyncio.timeout(60):
            await said_hello.wait()
            feed.cancel()
            await asyncio.sleep(0.05)
            await end(feed)
        assert [each.transport.is_closing() for each in opened] == [True]
    finally:
        for each in opened:
            each.transport.abort()
        server.close()
