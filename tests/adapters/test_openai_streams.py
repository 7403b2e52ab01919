"""Streams of OpenAI's formats, byte by byte, through the real SDK: the same answer however the bytes come, a failure where it is none."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from adapters.openai import OpenAIAdapter
from adapters.port import ErrorKind, ProviderError
from agentos.contracts.model import (
    ModelRequest,
    TextPart,
    Thinking,
    ThinkingPart,
    ToolCallPart,
    ToolSpec,
    Usage,
    user,
)
from tests.adapters.openai_streams import chunk, finish, responses_stream, usage_chunk
from tests.adapters.streaming import HELLO, Streamed, run, sse
from tests.loopback.raw import RawServer, Reply

TOOL = ToolSpec(name="look.up", description="Looks up", parameters={"type": "object", "properties": {}})
WITH_TOOL = ModelRequest(messages=(user("Hello."),), tools=(TOOL,))
THINK = WITH_TOOL.model_copy(update={"thinking": Thinking(effort="low", show=True)})


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with RawServer() as running:
        yield running


@pytest.fixture
async def openai(server: RawServer) -> AsyncIterator[OpenAIAdapter]:
    adapter = OpenAIAdapter(api_key="test-key-0123456789", base_url=f"http://127.0.0.1:{server.port}/v1")
    yield adapter
    await adapter.close()


CHAT = [
    chunk({"role": "assistant", "content": "", "refusal": None}),
    chunk({"content": None}),
    *(chunk({"content": piece}) for piece in ("Grü", "ße ", "🎉", "\n", " \\ \u2028")),
    finish("stop"),
    usage_chunk(100, 4, prompt_tokens_details={"cached_tokens": 60}, completion_tokens_details={"reasoning_tokens": 1}),
]
TEXT = "Grüße 🎉\n \\ \u2028"
LF = sse(*CHAT)
COMPACT = LF.replace(b"data: ", b"data:")
OPEN_END = sse(*CHAT, done=False).removesuffix(b"\n\n")
PINGS = b": ping\n\n" + LF.replace(b"\n\n", b"\n\n: OPENROUTER PROCESSING\n\nevent: ping\n\nretry: 100\n\n")
# One value of JSON over several lines.
LINES = b"".join(
    b"".join(b"data: " + line + b"\n" for line in json.dumps(value, indent=1, ensure_ascii=False).encode().split(b"\n")) + b"\n"
    for value in CHAT
)
CROWDED = b"".join(b"data: " + json.dumps(value).encode() + b"\n" for value in CHAT) + b"data: [DONE]\n\n"
AFTER = LF + sse(chunk({"content": "never"}), done=False)
FRAMINGS: dict[str, Reply] = {
    "as OpenAI frames it": Reply.sse(LF),
    "lines end in CRLF": Reply.sse(LF.replace(b"\n", b"\r\n")),
    "lines end in CRLF, in pieces of one byte": Reply.sse(LF.replace(b"\n", b"\r\n"), cut=1),
    "lines end in CR": Reply.sse(LF.replace(b"\n", b"\r")),
    "lines end in CR, in pieces of one byte": Reply.sse(LF.replace(b"\n", b"\r"), cut=1),
    "in pieces of one byte": Reply.sse(LF, cut=1),
    "in pieces of seven bytes, through characters": Reply.sse(LF, cut=7),
    "a byte order mark": Reply.sse(b"\xef\xbb\xbf" + LF, cut=2),
    "no blank after the colon": Reply.sse(COMPACT),
    "comments, pings and fields that say nothing": Reply.sse(PINGS),
    "one value over several lines": Reply.sse(LINES),
    "no blank lines between events": Reply.sse(CROWDED),
    "gzip": Reply.sse(LF, zipped=True),
    "gzip, in pieces of three bytes": Reply.sse(LF, zipped=True, cut=3),
    "content type of JSON": Reply.sse(LF, headers={"content-type": "application/json"}),
    "content type of text, with another charset": Reply.sse(LF, headers={"content-type": "text/plain; charset=latin-1"}),
    "no [DONE]": Reply.sse(sse(*CHAT, done=False)),
    "no end of the last line": Reply.sse(OPEN_END),
    "no length, closed at the end": Reply.sse(LF, end="close"),
    "chunks after [DONE]": Reply.sse(AFTER),
    "nothing after [DONE], and the connection stays open": Reply.sse(LF, end="open"),
    "the connection is reset after [DONE]": Reply.sse(LF, end="cut"),
    "the connection is reset after the counts": Reply.sse(sse(*CHAT, done=False), end="cut"),
}


@pytest.mark.parametrize("reply", FRAMINGS.values(), ids=FRAMINGS.keys())
async def test_the_same_events_are_the_same_answer_however_they_are_framed(
    server: RawServer, openai: OpenAIAdapter, reply: Reply
) -> None:
    server.reply(reply)
    found = await run(openai)
    usage = Usage(input_tokens=40, cache_read_tokens=60, output_tokens=4, reasoning_tokens=1)
    assert (found.text, found.answer.text, found.usages) == (TEXT, TEXT, [usage])
    assert (found.answer.finish_reason, found.answer.usage) == ("stop", usage)
    assert (found.answer.model, found.answer.provider_request_id) == ("gpt-x-2026-01-01", "chatcmpl-1")
    assert found.answer.notes == ()


@pytest.mark.parametrize("cut", [None, 1])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("deltas", [True, False])
async def test_a_stream_of_responses_is_read_whole_with_thinking_text_and_calls(
    server: RawServer, openai: OpenAIAdapter, cut: int | None, end: bytes, named: bool, deltas: bool
) -> None:
    body = sse(*responses_stream(deltas=deltas), done=False, named=named)
    server.reply(Reply.sse(body.replace(b"\n", end), cut=cut))
    found = await run(openai, THINK)
    assert server.requests[0].path == "/v1/responses"
    assert found.answer.parts == (
        ThinkingPart(provider="openai", text="First.\n\nThen, señor.", encrypted="gAAAA-sealed", id="rs_1"),
        TextPart(text="Grüße 🎉"),
        ToolCallPart(id="call_1", name="look.up", arguments={"n": 1}),
        ToolCallPart(id="call_2", name="look.up", arguments={"n": 2}),
    )
    assert found.answer.usage == Usage(
        input_tokens=30, cache_read_tokens=60, cache_write_tokens=10, output_tokens=40, reasoning_tokens=30
    )
    assert (found.answer.finish_reason, found.answer.provider_finish_reason) == ("tool_calls", "completed")


async def test_a_whole_response_reads_the_same_as_its_stream(server: RawServer, openai: OpenAIAdapter) -> None:
    final = responses_stream()[-1]["response"]
    server.reply(Reply.json(final), Reply.sse(sse(*responses_stream(), done=False)))
    whole = await openai.complete(THINK, model="m", timeout=timedelta(seconds=20), idempotency_key="k")
    assert whole.response == (await run(openai, THINK)).answer


# --- chat completions as servers really send them -----------------------------------------------------------------------------


def _call(index: int | None, id_: str | None = None, name: str | None = None, arguments: Any = None) -> dict[str, Any]:
    call: dict[str, Any] = {"function": {}} if index is None else {"index": index, "function": {}}
    if id_ is not None:
        call |= {"id": id_, "type": "function"}
    if name is not None:
        call["function"]["name"] = name
    if arguments is not None:
        call["function"]["arguments"] = arguments
    return call


def _calls(*calls: dict[str, Any]) -> dict[str, Any]:
    return chunk({"content": None, "tool_calls": list(calls)})


A, B = {"q": 'a "quoted" \\ 🎉'}, {"n": [1, 2.5, None]}
A_TEXT, B_TEXT = json.dumps(A), json.dumps(B)
TOOL_STREAMS: dict[str, list[dict[str, Any]]] = {
    "ids on the first piece alone, pieces of one character, two calls interleaved": [
        _calls(_call(0, "call_a", "look_up", "")),
        *(_calls(_call(0, arguments=piece)) for piece in A_TEXT[:9]),
        _calls(_call(1, "call_b", "look_up", "")),
        *(
            _calls(*([_call(0, arguments=a)] if a else []), *([_call(1, arguments=b)] if b else []))
            for a, b in zip(A_TEXT[9:] + " " * 40, B_TEXT + " " * 40, strict=False)
        ),
    ],
    "ids and names on every piece": [
        _calls(_call(0, "call_a", "look_up", piece)) for piece in (A_TEXT[:5], A_TEXT[5:])
    ] + [_calls(_call(1, "call_b", "look_up", piece)) for piece in (B_TEXT[:5], B_TEXT[5:])],
    "whole calls, each with index 0": [
        _calls(_call(0, "call_a", "look_up", A_TEXT)),
        _calls(_call(0, "call_b", "look_up", B_TEXT)),
    ],
    "whole calls without an index": [_calls(_call(None, "call_a", "look_up", A_TEXT), _call(None, "call_b", "look_up", B_TEXT))],
    "whole calls without an index, one chunk each": [
        _calls(_call(None, "call_a", "look_up", A_TEXT)),
        _calls(_call(None, "call_b", "look_up", B_TEXT)),
    ],
    "arguments as objects": [_calls(_call(0, "call_a", "look_up", A), _call(1, "call_b", "look_up", B))],
    "arguments before the name": [
        _calls(_call(0, "call_a", arguments=A_TEXT[:5])),
        _calls(_call(0, name="look_up", arguments=A_TEXT[5:])),
        _calls(_call(1, "call_b", "look_up", B_TEXT)),
    ],
    "indexes that begin at one": [
        _calls(_call(1, "call_a", "look_up", A_TEXT)),
        _calls(_call(2, "call_b", "look_up", B_TEXT)),
    ],
    "nulls beside what changes": [
        _calls({"index": 0, "id": "call_a", "type": None, "function": {"name": "look_up", "arguments": None}}),
        _calls({"index": 0, "id": None, "type": None, "function": {"name": None, "arguments": A_TEXT}}),
        _calls({"index": 1.0, "id": "call_b", "type": "function", "function": {"name": "look_up", "arguments": B_TEXT}}),
    ],
}  # fmt: skip


@pytest.mark.parametrize("chunks", TOOL_STREAMS.values(), ids=TOOL_STREAMS.keys())
@pytest.mark.parametrize("reason", ["tool_calls", "stop", "function_call"])
async def test_tool_calls_are_told_apart_however_a_server_numbers_them(
    server: RawServer, openai: OpenAIAdapter, chunks: list[dict[str, Any]], reason: str
) -> None:
    server.reply(Reply.sse(sse(*chunks, finish(reason), usage_chunk())))
    found = await run(openai, WITH_TOOL)
    assert found.answer.parts == (
        ToolCallPart(id="call_a", name="look.up", arguments=A),
        ToolCallPart(id="call_b", name="look.up", arguments=B),
    )
    assert found.answer.finish_reason == "tool_calls"


async def test_calls_without_ids_get_ids_that_no_other_call_of_the_conversation_has(
    server: RawServer, openai: OpenAIAdapter
) -> None:
    server.reply(Reply.sse(sse(_calls(_call(0, "", "look_up", "{}"), _call(1, None, "look_up", "")), finish(), usage_chunk())))
    found = await run(openai, WITH_TOOL)
    assert [(part.id, part.arguments) for part in found.answer.parts if isinstance(part, ToolCallPart)] == [
        ("call_1", {}),
        ("call_2", {}),
    ]


@pytest.mark.parametrize("half", [1, 5, 6, 7, 11, 12])
async def test_an_escape_that_is_cut_in_two_is_whole_again(server: RawServer, openai: OpenAIAdapter, half: int) -> None:
    arguments = '{"q":"\\ud83c\\udf89"}'
    pieces = [arguments[: 6 + half], arguments[6 + half :]]
    body = sse(
        _calls(_call(0, "call_a", "look_up", "")), *(_calls(_call(0, arguments=p)) for p in pieces), finish(), usage_chunk()
    )
    server.reply(Reply.sse(body))
    [part] = (await run(openai, WITH_TOOL)).answer.parts
    assert isinstance(part, ToolCallPart)
    assert part.arguments == {"q": "🎉"}


async def test_a_character_whose_halves_come_in_two_pieces_is_whole_again(server: RawServer, openai: OpenAIAdapter) -> None:
    halves = [json.dumps(chunk({"content": "XX"})).replace("XX", half).encode() for half in ("a\\ud83c", "\\udf89b", "\\ud83c")]
    body = b"".join(b"data: " + half + b"\n\n" for half in halves) + sse(finish(), usage_chunk())
    server.reply(Reply.sse(body))
    assert (await run(openai)).text == "a🎉b"


THINKING_STREAMS: dict[str, list[dict[str, Any]]] = {
    "reasoning_content (DeepSeek)": [
        chunk({"content": None, "reasoning_content": "Let me "}),
        chunk({"reasoning_content": "see."}),
    ],
    "reasoning (ollama, OpenRouter)": [
        chunk({"content": "", "reasoning": "Let me ", "reasoning_details": [{"type": "reasoning.text", "text": "Let me "}]}),
        chunk({"content": "", "reasoning": "see."}),
    ],
    "parts of the content (Mistral)": [
        chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Let me "}]}]}),
        chunk({"content": [{"type": "thinking", "thinking": "see."}]}),
    ],
}


@pytest.mark.parametrize("chunks", THINKING_STREAMS.values(), ids=THINKING_STREAMS.keys())
async def test_thinking_is_read_under_each_of_its_names(
    server: RawServer, openai: OpenAIAdapter, chunks: list[dict[str, Any]]
) -> None:
    server.reply(Reply.sse(sse(*chunks, chunk({"content": "Yes."}), finish(), usage_chunk())))
    found = await run(openai)
    assert found.answer.parts == (ThinkingPart(provider="openai", text="Let me see."), TextPart(text="Yes."))


OK = chunk({"content": "ok"})
USAGES: dict[str, tuple[list[dict[str, Any]], Usage]] = {
    "on a chunk with empty choices": ([OK, finish(), usage_chunk(9, 4)], Usage(input_tokens=9, output_tokens=4)),
    "on a chunk with choices": (
        [OK, chunk({}, finish="stop", usage=usage_chunk(9, 4)["usage"])],
        Usage(input_tokens=9, output_tokens=4),
    ),
    "before the reason": ([OK, usage_chunk(9, 4), finish()], Usage(input_tokens=9, output_tokens=4)),
    "null until the end": (
        [chunk({"content": "ok"}, usage=None), chunk({}, finish="stop", usage=None), usage_chunk(9, 4)],
        Usage(input_tokens=9, output_tokens=4),
    ),
    "growing on every chunk": (
        [
            chunk({"content": "ok"}, usage=usage_chunk(9, 1)["usage"]),
            chunk({}, finish="stop", usage=usage_chunk(9, 4)["usage"]),
        ],
        Usage(input_tokens=9, output_tokens=4),
    ),
    "in a field of Groq's own": (
        [OK, chunk({}, finish="stop", x_groq={"id": "req_1", "usage": usage_chunk(9, 4)["usage"]})],
        Usage(input_tokens=9, output_tokens=4),
    ),
    "in the choice (Moonshot)": (
        [
            OK,
            {**finish(), "choices": [{**finish()["choices"][0], "usage": {**usage_chunk(9, 4)["usage"], "cached_tokens": 5}}]},
        ],
        Usage(input_tokens=4, cache_read_tokens=5, output_tokens=4),
    ),
    "as floats": ([OK, finish(), usage_chunk(9.0, 4.0)], Usage(input_tokens=9, output_tokens=4)),
    "hits and misses (DeepSeek)": (
        [OK, finish(), usage_chunk(9, 4, prompt_cache_hit_tokens=8, prompt_cache_miss_tokens=1)],
        Usage(input_tokens=1, cache_read_tokens=8, output_tokens=4),
    ),
    "null details": (
        [OK, finish(), usage_chunk(9, 4, prompt_tokens_details=None, completion_tokens_details=None)],
        Usage(input_tokens=9, output_tokens=4),
    ),
    "details of every class": (
        [
            OK,
            finish(),
            usage_chunk(
                100,
                50,
                prompt_tokens_details={"cached_tokens": 60, "cache_write_tokens": 30, "audio_tokens": 5, "image_tokens": 1},
                completion_tokens_details={"reasoning_tokens": 40, "accepted_prediction_tokens": 3, "audio_tokens": 0},
            ),
        ],
        Usage(input_tokens=10, cache_read_tokens=60, cache_write_tokens=30, output_tokens=50, reasoning_tokens=40),
    ),
    "thinking beside the completion (xAI)": (
        [OK, finish(), usage_chunk(32, 9, total_tokens=135, completion_tokens_details={"reasoning_tokens": 94})],
        Usage(input_tokens=32, output_tokens=103, reasoning_tokens=94),
    ),
    "thinking in the total alone (Gemini)": (
        [OK, finish(), usage_chunk(7, 10, total_tokens=117)],
        Usage(input_tokens=7, output_tokens=110, reasoning_tokens=100),
    ),
}


@pytest.mark.parametrize(("chunks", "usage"), USAGES.values(), ids=USAGES.keys())
async def test_usage_is_read_to_the_token_wherever_it_stands(
    server: RawServer, openai: OpenAIAdapter, chunks: list[dict[str, Any]], usage: Usage
) -> None:
    server.reply(Reply.sse(sse(*chunks)))
    found = await run(openai)
    assert (found.answer.usage, found.usages[-1], found.answers[0].estimated) == (usage, usage, False)


async def test_a_stream_without_counts_is_estimated_and_says_so(server: RawServer, openai: OpenAIAdapter) -> None:
    server.reply(Reply.sse(sse(chunk({"content": "x" * 40}), finish())))
    found = await run(openai)
    assert found.answers[0].estimated
    assert found.answer.usage.output_tokens == 10
    assert found.answer.usage.input_tokens > 0
    assert found.answer.notes == ("usage: openai/gpt-x-2026-01-01 gave no token counts: they are estimated from lengths",)


REASONS = [
    ("stop", "stop"),
    ("length", "length"),
    ("content_filter", "content_filter"),
    ("STOP", "stop"),
    ("eos_token", "stop"),
    ("model_length", "length"),
    ("of_the_future", "other"),
]


@pytest.mark.parametrize(("reason", "expected"), REASONS)
async def test_each_reason_to_end_has_its_meaning_and_is_kept(
    server: RawServer, openai: OpenAIAdapter, reason: str, expected: str
) -> None:
    server.reply(Reply.sse(sse(OK, finish(reason), usage_chunk())))
    found = await run(openai)
    assert (found.answer.finish_reason, found.answer.provider_finish_reason) == (expected, reason)


async def test_the_stop_sequence_is_told_where_the_server_tells_it(server: RawServer, openai: OpenAIAdapter) -> None:
    last = finish()
    last["choices"][0]["stop_reason"] = "END"
    server.reply(Reply.sse(sse(OK, last, usage_chunk())))
    assert (await run(openai)).answer.stop_sequence == "END"


async def test_a_refusal_is_a_text_and_a_filtered_end(server: RawServer, openai: OpenAIAdapter) -> None:
    server.reply(Reply.sse(sse(chunk({"refusal": "I can"}), chunk({"refusal": "not."}), finish(), usage_chunk())))
    found = await run(openai)
    assert (found.text, found.answer.finish_reason) == ("I cannot.", "content_filter")


async def test_a_call_that_the_limit_cut_is_left_out_with_a_note(server: RawServer, openai: OpenAIAdapter) -> None:
    body = sse(
        chunk({"content": "I will."}), _calls(_call(0, "call_a", "look_up", '{"q": "ha')), finish("length"), usage_chunk()
    )
    server.reply(Reply.sse(body))
    found = await run(openai, WITH_TOOL)
    assert found.answer.parts == (TextPart(text="I will."),)
    assert found.answer.finish_reason == "length"
    assert "cut off in the middle of its arguments" in found.answer.notes[0]


async def test_what_is_unknown_is_passed_over(server: RawServer, openai: OpenAIAdapter) -> None:
    filters = {"id": "", "object": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
    odd = chunk({"content": "ok", "annotations": [{"type": "url_citation"}], "audio": None, "provider_specific": {"a": 1}})
    odd["choices"][0] |= {"logprobs": {"content": [{"token": "ok"}]}, "content_filter_results": {"hate": {"filtered": False}}}
    second = chunk({"content": "another"})
    second["choices"][0]["index"] = 1
    server.reply(Reply.sse(sse(filters, {}, odd, second, {"choices": None}, finish(), usage_chunk())))
    assert (await run(openai)).text == "ok"


async def test_a_server_that_does_not_stream_is_read_all_the_same(server: RawServer, openai: OpenAIAdapter) -> None:
    message = {"role": "assistant", "content": "whole", "refusal": None}
    body = {
        "id": "x",
        "object": "chat.completion",
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    server.reply(Reply.json({**body, "usage": {"prompt_tokens": 1, "completion_tokens": 2}}))
    found = await run(openai)
    assert (found.text, found.answer.usage) == ("whole", Usage(input_tokens=1, output_tokens=2))


async def test_a_server_that_always_streams_is_read_all_the_same(server: RawServer, openai: OpenAIAdapter) -> None:
    server.reply(Reply.sse(LF))
    answer = await openai.complete(HELLO, model="m", timeout=timedelta(seconds=20), idempotency_key="k")
    assert (answer.response.text, answer.response.usage.cache_read_tokens) == (TEXT, 60)


# --- what is no answer ---------------------------------------------------------------------------------------------------------

_ERROR = {"message": "secret prompt", "type": "server_error", "param": None, "code": None}
Broken = tuple[Reply, ErrorKind, str]
BROKEN: dict[str, Broken] = {
    "an error object": (Reply.sse(sse(OK, {"error": _ERROR})), "retry", "server_error"),
    "an event called error": (Reply.sse(sse(OK, done=False) + b"event: error\ndata: " + json.dumps({"error": _ERROR}).encode() + b"\n\n"),
                              "retry", "server_error"),
    "an event called error without an object": (Reply.sse(b'event: error\ndata: {"message": "x", "code": "overloaded"}\n\n'), "retry",
                                                "overloaded"),
    "a rate limit": (Reply.sse(sse(OK, {"error": {**_ERROR, "code": "rate_limit_exceeded"}})), "wait", "rate_limit_exceeded"),
    "an empty account": (Reply.sse(sse({"error": {**_ERROR, "code": "insufficient_quota"}})), "needs_operator", "insufficient_quota"),
    "too long a context": (Reply.sse(sse({"error": {**_ERROR, "code": "context_length_exceeded"}})), "other_provider",
                           "context_length_exceeded"),
    "a status as a number (OpenRouter)": (Reply.sse(sse(OK, {**chunk({"content": ""}, finish="error"),
                                                             "error": {"code": 502, "message": "x"}})), "retry", "http_502"),
    "words (ollama)": (Reply.sse(sse(OK, {"error": "model runner has stopped"})), "retry", "stream_error"),
    "vLLM's": (Reply.sse(sse({"object": "error", "message": "x", "type": "BadRequestError", "code": 400})), "never", "BadRequestError"),
    "plain JSON": (Reply.json({"error": {**_ERROR, "code": "server_error"}}), "retry", "server_error"),
    "capacity (DeepSeek)": (Reply.sse(sse(OK, finish("insufficient_system_resource"), usage_chunk())), "retry",
                            "insufficient_system_resource"),
    "neither a reason to end nor counts, then [DONE]": (Reply.sse(sse(OK)), "retry", "incomplete"),
    "counts without a reason to end, and no [DONE]": (Reply.sse(sse(OK, usage_chunk(), done=False)), "retry", "incomplete"),
    "counts and [DONE], and nothing said": (Reply.sse(sse(chunk({"content": ""}), usage_chunk())), "retry", "incomplete"),
    "no reason to end, then the end": (Reply.sse(sse(OK, done=False)), "retry", "incomplete"),
    "the last event cut short": (Reply.sse(sse(OK, done=False) + b'data: {"choices": [{"delta": {"con'), "retry", "incomplete"),
    "a reset in the middle": (Reply.sse(sse(OK, done=False), end="cut"), "retry", "unreachable"),
    "a reset before the counts": (Reply.sse(sse(OK, finish(), done=False), end="cut"), "retry", "unreachable"),
    "HTML": (Reply((b"<html>It works!</html>",), headers={"content-type": "text/html"}), "other_provider", "bad_answer"),
    "nothing": (Reply.sse(b""), "retry", "incomplete"),
    "[DONE] alone": (Reply.sse(b"data: [DONE]\n\n"), "other_provider", "bad_answer"),
    "pings alone": (Reply.sse(b": ping\n\n" * 3), "other_provider", "bad_answer"),
    "JSON that is broken": (Reply.sse(b'data: {"choices": [\n\ndata: [DONE]\n\n'), "other_provider", "bad_answer"),
    "bytes that are no text": (Reply.sse(b'data: {"a": "\xff"}\n\n'), "other_provider", "bad_answer"),
    "content of another kind": (Reply.sse(sse(chunk({"content": {"a": 1}}), finish(), usage_chunk())), "other_provider", "bad_answer"),
    "arguments that are no object": (Reply.sse(sse(_calls(_call(0, "a", "look_up", "[1]")), finish(), usage_chunk())), "other_provider",
                                     "bad_answer"),
    "arguments that end early": (Reply.sse(sse(_calls(_call(0, "a", "look_up", '{"a":')), finish(), usage_chunk())), "other_provider",
                                 "bad_answer"),
    "a call without a name": (Reply.sse(sse(_calls(_call(0, "a", None, "{}")), finish(), usage_chunk())), "other_provider", "bad_answer"),
    "gzip that is none": (Reply.sse(b"data: x\n\n", headers={"content-encoding": "gzip"}), "retry", "unreachable"),
}  # fmt: skip


async def test_what_was_counted_and_closed_is_whole_though_nobody_said_why_it_ended(
    server: RawServer, openai: OpenAIAdapter
) -> None:
    """As servers behind OpenRouter do."""
    server.reply(Reply.sse(sse(OK, usage_chunk())))
    answer = (await run(openai)).answer
    assert (answer.text, answer.finish_reason, answer.provider_finish_reason) == ("ok", "other", None)
    assert any("was not given" in each for each in answer.notes)
    server.reply(Reply.sse(sse(_calls(_call(0, "a", "look_up", '{"q": 1}')), usage_chunk())))
    called = (await run(openai)).answer
    assert called.finish_reason == "tool_calls"


@pytest.mark.parametrize(("reply", "kind", "code"), BROKEN.values(), ids=BROKEN.keys())
async def test_what_is_no_whole_answer_is_a_failure_with_its_kind(
    server: RawServer, openai: OpenAIAdapter, reply: Reply, kind: ErrorKind, code: str
) -> None:
    server.reply(reply)
    found = Streamed()
    with pytest.raises(ProviderError) as failed:
        await run(openai, into=found)
    assert (failed.value.kind, failed.value.code) == (kind, code)
    assert found.answers == []
    assert "secret" not in str(failed.value)
    assert failed.value.__context__ is None
    assert len(server.requests) == 1


async def test_a_failure_says_what_was_used_so_far(server: RawServer, openai: OpenAIAdapter) -> None:
    server.reply(Reply.sse(sse(chunk({"content": "ok"}, usage=usage_chunk(9, 3)["usage"]), {"error": _ERROR}, done=False)))
    found = Streamed()
    with pytest.raises(ProviderError) as failed:
        await run(openai, into=found)
    assert failed.value.usage == Usage(input_tokens=9, output_tokens=3)
    assert failed.value.status == 200
    assert found.text == "ok"


RESPONSES_BROKEN: dict[str, tuple[list[dict[str, Any]], ErrorKind, str]] = {
    "failed": (
        [
            {
                "type": "response.failed",
                "response": {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "x"}},
            }
        ],
        "wait",
        "rate_limit_exceeded",
    ),
    "failed by the server": (
        [{"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error", "message": "x"}}}],
        "retry",
        "server_error",
    ),
    "refused": (
        [{"type": "response.failed", "response": {"status": "failed", "error": {"code": "invalid_prompt", "message": "x"}}}],
        "never",
        "invalid_prompt",
    ),
    "an error event": (
        [{"type": "error", "code": "context_length_exceeded", "message": "x", "param": "input", "sequence_number": 2}],
        "other_provider",
        "context_length_exceeded",
    ),
    "an error event with an object": (
        [{"type": "error", "error": {"type": "invalid_request_error", "code": "insufficient_quota", "message": "x"}}],
        "needs_operator",
        "insufficient_quota",
    ),
    "no end": ([], "retry", "incomplete"),
    "cancelled": ([{"type": "response.cancelled", "response": {"status": "cancelled", "output": []}}], "retry", "incomplete"),
}


@pytest.mark.parametrize(("events", "kind", "code"), RESPONSES_BROKEN.values(), ids=RESPONSES_BROKEN.keys())
async def test_a_response_that_fails_or_does_not_end_is_a_failure(
    server: RawServer, openai: OpenAIAdapter, events: list[dict[str, Any]], kind: ErrorKind, code: str
) -> None:
    server.reply(Reply.sse(sse(*responses_stream()[:6], *events, done=False, named=True)))
    with pytest.raises(ProviderError) as failed:
        await run(openai, THINK)
    assert (failed.value.kind, failed.value.code) == (kind, code)


@pytest.mark.parametrize(
    ("status", "details", "expected"),
    [
        ("incomplete", {"reason": "max_output_tokens"}, "length"),
        ("incomplete", {"reason": "content_filter"}, "content_filter"),
        ("incomplete", None, "other"),
    ],
)
async def test_a_response_that_was_cut_says_why(
    server: RawServer, openai: OpenAIAdapter, status: str, details: dict[str, Any] | None, expected: str
) -> None:
    *events, last = responses_stream()
    final = {**last["response"], "status": status, "incomplete_details": details}
    server.reply(Reply.sse(sse(*events, {"type": "response.incomplete", "response": final}, done=False)))
    found = await run(openai, THINK)
    assert found.answer.finish_reason == expected
    assert found.answer.usage.output_tokens == 40


async def test_a_refusal_of_responses_is_a_text_and_a_filtered_end(server: RawServer, openai: OpenAIAdapter) -> None:
    item = {"type": "message", "id": "msg_1", "content": [{"type": "refusal", "refusal": "No."}]}
    final = {**responses_stream()[-1]["response"], "output": [item]}
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events = [
        {"type": "response.refusal.delta", **where, "delta": "N"},
        {"type": "response.refusal.done", **where, "refusal": "No."},
        {"type": "response.completed", "response": final},
    ]
    server.reply(Reply.sse(sse(*events, done=False)))
    found = await run(openai, THINK)
    assert (found.text, found.answer.finish_reason) == ("No.", "content_filter")


# --- silence, and going away ---------------------------------------------------------------------------------------------------


async def test_silence_before_the_first_byte_is_a_timeout_and_in_the_middle_a_stall(
    server: RawServer, openai: OpenAIAdapter
) -> None:
    server.reply(Reply.sse(sse(OK, done=False), end="open"))
    found = Streamed()
    with pytest.raises(ProviderError) as failed:
        await run(openai, timeout_s=0.3, into=found)
    assert (failed.value.kind, failed.value.code, found.text) == ("retry", "stalled", "ok")


async def test_closing_the_stream_closes_the_connection(server: RawServer, openai: OpenAIAdapter) -> None:
    server.reply(Reply.sse(sse(OK, done=False), end="open"))
    stream = openai.stream(HELLO, model="m", timeout=timedelta(seconds=20), idempotency_key="k")
    async for _ in stream:
        break
    await stream.aclose()
    await server.closed.wait()


async def test_one_connection_serves_streams_one_after_the_other(server: RawServer, openai: OpenAIAdapter) -> None:
    server.reply(Reply.sse(LF))
    for _ in range(3):
        await run(openai)
    assert (len(server.requests), server.connections) == (3, 1)
