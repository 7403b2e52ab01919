"""Gemini, by generateContent, streamGenerateContent and batchEmbedContents, on the google-genai SDK.

The SDK writes the head of each kind of request (address, version, key, its own headers): once for a model, since that takes it
2 ms, ten times what the rest of a call does. Bodies are written and read here, which its typed methods do not allow for streams.
"""

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Any, Literal

import httpx2
from google import genai
from google.genai import types

from adapters import failures
from adapters.gemini_answers import AnswerReader, read_embeddings, read_error
from adapters.gemini_models import takes
from adapters.gemini_requests import write_embeddings, write_request
from adapters.incoming import LOST, Incoming, Opened, content_of, is_timeout, plain_headers, refusal_in, streamed
from adapters.limits import rate_limits
from adapters.outgoing import ToolNames, as_json, check
from adapters.port import Answer, Features, ProviderError
from adapters.reading import parsed
from agentos.contracts.model import Delta, ModelRequest, Usage

__all__ = ["GeminiAdapter"]

_LIMITS = httpx2.Limits(max_connections=20_000, max_keepalive_connections=1_000, keepalive_expiry=30)
_MOST_HEADS = 256
_OK = 200
_Method = Literal["generate", "stream", "embed"]
_Head = tuple[httpx2.URL, list[tuple[bytes, bytes]]]


class _Written(Exception):
    """The SDK has written a request, which is as far as it is to go."""

    def __init__(self, request: httpx2.Request) -> None:
        super().__init__()
        self.request = request


class _Writing(httpx2.AsyncClient):
    """Sends nothing: what it is given to send is what was asked for."""

    async def send(self, request: httpx2.Request, **_: Any) -> httpx2.Response:
        raise _Written(request)


class GeminiAdapter:
    """``base_url`` is without the version."""

    provider = "gemini"

    def __init__(self, *, api_key: str, base_url: str | None = None) -> None:
        # Redirects are not followed: a prompt, and the key beside it, go where the operator sent them and nowhere else.
        self._http = httpx2.AsyncClient(follow_redirects=False, limits=_LIMITS)
        self._writing = _Writing()
        self._client = genai.Client(
            # Explicit, so that GOOGLE_GENAI_USE_VERTEXAI in the environment cannot send prompts to another service.
            vertexai=False,
            api_key=api_key,
            http_options=types.HttpOptions(
                base_url=base_url or "https://generativelanguage.googleapis.com",
                # The SDK's default, v1, promises only part of what is sent here; v1beta documents all of it.
                api_version="v1beta",
                httpx_async_client=self._writing,
            ),
        )
        self._heads: dict[tuple[_Method, str], _Head] = {}

    def features(self, model: str) -> Features:
        """See ``ModelAdapter.features``."""
        of_model = takes(model)
        embeds = of_model.embeds
        return Features(
            streaming=not embeds,
            tools=not embeds,
            json_schema=not embeds,
            images=not embeds,
            image_urls=not embeds,
            thinking=not embeds and of_model.thinking != "none",
            embeddings=embeds,
        )

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
        body, reader = self._prepare(request, model, streams=False)
        response = await self._post("generate", model, body, seconds, idempotency_key)
        Incoming(self.provider, reader).whole(response.content)
        return _answer(reader, len(body), plain_headers(response.headers))

    async def _embed(self, request: ModelRequest, model: str, seconds: float, idempotency_key: str) -> Answer:
        notes: list[str] = []
        body = as_json(self.provider, write_embeddings(request, model=model, notes=notes))
        response = await self._post("embed", model, body, seconds, idempotency_key)
        try:
            value = parsed(response.content)
        except ValueError:
            value = None
        found, estimated = read_embeddings(value, request, model=model, sent_bytes=len(body), notes=notes)
        return Answer(found, rate_limits(plain_headers(response.headers)), estimated)

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
        seconds = timeout.total_seconds()
        if request.kind == "embed":
            yield await self._embed(request, model, seconds, idempotency_key)
            return
        body, reader = self._prepare(request, model, streams=True)
        opened = Opened(self.provider, await self._post("stream", model, body, seconds, idempotency_key), seconds)
        answer = lambda: _answer(reader, len(body), opened.headers)  # noqa: E731 -- what the end of the stream is read with
        async with aclosing(streamed(self.provider, opened, reader, answer, request_id=None)) as items:
            async for item in items:
                yield item

    def _prepare(self, request: ModelRequest, model: str, *, streams: bool) -> tuple[bytes, AnswerReader]:
        names, notes = ToolNames(request), list[str]()
        body = as_json(self.provider, write_request(request, names, model=model, notes=notes))
        return body, AnswerReader(request, names, model=model, notes=notes, streams=streams)

    async def _post(self, method: _Method, model: str, body: bytes, seconds: float, idempotency_key: str) -> httpx2.Response:
        url, head = await self._head(method, model)
        headers = [*head, (b"idempotency-key", idempotency_key.encode())]
        if method != "stream":
            # The server gives up when we do; a stream is bounded by its silences, which the server cannot know.
            headers.append((b"x-server-timeout", str(max(1, math.ceil(seconds))).encode()))
        request = self._http.build_request("POST", url, headers=headers, content=body, timeout=seconds)
        try:
            async with asyncio.timeout(seconds):
                response = await self._http.send(request, stream=method == "stream")
                if response.status_code == _OK:
                    return response
                await response.aread()
            failure = _refusal(response.status_code, plain_headers(response.headers), content_of(response))
            await response.aclose()
        except LOST as error:
            failure = failures.timed_out(self.provider, seconds) if is_timeout(error) else failures.unreachable(self.provider)
        # Raised out here so that the client's exception, which holds the prompt and the key, is not its context.
        raise failure

    async def _head(self, method: _Method, model: str) -> _Head:
        """Address and headers of such a request, as the SDK writes them."""
        known = self._heads.get((method, model))
        if known is not None:
            return known
        models = self._client.aio.models
        request: httpx2.Request | None = None
        try:
            if method == "generate":
                await models.generate_content(model=model, contents="-")  # pyright: ignore[reportUnknownMemberType] -- the SDK's type names optional libraries
            elif method == "stream":
                async for _ in await models.generate_content_stream(model=model, contents="-"):  # pyright: ignore[reportUnknownMemberType] -- the same
                    pass
            else:
                await models.embed_content(model=model, contents="-")  # pyright: ignore[reportUnknownMemberType] -- the same
        except _Written as written:
            request = written.request
        if request is None:
            raise failures.bad_answer(self.provider, "the SDK wrote no request", status=None)
        of_body = (b"content-length", b"transfer-encoding", b"host")
        head = (request.url, [(name, value) for name, value in request.headers.raw if name.lower() not in of_body])
        if len(self._heads) < _MOST_HEADS:
            self._heads[(method, model)] = head
        return head

    async def close(self) -> None:
        """See ``ModelAdapter.close``."""
        await self._http.aclose()
        await self._writing.aclose()
        await self._client.aio.aclose()
        self._client.close()


def _answer(reader: AnswerReader, sent_bytes: int, headers: dict[str, str]) -> Answer:
    response, estimated = reader.response(sent_bytes=sent_bytes, request_id=headers.get("x-request-id"))
    return Answer(response, rate_limits(headers), estimated)


def _refusal(status: int, headers: dict[str, str], body: bytes) -> ProviderError:
    codes, said, wait, kind = read_error(refusal_in(body))
    return failures.from_status("gemini", status, headers, codes, said=said, wait=wait, limits=rate_limits(headers), kind=kind)
