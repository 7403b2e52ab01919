"""Anthropic's Messages API, byte by byte: what is sent, and what becomes of every form that an answer or an error can take."""

import asyncio
import base64
import json
import traceback
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest

from adapters.anthropic import AnthropicAdapter
from adapters.port import Answer, ErrorKind, ProviderError, RateLimits, UnsupportedRequest
from agentos.contracts.model import (
    ImagePart,
    JsonSchemaFormat,
    Message,
    ModelRequest,
    TextDelta,
    TextPart,
    Thinking,
    ThinkingPart,
    ToolCallPart,
    ToolCallStarted,
    ToolChoice,
    ToolResultPart,
    ToolSpec,
    Usage,
    user,
)
from tests.adapters.conformance import HELLO, ask, ask_streaming
from tests.loopback.scripted import Scripted, ScriptedServer, events, in_pieces

PNG = b"\x89PNG\r\n"
WEATHER = ToolSpec(
    name="weather.get",
    description="The weather",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
START = {
    "type": "message_start",
    "message": {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 30,
            "cache_creation_input_tokens": 20,
            "cache_read_input_tokens": 60,
            "cache_creation": {"ephemeral_5m_input_tokens": 12, "ephemeral_1h_input_tokens": 8},
            "output_tokens": 1,
            "service_tier": "standard",
        },
    },
}
PING = {"type": "ping"}
STOP = {"type": "message_stop"}


def began(index: int, block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def more(index: int, kind: str, **fields: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def ended(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def because(reason: str | None, **fields: Any) -> dict[str, Any]:
    usage = fields.pop("usage", {"output_tokens": 25})
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None, **fields}, "usage": usage}


TEXT = [
    START,
    began(0, {"type": "text", "text": ""}),
    PING,
    more(0, "text_delta", text="Grüß "),
    more(0, "text_delta", text="Gott 🌍"),
    ended(0),
    because("end_turn"),
    STOP,
]
EVERYTHING = [
    START,
    began(0, {"type": "thinking", "thinking": "", "signature": ""}),
    more(0, "thinking_delta", thinking="The user wants "),
    more(0, "thinking_delta", thinking="two cities."),
    more(0, "signature_delta", signature="EqQB/sig=="),
    ended(0),
    began(1, {"type": "redacted_thinking", "data": "EmwKAhgB"}),
    ended(1),
    {"type": "brand_new_event", "index": 1, "future": None},
    began(2, {"type": "text", "text": "", "citations": None}),
    more(2, "text_delta", text="Let me look."),
    ended(2),
    began(3, {"type": "tool_use", "id": "toolu_1", "name": "weather_get", "input": {}, "caller": {"type": "direct"}}),
    more(3, "input_json_delta", partial_json=""),
    more(3, "input_json_delta", partial_json='{"city": "Par'),
    more(3, "input_json_delta", partial_json='is"}'),
    ended(3),
    began(4, {"type": "tool_use", "id": "toolu_2", "name": "weather_get", "input": {}}),
    more(4, "input_json_delta", partial_json='{"city": "Wien \\ud83c\\udf0d"}'),
    ended(4),
    because("tool_use", usage={"output_tokens": 89, "output_tokens_details": {"thinking_tokens": 40}, "unknown": None}),
    STOP,
]
FULL_USAGE = Usage(
    input_tokens=30,
    cache_read_tokens=60,
    cache_write_tokens=20,
    cache_write_1h_tokens=8,
    output_tokens=89,
    reasoning_tokens=40,
)


def message(*content: dict[str, Any], reason: str | None = "end_turn", **fields: Any) -> dict[str, Any]:
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-5",
        "content": list(content),
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2},
        **fields,
    }


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as running:
        running.answer(events(*TEXT))
        yield running


@pytest.fixture
async def adapter(server: ScriptedServer) -> AsyncIterator[AnthropicAdapter]:
    built = AnthropicAdapter(api_key="test-key-0123456789", base_url=server.base_url)
    yield built
    await built.close()


async def sent(
    server: ScriptedServer, adapter: AnthropicAdapter, request: ModelRequest, model: str = "claude-sonnet-4-5"
) -> Any:
    server.answer_json(message({"type": "text", "text": "x"}))
    await ask(adapter, request, model=model)
    return server.sent[-1].json()


