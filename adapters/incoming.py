"""An answer as it comes in over HTTP: its bytes as events, its events as what a provider's reader makes of them.

For adapters whose SDK lends its connections and leaves the reading to us.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, Protocol

import aiohttp
import httpx2

from adapters import failures
from adapters.limits import rate_limits
from adapters.port import Answer, ProviderError
from adapters.reading import parsed
from adapters.sse import EventStream, TooLong
from agentos.contracts.model import Delta, Usage

__all__ = [
    "ENDED",
    "LOST",
    "Incoming",
    "Opened",
    "Reader",
    "content_of",
    "is_timeout",
    "plain_headers",
    "refusal_in",
    "streamed",
]

LOST = (httpx2.HTTPError, httpx2.StreamError, aiohttp.ClientError, OSError)
"""What connections that fail are raised as, where the SDK lets it through."""

# How long to wait for the end of a body whose answer has ended, so that the connection can be used again.
_TAIL_S = 0.05
_LARGEST_BODY = 64 * 1024 * 1024
_BLANK = b" \t\r\n\xef\xbb\xbf"
ENDED = "[DONE]"
"""As what a reader is told that the server ended its stream by saying so."""


class Reader(Protocol):
    """Reads one answer of one provider: a whole body, or its events one by one."""

    usage: Usage | None

    @property
    def done(self) -> bool:
        """Whether it was said why the answer ended, and nothing of it is to come."""
        ...

    def read(self, value: Any, *, event: str = "") -> list[Delta | Usage]:
        """One event, or the whole body, as parsed JSON; None with ``ENDED``. Raises ``ProviderError``."""
        ...


class Opened:
    """An answer from its head on. ``headers`` have lower-case names; ``seconds`` bounds each silence."""

    def __init__(self, provider: str, response: httpx2.Response, seconds: float) -> None:
        self.headers = plain_headers(response.headers)
        self._provider, self._response, self._seconds = provider, response, seconds

    async def chunks(self) -> AsyncGenerator[bytes]:
        """The body as it comes in, decompressed. Raises ``ProviderError``."""
        try:
            async for chunk in self._response.aiter_bytes():
                yield chunk
        except LOST as error:
            silent = is_timeout(error)
        else:
            return
        # Raised out here so that the SDK's exception, which holds the prompt and the key, is not its context.
        raise failures.stalled(self._provider, self._seconds) if silent else failures.unreachable(self._provider, status=200)

    async def close(self) -> None:
        """Ends it, wherever it is. Where the whole body was read, the connection can serve another call."""
        with contextlib.suppress(*LOST):  # It is gone already.
            await self._response.aclose()


class Incoming:
    """Feeds a reader. A body that is no event stream is JSON as a whole: an error, or a server that does not stream."""

    __slots__ = ("_events", "_head", "_provider", "_reader", "_streamed", "ended")

    def __init__(self, provider: str, reader: Reader) -> None:
        self._provider, self._reader = provider, reader
        self._events = EventStream()
        self._head = bytearray()
        self._streamed = False
        self.ended = False
        """OpenAI's mark of the end of a stream came; what follows it says nothing."""

    @property
    def anything(self) -> bool:
        """Whether anything came that was no blank."""
        return self._streamed or bool(bytes(self._head).strip(_BLANK))

    def whole(self, body: bytes) -> None:
        """A body that has come whole. Raises ``ProviderError``."""
        for read in (self.feed(body), self.end()):
            for _ in read:
                pass

    def feed(self, chunk: bytes) -> Iterator[Delta | Usage]:
        """What more bytes bring, up to an error where one is among it. Raises ``ProviderError``."""
        if not self._streamed:
            self._head += chunk
            begun = bytes(self._head[:64]).lstrip(_BLANK)[:1]
            if begun in (b"", b"{", b"["):
                if len(self._head) > _LARGEST_BODY:
                    raise failures.bad_answer(self._provider, "a body without an end", usage=self._reader.usage)
                return
            self._streamed, chunk = True, bytes(self._head)
            self._head.clear()
        try:
            events = list(self._events.feed(chunk))
        except TooLong:
            events = None
        if events is None:
            raise failures.bad_answer(self._provider, "an event without an end", usage=self._reader.usage)
        for name, data in events:
            yield from self._event(name, data)

    def end(self) -> Iterator[Delta | Usage]:
        """What the end of the body brings. An event that it cut short says nothing. Raises ``ProviderError``."""
        if not self._streamed:
            if self.anything:
                yield from self._reader.read(self._json(bytes(self._head)))
            return
        for name, data in self._events.end():
            try:
                value = parsed(data)
            except ValueError:
                return
            if not self.ended:
                yield from self._reader.read(value, event=name.decode("latin-1"))

    def _event(self, name: bytes, data: bytes) -> list[Delta | Usage]:
        if self.ended or not data:
            return []
        if data == b"[DONE]":
            self.ended = True
            return self._reader.read(None, event=ENDED)
        event = name.decode("latin-1")
        if b"\n" in data:
            # Either one value over several lines, or several events without the blank line between them.
            with contextlib.suppress(ValueError):
                values = [parsed(line) for line in data.split(b"\n") if line and line != b"[DONE]"]
                return [item for value in values for item in self._reader.read(value, event=event)]
        return self._reader.read(self._json(data), event=event)

    def _json(self, raw: bytes) -> Any:
        try:
            return parsed(raw)
        except ValueError:
            pass
        # Raised out here so that the parser's exception, which quotes the answer, is not its context.
        raise failures.bad_answer(self._provider, "not JSON", usage=self._reader.usage)


