"""Each way in which a provider can fail comes back as the one error type, of the right kind, without secrets in it."""

import asyncio
import json
import traceback
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from adapters import failures
from adapters.port import ErrorKind, ModelAdapter, ProviderError
from agentos.contracts.model import ModelRequest, ModelResponse, user
from tests.loopback.provider import Answer, Close, Garbage, LoopbackProvider, Refuse, Stall, Status

Complete = Callable[..., Awaitable[ModelResponse]]
SECRET = "prompt-secret-4711"
REQUEST = ModelRequest(system=f"{SECRET}-system", messages=(user(f"Hello {SECRET}"),))


async def _failure(complete: Complete, adapter: ModelAdapter, **options: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await complete(adapter, REQUEST, **options)
    failure = caught.value
    shown = "".join(traceback.format_exception(failure)) + repr(failure.__dict__)
    assert SECRET not in shown
    assert "test-key-0123456789" not in shown
    assert failure.__context__ is None, "the SDK's exception, with the prompt in it, must not travel along"
    assert failure.provider == adapter.provider
    return failure


KINDS: list[tuple[int, ErrorKind]] = [
    (301, "needs_operator"),
    (400, "never"),
    (401, "needs_operator"),
    (402, "needs_operator"),
    (403, "needs_operator"),
    (404, "other_provider"),
    (408, "retry"),
    (409, "retry"),
    (413, "other_provider"),
    (418, "never"),
    (422, "never"),
    (429, "wait"),
    (500, "retry"),
    (502, "retry"),
    (503, "retry"),
    (504, "retry"),
    (529, "retry"),
]


@pytest.mark.parametrize(("status", "kind"), KINDS)
async def test_each_status_has_its_kind_and_is_asked_for_once(
    adapter: ModelAdapter, server: LoopbackProvider, complete: Complete, status: int, kind: ErrorKind
) -> None:
    server.always(
        Status(status, {"location": "/elsewhere"}, code="some_code", message=f"you sent {SECRET} with test-key-0123456789")
    )
    failure = await _failure(complete, adapter)
    assert (failure.kind, failure.status) == (kind, status)
    assert failure.code in ("some_code", f"http_{status}")
    assert len(server.requests) == 1, "the router owns retries, and redirects are not followed"


async def test_the_providers_own_code_is_kept(adapter: ModelAdapter, server: LoopbackProvider, complete: Complete) -> None:
    server.always(Status(404, code="model_not_found"))
    assert (await _failure(complete, adapter)).code == "model_not_found"


async def test_a_code_that_is_prose_is_not_kept(adapter: ModelAdapter, server: LoopbackProvider, complete: Complete) -> None:
    server.always(Status(400, code=f"your prompt {SECRET} is bad"))
    assert (await _failure(complete, adapter)).code == "http_400"


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after": "Fri, 31 Dec 2027 23:59:30 GMT", "date": "Fri, 31 Dec 2027 23:59:00 GMT"}, 30.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "1e300"}, 86400.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
async def test_retry_after_is_read_from_errors(
    adapter: ModelAdapter, server: LoopbackProvider, complete: Complete, headers: dict[str, str], wait_s: float | None
) -> None:
    server.always(Status(429, headers))
    failure = await _failure(complete, adapter)
    expected = None if wait_s is None else timedelta(seconds=wait_s)
    assert (failure.kind, failure.retry_after) == ("wait", expected)


async def test_retry_after_on_a_success_means_nothing(
    adapter: ModelAdapter, server: LoopbackProvider, complete: Complete
) -> None:
    server.always(Answer(text="fine", headers={"retry-after": "60"}))
    assert (await complete(adapter, REQUEST)).text == "fine"


async def test_a_refused_connection_may_be_tried_again(
    adapter: ModelAdapter, server: LoopbackProvider, complete: Complete
) -> None:
    await server.stop_listening()
    failure = await _failure(complete, adapter)
    assert (failure.kind, failure.code, failure.status) == ("retry", "unreachable", None)


@pytest.mark.parametrize("behaviour", [Refuse(), Close()], ids=["before the answer", "in the middle of the answer"])
async def test_a_lost_connection_may_be_tried_again_and_is_not_tried_by_the_sdk(
    adapter: ModelAdapter, server: LoopbackProvider, complete: Complete, behaviour: Refuse | Close
) -> None:
    server.always(behaviour)
    failure = await _failure(complete, adapter)
    assert (failure.kind, failure.code) == ("retry", "unreachable")
    assert len(server.requests) == 1


async def test_no_answer_in_time_closes_the_connection_and_may_be_tried_again(
    adapter: ModelAdapter, server: LoopbackProvider, complete: Complete
) -> None:
    server.always(Stall())
    failure = await _failure(complete, adapter, timeout_s=0.2)
    assert (failure.kind, failure.code) == ("retry", "timeout")
    await server.wait_for(in_flight=0)
    assert len(server.requests) == server.aborted


async def test_cancelling_the_caller_closes_the_connection(
    adapter: ModelAdapter, server: LoopbackProvider, complete: Complete
) -> None:
    server.script(Stall(), Stall(), Stall())
    calls = [asyncio.ensure_future(complete(adapter, REQUEST)) for _ in range(3)]
    await server.wait_for(in_flight=3)
    for call in calls:
        call.cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    await server.wait_for(aborted=3, in_flight=0)
    assert (await complete(adapter, REQUEST)).text, "the adapter works on after cancellations"


GARBAGE = {
    "html": Garbage(),
    "html that says it is json": Garbage(content_type="application/json"),
    "nothing": Garbage(b"", "application/json"),
    "truncated json": Garbage(b'{"choices": [{"message": {"content": "' + SECRET.encode(), "application/json"),
    "a list": Garbage(b"[]", "application/json"),
    "null": Garbage(b"null", "application/json"),
    "an empty object": Garbage(b"{}", "application/json"),
    "bytes that are no utf-8": Garbage(b'{"x": "\xff\xfe"}', "application/json"),
    "a lone surrogate": Garbage(b'{"model": "\\ud800"}', "application/json"),
    "deep nesting": Garbage(b"[" * 100_000, "application/json"),
    "not gzip": Garbage(b"x", "application/json\r\ncontent-encoding: gzip"),
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
async def test_a_200_that_is_no_answer_is_an_error_of_ours(
    adapter: ModelAdapter, server: LoopbackProvider, complete: Complete, garbage: Garbage
) -> None:
    server.always(garbage)
    failure = await _failure(complete, adapter)
    assert (failure.kind, failure.code) in (("other_provider", "bad_answer"), ("retry", "unreachable"))


@pytest.mark.parametrize(
    "body", [b"<html>", b"", b"null", b"[1]", b'{"error": "busy"}', b'{"error": [1]}', b"\xff\xfe", b"[" * 50_000]
)
async def test_an_error_whose_body_is_garbage_still_has_its_kind(
    adapter: ModelAdapter, server: LoopbackProvider, complete: Complete, body: bytes
) -> None:
    server.always(Status(503, body=body))
    failure = await _failure(complete, adapter)
    assert (failure.kind, failure.status) == ("retry", 503)


_USAGE = {"prompt_tokens": 1, "completion_tokens": 1}
_NOT_ANSWERS: dict[str, list[dict[str, Any]]] = {
    "openai": [
        {"id": "x", "choices": [], "usage": _USAGE},
        {"id": "x", "choices": [{"message": {"content": "hi"}}]},
        {"choices": [{"message": {"content": {"a": SECRET}}}], "usage": _USAGE},
        {"choices": [{"message": {"tool_calls": [{"id": "1", "function": {"name": "t", "arguments": "{"}}]}}], "usage": _USAGE},
        {
            "choices": [{"message": {"tool_calls": [{"id": "1", "function": {"name": "t", "arguments": "[1]"}}]}}],
            "usage": _USAGE,
        },
        {"choices": [{"message": {"content": "hi"}}], "usage": {"prompt_tokens": -1, "completion_tokens": 1}},
    ],
    "anthropic": [
        {"type": "message", "content": [{"type": "text", "text": "hi"}]},
        {"type": "message", "content": "hi", "usage": {"input_tokens": 1, "output_tokens": 1}},
        {"type": "message", "content": [{"type": "tool_use", "id": "1", "name": "t", "input": "x"}], "usage": {}},
    ],
    "gemini": [
        {"candidates": [], "usageMetadata": {}},
        {"candidates": [{"content": {"parts": [{"text": "hi"}]}}]},
        {"candidates": "x", "usageMetadata": {}},
        {"candidates": [{"content": {"parts": [{"functionCall": {"args": {}}}]}}], "usageMetadata": {}},
    ],
}


@pytest.mark.parametrize(
    ("provider", "body"), [(provider, body) for provider, bodies in _NOT_ANSWERS.items() for body in bodies]
)
async def test_json_that_is_no_answer_of_the_provider_is_an_error_of_ours(
    adapters: dict[str, ModelAdapter], server: LoopbackProvider, complete: Complete, provider: str, body: dict[str, Any]
) -> None:
    server.always(Answer(body=body))
    failure = await _failure(complete, adapters[provider])
    assert (failure.kind, failure.code) == ("other_provider", "bad_answer")


async def test_a_429_for_an_empty_account_needs_a_person(
    adapters: dict[str, ModelAdapter], server: LoopbackProvider, complete: Complete
) -> None:
    server.always(Status(429, code="insufficient_quota"))
    assert (await _failure(complete, adapters["openai"])).kind == "needs_operator"


async def test_gemini_says_400_to_a_wrong_key_and_names_its_wait_in_the_body(
    adapters: dict[str, ModelAdapter], server: LoopbackProvider, complete: Complete
) -> None:
    bad_key = {"code": 400, "status": "INVALID_ARGUMENT", "message": "x", "details": [{"reason": "API_KEY_INVALID"}]}
    slow = {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "x", "details": [{"retryDelay": "34.5s"}]}
    server.script(
        Status(400, body=json.dumps({"error": bad_key}).encode()), Status(429, body=json.dumps({"error": slow}).encode())
    )
    first = await _failure(complete, adapters["gemini"])
    second = await _failure(complete, adapters["gemini"])
    assert (first.kind, first.code) == ("needs_operator", "API_KEY_INVALID")
    assert (second.kind, second.code, second.retry_after) == ("wait", "RESOURCE_EXHAUSTED", timedelta(seconds=34.5))


async def test_deepseek_out_of_capacity_in_mid_answer_may_be_tried_again(
    adapters: dict[str, ModelAdapter], server: LoopbackProvider, complete: Complete
) -> None:
    choice = {"message": {"content": "hal"}, "finish_reason": "insufficient_system_resource"}
    server.always(Answer(body={"choices": [choice], "usage": _USAGE}))
    assert (await _failure(complete, adapters["deepseek"])).kind == "retry"


def test_an_http_date_without_a_server_clock_is_measured_from_now() -> None:
    assert failures.retry_after({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}) == timedelta(0)


@pytest.mark.parametrize(
    ("status", "code", "said", "kind"),
    [
        (400, "invalid_request_error", "This organization has been disabled.", "needs_operator"),
        (
            400,
            "FAILED_PRECONDITION",
            "The free tier is not available in your country. Please enable billing on your project",
            "needs_operator",
        ),
        (
            400,
            "invalid_request_error",
            "messages.0.content.1.image.source.base64: image exceeds 5 MB maximum: 7 bytes",
            "other_provider",
        ),
        (400, "INVALID_ARGUMENT", "Function call is missing a thought_signature in functionCall parts.", "other_provider"),
        (
            400,
            "invalid_request_error",
            "The `reasoning_content` in the thinking mode must be passed back to the API.",
            "other_provider",
        ),
        (400, "invalid_encrypted_content", "The encrypted content could not be verified.", "other_provider"),
        (400, None, '"llama2" does not support thinking', "other_provider"),
        (
            400,
            "invalid_request_error",
            "max_tokens: 64001 > 64000, which is the maximum allowed number of output tokens",
            "other_provider",
        ),
        (400, "invalid_request_error", "Output blocked by content filtering policy", "never"),
        (400, "invalid_request_error", "tools.0.custom.input_schema: JSON schema is invalid.", "never"),
        (424, None, "the model's container failed", "retry"),
        (520, None, "", "retry"),
    ],
)
def test_what_providers_say_in_words_has_its_kind(status: int, code: str | None, said: str, kind: str) -> None:
    assert failures.kind_of_status(status, code, said) == kind