# --- what is read -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 3, 17, 100_000])
async def test_a_stream_is_read_however_its_lines_end_and_wherever_the_network_cuts_it(
    server: ScriptedServer, adapter: AnthropicAdapter, newline: str, size: int
) -> None:
    server.answer(*in_pieces(events(*EVERYTHING, newline=newline), size))
    deltas, usages, answer = await ask_streaming(
        adapter, HELLO.model_copy(update={"tools": (WEATHER,)}), model="claude-sonnet-4-5"
    )
    response = answer.response
    assert response.parts == (
        ThinkingPart(provider="anthropic", text="The user wants two cities.", signature="EqQB/sig=="),
        ThinkingPart(provider="anthropic", encrypted="EmwKAhgB"),
        TextPart(text="Let me look."),
        ToolCallPart(id="toolu_1", name="weather.get", arguments={"city": "Paris"}),
        ToolCallPart(id="toolu_2", name="weather.get", arguments={"city": "Wien 🌍"}),
    )
    assert (response.finish_reason, response.provider_finish_reason) == ("tool_calls", "tool_use")
    assert response.usage == FULL_USAGE
    assert usages[0] == FULL_USAGE.model_copy(update={"output_tokens": 1, "reasoning_tokens": 0})
    assert usages[-1] == FULL_USAGE
    assert response.model == "claude-sonnet-4-5-20250929"
    assert not answer.estimated
    assert response.notes == ()
    assert [delta.name for delta in deltas if isinstance(delta, ToolCallStarted)] == ["weather.get", "weather.get"]


@pytest.mark.parametrize("size", [1, 5])
async def test_characters_cut_by_the_network_come_whole(server: ScriptedServer, adapter: AnthropicAdapter, size: int) -> None:
    server.answer(*in_pieces(events(*TEXT), size))
    deltas, _, answer = await ask_streaming(adapter)
    assert answer.response.text == "Grüß Gott 🌍"
    assert [delta.text for delta in deltas if isinstance(delta, TextDelta)] == ["Grüß ", "Gott 🌍"]


async def test_compressed_streams_comments_and_blank_lines_are_read(server: ScriptedServer, adapter: AnthropicAdapter) -> None:
    server.answer_gzip(b": ping\n\n\n" + events(*TEXT), content_type="text/event-stream; charset=utf-8")
    assert (await ask_streaming(adapter))[2].response.text == "Grüß Gott 🌍"


async def test_events_without_names_and_without_a_last_blank_line_are_read(
    server: ScriptedServer, adapter: AnthropicAdapter
) -> None:
    server.answer(events(*TEXT, named=False).rstrip(b"\n"), content_type="application/octet-stream")
    assert (await ask_streaming(adapter))[2].response.text == "Grüß Gott 🌍"


async def test_a_server_that_answers_whole_where_a_stream_was_asked_for_is_read(
    server: ScriptedServer, adapter: AnthropicAdapter
) -> None:
    body = message({"type": "text", "text": "whole"}, {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}})
    server.answer_json(body)
    _, _, answer = await ask_streaming(adapter)
    assert answer.response.parts == (TextPart(text="whole"), ToolCallPart(id="t1", name="f", arguments={"a": 1}))


async def test_a_server_that_streams_where_a_whole_answer_was_asked_for_is_read(
    server: ScriptedServer, adapter: AnthropicAdapter
) -> None:
    server.answer(events(*EVERYTHING))
    assert (await ask(adapter)).response.usage == FULL_USAGE


