"""A model provider on 127.0.0.1 that speaks the real wire formats, records every byte it is sent, and misbehaves on request.

In a test::

    async with LoopbackProvider() as server:
        server.script(Status(429, {"retry-after": "3"}), Answer())   # the first request, the second; then Answer() for ever
        adapter = OpenAIAdapter(api_key="k", base_url=server.openai_base_url)

As a process: ``python -m tests.loopback.provider --port N --record FILE.jsonl [--latency-ms N]`` prints "ready <port>" and
runs until it is terminated. There, ``POST /_loopback/script`` takes a JSON list such as
``[{"kind": "status", "status": 503}, {"kind": "stall"}]`` and ``GET /_loopback/stats`` answers
``{"requests": n, "in_flight": n, "aborted": n, "answered": n}``. The file gets one line at each request's arrival
(``"event": "request"``, with its head, its body and their bytes in base64) and one at its end (``"answered"``,
``"aborted"``: the client went away first, or ``"dropped"``: we did), with the monotonic clock in nanoseconds, which
processes of one machine share.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import re
import signal
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from adapters.port import UnsupportedRequest
from adapters.simulated import answer as read_and_answer
from agentos.contracts.model import ModelRequest, ModelResponse, TextPart, texts
from tests.loopback.wire import Format, format_of_path, read_request, write_answer, write_error, write_stream

__all__ = ["Answer", "Close", "Garbage", "LoopbackProvider", "RecordedRequest", "Refuse", "Stall", "Status", "Trickle"]

_PLACEHOLDER = re.compile(r"<[A-Z][A-Z_]*_\d+>")
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests"}


@dataclass(frozen=True)
class Answer:
    """The normal answer: echoes placeholders, fills a schema, calls a named tool. ``text`` and ``usage`` replace theirs;
    ``body`` replaces everything."""

    text: str | None = None
    usage: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: dict[str, Any] | None = None


@dataclass(frozen=True)
class Status:
    """An HTTP error in the provider's own form; ``body`` replaces it."""

    status: int
    headers: dict[str, str] = field(default_factory=dict[str, str])
    code: str | None = None
    message: str = "scripted by the test"
    body: bytes | None = None


@dataclass(frozen=True)
class Refuse:
    """Closes the connection without a word. (For a refused connection, call ``stop_listening``.)"""


@dataclass(frozen=True)
class Stall:
    """Answers nothing until the client goes away."""


@dataclass(frozen=True)
class Trickle:
    """Of a streamed answer the first ``words``, and then nothing until the client goes away."""

    words: int = 3


@dataclass(frozen=True)
class Close:
    """Sends the head and half of a good answer, then closes."""


@dataclass(frozen=True)
class Garbage:
    """A 200 with these bytes."""

    body: bytes = b"<html><body>It works!</body></html>"
    content_type: str = "text/html"


Behaviour = Answer | Status | Refuse | Stall | Trickle | Close | Garbage


@dataclass(frozen=True)
class RecordedRequest:
    """One request as it came over the wire. ``headers`` have lower-case names."""

    method: str
    path: str
    headers: dict[str, str]
    head: bytes
    body: bytes

    @property
    def raw(self) -> bytes:
        """Head and body, for searching."""
        return self.head + self.body

    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.body)


