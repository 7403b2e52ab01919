"""The way to one server of OpenAI's format with one key: OpenAI's SDK underneath, its exceptions turned into ours.

Of the SDK the client is used (``AsyncOpenAI.post``), with its address, key, headers, connections and errors; the bodies are written and
read here. Its typed methods walk each request once more, and validate each answer and each token of a stream as models of which a tenth
is used; its HTTP client on aiohttp costs half of the one it has by default.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

import httpx2
import openai

from adapters import failures
from adapters.incoming import LOST, Opened, content_of, is_timeout, plain_headers, refusal_in
from adapters.limits import rate_limits, wait_in_words
from adapters.openai_client import Client
from adapters.port import ProviderError
from adapters.reading import entries, fields, text

__all__ = ["Connection", "error_in_stream"]

# Which system, processor and Python run here is no business of the provider's, and costs time with each call.
_UNTOLD: dict[str, openai.Omit] = dict.fromkeys(
    (
        "X-Stainless-Lang",
        "X-Stainless-Package-Version",
        "X-Stainless-OS",
        "X-Stainless-Arch",
        "X-Stainless-Runtime",
        "X-Stainless-Runtime-Version",
        "X-Stainless-Async",
        "X-Stainless-Retry-Count",
        "X-Stainless-Read-Timeout",
    ),
    openai.Omit(),
)
_LIMITS = httpx2.Limits(max_connections=20_000, max_keepalive_connections=1_000, keepalive_expiry=30)


class Connection:
    """Calls of one provider with one key."""

    def __init__(self, provider: str, *, api_key: str, base_url: str) -> None:
        self._provider = provider
        self._client = Client(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,
            # Redirects are not followed: a prompt goes where the operator sent it and nowhere else.
            http_client=openai.DefaultAioHttpClient(follow_redirects=False, limits=_LIMITS),
        )
        # The SDK takes these from the environment. They are OpenAI's alone, and each of its keys has its own already.
        self._client.organization = self._client.project = None

    async def send(self, path: str, body: bytes, *, seconds: float, idempotency_key: str) -> tuple[bytes, dict[str, str]]:
        """The whole answer, and its headers with lower-case names. Raises ProviderError."""
        response = await self._post(path, body, seconds, idempotency_key, stream=False)
        return response.content, plain_headers(response.headers)

    async def open(self, path: str, body: bytes, *, seconds: float, idempotency_key: str) -> Opened:
        """The answer from its head on; ``seconds`` bounds each silence. To be closed. Raises ProviderError."""
        response = await self._post(path, body, seconds, idempotency_key, stream=True)
        return Opened(self._provider, response, seconds)

    async def _post(self, path: str, body: bytes, seconds: float, idempotency_key: str, *, stream: bool) -> httpx2.Response:
        try:
            async with asyncio.timeout(seconds):
                answer = await self._client.post(
                    path,
                    cast_to=httpx2.Response,
                    content=body,
                    options={"headers": {**_UNTOLD, "Idempotency-Key": idempotency_key}, "timeout": seconds},
                    stream=stream,
                    stream_cls=openai.AsyncStream[Any],
                )
                # Asked for as it is, it is never made a stream of events.
                return cast("httpx2.Response", answer)
        except openai.APIStatusError as error:
            failure = _refusal(
                self._provider, error.status_code, plain_headers(error.response.headers), content_of(error.response)
            )
        except openai.APIConnectionError as error:
            failure = self._lost(error, seconds)
        except openai.OpenAIError:
            failure = failures.bad_answer(self._provider, "the SDK could not read it", status=None)
        except LOST as error:
            # What the SDK lets through: an answer that is no HTTP, a body that is not what its head says.
            failure = self._lost(error, seconds)
        # Raised out here so that the SDK's exception, which holds the prompt and the key, is not its context.
        raise failure

    def _lost(self, error: BaseException, seconds: float) -> ProviderError:
        return failures.timed_out(self._provider, seconds) if is_timeout(error) else failures.unreachable(self._provider)

    async def close(self) -> None:
        """Closes the connections. Idempotent."""
        await self._client.close()


def _refusal(provider: str, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    codes, said = _read_error(refusal_in(body))
    return failures.from_status(
        provider,
        status,
        headers,
        codes,
        said=said,
        wait=_wait(status, said),
        limits=rate_limits(headers),
        request_id=headers.get("x-request-id"),
    )


def _wait(status: int, said: str) -> timedelta | None:
    return wait_in_words(said) if status == 429 else None


def error_in_stream(provider: str, value: Any, *, request_id: str | None = None) -> ProviderError:
    """The error that came where an answer, or more of it, was to come."""
    codes, said = _read_error(value)
    return failures.in_stream(provider, codes, said=said, wait=wait_in_words(said), request_id=request_id)


def _read_error(value: Any) -> tuple[tuple[object, ...], str]:
    """Codes and words of an error body: OpenAI's, and those of the servers that speak its format.

    ``{"error": {"message", "type", "code"}}``; a list of that (Gemini); ``{"error": "words"}`` (ollama, xAI); ``{"object": "error",
    "message", "code"}`` (vLLM, Mistral, Cerebras); ``{"detail": …}`` (FastAPI); ``{"message": …}`` (gateways); ``{"errors": […]}``
    (Cloudflare). What OpenRouter heard from whom it asked stands in ``metadata.raw``.
    """
    outer = fields(entries(value)[0] if entries(value) else value)
    error = outer.get("error") or next(iter(entries(outer.get("errors"))), None)
    inner = fields(error) or outer
    said = text(error) or text(inner.get("message")) or text(inner.get("detail")) or text(outer.get("message"))
    heard = text(fields(inner.get("metadata")).get("raw"))
    codes = (inner.get("code"), inner.get("type"), inner.get("status"), outer.get("code"), outer.get("type"))
    return codes, f"{said} {heard}" if heard else said