async def test_a_whole_message_has_every_part_and_every_count(server: ScriptedServer, adapter: AnthropicAdapter) -> None:
    server.answer_json(
        message(
            {"type": "thinking", "thinking": "hm", "signature": "s1"},
            {"type": "thinking", "thinking": "", "signature": "s2"},
            {"type": "redacted_thinking", "data": "d1"},
            {"type": "text", "text": "One", "citations": None},
            {"type": "text", "text": ""},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1, 2.5, None, "ü"]}},
            {"type": "tool_use", "id": "toolu_2", "name": "f", "input": {}},
            reason="tool_use",
            container=None,
            context_management=None,
            usage={
                "input_tokens": 30,
                "cache_creation_input_tokens": 20,
                "cache_read_input_tokens": 60,
                "cache_creation": {"ephemeral_5m_input_tokens": 12, "ephemeral_1h_input_tokens": 8},
                "output_tokens": 89,
                "output_tokens_details": {"thinking_tokens": 40},
                "server_tool_use": None,
                "iterations": [],
            },
        ),
        headers={
            "request-id": "req_01",
            "retry-after": "60",
            "date": "Sat, 21 Nov 2026 06:00:00 GMT",
            "anthropic-ratelimit-requests-limit": "4000",
            "anthropic-ratelimit-requests-remaining": "3999",
            "anthropic-ratelimit-requests-reset": "2026-11-21T06:00:30Z",
            "anthropic-ratelimit-tokens-limit": "2800000",
            "anthropic-ratelimit-tokens-remaining": "2790000",
            "anthropic-ratelimit-tokens-reset": "2026-11-21T06:01:00+00:00",
        },
    )
    answer = await ask(adapter)
    assert answer.response.parts == (
        ThinkingPart(provider="anthropic", text="hm", signature="s1"),
        ThinkingPart(provider="anthropic", text="", signature="s2"),
        ThinkingPart(provider="anthropic", encrypted="d1"),
        TextPart(text="One"),
        ToolCallPart(id="toolu_1", name="f", arguments={"a": [1, 2.5, None, "ü"]}),
        ToolCallPart(id="toolu_2", name="f", arguments={}),
    )
    assert answer.response.usage == FULL_USAGE
    assert answer.response.provider_request_id == "req_01"
    assert answer.limits == RateLimits(4000, 3999, timedelta(seconds=30), 2_800_000, 2_790_000, timedelta(seconds=60))


@pytest.mark.parametrize(
    ("reason", "fields", "finish", "sequence", "notes"),
    [
        ("end_turn", {}, "stop", None, ()),
        ("stop_sequence", {"stop_sequence": "END"}, "stop", "END", ()),
        ("max_tokens", {}, "length", None, ()),
        ("model_context_window_exceeded", {}, "length", None, ()),
        ("pause_turn", {}, "other", None, ()),
        ("brand_new", {}, "other", None, ()),
        (
            "refusal",
            {"stop_details": {"type": "refusal", "category": "cyber", "explanation": "no"}},
            "content_filter",
            None,
            ("refusal: anthropic/claude-sonnet-4-5-20250929 says cyber",),
        ),
        ("refusal", {"stop_details": None}, "content_filter", None, ()),
    ],
)
async def test_each_reason_to_stop_has_its_meaning(
    server: ScriptedServer,
    adapter: AnthropicAdapter,
    reason: str,
    fields: dict[str, Any],
    finish: str,
    sequence: str | None,
    notes: tuple[str, ...],
) -> None:
    server.answer(events(*TEXT[:-2], because(reason, **fields), STOP))
    response = (await ask_streaming(adapter))[2].response
    assert (response.finish_reason, response.provider_finish_reason, response.stop_sequence, response.notes) == (
        finish,
        reason,
        sequence,
        notes,
    )


async def test_a_call_that_the_token_limit_cut_is_left_out_and_said_so(
    server: ScriptedServer, adapter: AnthropicAdapter
) -> None:
    server.answer(events(*EVERYTHING[:15], because("max_tokens"), STOP))
    stream = adapter.stream(HELLO, model="claude-x", timeout=timedelta(seconds=20), idempotency_key="k")
    [*_, answer] = [item async for item in stream]
    assert isinstance(answer, Answer)
    response = answer.response
    assert response.finish_reason == "length"
    assert not any(isinstance(part, ToolCallPart) for part in response.parts)
    assert any(note.startswith("tool call:") for note in response.notes)


