"""What Anthropic answers where it fails, and each way in which an answer of its can break off."""

import asyncio
import traceback
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest

from adapters.anthropic import AnthropicAdapter
from adapters.port import ErrorKind, ProviderError
from agentos.contracts.model import (
    TextDelta,
)
from tests.adapters.anthropic_wire import (
    EVERYTHING,
    FULL_USAGE,
    PING,
    STOP,
    TEXT,
    because,
    ended,
)
from tests.adapters.conformance import HELLO, ask, ask_streaming, events
from tests.loopback.raw import RawServer, Reply


async def failure_of(claude: AnthropicAdapter, *, stream: bool, timeout: float = 20) -> ProviderError:
    asked = ask_streaming(claude, timeout=timedelta(seconds=timeout)) if stream else ask(claude)
    with pytest.raises(ProviderError) as caught:
        await asked
    failure = caught.value
    shown = "".join(traceback.format_exception(failure)) + repr(failure.__dict__)
    assert "Hello." not in shown
    assert "test-key-0123456789" not in shown
    return failure


def error(kind: str, said: str = "test-key-0123456789 and Hello.", **fields: Any) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": said, **fields}, "request_id": "req_09"}


ERRORS: list[tuple[int, dict[str, Any], ErrorKind, str]] = [
    (
        400,
        error("invalid_request_error", "messages.1.content.0: Invalid `signature` in `thinking` block"),
        "other_provider",
        "invalid_request_error",
    ),
    (400, error("invalid_request_error"), "never", "invalid_request_error"),
    (
        400,
        error("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        "other_provider",
        "invalid_request_error",
    ),
    (
        400,
        error("invalid_request_error", "input length and `max_tokens` exceed context limit: 199999 + 8192 > 200000"),
        "other_provider",
        "invalid_request_error",
    ),
    (
        400,
        error(
            "invalid_request_error", "max_tokens: 999999 > 64000, which is the maximum allowed number of output tokens for x"
        ),
        "other_provider",
        "invalid_request_error",
    ),
    (
        400,
        error("invalid_request_error", "This model does not support assistant message prefill."),
        "other_provider",
        "invalid_request_error",
    ),
    (
        400,
        error("invalid_request_error", "`temperature` is deprecated for this model."),
        "other_provider",
        "invalid_request_error",
    ),
    (
        400,
        error("invalid_request_error", '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive"'),
        "other_provider",
        "invalid_request_error",
    ),
    (
        400,
        error("invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
        "needs_operator",
        "invalid_request_error",
    ),
    (
        400,
        error(
            "invalid_request_error", "You have reached your specified API usage limits. You will regain access on 2026-12-01"
        ),
        "needs_operator",
        "invalid_request_error",
    ),
    (
        429,
        error("rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}),
        "needs_operator",
        "enforced_spend_limit_reached",
    ),
    (401, error("authentication_error"), "needs_operator", "authentication_error"),
    (402, error("billing_error"), "needs_operator", "billing_error"),
    (403, error("permission_error"), "needs_operator", "permission_error"),
    (404, error("not_found_error", "model: claude-nope"), "other_provider", "not_found_error"),
    (413, error("request_too_large"), "other_provider", "request_too_large"),
    (429, error("rate_limit_error"), "wait", "rate_limit_error"),
    (429, error("rate_limit_error", details={"error_code": "ramp_limit_exceeded"}), "wait", "ramp_limit_exceeded"),
    (500, error("api_error"), "retry", "api_error"),
    (504, error("timeout_error"), "retry", "timeout_error"),
    (529, error("overloaded_error"), "retry", "overloaded_error"),
    (529, {"unexpected": []}, "retry", "http_529"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("status", "body", "kind", "code"), ERRORS)
async def test_each_error_has_its_kind(
    raw: RawServer,
    claude: AnthropicAdapter,
    status: int,
    body: dict[str, Any],
    kind: ErrorKind,
    code: str,
    stream: bool,
) -> None:
    headers = {
        "request-id": "req_09",
        "retry-after": "7",
        "x-should-retry": "true",
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "0",
    }
    raw.reply(Reply.json(body, status, **headers))
    failure = await failure_of(claude, stream=stream)
    assert (failure.kind, failure.code, failure.status) == (kind, code, status)
    assert (failure.retry_after, failure.request_id) == (timedelta(seconds=7), "req_09")
    assert failure.limits is not None
    assert failure.limits.requests_left == 0
    assert len(raw.requests) == 1, "the router owns retries"


@pytest.mark.parametrize(
    ("kind_", "kind"),
    [
        ("overloaded_error", "retry"),
        ("api_error", "retry"),
        ("rate_limit_error", "wait"),
        ("invalid_request_error", "never"),
        ("new_error", "retry"),
    ],
)
async def test_an_error_inside_a_200_stream_has_its_kind_and_what_was_used(
    raw: RawServer, claude: AnthropicAdapter, kind_: str, kind: ErrorKind
) -> None:
    raw.reply(Reply.sse(events(*TEXT[:4], error(kind_)), headers={"request-id": "req_10"}))
    failure = await failure_of(claude, stream=True)
    assert (failure.kind, failure.code, failure.status) == (kind, kind_, 200)
    assert failure.usage == FULL_USAGE.model_copy(update={"output_tokens": 1, "reasoning_tokens": 0})
    assert failure.request_id


async def test_an_error_as_plain_json_with_status_200_is_that_error(raw: RawServer, claude: AnthropicAdapter) -> None:
    raw.reply(Reply.json(error("overloaded_error")))
    for stream in (False, True):
        assert (await failure_of(claude, stream=stream)).kind == "retry"


@pytest.mark.parametrize("broken", [False, True])
async def test_a_stream_cut_at_any_event_is_no_answer_and_says_what_was_used(
    raw: RawServer, claude: AnthropicAdapter, broken: bool
) -> None:
    raw.reply(*(Reply.sse(events(*TEXT[:kept]), end="cut" if broken else "whole") for kept in range(1, 7)))
    for kept in range(1, 7):
        failure = await failure_of(claude, stream=True)
        assert (failure.kind, failure.code) == ("retry", "unreachable" if broken else "incomplete"), kept
        assert failure.usage is not None


async def test_a_stream_cut_inside_its_last_event_is_no_answer(raw: RawServer, claude: AnthropicAdapter) -> None:
    whole = events(*TEXT[:6], because("end_turn"))
    end = events(because("end_turn"))
    raw.reply(*(Reply.sse(whole[:-cut]) for cut in range(4, len(end), 9)))
    for _ in range(4, len(end), 9):
        assert (await failure_of(claude, stream=True)).code == "incomplete"


async def test_a_connection_lost_after_the_end_takes_nothing_from_the_answer(raw: RawServer, claude: AnthropicAdapter) -> None:
    raw.reply(Reply.sse(events(*TEXT), end="cut"))
    assert (await ask_streaming(claude))[2].response.text == "Grüß Gott 🌍"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<html><body>It works!</body></html>", "bad_answer"),
        (b"", "incomplete"),
        (b"event: message_start\ndata: {nonsense}\n\n", "bad_answer"),
        (b'{"type": "message", "content"', "bad_answer"),
        (b'{"choices": []}', "bad_answer"),
        (b"[]", "bad_answer"),
        (events(PING, PING), "bad_answer"),
        (events(*TEXT[:6], because(None), STOP), "incomplete"),
        (events(*EVERYTHING[:15], ended(3), because("tool_use"), STOP), "bad_answer"),
    ],
)
async def test_what_is_no_answer_is_an_error_of_ours(raw: RawServer, claude: AnthropicAdapter, body: bytes, code: str) -> None:
    raw.reply(Reply.sse(body))
    assert (await failure_of(claude, stream=True)).code == code


async def test_silence_is_a_stall_and_pings_are_no_silence(raw: RawServer, claude: AnthropicAdapter) -> None:
    raw.reply(Reply.sse(events(*TEXT[:4]), end="open"))
    failure = await failure_of(claude, stream=True, timeout=0.2)
    assert (failure.kind, failure.code) == ("retry", "stalled")
    assert failure.usage is not None
    await raw.closed.wait()


async def test_closing_the_generator_closes_the_connection(raw: RawServer, claude: AnthropicAdapter) -> None:
    raw.reply(Reply.sse(events(*TEXT[:4]), end="open"))
    stream = claude.stream(HELLO, model="m", timeout=timedelta(seconds=20), idempotency_key="k")
    async with aclosing(stream):
        async for item in stream:
            if isinstance(item, TextDelta):
                break
    await raw.closed.wait()


async def test_cancelling_the_reader_closes_the_connection(raw: RawServer, claude: AnthropicAdapter) -> None:
    raw.reply(Reply.sse(events(*TEXT[:4]), end="open"))
    began_ = asyncio.Event()

    async def read() -> None:
        async for _ in claude.stream(HELLO, model="m", timeout=timedelta(seconds=20), idempotency_key="k"):
            began_.set()

    reading = asyncio.ensure_future(read())
    await began_.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await raw.closed.wait()


async def test_connections_are_used_again_after_streams(raw: RawServer, claude: AnthropicAdapter) -> None:
    raw.reply(Reply.sse(events(*TEXT)))
    for _ in range(5):
        await ask_streaming(claude)
    await asyncio.sleep(0)
    assert raw.connections == 1


async def test_many_streams_run_at_once(raw: RawServer, claude: AnthropicAdapter) -> None:
    raw.reply(Reply.sse(events(*TEXT)))
    answers = await asyncio.gather(*(ask_streaming(claude) for _ in range(96)))
    assert all(answer.response.text == "Grüß Gott 🌍" for _, _, answer in answers)
