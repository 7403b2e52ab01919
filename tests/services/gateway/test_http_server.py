"""The HTTP server beneath the gateway: what a hostile client may make it keep is bounded, and good requests beside it are served."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.gateway.server import MAX_HEAD_BYTES, serve_app

LONG = b"x" * (MAX_HEAD_BYTES + 1)
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the size of the body."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = str(size).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


async def status_of(port: int, *pieces: bytes) -> str:
    """Of the first answer to ``pieces``; empty when the connection was ended without one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return (await reader.readline()).decode()[9:12]
    except ConnectionError:
        return ""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "pieces",
    [
        (b"POST /", *[LONG] * 20),
        (b"POST /" + LONG + b" HTTP/1.1\r\nHost: x\r\n\r\n",),
        (HEAD + b"a: ", *[LONG] * 20),
        (HEAD, *(b"a: " + b"x" * 1_000 + b"\r\n" for _ in range(40))),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n0\r\na: ", *[LONG] * 20),
        (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
            b"1\r\na\r\n0\r\n",
            *(b"a: " + b"x" * 1_000 + b"\r\n" for _ in range(40)),
        ),
    ],
    ids=["line", "whole line", "header", "headers", "trailer", "trailers"],
)
async def test_a_head_or_trailer_without_end_is_refused(pieces: tuple[bytes, ...]) -> None:
    async with serve_app(app, "127.0.0.1", 0, timedelta(seconds=1), lambda: None) as served:
        assert await status_of(served.port, *pieces) in {"400", ""}
        assert await status_of(served.port, HEAD + b"Content-Length: 2\r\n\r\nok") == "200"


async def test_a_body_may_be_larger_than_a_head_in_whatever_pieces_it_comes() -> None:
    async with serve_app(app, "127.0.0.1", 0, timedelta(seconds=1), lambda: None) as served:
        length = f"Content-Length: {3 * len(LONG)}\r\n\r\n".encode()
        assert await status_of(served.port, HEAD + length + LONG, LONG, LONG) == "200"
        chunk = f"{len(LONG):x}\r\n".encode() + LONG + b"\r\n"
        assert await status_of(served.port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunk, chunk, b"0\r\n\r\n") == "200"
