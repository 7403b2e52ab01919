"""Any server of OpenAI's format: what it is asked by chat completions, by Responses, and for embeddings."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from adapters import failures
from adapters.limits import rate_limits
from adapters.openai_chat import ChatReader, write_chat
from adapters.openai_connection import Connection
from adapters.openai_dialect import Dialect
from adapters.openai_embeddings import read_embeddings, write_embeddings
from adapters.openai_responses import ResponsesReader, write_responses
from adapters.outgoing import ToolNames, as_json, check
from adapters.port import Answer, Features, ProviderError
from adapters.reading import parsed
from adapters.sse import EventStream, TooLong
from agentos.contracts.model import Delta, ModelRequest, Usage

__all__ = ["Dialect", "OpenAICompatibleAdapter"]

_CHAT, _RESPONSES, _EMBEDDINGS = "/chat/completions", "/responses", "/embeddings"
_BYTES_PER_TOKEN = 4
# How long to wait for the end of a body whose answer has ended, so that the connection can be used again.
_TAIL_S = 0.05


@dataclass(frozen=True, slots=True)
class _Prepared:
    path: str
    body: bytes
    reader: ChatReader | ResponsesReader
    notes: list[str]


class OpenAICompatibleAdapter:
    """One server with one key."""

    def __init__(self, dialect: Dialect, *, api_key: str, base_url: str) -> None:
        self.provider = dialect.provider
        self._dialect = dialect
        self._connection = Connection(dialect.provider, api_key=api_key, base_url=base_url)

    def features(self, model: str) -> Features:
        """See ``ModelAdapter.features``."""
        dialect, embeds = self._dialect, dialect_embeds(self._dialect, model)
        return Features(
            streaming=not embeds,
            images=dialect.images != "none",
            image_urls=dialect.images == "any",
            embeddings=embeds,
            continues=dialect.continues != "no",
        )

    def by_responses(self, request: ModelRequest, model: str) -> bool:  # noqa: ARG002 -- for those that decide by them
        """Whether the request goes by Responses rather than by chat completions, which all servers know."""
        return False

    def chat_path(self, request: ModelRequest) -> str:  # noqa: ARG002 -- for those that decide by it
        """Where chat completions are asked for, after the base URL."""
        return _CHAT

    async def complete(
        self,
        request: ModelRequest,
        *,
        model: str,
        timeout: timedelta,  # noqa: ASYNC109 -- part of the port: the caller's budget, not its mechanism
        idempotency_key: str,
    ) -> Answer:
        """See ``ModelAdapter.complete``."""
        check(self.provider, request, model=model, idempotency_key=idempotency_key)
        seconds = timeout.total_seconds()
        if request.kind == "embed":
            return await self._embed(request, model, seconds, idempotency_key)
        prepared = self._prepare(request, model, stream=False)
        raw, headers = await self._connection.send(
            prepared.path, prepared.body, seconds=seconds, idempotency_key=idempotency_key
        )
        reader = prepared.reader
        # Some servers stream whatever was asked for.
        if raw.lstrip()[:1] in (b"{", b"["):
            reader.read(self._json(raw, reader))
        else:
            events = EventStream()
            for name, data in (*self._fed(events, raw, reader), *events.end()):
                self._event(reader, name, data)
        return self._answer(prepared, headers)

    async def _embed(self, request: ModelRequest, model: str, seconds: float, idempotency_key: str) -> Answer:
        notes: list[str] = []
        body = as_json(self.provider, write_embeddings(self._dialect, request, model=model, notes=notes))
        raw, headers = await self._connection.send(_EMBEDDINGS, body, seconds=seconds, idempotency_key=idempotency_key)
        response = read_embeddings(
            self.provider,
            self._json(raw, None),
            model=model,
            wanted=len(request.messages[0].parts),
            request_id=headers.get("x-request-id"),
            notes=notes,
        )
        return Answer(response, rate_limits(headers))

    async def stream(
        self,
        request: ModelRequest,
        *,
        model: str,
        timeout: timedelta,  # noqa: ASYNC109 -- part of the port: the caller's budget, not its mechanism
        idempotency_key: str,
    ) -> AsyncGenerator[Delta | Usage | Answer]:
        """See ``ModelAdapter.stream``."""
        check(self.provider, request, model=model, idempotency_key=idempotency_key)
        if request.kind == "embed":
            yield await self._embed(request, model, timeout.total_seconds(), idempotency_key)
            return
        prepared = self._prepare(request, model, stream=True)
        reader = prepared.reader
        opened = await self._connection.open(
            prepared.path, prepared.body, seconds=timeout.total_seconds(), idempotency_key=idempotency_key
        )
        chunks = opened.chunks()
        try:
            try:
                async for item in self._items(chunks, reader):
                    yield item
            except ProviderError as failure:
                # A connection that is lost, or that stays open, after the whole answer has come takes nothing from it.
                if failure.code not in ("unreachable", "stalled") or not reader.done or reader.usage is None:
                    failure.usage = failure.usage or reader.usage
                    failure.request_id = failure.request_id or opened.headers.get("x-request-id")
                    failure.limits = failure.limits or rate_limits(opened.headers)
                    raise
            yield self._answer(prepared, opened.headers)
            await self._finish(chunks)
        finally:
            await chunks.aclose()
            await opened.close()

    async def close(self) -> None:
        """See ``ModelAdapter.close``."""
        await self._connection.close()

    async def _items(
        self, chunks: AsyncGenerator[bytes], reader: ChatReader | ResponsesReader
    ) -> AsyncGenerator[Delta | Usage]:
        events = EventStream()
        head = b""
        sniffing = True
        async for chunk in chunks:
            if sniffing:
                head += chunk
                begun = head.lstrip(b" \t\r\n\xef\xbb\xbf")[:1]
                if begun in (b"", b"{", b"["):
                    # A server that does not stream answers whole, and an error may come as plain JSON.
                    continue
                sniffing, chunk = False, head
            for name, data in self._fed(events, chunk, reader):
                if data == b"[DONE]":
                    return
                for item in self._event(reader, name, data):
                    yield item
        if sniffing and head.strip():
            for item in reader.read(self._json(head, reader)):
                yield item
            return
        for name, data in events.end():
            if data != b"[DONE]":
                for item in self._last(reader, name, data):
                    yield item

    async def _finish(self, chunks: AsyncGenerator[bytes]) -> None:
        """Reads what follows the end of the answer, which is nothing: then the connection is not lost with it."""
        with contextlib.suppress(TimeoutError, ProviderError):
            async with asyncio.timeout(_TAIL_S):
                async for _ in chunks:
                    pass

    def _prepare(self, request: ModelRequest, model: str, *, stream: bool) -> _Prepared:
        names, notes = ToolNames(request), list[str]()
        if self.by_responses(request, model):
            body = write_responses(self._dialect, request, names, model=model, stream=stream, notes=notes)
            path, reader = _RESPONSES, ResponsesReader(self.provider, request, names, model=model)
        else:
            body = write_chat(self._dialect, request, names, model=model, stream=stream, notes=notes)
            path, reader = self.chat_path(request), ChatReader(self.provider, request, names, model=model)
        return _Prepared(path, as_json(self.provider, body), reader, notes)

    def _json(self, raw: bytes, reader: ChatReader | ResponsesReader | None) -> Any:
        try:
            return parsed(raw)
        except ValueError:
            pass
        raise failures.bad_answer(self.provider, "not JSON", usage=reader.usage if reader is not None else None)

    def _fed(self, events: EventStream, chunk: bytes, reader: ChatReader | ResponsesReader) -> "list[tuple[bytes, bytes]]":
        try:
            return list(events.feed(chunk))
        except TooLong:
            pass
        raise failures.bad_answer(self.provider, "an event without an end", usage=reader.usage)

    def _event(self, reader: ChatReader | ResponsesReader, name: bytes, data: bytes) -> list[Delta | Usage]:
        if not data or data == b"[DONE]":
            return []
        event = name.decode("latin-1")
        if b"\n" in data:
            # Either one value over several lines, or several values without the blank line between them.
            lines = [line for line in data.split(b"\n") if line and line != b"[DONE]"]
            with contextlib.suppress(ValueError):
                return [item for line in lines for item in reader.read(parsed(line), event=event)]
        return reader.read(self._json(data, reader), event=event)

    def _last(self, reader: ChatReader | ResponsesReader, name: bytes, data: bytes) -> list[Delta | Usage]:
        """An event that the end of the stream may have cut short: then it says nothing."""
        try:
            value = parsed(data)
        except ValueError:
            return []
        return reader.read(value, event=name.decode("latin-1"))

    def _answer(self, prepared: _Prepared, headers: dict[str, str]) -> Answer:
        reader = prepared.reader
        estimate = Usage(
            input_tokens=-(-len(prepared.body) // _BYTES_PER_TOKEN), output_tokens=-(-reader.size // _BYTES_PER_TOKEN)
        )
        response, estimated = reader.response(estimate=estimate, request_id=headers.get("x-request-id"), notes=prepared.notes)
        return Answer(response, rate_limits(headers), estimated)


def dialect_embeds(dialect: Dialect, model: str) -> bool:
    """Whether the model, by its name, makes vectors and nothing else."""
    return dialect.embeddings and "embed" in model.lower()
