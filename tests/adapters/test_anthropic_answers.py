"""What Anthropic answers, byte by byte, in every form that an answer can take."""

from datetime import timedelta
from typing import Any

import pytest

from adapters.anthropic import AnthropicAdapter
from adapters.port import Answer, RateLimits
from agentos.contracts.model import (
    TextDelta,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolCallStarted,
)
from tests.adapters.anthropic_wire import EVERYTHING, FULL_USAGE, STOP, TEXT, WEATHER, because, began, ended, message, more
from tests.adapters.conformance import HELLO, ask, ask_streaming, events
from tests.loopback.raw import RawServer, Reply


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 3, 17, 100_000])
async def test_a_stream_is_read_however_its_lines_end_and_wherever_the_network_cuts_it(
    raw: RawServer, claude: AnthropicAdapter, newline: str, size: int
) -> None:
    raw.reply(Reply.sse(events(*EVERYTHING, newline=newline), cut=size))
    deltas, usages, answer = await ask_streaming(
        claude, HELLO.model_copy(update={"tools": (WEATHER,)}), model="claude-sonnet-4-5"
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
async def test_characters_cut_by_the_network_come_whole(raw: RawServer, claude: AnthropicAdapter, size: int) -> None:
    raw.reply(Reply.sse(events(*TEXT), cut=size))
    deltas, _, answer = await ask_streaming(claude)
    assert answer.response.text == "Grüß Gott 🌍"
    assert [delta.text for delta in deltas if isinstance(delta, TextDelta)] == ["Grüß ", "Gott 🌍"]


async def test_compressed_streams_comments_and_blank_lines_are_read(raw: RawServer, claude: AnthropicAdapter) -> None:
    raw.reply(
        Reply.sse(
            b": ping\n\n\n" + events(*TEXT), zipped=True, cut=7, headers={"content-type": "text/event-stream; charset=utf-8"}
        )
    )
    assert (await ask_streaming(claude))[2].response.text == "Grüß Gott 🌍"


async def test_events_without_names_and_without_a_last_blank_line_are_read(raw: RawServer, claude: AnthropicAdapter) -> None:
    raw.reply(Reply.sse(events(*TEXT, named=False).rstrip(b"\n"), headers={"content-type": "application/octet-stream"}))
    assert (await ask_streaming(claude))[2].response.text == "Grüß Gott 🌍"


async def test_a_server_that_answers_whole_where_a_stream_was_asked_for_is_read(
    raw: RawServer, claude: AnthropicAdapter
) -> None:
    body = message({"type": "text", "text": "whole"}, {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}})
    raw.reply(Reply.json(body))
    _, _, answer = await ask_streaming(claude)
    assert answer.response.parts == (TextPart(text="whole"), ToolCallPart(id="t1", name="f", arguments={"a": 1}))


async def test_a_server_that_streams_where_a_whole_answer_was_asked_for_is_read(
    raw: RawServer, claude: AnthropicAdapter
) -> None:
    raw.reply(Reply.sse(events(*EVERYTHING)))
    assert (await ask(claude)).response.usage == FULL_USAGE


async def test_a_whole_message_has_every_part_and_every_count(raw: RawServer, claude: AnthropicAdapter) -> None:
    raw.reply(
        Reply.json(
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
            200,
            **{
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
    )
    answer = await ask(claude)
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
    raw: RawServer,
    claude: AnthropicAdapter,
    reason: str,
    fields: dict[str, Any],
    finish: str,
    sequence: str | None,
    notes: tuple[str, ...],
) -> None:
    raw.reply(Reply.sse(events(*TEXT[:-2], because(reason, **fields), STOP)))
    response = (await ask_streaming(claude))[2].response
    assert (response.finish_reason, response.provider_finish_reason, response.stop_sequence, response.notes) == (
        finish,
        reason,
        sequence,
        notes,
    )


async def test_a_call_that_the_token_limit_cut_is_left_out_and_said_so(raw: RawServer, claude: AnthropicAdapter) -> None:
    raw.reply(Reply.sse(events(*EVERYTHING[:15], because("max_tokens"), STOP)))
    stream = claude.stream(HELLO, model="claude-x", timeout=timedelta(seconds=20), idempotency_key="k")
    [*_, answer] = [item async for item in stream]
    assert isinstance(answer, Answer)
    response = answer.response
    assert response.finish_reason == "length"
    assert not any(isinstance(part, ToolCallPart) for part in response.parts)
    assert any(note.startswith("tool call:") for note in response.notes)


async def test_blocks_of_tools_that_run_at_the_provider_are_noted(raw: RawServer, claude: AnthropicAdapter) -> None:
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
    raw.reply(Reply.sse(events(*TEXT[:-2], *searched, because("end_turn"), STOP)))
    response = (await ask_streaming(claude))[2].response
    assert response.text == "Grüß Gott 🌍 More."
    assert response.notes == (
        "answer: server_tool_use of anthropic is not carried",
        "answer: web_search_tool_result of anthropic is not carried",
        "answer: citations of anthropic is not carried",
    )


async def test_counts_that_come_at_the_end_replace_those_of_the_start(raw: RawServer, claude: AnthropicAdapter) -> None:
    usage = {"input_tokens": 35, "cache_read_input_tokens": 0, "cache_creation_input_tokens": None, "output_tokens": 7}
    raw.reply(Reply.sse(events(*TEXT[:-2], because(None, usage={"output_tokens": 3}), because("end_turn", usage=usage), STOP)))
    used = (await ask_streaming(claude))[2].response.usage
    assert (used.input_tokens, used.cache_read_tokens, used.cache_write_tokens, used.output_tokens) == (35, 60, 20, 7)


async def test_a_stream_without_counts_is_estimated_and_says_so(raw: RawServer, claude: AnthropicAdapter) -> None:
    bare = {"type": "message_start", "message": {"id": "m", "type": "message", "content": []}}
    raw.reply(Reply.sse(events(bare, *TEXT[1:-2], because("end_turn", usage=None), STOP)))
    answer = (await ask_streaming(claude))[2]
    assert answer.estimated
    assert answer.response.usage.output_tokens == 3
    assert answer.response.usage.input_tokens > 10