async def test_blocks_of_tools_that_run_at_the_provider_are_noted(server: ScriptedServer, adapter: AnthropicAdapter) -> None:
    searched = [
        began(1, {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}),
        more(1, "input_json_delta", partial_json='{"query": "x"}'),
        ended(1),
        began(2, {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result"}]}),
        ended(2),
        began(3, {"type": "text", "text": ""}),
        {"type": "content_block_delta", "index": 3, "delta": {"type": "citations_delta", "citation": {"url": "x"}}},
        more(3, "text_delta", text=" More."),
        ended(3),
    ]
    server.answer(events(*TEXT[:-2], *searched, because("end_turn"), STOP))
    response = (await ask_streaming(adapter))[2].response
    assert response.text == "Grüß Gott 🌍 More."
    assert response.notes == (
        "answer: server_tool_use of anthropic is not carried",
        "answer: web_search_tool_result of anthropic is not carried",
        "answer: citations of anthropic is not carried",
    )


async def test_counts_that_come_at_the_end_replace_those_of_the_start(
    server: ScriptedServer, adapter: AnthropicAdapter
) -> None:
    usage = {"input_tokens": 35, "cache_read_input_tokens": 0, "cache_creation_input_tokens": None, "output_tokens": 7}
    server.answer(events(*TEXT[:-2], because(None, usage={"output_tokens": 3}), because("end_turn", usage=usage), STOP))
    used = (await ask_streaming(adapter))[2].response.usage
    assert (used.input_tokens, used.cache_read_tokens, used.cache_write_tokens, used.output_tokens) == (35, 60, 20, 7)


async def test_a_stream_without_counts_is_estimated_and_says_so(server: ScriptedServer, adapter: AnthropicAdapter) -> None:
    bare = {"type": "message_start", "message": {"id": "m", "type": "message", "content": []}}
    server.answer(events(bare, *TEXT[1:-2], because("end_turn", usage=None), STOP))
    answer = (await ask_streaming(adapter))[2]
    assert answer.estimated
    assert answer.response.usage.output_tokens == 3
    assert answer.response.usage.input_tokens > 10


# --- what fails -------------------------------------------------------------------------------------------------------------


async def failure_of(adapter: AnthropicAdapter, *, stream: bool, timeout: float = 20) -> ProviderError:
    asked = ask_streaming(adapter, timeout=timedelta(seconds=timeout)) if stream else ask(adapter)
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
    server: ScriptedServer,
    adapter: AnthropicAdapter,
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
    server.answer_json(body, status=status, headers=headers)
    failure = await failure_of(adapter, stream=stream)
    assert (failure.kind, failure.code, failure.status) == (kind, code, status)
    assert (failure.retry_after, failure.request_id) == (timedelta(seconds=7), "req_09")
    assert failure.limits is not None
    assert failure.limits.requests_left == 0
    assert len(server.sent) == 1, "the router owns retries"


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
    server: ScriptedServer, adapter: AnthropicAdapter, kind_: str, kind: ErrorKind
) -> None:
    server.answer(events(*TEXT[:4], error(kind_)), headers={"request-id": "req_10"})
    failure = await failure_of(adapter, stream=True)
    assert (failure.kind, failure.code, failure.status) == (kind, kind_, 200)
    assert failure.usage == FULL_USAGE.model_copy(update={"output_tokens": 1, "reasoning_tokens": 0})
    assert failure.request_id


async def test_an_error_as_plain_json_with_status_200_is_that_error(server: ScriptedServer, adapter: AnthropicAdapter) -> None:
    server.answer_json(error("overloaded_error"))
    for stream in (False, True):
        assert (await failure_of(adapter, stream=stream)).kind == "retry"


@pytest.mark.parametrize("broken", [False, True])
async def test_a_stream_cut_at_any_event_is_no_answer_and_says_what_was_used(
    server: ScriptedServer, adapter: AnthropicAdapter, broken: bool
) -> None:
    server.script(*(Scripted([events(*TEXT[:kept])], content_type="text/event-stream", broken=broken) for kept in range(1, 7)))
    for kept in range(1, 7):
        failure = await failure_of(adapter, stream=True)
        assert (failure.kind, failure.code) == ("retry", "unreachable" if broken else "incomplete"), kept
        assert failure.usage is not None


async def test_a_stream_cut_inside_its_last_event_is_no_answer(server: ScriptedServer, adapter: AnthropicAdapter) -> None:
    whole = events(*TEXT[:6], because("end_turn"))
    end = events(because("end_turn"))
    server.script(*(Scripted([whole[:-cut]], content_type="text/event-stream") for cut in range(4, len(end), 9)))
    for _ in range(4, len(end), 9):
        assert (await failure_of(adapter, stream=True)).code == "incomplete"


async def test_a_connection_lost_after_the_end_takes_nothing_from_the_answer(
    server: ScriptedServer, adapter: AnthropicAdapter
) -> None:
    server.answer(events(*TEXT), broken=True)
    assert (await ask_streaming(adapter))[2].response.text == "Grüß Gott 🌍"


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
async def test_what_is_no_answer_is_an_error_of_ours(
    server: ScriptedServer, adapter: AnthropicAdapter, body: bytes, code: str
) -> None:
    server.answer(body)
    assert (await failure_of(adapter, stream=True)).code == code


async def test_silence_is_a_stall_and_pings_are_no_silence(server: ScriptedServer, adapter: AnthropicAdapter) -> None:
    server.answer(events(*TEXT[:4]), stall=True)
    failure = await failure_of(adapter, stream=True, timeout=0.2)
    assert (failure.kind, failure.code) == ("retry", "stalled")
    assert failure.usage is not None
    await server.wait_until_closed_by_client()


async def test_closing_the_generator_closes_the_connection(server: ScriptedServer, adapter: AnthropicAdapter) -> None:
    server.answer(events(*TEXT[:4]), stall=True)
    stream = adapter.stream(HELLO, model="m", timeout=timedelta(seconds=20), idempotency_key="k")
    async with aclosing(stream):
        async for item in stream:
            if isinstance(item, TextDelta):
                break
    await server.wait_until_closed_by_client()


async def test_cancelling_the_reader_closes_the_connection(server: ScriptedServer, adapter: AnthropicAdapter) -> None:
    server.answer(events(*TEXT[:4]), stall=True)
    began_ = asyncio.Event()

    async def read() -> None:
        async for _ in adapter.stream(HELLO, model="m", timeout=timedelta(seconds=20), idempotency_key="k"):
            began_.set()

    reading = asyncio.ensure_future(read())
    await began_.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await server.wait_until_closed_by_client()


async def test_connections_are_used_again_after_streams(server: ScriptedServer, adapter: AnthropicAdapter) -> None:
    for _ in range(5):
        await ask_streaming(adapter)
    await asyncio.sleep(0)
    assert server.connections == 1


async def test_many_streams_run_at_once(server: ScriptedServer, adapter: AnthropicAdapter) -> None:
    answers = await asyncio.gather(*(ask_streaming(adapter) for _ in range(96)))
    assert all(answer.response.text == "Grüß Gott 🌍" for _, _, answer in answers)


# --- what is sent -----------------------------------------------------------------------------------------------------------


async def test_everything_of_a_conversation_is_sent(server: ScriptedServer, adapter: AnthropicAdapter) -> None:
    request = ModelRequest(
        system="Be brief.",
        system_cache="1h",
        messages=(
            Message(
                role="user",
                parts=(
                    ImagePart(media_type="image/png", data=PNG),
                    ImagePart(url="https://example.com/a.png", cache="5m"),
                    TextPart(text="What is it?"),
                ),
            ),
            Message(
                role="assistant",
                parts=(
                    ThinkingPart(provider="anthropic", text="hm", signature="sig"),
                    ThinkingPart(provider="anthropic", encrypted="blob"),
                    TextPart(text="Looking."),
                    ToolCallPart(id="toolu_1", name="weather.get", arguments={"city": "Wien"}),
                    ToolCallPart(id="fc|2", name="weather.get", arguments={}),
                ),
            ),
            Message(
                role="user",
                parts=(
                    TextPart(text="And?"),
                    ToolResultPart(
                        id="toolu_1", name="weather.get", content="a map", images=(ImagePart(media_type="image/png", data=PNG),)
                    ),
                    ToolResultPart(id="fc|2", name="weather.get", content="failed", is_error=True, cache="5m"),
                ),
            ),
        ),
        tools=(WEATHER.model_copy(update={"cache": "1h"}),),
        tool_choice=ToolChoice(mode="auto", parallel=False),
        stop=("END",),
        max_output_tokens=77,
    )
    body = await sent(server, adapter, request)
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()}}
    other_id = body["messages"][1]["content"][4]["id"]
    assert other_id.startswith("call_")
    assert body == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 77,
        "tools": [
            {
                "name": "weather_get",
                "description": "The weather",
                "input_schema": WEATHER.parameters,
                "cache_control": {"type": "ephemeral", "ttl": "1h"},
            }
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    image,
                    {
                        "type": "image",
                        "source": {"type": "url", "url": "https://example.com/a.png"},
                        "cache_control": {"type": "ephemeral"},
                    },
                    {"type": "text", "text": "What is it?"},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "sig"},
                    {"type": "redacted_thinking", "data": "blob"},
                    {"type": "text", "text": "Looking."},
                    {"type": "tool_use", "id": "toolu_1", "name": "weather_get", "input": {"city": "Wien"}},
                    {"type": "tool_use", "id": other_id, "name": "weather_get", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "a map"}, image]},
                    {
                        "type": "tool_result",
                        "tool_use_id": other_id,
                        "content": "failed",
                        "is_error": True,
                        "cache_control": {"type": "ephemeral"},
                    },
                    {"type": "text", "text": "And?"},
                ],
            },
        ],
        "stop_sequences": ["END"],
    }
    headers = server.sent[-1].headers
    assert server.sent[-1].path == "/v1/messages"
    assert headers["authorization"] == "Bearer test-key-0123456789"
    assert headers["content-type"] == "application/json"
    assert headers["idempotency-key"] == "call-1-a1"


