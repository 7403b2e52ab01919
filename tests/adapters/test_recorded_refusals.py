"""Refusals in the dialects of OpenAI's format, and Gemini's, as they have been seen: each of the right kind, with the wait that it names."""

import json
from datetime import timedelta
from typing import Any

import pytest

from adapters.gemini import GeminiAdapter
from adapters.openai_compatible import OpenAICompatibleAdapter
from adapters.port import ErrorKind, ProviderError
from tests.adapters.conformance import ask, ask_streaming
from tests.loopback.raw import RawServer, Reply


def _error(message: str, code: Any = None, type_: Any = None, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": type_, "param": None, "code": code, **more}}


Refusal = tuple[int, Any, ErrorKind, str, float | None]
REFUSALS: dict[str, Refusal] = {
    # Whose key is wrong, or whose money is gone, with a status that says something else.
    "xAI: a wrong key": (
        400, {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***. You can obtain one at …"},
        "needs_operator", "http_400", None,
    ),
    "Gemini's servers: a wrong key": (
        400, [{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT"}}],
        "needs_operator", "INVALID_ARGUMENT", None,
    ),
    "xAI: no credits": (
        429, {"code": "Some resource has been exhausted",
              "error": "Your team t has either used all available credits or reached its monthly spending limit."},
        "needs_operator", "http_429", None,
    ),
    "Fireworks: suspended": (
        412, _error("Account a is suspended, possibly due to reaching the monthly spending limit.", "ACCOUNT_SUSPENDED"), "needs_operator",
        "ACCOUNT_SUSPENDED", None,
    ),
    "Moonshot: suspended": (
        429, _error("Your account org-1 is suspended, please check your plan and billing details", None, "exceeded_current_quota_error"),
        "needs_operator", "exceeded_current_quota_error", None,
    ),
    "Zhipu: no balance": (
        429, {"error": {"code": "1113", "message": "Insufficient balance or no resource package. Please recharge."}}, "needs_operator",
        "http_429", None,
    ),
    "Alibaba: in arrears": (
        400, _error("Access denied, please make sure your account is in good standing.", "Arrearage", "Arrearage"), "needs_operator",
        "Arrearage", None,
    ),
    "LiteLLM: the budget": (
        400, _error("Budget has been exceeded! Current cost: 1.1, Max budget: 1.0", "400", "budget_exceeded"), "needs_operator",
        "budget_exceeded", None,
    ),
    "Cloudflare: errors in a list": (
        401, {"success": False, "errors": [{"code": 10000, "message": "Authentication error"}], "messages": [], "result": None},
        "needs_operator", "http_401", None,
    ),
    "Mistral: a detail": (401, {"detail": "Invalid API Key"}, "needs_operator", "http_401", None),
    # What is too long.
    "xAI: too long": (
        400, {"code": "Client specified an invalid argument",
              "error": "This model's maximum prompt length is 131072 but the request contains 537812 tokens."},
        "other_provider", "http_400", None,
    ),
    "Perplexity: too long": (
        400, _error("The total length of all messages is too long.", 400, "too_many_prompt_tokens"), "other_provider",
        "too_many_prompt_tokens", None,
    ),
    "ollama: too long": (
        400, _error("prompt too long; exceeded max context length by 1119046 tokens", None, "invalid_request_error"), "other_provider",
        "invalid_request_error", None,
    ),
    "llama.cpp: too long": (
        400, {"error": {"code": 400, "message": "the request exceeds the available context size (4096 tokens), try increasing it",
                        "type": "exceed_context_size_error", "n_prompt_tokens": 5000, "n_ctx": 4096}},
        "other_provider", "exceed_context_size_error", None,
    ),
    "Hugging Face: too long": (
        422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 …",
              "error_type": "validation"},
        "other_provider", "http_422", None,
    ),
    "Together: too long": (
        422, _error("Input validation error: `inputs` must have less than 4096 tokens. Given: 5000", None, "invalid_request_error"),
        "other_provider", "invalid_request_error", None,
    ),
    "Mistral: too long": (
        400, {"object": "error", "message": "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
              "type": "invalid_request_prompt", "param": None, "code": "3051"},
        "other_provider", "invalid_request_prompt", None,
    ),
    "Cerebras: flat": (
        400, {"message": "Please reduce the length of the messages or completion.", "type": "invalid_request_error", "param": "messages",
              "code": "context_length_exceeded"},
        "other_provider", "context_length_exceeded", None,
    ),
    "LiteLLM: the name of a class": (
        400, _error("litellm.ContextWindowExceededError: …", "400"), "other_provider", "http_400", None,
    ),
    "OpenRouter: what it heard": (
        400, _error("Provider returned error", 400, metadata={
            "raw": '{"error":{"message":"This model\'s maximum context length is 8192 tokens."}}', "provider_name": "Azure"}),
        "other_provider", "http_400", None,
    ),
    "OpenAI: more output than the model makes": (
        400, _error("max_tokens is too large: 999999. This model supports at most 16384 completion tokens.", None, "invalid_request_error"),
        "other_provider", "invalid_request_error", None,
    ),
    # What is against the rules.
    "OpenRouter: flagged": (
        403, _error('a/b requires moderation on OpenAI. Your input was flagged for "violence".', 403,
                    metadata={"reasons": ["violence"], "flagged_input": "…", "provider_name": "OpenAI"}),
        "never", "http_403", None,
    ),
    "xAI: the guidelines": (
        403, {"code": "The caller does not have permission to execute the specified operation",
              "error": "Content violates usage guidelines. Team: t, Model: m, Failed check: SAFETY_CHECK_TYPE_BIO"},
        "never", "http_403", None,
    ),
    "DeepSeek: the risk": (400, _error("Content Exists Risk", "invalid_request_error", "invalid_request_error"), "never",
                           "invalid_request_error", None),
    "Mistral: details in a message": (
        422, {"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "x"], "msg": "no"}]},
              "type": "invalid_request_error", "param": None, "code": None},
        "never", "invalid_request_error", None,
    ),
    # How long to wait.
    "Azure: in words": (
        429, {"error": {"code": "429", "message": "Requests … have exceeded token rate limit. Please retry after 26 seconds. Please go to …"}},
        "wait", "http_429", 26,
    ),
    "GitHub: in other words": (
        429, {"error": {"code": "RateLimitReached", "message": "Rate limit of 50 per 86400s exceeded. Please wait 45000 seconds before …",
                        "details": "…"}},
        "wait", "RateLimitReached", 45_000,
    ),
    "Groq: to the millisecond": (
        429, _error("Rate limit reached … on tokens per day (TPD): Limit 100000, Used 99336. Please try again in 7m52.608s. Need more?",
                    "rate_limit_exceeded", "tokens"),
        "wait", "rate_limit_exceeded", 472.608,
    ),
    "LiteLLM: no code, in a word": (
        429, _error("No deployments available for selected model, Try again in 5 seconds.", "429", "None"), "wait", "http_429", 5,
    ),
    "Cerebras: a quota": (
        429, {"message": "Requests per minute limit exceeded - too many requests sent.", "type": "too_many_requests_error",
              "param": "quota", "code": "request_quota_exceeded"},
        "wait", "request_quota_exceeded", None,
    ),
    "Mistral: capacity": (
        429, {"object": "error", "message": "Service tier capacity exceeded for this model.", "type": "service_tier_capacity_exceeded",
              "param": None, "code": "3505"},
        "wait", "service_tier_capacity_exceeded", None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("name", REFUSALS)
async def test_each_dialect_s_refusal_has_its_kind(
    raw: RawServer, compatible: OpenAICompatibleAdapter, name: str, streamed: bool
) -> None:
    status, body, kind, code, wait = REFUSALS[name]
    raw.reply(Reply((json.dumps(body).encode(),), status, {"content-type": "application/json"}))
    with pytest.raises(ProviderError) as refused:
        await (ask_streaming if streamed else ask)(compatible)
    assert (refused.value.kind, refused.value.code, refused.value.status) == (kind, code, status)
    assert refused.value.retry_after == (None if wait is None else timedelta(seconds=wait))


async def test_a_refusal_that_comes_as_an_event_is_read(raw: RawServer, compatible: OpenAICompatibleAdapter) -> None:
    body = b": hello\n\nevent: error\ndata: " + json.dumps(_error("m", "model_not_found")).encode() + b"\n\ndata: [DONE]\n\n"
    raw.reply(Reply((body,), 400, {"content-type": "text/event-stream"}))
    with pytest.raises(ProviderError) as refused:
        await ask_streaming(compatible)
    assert (refused.value.kind, refused.value.code, refused.value.status) == ("other_provider", "model_not_found", 400)


OF_THE_MODEL = [
    "Penalty is not enabled for models/gemini-2.5-flash",
    "Developer instruction is not enabled for models/gemma-3-27b-it",
    "Budget 0 is invalid. This model only works in thinking mode.",
    "Function calling with a response mime type: 'application/json' is unsupported",
]


async def test_a_wait_that_gemini_says_in_words_alone_is_read(raw: RawServer, gemini: GeminiAdapter) -> None:
    said = "You exceeded your current quota, please check your plan and billing details. …\nPlease retry in 48.123s."
    raw.reply(Reply.json({"error": {"code": 429, "message": said, "status": "RESOURCE_EXHAUSTED"}}, 429))
    with pytest.raises(ProviderError) as refused:
        await ask(gemini)
    assert (refused.value.kind, refused.value.retry_after) == ("wait", timedelta(seconds=48.123))


@pytest.mark.parametrize("said", OF_THE_MODEL)
async def test_what_a_model_of_gemini_s_has_not_another_may_have(raw: RawServer, gemini: GeminiAdapter, said: str) -> None:
    raw.reply(Reply.json({"error": {"code": 400, "message": said, "status": "INVALID_ARGUMENT"}}, 400))
    with pytest.raises(ProviderError) as refused:
        await ask(gemini, model="gemini-2.5-flash")
    assert (refused.value.kind, refused.value.code) == ("other_provider", "INVALID_ARGUMENT")