async def streamed(
    provider: str, opened: Opened, reader: Reader, answer: Callable[[], Answer], *, request_id: str | None
) -> AsyncGenerator[Delta | Usage | Answer]:
    """The stream of ``ModelAdapter.stream`` from an opened answer, which it closes."""
    incoming = Incoming(provider, reader)
    chunks = opened.chunks()
    try:
        try:
            async for chunk in chunks:
                for item in incoming.feed(chunk):
                    yield item
                if reader.done or incoming.ended:
                    break
            for item in incoming.end():
                yield item
            if not incoming.anything:
                raise failures.incomplete(provider)
        except ProviderError as failure:
            # A connection that is lost, or that stays open, after the whole answer has come takes nothing from it.
            whole = _whole(answer) if failure.code in ("unreachable", "stalled") else None
            if whole is None:
                failure.usage = failure.usage or reader.usage
                failure.request_id = failure.request_id or request_id
                failure.limits = failure.limits or rate_limits(opened.headers)
                raise
            yield whole
            return
        yield answer()
        with contextlib.suppress(TimeoutError, ProviderError):
            async with asyncio.timeout(_TAIL_S):
                async for _ in chunks:
                    pass
    finally:
        await chunks.aclose()
        await opened.close()


def _whole(answer: Callable[[], Answer]) -> Answer | None:
    """What came, where that is a whole answer with its counts."""
    with contextlib.suppress(ProviderError):
        found = answer()
        return None if found.estimated else found
    return None


def refusal_in(body: bytes) -> Any:
    """The JSON of an error answer's body, also where it stands in an event; None where there is none."""
    with contextlib.suppress(ValueError):
        return parsed(body)
    events = EventStream()
    with contextlib.suppress(ValueError, TooLong):
        for _, data in (*events.feed(body), *events.end()):
            return parsed(data)
    return None


def plain_headers(headers: httpx2.Headers) -> dict[str, str]:
    """The headers with lower-case names."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers.raw}


def is_timeout(error: BaseException | None) -> bool:
    """By its causes: SDKs' HTTP clients call a lost connection a timeout, too."""
    while error is not None:
        if isinstance(error, TimeoutError):
            return True
        error = error.__cause__
    return False


def content_of(response: httpx2.Response) -> bytes:
    """The body of an answer that was read; nothing of one that could not be."""
    try:
        return response.content
    except httpx2.StreamError:
        return b""