async def test_a_stream_is_asked_for(server: ScriptedServer, adapter: AnthropicAdapter) -> None:
    await ask_streaming(adapter)
    assert server.sent[-1].json()["stream"] is True


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        (ToolChoice(mode="auto"), None),
        (ToolChoice(mode="required"), {"type": "any"}),
        (ToolChoice(mode="none"), {"type": "none"}),
        (ToolChoice(mode="tool", name="weather.get"), {"type": "tool", "name": "weather_get"}),
        (ToolChoice(mode="required", parallel=False), {"type": "any", "disable_parallel_tool_use": True}),
    ],
)
async def test_each_tool_choice_has_its_form(
    server: ScriptedServer, adapter: AnthropicAdapter, choice: ToolChoice | None, expected: Any
) -> None:
    body = await sent(server, adapter, HELLO.model_copy(update={"tools": (WEATHER,), "tool_choice": choice}))
    assert body.get("tool_choice") == expected


@pytest.mark.parametrize(
    ("model", "thinking", "expected", "effort"),
    [
        ("claude-sonnet-4-5", Thinking(budget_tokens=2_000), {"type": "enabled", "budget_tokens": 2_000}, None),
        ("claude-sonnet-4-5", Thinking(effort="low"), {"type": "enabled", "budget_tokens": 4_096}, None),
        ("claude-haiku-4-5-20251001", Thinking(effort="minimal"), {"type": "enabled", "budget_tokens": 1_024}, None),
        ("claude-3-7-sonnet-20250219", Thinking(budget_tokens=100), {"type": "enabled", "budget_tokens": 1_024}, None),
        ("claude-sonnet-4-5", Thinking(effort="none"), None, None),
        ("claude-opus-4-6", Thinking(budget_tokens=2_000), {"type": "enabled", "budget_tokens": 2_000}, None),
        ("claude-opus-4-6", Thinking(effort="max"), {"type": "adaptive"}, "max"),
        ("claude-opus-4-7", Thinking(budget_tokens=2_000), {"type": "adaptive"}, "low"),
        ("claude-opus-4-7", Thinking(effort="none"), None, None),
        ("claude-opus-5", Thinking(effort="high", show=True), {"type": "adaptive", "display": "summarized"}, "high"),
        ("claude-haiku-5-5", Thinking(show=True), {"type": "adaptive", "display": "summarized"}, None),
        ("claude-haiku-5-5", Thinking(budget_tokens=0), {"type": "disabled"}, None),
        ("claude-sonnet-5-5", Thinking(effort="none"), {"type": "between_tools"}, None),
        ("claude-opus-5-5", Thinking(effort="none"), None, "low"),
        ("claude-fable-5-1", Thinking(effort="minimal"), {"type": "adaptive"}, "low"),
        ("claude-3-haiku-20240307", Thinking(effort="high"), None, None),
        ("us.anthropic.claude-opus-4-6-v1", Thinking(effort="low"), {"type": "adaptive"}, "low"),
    ],
)
async def test_thinking_takes_the_form_that_the_model_knows(
    server: ScriptedServer, adapter: AnthropicAdapter, model: str, thinking: Thinking, expected: Any, effort: str | None
) -> None:
    body = await sent(server, adapter, HELLO.model_copy(update={"thinking": thinking, "max_output_tokens": 16_000}), model)
    assert body.get("thinking") == expected
    assert body.get("output_config", {}).get("effort") == effort