class LoopbackProvider:
    """See the module. ``port`` 0 takes a free one; ``latency`` in seconds precedes every answer."""

    def __init__(self, *, port: int = 0, latency: float = 0.0, record: TextIO | None = None) -> None:
        self.requests: list[RecordedRequest] = []
        self.in_flight = 0
        self.aborted = 0
        self.answered = 0
        self._wanted_port = port
        self._latency = latency
        self._record = record
        self._script: deque[Behaviour] = deque()
        self._default: Behaviour = Answer()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._wanted_port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop_listening()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def stop_listening(self) -> None:
        """From now on new connections are refused; ``base_url`` stays what it was."""
        if self._server is not None:
            self._server.close()

    @property
    def base_url(self) -> str:
        """Without a version: for Anthropic, Gemini and DeepSeek."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai_base_url(self) -> str:
        """With the version: for OpenAI and ollama."""
        return f"{self.base_url}/v1"

    def script(self, *behaviours: Behaviour) -> None:
        """The behaviours of the next requests, one each; afterwards the default again."""
        self._script = deque(behaviours)

    def always(self, behaviour: Behaviour) -> None:
        """The default from now on."""
        self._default = behaviour

    async def wait_for(self, *, in_flight: int | None = None, aborted: int | None = None, requests: int | None = None) -> None:
        """Returns once each given count is reached: exactly for ``in_flight``, at least for the others."""
        while (
            (in_flight is not None and self.in_flight != in_flight)
            or (aborted is not None and self.aborted < aborted)
            or (requests is not None and len(self.requests) < requests)
        ):
            self._changed.clear()
            await self._changed.wait()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # The client is gone, speaks something else than HTTP, or the test is over: nobody is left to tell.
        finally:
            self._connections.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peeked = b""
        while True:
            head = peeked + await reader.readuntil(b"\r\n\r\n")
            request = await _read_request(head, reader)
            if request.path.startswith("/_loopback/"):
                self._control(request, writer)
                peeked = b""
                continue
            number = len(self.requests)
            self.requests.append(request)
            self.in_flight += 1
            self._note("request", number, request)
            work = asyncio.ensure_future(self._behave(request, writer))
            gone = asyncio.ensure_future(reader.read(1))
            outcome = "dropped"
            try:
                await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
                outcome = ("answered" if work.result() else "dropped") if work.done() else "aborted"
            finally:
                work.cancel()
                gone.cancel()
                settled = await asyncio.gather(work, gone, return_exceptions=True)
                self.in_flight -= 1
                self.aborted += outcome == "aborted"
                self.answered += outcome == "answered"
                self._note(outcome, number, None)
            if outcome != "answered":
                return
            peeked = settled[1] if isinstance(settled[1], bytes) else b""
            if isinstance(settled[1], bytes) and not settled[1]:
                return

    async def _behave(self, request: RecordedRequest, writer: asyncio.StreamWriter) -> bool:
        """Answers; whether the connection may serve another request."""
        behaviour = self._script.popleft() if self._script else self._default
        format_ = format_of_path(request.path)
        if self._latency:
            await asyncio.sleep(self._latency)
        if format_ is None:
            await _send(writer, 404, {}, b'{"error": {"message": "no such path"}}')
            return True
        match behaviour:
            case Stall():
                await asyncio.Event().wait()
                return False
            case Refuse():
                return False
            case Garbage():
                await _send(writer, 200, {"content-type": behaviour.content_type}, behaviour.body)
                return True
            case Status():
                error = write_error(format_, behaviour.status, behaviour.message, behaviour.code)
                body = behaviour.body if behaviour.body is not None else json.dumps(error).encode()
                await _send(writer, behaviour.status, behaviour.headers, body)
                return True
            case Close():
                _, body = _answer(format_, request, Answer())
                writer.write(_head(200, {}, len(body)) + body[: len(body) // 2])
                await writer.drain()
                return False
            case Trickle():
                pieces = _pieces(format_, request, Answer()) or []
                writer.write(_STREAM_HEAD + b"".join(map(_chunk, pieces[: behaviour.words + 1])))
                await writer.drain()
                await asyncio.Event().wait()
                return False
            case Answer():
                if (pieces := _pieces(format_, request, behaviour)) is not None:
                    writer.write(_STREAM_HEAD)
                    for piece in (*pieces, b""):
                        writer.write(_chunk(piece))
                        await writer.drain()
                    return True
                status, body = _answer(format_, request, behaviour)
                await _send(writer, status, behaviour.headers, body)
                return True

    def _control(self, request: RecordedRequest, writer: asyncio.StreamWriter) -> None:
        if request.path == "/_loopback/script":
            self.script(*(_behaviour(item) for item in request.json()))
        counts = {
            "requests": len(self.requests),
            "in_flight": self.in_flight,
            "aborted": self.aborted,
            "answered": self.answered,
        }
        body = json.dumps(counts).encode()
        writer.write(_head(200, {}, len(body)) + body)

    def _note(self, event: str, number: int, request: RecordedRequest | None) -> None:
        self._changed.set()
        if self._record is None:
            return
        line: dict[str, Any] = {"event": event, "n": number, "monotonic_ns": time.monotonic_ns()}
        if request is not None:
            line |= {"method": request.method, "path": request.path, "head": request.head.decode("latin-1")}
            line |= {"body": request.body.decode("utf-8", "replace"), "raw_base64": base64.b64encode(request.raw).decode()}
        self._record.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._record.flush()


def _behaviour(item: dict[str, Any]) -> Behaviour:
    kinds: dict[str, type[Behaviour]] = {
        "answer": Answer, "status": Status, "refuse": Refuse, "stall": Stall, "trickle": Trickle, "close": Close, "garbage": Garbage
    }  # fmt: skip
    arguments = {key: value for key, value in item.items() if key != "kind"}
    if item["kind"] in ("status", "garbage") and isinstance(arguments.get("body"), str):
        arguments["body"] = arguments["body"].encode()
    return kinds[item["kind"]](**arguments)


async def _read_request(head: bytes, reader: asyncio.StreamReader) -> RecordedRequest:
    lines = head.decode("latin-1").split("\r\n")
    method, path, _ = lines[0].split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return RecordedRequest(method=method, path=path, headers=headers, head=head, body=body)


def _answer(format_: Format, request: RecordedRequest, behaviour: Answer) -> tuple[int, bytes]:
    if behaviour.body is not None:
        return 200, json.dumps(behaviour.body).encode()
    try:
        model, asked = read_request(format_, request.path, request.json())
        answer = _computed(asked, model, behaviour.text)
    except (KeyError, ValueError, UnsupportedRequest) as error:
        return 400, json.dumps(write_error(format_, 400, f"the loopback provider cannot read this: {error}")).encode()
    return 200, json.dumps(write_answer(format_, answer, behaviour.usage)).encode()


_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _chunk(piece: bytes) -> bytes:
    return f"{len(piece):x}\r\n".encode() + piece + b"\r\n"


def _pieces(format_: Format, request: RecordedRequest, behaviour: Answer) -> list[bytes] | None:
    """A streamed answer, where one was asked for and can be given; None else, also where the request cannot be read."""
    if behaviour.body is not None or format_ == "gemini":
        return None
    try:
        if not request.json().get("stream"):
            return None
        model, asked = read_request(format_, request.path, request.json())
        return write_stream(format_, _computed(asked, model, behaviour.text), behaviour.usage)
    except (KeyError, ValueError, UnsupportedRequest):
        return None


def _computed(asked: ModelRequest, model: str, text: str | None) -> ModelResponse:
    answer = read_and_answer(asked, model=model)
    if text is not None:
        return answer.model_copy(update={"parts": (TextPart(text=text),), "finish_reason": "stop"})
    if asked.response_format is not None or answer.finish_reason != "stop":
        return answer
    found = dict.fromkeys(_PLACEHOLDER.findall("\n".join(texts(asked))))
    said = " ".join(["[loopback]", answer.text.removeprefix("[simulated] "), *found])
    return answer.model_copy(update={"parts": (TextPart(text=said),)})


def _head(status: int, headers: dict[str, str], length: int) -> bytes:
    all_headers = {"content-type": "application/json", "content-length": str(length), **headers}
    lines = [
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}",
        *(f"{name}: {value}" for name, value in all_headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def _send(writer: asyncio.StreamWriter, status: int, headers: dict[str, str], body: bytes) -> None:
    writer.write(_head(status, headers, len(body)) + body)
    await writer.drain()


async def _main(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with contextlib.ExitStack() as files:
        record = files.enter_context(Path(arguments.record).open("a", encoding="utf-8")) if arguments.record else None  # noqa: ASYNC230 -- before anything is served
        async with LoopbackProvider(port=arguments.port, latency=arguments.latency_ms / 1000, record=record) as server:
            print(f"ready {server.port}", flush=True)
            await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A model provider on 127.0.0.1 for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--record")
    parser.add_argument("--latency-ms", type=int, default=0)
    asyncio.run(_main(parser.parse_args(sys.argv[1:])))
