"""Any server of OpenAI's format: what it is asked by chat completions, by Responses, and for embeddings."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from adapters import failures
from adapters.incoming import Incoming, streamed
from adapters.limits import rate_limits
from adapters.openai_chat_answers import ChatReader
from adapters.openai_chat_requests import write_chat
from adapters.openai_connection import Connection
from adapters.openai_dialect import Dialect
from adapters.openai_embeddings import read_embeddings, write_embeddings
from adapters.openai_responses_answers import ResponsesReader
from adapters.openai_responses_requests import write_responses
from adapters.outgoing import ToolNames, as_json, check
from adapters.port import Answer, Features
from adapters.reading import parsed
from agentos.contracts.model import Delta, ModelRequest, Usage

__all__ = ["Dialect", "OpenAICompatibleAdapter"]

_CHAT, _RESPONSES, _EMBEDDINGS = "/chat/completions", "/responses", "/embeddings"
_BYTES_PER_TOKEN = 4


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
        Incoming(self.provider, prepared.reader).whole(raw)
        return self._answer(prepared, headers)

    async def _embed(self, request: ModelRequest, model: str, seconds: float, idempotency_key: str) -> Answer:
        notes: list[str] = []
        body = as_json(self.provider, write_embeddings(self._dialect, request, model=model, notes=notes))
        raw, headers = await self._connection.send(_EMBEDDINGS, body, seconds=seconds, idempotency_key=idempotency_key)
        response = read_embeddings(
            self.provider,
            self._json(raw),
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
        opened = await self._connection.open(
            prepared.path, prepared.body, seconds=timeout.total_seconds(), idempotency_key=idempotency_key
        )
        answer = lambda: self._answer(prepared, opened.headers)  # noqa: E731 -- what the end of the stream is read with
        request_id = opened.headers.get("x-request-id")
        async with aclosing(streamed(self.provider, opened, prepared.reader, answer, request_id=request_id)) as items:
            async for item in items:
                yield item

    async def close(self) -> None:
        """See ``ModelAdapter.close``."""
        await self._connection.close()

    def _prepare(self, request: ModelRequest, model: str, *, stream: bool) -> _Prepared:
        names, notes = ToolNames(request), list[str]()
        if self.by_responses(request, model):
            body = write_responses(self._dialect, request, names, model=model, stream=stream, notes=notes)
            path, reader = _RESPONSES, ResponsesReader(self.provider, request, names, model=model)
        else:
            body = write_chat(self._dialect, request, names, model=model, stream=stream, notes=notes)
            path, reader = self.chat_path(request), ChatReader(self.provider, request, names, model=model)
        return _Prepared(path, as_json(self.provider, body), reader, notes)

    def _json(self, raw: bytes) -> Any:
        try:
            return parsed(raw)
        except ValueError:
            pass
        # Raised out here so that the parser's exception, which quotes the answer, is not its context.
        raise failures.bad_answer(self.provider, "not JSON")

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