@pytest.mark.parametrize(
    ("most", "budget", "sent_budget", "noted"),
    [(4_000, 2_000, 2_000, False), (4_000, 9_000, 3_000, True), (1_024, 2_000, None, True)],
)
async def test_a_budget_stays_within_the_output_that_is_allowed(
    server: ScriptedServer, adapter: AnthropicAdapter, most: int, budget: int, sent_budget: int | None, noted: bool
) -> None:
    server.answer_json(message({"type": "text", "text": "x"}))
    request = HELLO.model_copy(update={"thinking": Thinking(budget_tokens=budget), "max_output_tokens": most})
    answer = await ask(adapter, request, model="claude-sonnet-4-5")
    assert server.sent[-1].json().get("thinking", {}).get("budget_tokens") == sent_budget
    assert any(note.startswith("thinking:") for note in answer.response.notes) is noted


@pytest.mark.parametrize(
    "model", ["claude-sonnet-4-5", "claude-haiku-4-5-20251001", "claude-opus-4-6", "claude-3-5-haiku-latest"]
)
async def test_older_models_get_their_temperature_by_the_version_of_the_api_that_has_it(
    server: ScriptedServer, adapter: AnthropicAdapter, model: str
) -> None:
    body = await sent(server, adapter, HELLO.model_copy(update={"temperature": 0.25, "top_k": 40}), model)
    assert (body["temperature"], body["top_k"]) == (0.25, 40)
    assert server.sent[-1].headers["anthropic-version"] == "2023-06-01"


