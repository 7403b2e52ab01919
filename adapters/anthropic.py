"""Anthropic, by the Messages API, on its SDK.

Of the SDK the client is used (``AsyncAnthropic.post``), with its address, version, key, headers, connections and errors; the bodies are
written and read here. Its typed methods walk each request once more, and validate each event of a stream as a model.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Any, cast

import anthropic
import httpx2

from adapters import failures
from adapters.anthropic_answers import MessageReader, read_error
from adapters.anthropic_models import takes
from adapters.anthropic_requests import Written, write_request
from adapters.incoming import LOST, Incoming, Opened, content_of, is_timeout, plain_headers, refusal_in, streamed
from adapters.limits import rate_limits
from adapters.outgoing import ToolNames, as_json, check
from adapters.port import Answer, Features, ProviderError
from agentos.contracts.model import Delta, ModelRequest, Usage

__all__ = ["AnthropicAdapter"]

_PATH = "/v1/messages"
_LIMITS = httpx2.Limits(max_connections=20_000, max_keepalive_connections=1_000, keepalive_expiry=30)


class AnthropicAdapter:
    """``base_url`` is without the version, as ANTHROPIC_BASE_URL is."""

    provider = "anthropic"

    def __init__(self, *, api_key: str, base_url: str | None = None) -> None:
        self._client = anthropic.AsyncAnthropic(
            api_key=api_key,
            base_url=base_url or "https://api.anthropic.com",
            max_retries=0,
            # The router traces attempts itself; trace ids of this installation are no business of the provider.
            open_telemetry=False,
            # Redirects are not followed: a prompt goes where the operator sent it and nowhere else.
            http_client=anthropic.DefaultAioHttpClient(follow_redirects=False, limits=_LIMITS),
        )

    def features(self, model: str) -> Features:
        """See ``ModelAdapter.features``."""
        of_model = takes(model)
        return Features(json_schema=of_model.schema, thinking=of_model.thinking != "none", continues=of_model.prefill)

    async def complete(
        self,
        request: ModelRequest,
        *,
        model: str,
        timeout: timedelta,  # noqa: ASYNC109 -- part of the port: the caller's budget, not its mechanism
        idempotency_key: str,
    ) -> Answer:
        """See ``ModelAdapter.complete``."""
        written, body, reader = self._prepare(request, model, idempotency_key, stream=False)
        response = await self._post(body, written, timeout.total_seconds(), idempotency_key, stream=False)
        Incoming(self.provider, reader).whole(response.content)
        return _answer(reader, len(body), plain_headers(response.headers))

    async def stream(
        self,
        request: ModelRequest,
        *,
        model: str,
        timeout: timedelta,  # noqa: ASYNC109 -- part of the port: the caller's budget, not its mechanism
        idempotency_key: str,
    ) -> AsyncGenerator[Delta | Usage | Answer]:
        """See ``ModelAdapter.stream``."""
        written, body, reader = self._prepare(request, model, idempotency_key, stream=True)
        seconds = timeout.total_seconds()
        opened = Opened(self.provider, await self._post(body, written, seconds, idempotency_key, stream=True), seconds)
        answer = lambda: _answer(reader, len(body), opened.headers)  # noqa: E731 -- what the end of the stream is read with
        request_id = opened.headers.get("request-id")
        async with aclosing(streamed(self.provider, opened, reader, answer, request_id=request_id)) as items:
            async for item in items:
                yield item

    def _prepare(
        self, request: ModelRequest, model: str, idempotency_key: str, *, stream: bool
    ) -> tuple[Written, bytes, MessageReader]:
        check(self.provider, request, model=model, idempotency_key=idempotency_key)
        names = ToolNames(request)
        written = write_request(request, names, model=model, stream=stream)
        reader = MessageReader(request, names, model=model, notes=written.notes, begun_blank=written.begun_blank)
        return written, as_json(self.provider, written.body), reader

    async def _post(
        self, body: bytes, written: Written, seconds: float, idempotency_key: str, *, stream: bool
    ) -> httpx2.Response:
        try:
            async with asyncio.timeout(seconds):
                opened = await self._client.post(
                    _PATH,
                    cast_to=httpx2.Response,
                    content=body,
                    options={"headers": {"Idempotency-Key": idempotency_key, **written.headers}, "timeout": seconds},
                    stream=stream,
                    stream_cls=anthropic.AsyncStream[Any],
                )
            # Asked for a response, the SDK gives it as it is, streamed or not.
            return cast("httpx2.Response", opened)
        except anthropic.APIStatusError as error:
            failure = _refusal(error.status_code, plain_headers(error.response.headers), content_of(error.response))
        except anthropic.APIConnectionError as error:
            failure = self._lost(error, seconds)
        except anthropic.AnthropicError:
            failure = failures.bad_answer(self.provider, "the SDK could not read it", status=None)
        except LOST as error:
            # What the SDK lets through: an answer that is no HTTP, a body that is not what its head says.
            failure = self._lost(error, seconds)
        # Raised out here so that the SDK's exception, which holds the prompt and the key, is not its context.
        raise failure

    def _lost(self, error: BaseException, seconds: float) -> ProviderError:
        return failures.timed_out(self.provider, seconds) if is_timeout(error) else failures.unreachable(self.provider)

    async def close(self) -> None:
        """See ``ModelAdapter.close``."""
        await self._client.close()


def _answer(reader: MessageReader, sent_bytes: int, headers: dict[str, str]) -> Answer:
    response, estimated = reader.response(sent_bytes=sent_bytes, request_id=headers.get("request-id"))
    return Answer(response, rate_limits(headers), estimated)


def _refusal(status: int, headers: dict[str, str], body: bytes) -> ProviderError:
    codes, said = read_error(refusal_in(body))
    return failures.from_status(
        "anthropic", status, headers, codes, said=said, limits=rate_limits(headers), request_id=headers.get("request-id")
    )
