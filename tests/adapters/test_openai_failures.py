"""What OpenAI, and the servers of its format, refuse with: each body and header comes back as the right kind, with the provider's own code."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from adapters.openai import OpenAIAdapter
from adapters.port import ErrorKind, ProviderError, RateLimits
from tests.adapters.streaming import HELLO, run
from tests.loopback.raw import RawServer, Reply


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with RawServer() as running:
        yield running


@pytest.fixture
async def openai(server: RawServer) -> AsyncIterator[OpenAIAdapter]:
    adapter = OpenAIAdapter(api_key="test-key-0123456789", base_url=f"http://127.0.0.1:{server.port}/v1")
    yield adapter
    await adapter.close()


def _error(code: Any = None, type_: Any = "invalid_request_error", message: str = "secret prompt") -> Any:
    return {"error": {"message": message, "type": type_, "param": None, "code": code}}


_TPM = "Request too large for gpt-x in organization org-1 on tokens per min (TPM): Limit 30000, Requested 33120."
_LENGTH = "This model's maximum context length is 65536 tokens. However, you requested 80000 tokens"
REFUSALS: dict[str, tuple[int, Any, ErrorKind, str]] = {
    # OpenAI
    "too long": (400, _error("context_length_exceeded"), "other_provider", "context_length_exceeded"),
    "no such model": (404, _error("model_not_found"), "other_provider", "model_not_found"),
    "a model that the project may not use": (403, _error("model_not_found"), "other_provider", "model_not_found"),
    "a parameter that the model does not take": (400, _error("unsupported_parameter"), "other_provider", "unsupported_parameter"),
    "a value that the model does not take": (400, _error("unsupported_value"), "other_provider", "unsupported_value"),
    "a value that nobody takes": (400, _error("decimal_below_min_value"), "never", "decimal_below_min_value"),
    "no code, but a type": (400, _error(None), "never", "invalid_request_error"),
    "content policy": (400, _error("content_policy_violation"), "never", "content_policy_violation"),
    "a wrong key": (401, _error("invalid_api_key"), "needs_operator", "invalid_api_key"),
    "a country": (403, _error("unsupported_country_region_territory", "request_forbidden"), "needs_operator",
                  "unsupported_country_region_territory"),
    "too many requests": (429, _error("rate_limit_exceeded", "requests"), "wait", "rate_limit_exceeded"),
    "more tokens at once than a minute has": (429, _error("rate_limit_exceeded", "tokens", _TPM), "other_provider", "rate_limit_exceeded"),
    "no money": (429, _error("insufficient_quota", "insufficient_quota"), "needs_operator", "insufficient_quota"),
    "a server error": (500, _error(None, "server_error"), "retry", "server_error"),
    "overloaded": (503, _error(None, "overloaded"), "retry", "overloaded"),
    # the others
    "DeepSeek: too long": (400, _error("invalid_request_error", message=_LENGTH), "other_provider", "invalid_request_error"),
    "DeepSeek: no such model": (400, _error("invalid_request_error", message="Model Not Exist"), "other_provider", "invalid_request_error"),
    "DeepSeek: no money": (402, _error("invalid_request_error", "unknown_error", "Insufficient Balance"), "needs_operator",
                           "invalid_request_error"),
    "Groq: the model's own slip": (400, _error("tool_use_failed"), "retry", "tool_use_failed"),
    "Groq: too large": (413, _error("rate_limit_exceeded", "tokens", _TPM), "other_provider", "rate_limit_exceeded"),
    "Groq: no capacity": (498, _error("capacity_exceeded"), "retry", "capacity_exceeded"),
    "Azure: content filter": (
        400, {"error": {"code": "content_filter", "message": "x", "status": 400, "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
        "never", "content_filter",
    ),
    "Azure: no such deployment": (404, {"error": {"code": "DeploymentNotFound", "message": "x"}}, "other_provider", "DeploymentNotFound"),
    "Azure: a status as code": (429, {"error": {"code": "429", "message": "Please retry after 9 seconds."}}, "wait", "http_429"),
    "Azure: its gateway": (401, {"statusCode": 401, "message": "Access denied"}, "needs_operator", "http_401"),
    "OpenRouter: a number as code": (502, {"error": {"code": 502, "message": "x", "metadata": {}}}, "retry", "http_502"),
    "OpenRouter: no such model": (400, {"error": {"code": 400, "message": "a/b is not a valid model ID"}}, "other_provider", "http_400"),
    "vLLM: flat": (400, {"object": "error", "message": _LENGTH, "type": "BadRequestError", "param": None, "code": 400},
                   "other_provider", "BadRequestError"),
    "Mistral: flat": (400, {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "code": "1500"}, "other_provider",
                      "invalid_model"),
    "FastAPI: details": (422, {"detail": [{"loc": ["body"], "msg": "secret prompt", "type": "missing"}]}, "never", "http_422"),
    "FastAPI: words": (404, {"detail": "Not Found"}, "other_provider", "http_404"),
    "ollama: words": (400, {"error": "registry.ollama.ai/library/x does not support tools"}, "other_provider", "http_400"),
    "ollama: no such model": (404, _error(None, "api_error", 'model "x" not found'), "other_provider", "api_error"),
    "Gemini: a list": (400, [{"error": {"code": 400, "message": "x", "status": "INVALID_ARGUMENT"}}], "never", "INVALID_ARGUMENT"),
    "a gateway: a message": (503, {"message": "no healthy upstream"}, "retry", "http_503"),
    "HTML": (502, b"<html><body>Bad Gateway</body></html>", "retry", "http_502"),
    "nothing": (500, b"", "retry", "http_500"),
    "null": (400, b"null", "never", "http_400"),
}  # fmt: skip


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(("status", "body", "kind", "code"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_each_refusal_has_its_kind_and_keeps_its_code(
    server: RawServer, openai: OpenAIAdapter, streamed: bool, status: int, body: Any, kind: ErrorKind, code: str
) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    server.reply(Reply((raw,), status, {"content-type": "application/json", "x-request-id": "req_1"}))
    options: Any = {"model": "m", "timeout": timedelta(seconds=20), "idempotency_key": "k"}
    with pytest.raises(ProviderError) as failed:
        await (run(openai) if streamed else openai.complete(HELLO, **options))
    failure = failed.value
    assert (failure.kind, failure.code, failure.status, failure.request_id) == (kind, code, status, "req_1")
    assert "secret" not in str(failure)
    assert failure.__context__ is None
    assert failure.usage is None
    assert len(server.requests) == 1


LIMITED = {
    "x-ratelimit-limit-requests": "10",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "6m0s",
    "x-ratelimit-limit-tokens": "1000",
    "x-ratelimit-remaining-tokens": "999",
    "x-ratelimit-reset-tokens": "20ms",
}
LIMITS = RateLimits(10, 0, timedelta(minutes=6), 1000, 999, timedelta(milliseconds=20))


@pytest.mark.parametrize(
    ("headers", "message", "wait_s"),
    [
        ({"Retry-After": "7"}, "Please try again in 20s.", 7.0),
        ({"retry-after-ms": "1500", "retry-after": "7"}, "", 1.5),
        ({}, "Please try again in 1.2s. Visit …", 1.2),
        ({}, "Later.", None),
    ],
)
async def test_a_refusal_says_how_long_to_wait_and_what_the_limits_are(
    server: RawServer, openai: OpenAIAdapter, headers: dict[str, str], message: str, wait_s: float | None
) -> None:
    body = json.dumps(_error("rate_limit_exceeded", "requests", message)).encode()
    server.reply(Reply((body,), 429, {**headers, **LIMITED}))
    with pytest.raises(ProviderError) as failed:
        await run(openai)
    assert failed.value.retry_after == (None if wait_s is None else timedelta(seconds=wait_s))
    assert failed.value.limits == LIMITS


async def test_answers_say_what_the_limits_are_too(server: RawServer, openai: OpenAIAdapter) -> None:
    chunks = b'data: {"choices":[{"delta":{"content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n'
    server.reply(Reply.sse(chunks, headers={**LIMITED, "x-request-id": "req_1"}))
    found = await run(openai)
    assert found.answers[0].limits == LIMITS
    assert found.answer.provider_request_id == "req_1"
    answer = await openai.complete(HELLO, model="m", timeout=timedelta(seconds=20), idempotency_key="k")
    assert answer.limits == LIMITS