async def test_without_sampling_the_version_is_the_sdks(server: ScriptedServer, adapter: AnthropicAdapter) -> None:
    body = await sent(server, adapter, HELLO.model_copy(update={"temperature": 1.0}), "claude-haiku-5-5")
    assert "temperature" not in body
    assert server.sent[-1].headers["anthropic-version"] != "2023-06-01"


def _asked(**fields: Any) -> ModelRequest:
    return HELLO.model_copy(update=fields)


_PREFILLED = (user("Count."), Message(role="assistant", parts=(TextPart(text="One, "),)))
_ANY_SCHEMA = JsonSchemaFormat(name="t", json_schema={"type": "object", "properties": {"a": {"type": "string"}}})


@pytest.mark.parametrize(
    ("model", "request_", "code"),
    [
        ("claude-opus-4-7", _asked(temperature=0.5), "temperature_unsupported"),
        ("claude-haiku-5-5", _asked(top_p=0.5), "top_p_unsupported"),
        ("claude-mythos-preview", _asked(top_k=5), "top_k_unsupported"),
        ("claude-sonnet-4-5", _asked(temperature=1.5), "temperature_unsupported"),
        ("claude-sonnet-4-5", _asked(temperature=0.5, top_p=0.5), "temperature_with_top_p"),
        ("claude-sonnet-4-5", _asked(temperature=0.5, thinking=Thinking(effort="low")), "temperature_with_thinking"),
        ("claude-opus-4-6", _asked(messages=_PREFILLED), "prefill_unsupported"),
        ("claude-sonnet-4-5", _asked(messages=_PREFILLED, thinking=Thinking(effort="low")), "prefill_unsupported"),
        ("claude-sonnet-4-5", _asked(messages=_PREFILLED, response_format=_ANY_SCHEMA), "prefill_unsupported"),
        ("claude-opus-5-5", _asked(tools=(WEATHER,), tool_choice=ToolChoice(mode="required")), "forced_tool_unsupported"),
        (
            "claude-sonnet-4-5",
            _asked(tools=(WEATHER,), tool_choice=ToolChoice(mode="required"), thinking=Thinking(effort="low")),
            "forced_tool_with_thinking",
        ),
        ("claude-sonnet-4-0", _asked(response_format=_ANY_SCHEMA), "schema_unsupported"),
        ("claude-sonnet-4-5", _asked(stop=(" ",)), "unsupported_stop"),
        (
            "claude-sonnet-4-5",
            _asked(tools=(WEATHER.model_copy(update={"parameters": {"anyOf": [{"type": "object"}]}}),)),
            "unsupported_tool_schema",
        ),
        ("claude-sonnet-4-5", _asked(kind="embed"), "embeddings_unsupported"),
    ],
)
async def test_what_a_model_cannot_take_is_refused_before_sending(
    server: ScriptedServer, adapter: AnthropicAdapter, model: str, request_: ModelRequest, code: str
) -> None:
    for stream in (False, True):
        with pytest.raises(UnsupportedRequest) as refused:
            await (ask_streaming if stream else ask)(adapter, request_, model=model)
        assert (refused.value.kind, refused.value.code) == ("other_provider", code)
    assert server.sent == []


