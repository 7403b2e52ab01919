"""A loopback provider that costs next to nothing: chat completions, whole or streamed, from bytes that were made beforehand.

    python -m bench._upstream

Prints ``ready <port>``. It parses no JSON: only the length of a request and whether it asks for a stream matter to it.
"""

import asyncio
import json
from typing import Any

WORDS = 24
_USAGE = {"prompt_tokens": 260, "completion_tokens": WORDS, "total_tokens": 260 + WORDS}
_SHARED = {"id": "chatcmpl-1", "created": 1_760_000_000, "model": "gpt-5-mini-2025-08-07"}
TEXT = " ".join(f"word{number}" for number in range(WORDS))


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return f"data: {json.dumps({**_SHARED, 'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n".encode()


def _whole() -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
    body = json.dumps({**_SHARED, "object": "chat.completion", "choices": [choice], "usage": _USAGE}).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body


def _stream() -> bytes:
    events = [_chunk({"role": "assistant", "content": ""})]
    events += [_chunk({"content": word if number == 0 else f" {word}"}) for number, word in enumerate(TEXT.split())]
    events += [_chunk({}, "stop")]
    events += [
        f"data: {json.dumps({**_SHARED, 'object': 'chat.completion.chunk', 'choices': [], 'usage': _USAGE})}\n\n".encode()
    ]
    body = b"".join(events) + b"data: [DONE]\n\n"
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(body) + body


WHOLE, STREAM = _whole(), _stream()


class Upstream(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._have = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._have += data
        while (end := self._have.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._have[:end]).lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._have) < end + 4 + length:
                return
            body = bytes(self._have[end + 4 : end + 4 + length])
            del self._have[: end + 4 + length]
            assert self._transport is not None
            streamed = b'"stream":true' in body or b'"stream": true' in body
            self._transport.write(STREAM if streamed else WHOLE)


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0)
    print(f"ready {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