async def test_what_is_not_carried_is_noted(server: ScriptedServer, adapter: AnthropicAdapter) -> None:
    server.answer_json(message({"type": "text", "text": "x"}))
    schema = {"type": "object", "properties": {"m": {"type": "object", "additionalProperties": {"type": "string"}}}}
    request = ModelRequest(
        messages=(
            Message(role="user", parts=(ImagePart(url="https://example.com/a.png", detail="low"),)),
            Message(role="assistant", parts=(ThinkingPart(provider="gemini", text="hm", signature="x"),)),
            user("Go on."),
        ),
        seed=7,
        presence_penalty=0.5,
        frequency_penalty=0.5,
        response_format=JsonSchemaFormat(name="t", json_schema=schema),
    )
    answer = await ask(adapter, request, model="claude-opus-4-5")
    assert [note.split(":")[0] for note in answer.response.notes] == [
        "image detail",
        "thinking part",
        "response_format",
        "seed",
        "presence_penalty",
        "frequency_penalty",
    ]
    assert [turn["role"] for turn in server.sent[-1].json()["messages"]] == ["user", "user"]


async def test_four_cache_marks_are_set_and_the_hour_comes_first(server: ScriptedServer, adapter: AnthropicAdapter) -> None:
    server.answer_json(message({"type": "text", "text": "x"}))
    parts = (TextPart(text="a", cache="5m"), TextPart(text="b", cache="1h"), TextPart(text="c", cache="5m"))
    request = ModelRequest(
        system="s",
        system_cache="1h",
        messages=(Message(role="user", parts=parts),),
        tools=(WEATHER.model_copy(update={"cache": "1h"}),),
    )
    answer = await ask(adapter, request, model="claude-opus-4-5")
    body = server.sent[-1].json()
    assert "cache_control" not in body["tools"][0]
    assert body["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert [block["cache_control"] for block in body["messages"][0]["content"]] == [{"type": "ephemeral"}] * 3
    assert [note.split(":")[0] for note in answer.response.notes] == ["cache", "cache 1h"]


async def test_strict_tools_and_schemas_are_closed(server: ScriptedServer, adapter: AnthropicAdapter) -> None:
    request = _asked(tools=(WEATHER.model_copy(update={"strict": True}),), response_format=_ANY_SCHEMA)
    body = await sent(server, adapter, request)
    assert body["tools"][0]["strict"] is True
    assert body["tools"][0]["input_schema"]["additionalProperties"] is False
    assert body["output_config"] == {
        "format": {
            "type": "json_schema",
            "schema": {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False},
        }
    }


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("written", "text"), [(("two",), "two"), ((" two",), "two"), ((" ", " two"), " two"), (("\n two",), "\n two")]
)
async def test_an_answer_that_broke_off_is_gone_on_with_and_its_last_blank_is_not_doubled(
    server: ScriptedServer, adapter: AnthropicAdapter, written: tuple[str, ...], text: str, stream: bool
) -> None:
    pieces = [more(0, "text_delta", text=piece) for piece in written]
    server.answer(events(START, began(0, {"type": "text", "text": ""}), *pieces, ended(0), because("end_turn"), STOP))
    request = _asked(messages=_PREFILLED)
    answer = (
        (await ask_streaming(adapter, request, model="claude-opus-4-5"))[2]
        if stream
        else await ask(adapter, request, model="claude-opus-4-5")
    )
    assert server.sent[-1].json()["messages"][-1]["content"] == [{"type": "text", "text": "One,"}]
    assert answer.response.text == text


def test_features_follow_the_model() -> None:
    adapter = AnthropicAdapter(api_key="k")
    assert adapter.features("claude-sonnet-4-5").continues
    assert not adapter.features("claude-haiku-5-5").continues
    assert not adapter.features("claude-3-haiku-20240307").thinking
    assert not adapter.features("claude-haiku-5-5").embeddings


def test_the_same_request_gives_the_same_bytes() -> None:
    from adapters.anthropic_requests import write_request
    from adapters.outgoing import ToolNames

    request = _asked(tools=(WEATHER,), thinking=Thinking(effort="low"))
    first, second = (
        json.dumps(write_request(request, ToolNames(request), model="claude-haiku-5-5", stream=True).body) for _ in range(2)
    )
    assert first == second
