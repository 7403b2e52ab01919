"""Gemini's generateContent, byte by byte: what is sent, and what becomes of every form that an answer or an error can take."""

import asyncio
import base64
import json
import traceback
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from adapters.gemini import GeminiAdapter
from adapters.port import ErrorKind, ProviderError, UnsupportedRequest
from agentos.contracts.model import (
    ImagePart,
    JsonSchemaFormat,
    Message,
    ModelRequest,
    TextPart,
    Thinking,
    ThinkingPart,
    ToolCallPart,
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
STAND_IN = base64.b64encode(b"skip_thought_signature_validator").decode()


def piece(*parts: dict[str, Any], reason: str | None = None, **fields: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if reason is not None:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], "modelVersion": "gemini-3.5-flash", "responseId": "resp-1", **fields}


def used(**counts: int) -> dict[str, Any]:
    return {"usageMetadata": {"promptTokenCount": 100, "totalTokenCount": 999, **counts}}


TEXT = [
    piece({"text": "Grüß "}, **used()),
    piece({"text": "Gott 🌍"}, **used(candidatesTokenCount=4)),
    piece({"text": ""}, reason="STOP", **used(candidatesTokenCount=7)),
]
EVERYTHING = [
    piece({"text": "**Planning**", "thought": True}, **used(thoughtsTokenCount=20)),
    piece({"text": " two cities.", "thought": True}, **used(thoughtsTokenCount=40)),
    piece({"text": "Let me look."}, **used(thoughtsTokenCount=40, candidatesTokenCount=3)),
    {"futureField": None, "candidates": None, "promptFeedback": {"safetyRatings": []}},
    piece(
        {
            "functionCall": {"id": "fc-1", "name": "weather_get", "args": {"city": "Wien 🌍"}},
            "thoughtSignature": "CiQB+/sig==",
        },
        {"functionCall": {"name": "weather_get", "args": {"city": "Paris"}}},
        {"functionCall": {"name": "weather_get"}},
    ),
    piece(
        {"text": "", "thoughtSignature": "dGFpbA=="},
        reason="STOP",
        **used(thoughtsTokenCount=40, candidatesTokenCount=49, cachedContentTokenCount=60, toolUsePromptTokenCount=5),
    ),
]
FULL_USAGE = Usage(input_tokens=45, cache_read_tokens=60, output_tokens=89, reasoning_tokens=40)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as running:
        running.answer(events(*TEXT))
        yield running


@pytest.fixture
async def adapter(server: ScriptedServer) -> AsyncIterator[GeminiAdapter]:
    built = GeminiAdapter(api_key="test-key-0123456789", base_url=server.base_url)
    yield built
    await built.close()


async def sent(
    server: ScriptedServer, adapter: GeminiAdapter, request: ModelRequest, model: str = "gemini-3.5-flash"
) -> tuple[Any, tuple[str, ...]]:
    server.answer_json(piece({"text": "x"}, reason="STOP", **used()))
    answer = await ask(adapter, request, model=model)
    return server.sent[-1].json(), tuple(note.split(":")[0] for note in answer.response.notes)


def asked(**fields: Any) -> ModelRequest:
    return HELLO.model_copy(update=fields)


# --- what is read -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 3, 100_000])
async def test_a_stream_is_read_however_its_lines_end_and_wherever_the_network_cuts_it(
    server: ScriptedServer, adapter: GeminiAdapter, newline: str, size: int
) -> None:
    server.answer(*in_pieces(events(*EVERYTHING, newline=newline), size))
    request = asked(
        tools=(WEATHER,),
        messages=(user("Hi"), Message(role="assistant", parts=(ToolCallPart(id="call_1", name="f", arguments={}),)), user("?")),
    )
    _, usages, answer = await ask_streaming(adapter, request)
    response = answer.response
    assert response.parts == (
        ThinkingPart(provider="gemini", text="**Planning** two cities."),
        TextPart(text="Let me look."),
        ToolCallPart(id="fc-1", name="weather.get", arguments={"city": "Wien 🌍"}, signature="CiQB+/sig=="),
        ToolCallPart(id="call_3", name="weather.get", arguments={"city": "Paris"}),
        ToolCallPart(id="call_4", name="weather.get", arguments={}),
        ThinkingPart(provider="gemini", signature="dGFpbA=="),
    )
    ids = [part.id for part in response.parts if isinstance(part, ToolCallPart)]
    assert len({"call_1", *ids}) == 4, "ids that are made up differ from all others of the conversation"
    assert (response.finish_reason, response.provider_finish_reason) == ("tool_calls", "STOP")
    assert response.usage == FULL_USAGE == usages[-1]
    assert usages[0] == Usage(input_tokens=100, output_tokens=20, reasoning_tokens=20)
    assert (response.model, response.provider_request_id) == ("gemini-3.5-flash", "resp-1")
    assert response.notes == ()


async def test_ids_that_are_made_up_are_the_same_every_time(server: ScriptedServer, adapter: GeminiAdapter) -> None:
    server.answer(events(*EVERYTHING))
    first = (await ask_streaming(adapter))[2].response.parts
    assert (await ask_streaming(adapter))[2].response.parts == first


async def test_a_whole_answer_has_every_part_and_every_count(server: ScriptedServer, adapter: GeminiAdapter) -> None:
    server.answer_json(
        piece(
            {"text": "hm", "thought": True, "thoughtSignature": "dGg="},
            {"text": "One."},
            {"functionCall": {"name": "weather_get", "args": None}, "thoughtSignature": "c2ln"},
            reason="STOP",
            avgLogprobs=-0.1,
            **used(candidatesTokenCount=49, thoughtsTokenCount=40, cachedContentTokenCount=60, toolUsePromptTokenCount=5),
        ),
        headers={"x-gemini-service-tier": "standard", "retry-after": "9"},
    )
    answer = await ask(adapter, asked(tools=(WEATHER,)))
    assert answer.response.parts == (
        ThinkingPart(provider="gemini", text="hm", signature="dGg="),
        TextPart(text="One."),
        ToolCallPart(id="call_1", name="weather.get", arguments={}, signature="c2ln"),
    )
    assert answer.response.usage == FULL_USAGE
    assert not answer.estimated


async def test_compressed_and_mislabelled_streams_are_read(server: ScriptedServer, adapter: GeminiAdapter) -> None:
    server.answer_gzip(b": ping\n\n" + events(*TEXT), content_type="text/plain")
    assert (await ask_streaming(adapter))[2].response.text == "Grüß Gott 🌍"


async def test_pieces_in_a_list_are_read_where_events_were_asked_for(server: ScriptedServer, adapter: GeminiAdapter) -> None:
    server.answer_json(TEXT)
    _, _, answer = await ask_streaming(adapter)
    assert (answer.response.text, answer.response.usage.output_tokens) == ("Grüß Gott 🌍", 7)


async def test_a_server_that_answers_whole_where_a_stream_was_asked_for_is_read(
    server: ScriptedServer, adapter: GeminiAdapter
) -> None:
    server.answer_json(piece({"text": "whole"}, reason="STOP", **used()))
    assert (await ask_streaming(adapter))[2].response.text == "whole"


@pytest.mark.parametrize(
    ("answer", "finish", "reason"),
    [
        (piece({"text": "x"}, reason="STOP"), "stop", "STOP"),
        (piece(reason="MAX_TOKENS"), "length", "MAX_TOKENS"),
        (piece(reason="SAFETY"), "content_filter", "SAFETY"),
        (piece({"text": "x"}, reason="RECITATION"), "content_filter", "RECITATION"),
        (piece({"text": "x"}, reason="PROHIBITED_CONTENT"), "content_filter", "PROHIBITED_CONTENT"),
        (piece({"text": "x"}, reason="OTHER"), "other", "OTHER"),
        (piece({"text": "x"}, reason="BRAND_NEW"), "other", "BRAND_NEW"),
        (piece({"text": "x"}, reason="MALFORMED_FUNCTION_CALL"), "other", "MALFORMED_FUNCTION_CALL"),
        ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, "content_filter", "PROHIBITED_CONTENT"),
        ({"promptFeedback": {"blockReason": "SAFETY", "safetyRatings": []}, "candidates": []}, "content_filter", "SAFETY"),
        ({"candidates": [{"finishReason": "STOP"}]}, "stop", "STOP"),
        ({"candidates": [{"finishReason": "STOP", "content": {"role": "model"}}]}, "stop", "STOP"),
    ],
)
async def test_each_reason_to_stop_has_its_meaning(
    server: ScriptedServer, adapter: GeminiAdapter, answer: dict[str, Any], finish: str, reason: str
) -> None:
    server.answer_json({**answer, **used()})
    whole = (await ask(adapter)).response
    server.answer(events({**answer, **used()}))
    streamed = (await ask_streaming(adapter))[2].response
    assert (whole.finish_reason, whole.provider_finish_reason) == (finish, reason)
    assert whole == streamed


async def test_what_is_not_carried_of_an_answer_is_noted(server: ScriptedServer, adapter: GeminiAdapter) -> None:
    parts = [{"inlineData": {"mimeType": "image/png", "data": "AA=="}}, {"executableCode": {"code": "1"}}, {"text": "x"}]
    server.answer_json(piece(*parts, reason="STOP", **used()))
    response = (await ask(adapter)).response
    assert response.text == "x"
    assert response.notes == (
        "answer: inlineData of gemini is not carried",
        "answer: executableCode of gemini is not carried",
    )


async def test_a_stream_without_counts_is_estimated_and_says_so(server: ScriptedServer, adapter: GeminiAdapter) -> None:
    server.answer(events(piece({"text": "Twelve chars"}, reason="STOP")))
    answer = (await ask_streaming(adapter))[2]
    assert answer.estimated
    assert answer.response.usage.output_tokens == 3


# --- embeddings -------------------------------------------------------------------------------------------------------------

EMBED = ModelRequest(
    kind="embed", messages=(Message(role="user", parts=(TextPart(text="one"), TextPart(text="two"))),), dimensions=2
)


@pytest.mark.parametrize(("metadata", "tokens", "estimated"), [({}, None, True), ({"promptTokenCount": 6}, 6, False)])
async def test_texts_become_vectors_in_order(
    server: ScriptedServer, adapter: GeminiAdapter, metadata: dict[str, int], tokens: int | None, estimated: bool
) -> None:
    server.answer_json({"embeddings": [{"values": [0.5, -1]}, {"values": [1e-3, 2]}], "usageMetadata": metadata})
    answer = await ask(adapter, EMBED, model="gemini-embedding-001")
    assert answer.response.embeddings == ((0.5, -1.0), (0.001, 2.0))
    assert answer.estimated is estimated
    assert answer.response.usage.input_tokens == (tokens or answer.response.usage.input_tokens) > 0
    assert server.sent[-1].path == "/v1beta/models/gemini-embedding-001:batchEmbedContents"
    assert server.sent[-1].json() == {
        "requests": [
            {
                "model": "models/gemini-embedding-001",
                "content": {"parts": [{"text": text}]},
                "outputDimensionality": 2,
            }
            for text in ("one", "two")
        ]
    }
    assert (await ask_streaming(adapter, EMBED, model="gemini-embedding-001"))[2].response.embeddings


@pytest.mark.parametrize(
    "body", [{"embeddings": [{"values": [1]}]}, {"embeddings": [{"values": [1]}, {"values": ["x"]}]}, {"embeddings": None}, []]
)
async def test_fewer_vectors_than_texts_are_no_answer(server: ScriptedServer, adapter: GeminiAdapter, body: Any) -> None:
    server.answer_json(body)
    with pytest.raises(ProviderError) as failed:
        await ask(adapter, EMBED, model="gemini-embedding-001")
    assert failed.value.code == "bad_answer"


# --- what fails -------------------------------------------------------------------------------------------------------------


async def failure_of(adapter: GeminiAdapter, *, stream: bool, timeout: float = 20) -> ProviderError:
    asking = ask_streaming(adapter, timeout=timedelta(seconds=timeout)) if stream else ask(adapter)
    with pytest.raises(ProviderError) as caught:
        await asking
    failure = caught.value
    shown = "".join(traceback.format_exception(failure)) + repr(failure.__dict__)
    assert "Hello." not in shown
    assert "test-key-0123456789" not in shown
    return failure


def error(code: int, status: str, *details: dict[str, Any], said: str = "test-key-0123456789 and Hello.") -> dict[str, Any]:
    return {"error": {"code": code, "message": said, "status": status, "details": list(details)}}


def quota(*ids: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": each} for each in ids]}


RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
PER_MINUTE = quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier")
PER_DAY = quota("GenerateContentInputTokensPerModelPerMinute-FreeTier", "GenerateRequestsPerDayPerProjectPerModel-FreeTier")
ERRORS: list[tuple[int, dict[str, Any], ErrorKind, str, float | None]] = [
    (400, error(400, "INVALID_ARGUMENT"), "never", "INVALID_ARGUMENT", None),
    (400, error(400, "INVALID_ARGUMENT", BAD_KEY), "needs_operator", "API_KEY_INVALID", None),
    (
        400,
        error(
            400,
            "INVALID_ARGUMENT",
            said="The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        ),
        "other_provider",
        "INVALID_ARGUMENT",
        None,
    ),
    (
        400,
        error(400, "FAILED_PRECONDITION", said="User location is not supported for the API use."),
        "other_provider",
        "FAILED_PRECONDITION",
        None,
    ),
    (403, error(403, "PERMISSION_DENIED"), "needs_operator", "PERMISSION_DENIED", None),
    (404, error(404, "NOT_FOUND", said="models/x is not found for API version v1beta"), "other_provider", "NOT_FOUND", None),
    (429, error(429, "RESOURCE_EXHAUSTED", PER_MINUTE, RETRY_INFO), "wait", "RESOURCE_EXHAUSTED", 34.5),
    (429, error(429, "RESOURCE_EXHAUSTED", PER_DAY, RETRY_INFO), "other_provider", "RESOURCE_EXHAUSTED", 34.5),
    (429, error(429, "RESOURCE_EXHAUSTED"), "wait", "RESOURCE_EXHAUSTED", None),
    (499, error(499, "CANCELLED"), "retry", "CANCELLED", None),
    (500, error(500, "INTERNAL"), "retry", "INTERNAL", None),
    (503, error(503, "UNAVAILABLE", said="The model is overloaded. Please try again later."), "retry", "UNAVAILABLE", None),
    (504, error(504, "DEADLINE_EXCEEDED"), "retry", "DEADLINE_EXCEEDED", None),
    (503, {"nonsense": 1}, "retry", "http_503", None),
]


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("status", "body", "kind", "code", "wait"), ERRORS)
async def test_each_error_has_its_kind(
    server: ScriptedServer,
    adapter: GeminiAdapter,
    status: int,
    body: dict[str, Any],
    kind: ErrorKind,
    code: str,
    wait: float | None,
    stream: bool,
    listed: bool,
) -> None:
    server.answer_json([body] if listed else body, status=status)
    failure = await failure_of(adapter, stream=stream)
    assert (failure.kind, failure.code, failure.status) == (kind, code, status)
    assert failure.retry_after == (None if wait is None else timedelta(seconds=wait))
    assert len(server.sent) == 1, "the router owns retries"


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (error(503, "UNAVAILABLE"), "retry", "UNAVAILABLE"),
        (error(429, "RESOURCE_EXHAUSTED", PER_MINUTE), "wait", "RESOURCE_EXHAUSTED"),
        (error(429, "RESOURCE_EXHAUSTED", PER_DAY), "other_provider", "RESOURCE_EXHAUSTED"),
        (error(500, "INTERNAL"), "retry", "INTERNAL"),
    ],
)
async def test_an_error_inside_a_200_stream_has_its_kind_and_what_was_used(
    server: ScriptedServer, adapter: GeminiAdapter, body: dict[str, Any], kind: ErrorKind, code: str
) -> None:
    server.answer(events(*TEXT[:2], body))
    failure = await failure_of(adapter, stream=True)
    assert (failure.kind, failure.code, failure.status) == (kind, code, 200)
    assert failure.usage == Usage(input_tokens=100, output_tokens=4)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_that_the_model_wrote_wrongly_may_be_tried_again(
    server: ScriptedServer, adapter: GeminiAdapter, stream: bool
) -> None:
    server.answer_json(piece(reason="MALFORMED_FUNCTION_CALL", finishMessage="Malformed function call: Hello.", **used()))
    failure = await failure_of(adapter, stream=stream)
    assert (failure.kind, failure.code) == ("retry", "MALFORMED_FUNCTION_CALL")
    assert failure.usage == Usage(input_tokens=100)


@pytest.mark.parametrize("broken", [False, True])
async def test_a_stream_cut_before_its_reason_is_no_answer_and_says_what_was_used(
    server: ScriptedServer, adapter: GeminiAdapter, broken: bool
) -> None:
    server.script(
        *(Scripted([events(*EVERYTHING[:kept])], content_type="text/event-stream", broken=broken) for kept in range(1, 6))
    )
    for kept in range(1, 6):
        failure = await failure_of(adapter, stream=True)
        assert (failure.kind, failure.code) == ("retry", "unreachable" if broken else "incomplete"), kept
        assert failure.usage is not None


async def test_a_connection_lost_after_the_reason_takes_nothing_from_the_answer(
    server: ScriptedServer, adapter: GeminiAdapter
) -> None:
    server.answer(events(*TEXT), broken=True)
    assert (await ask_streaming(adapter))[2].response.usage.output_tokens == 7


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<html></html>", "bad_answer"),
        (b"", "incomplete"),
        (b"data: {nonsense}\n\n", "bad_answer"),
        (b'{"candidates": [{"con', "bad_answer"),
        (b'{"choices": []}', "bad_answer"),
        (b"[]", "bad_answer"),
        (events({"candidates": "x"}), "bad_answer"),
        (events(piece({"functionCall": {"args": {}}}, reason="STOP")), "bad_answer"),
        (events(piece({"functionCall": {"name": "f", "args": "x"}}, reason="STOP")), "bad_answer"),
    ],
)
async def test_what_is_no_answer_is_an_error_of_ours(
    server: ScriptedServer, adapter: GeminiAdapter, body: bytes, code: str
) -> None:
    server.answer(body)
    assert (await failure_of(adapter, stream=True)).code == code


async def test_silence_is_a_stall_and_closes_the_connection(server: ScriptedServer, adapter: GeminiAdapter) -> None:
    server.answer(events(*TEXT[:1]), stall=True)
    failure = await failure_of(adapter, stream=True, timeout=0.2)
    assert (failure.kind, failure.code) == ("retry", "stalled")
    await server.wait_until_closed_by_client()


async def test_many_streams_run_at_once_and_connections_are_used_again(server: ScriptedServer, adapter: GeminiAdapter) -> None:
    answers = await asyncio.gather(*(ask_streaming(adapter) for _ in range(80)))
    assert all(answer.response.text == "Grüß Gott 🌍" for _, _, answer in answers)
    opened = server.connections
    for _ in range(3):
        await ask_streaming(adapter)
    assert server.connections == opened


# --- what is sent -----------------------------------------------------------------------------------------------------------


async def test_everything_of_a_conversation_is_sent(server: ScriptedServer, adapter: GeminiAdapter) -> None:
    request = ModelRequest(
        system="Be brief.",
        messages=(
            Message(
                role="user",
                parts=(
                    ImagePart(media_type="image/png", data=PNG),
                    ImagePart(url="https://example.com/a.JPG?x=1"),
                    TextPart(text="What is it?"),
                ),
            ),
            Message(
                role="assistant",
                parts=(
                    ThinkingPart(provider="gemini", text="hm", signature="dGg="),
                    TextPart(text="Looking."),
                    ThinkingPart(provider="gemini", signature="dGV4dA=="),
                    ToolCallPart(id="fc-1", name="weather.get", arguments={"city": "Wien"}, signature="c2ln"),
                    ToolCallPart(id="call_2", name="weather.get", arguments={}),
                ),
            ),
            Message(
                role="user",
                parts=(
                    TextPart(text="And?"),
                    ToolResultPart(
                        id="fc-1", name="weather.get", content="a map", images=(ImagePart(media_type="image/png", data=PNG),)
                    ),
                    ToolResultPart(id="call_2", name="weather.get", content="failed", is_error=True),
                ),
            ),
            Message(role="assistant", parts=(ToolCallPart(id="toolu_3", name="weather.get", arguments={"city": "Bonn"}),)),
            Message(role="user", parts=(ToolResultPart(id="toolu_3", name="weather.get", content="rain"),)),
        ),
        tools=(WEATHER, ToolSpec(name="now", description="The time", parameters={"type": "object"})),
        response_format=JsonSchemaFormat(name="t", json_schema={"type": "object"}),
        stop=("END",),
        max_output_tokens=77,
        temperature=0.25,
        top_p=0.5,
        top_k=40,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        seed=7,
        thinking=Thinking(effort="high", show=True),
    )
    body, notes = await sent(server, adapter, request)
    inline = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}}
    assert notes == ()
    assert body == {
        "contents": [
            {
                "role": "user",
                "parts": [
                    inline,
                    {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.com/a.JPG?x=1"}},
                    {"text": "What is it?"},
                ],
            },
            {
                "role": "model",
                "parts": [
                    {"text": "hm", "thought": True, "thoughtSignature": "dGg="},
                    {"text": "Looking.", "thoughtSignature": "dGV4dA=="},
                    {
                        "functionCall": {"id": "fc-1", "name": "weather_get", "args": {"city": "Wien"}},
                        "thoughtSignature": "c2ln",
                    },
                    {"functionCall": {"id": "call_2", "name": "weather_get", "args": {}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {
                        "functionResponse": {
                            "id": "fc-1",
                            "name": "weather_get",
                            "response": {"output": "a map"},
                            "parts": [inline],
                        }
                    },
                    {"functionResponse": {"id": "call_2", "name": "weather_get", "response": {"error": "failed"}}},
                    {"text": "And?"},
                ],
            },
            {
                "role": "model",
                "parts": [
                    {
                        "functionCall": {"id": "toolu_3", "name": "weather_get", "args": {"city": "Bonn"}},
                        "thoughtSignature": STAND_IN,
                    }
                ],
            },
            {
                "role": "user",
                "parts": [{"functionResponse": {"id": "toolu_3", "name": "weather_get", "response": {"output": "rain"}}}],
            },
        ],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "weather_get", "description": "The weather", "parametersJsonSchema": WEATHER.parameters},
                    {"name": "now", "description": "The time"},
                ]
            }
        ],
        "generationConfig": {
            "maxOutputTokens": 77,
            "temperature": 0.25,
            "topP": 0.5,
            "topK": 40,
            "presencePenalty": 0.1,
            "frequencyPenalty": 0.2,
            "seed": 7,
            "stopSequences": ["END"],
            "responseMimeType": "application/json",
            "responseJsonSchema": {"type": "object"},
            "thinkingConfig": {"includeThoughts": True, "thinkingLevel": "high"},
        },
    }
    headers = server.sent[-1].headers
    assert headers["x-goog-api-key"] == "test-key-0123456789"
    assert headers["content-type"] == "application/json"
    assert headers["idempotency-key"] == "call-1-a1"
    assert headers["x-server-timeout"] == "20"
    assert headers["x-goog-api-client"].startswith("google-genai-sdk/")


async def test_a_stream_is_asked_for_as_events(server: ScriptedServer, adapter: GeminiAdapter) -> None:
    await ask_streaming(adapter, model="gemini-3.5-flash")
    assert server.sent[-1].path == "/v1beta/models/gemini-3.5-flash:streamGenerateContent?alt=sse"
    assert "x-server-timeout" not in server.sent[-1].headers


async def test_what_a_model_answered_is_sent_back_as_it_came(server: ScriptedServer, adapter: GeminiAdapter) -> None:
    server.answer(events(*EVERYTHING))
    parts = (await ask_streaming(adapter, asked(tools=(WEATHER,))))[2].response.parts
    body, _ = await sent(server, adapter, asked(messages=(user("Hi"), Message(role="assistant", parts=parts), user("?"))))
    written = body["contents"][1]["parts"]
    assert written[2]["thoughtSignature"] == "CiQB+/sig=="
    assert "thoughtSignature" not in written[3]
    assert written[-1] == {"text": "", "thoughtSignature": "dGFpbA=="}


@pytest.mark.parametrize(
    ("choice", "strict", "expected"),
    [
        (None, None, None),
        (ToolChoice(mode="auto"), None, None),
        (ToolChoice(mode="required"), None, {"mode": "ANY"}),
        (ToolChoice(mode="none"), None, {"mode": "NONE"}),
        (ToolChoice(mode="tool", name="weather.get"), None, {"mode": "ANY", "allowedFunctionNames": ["weather_get"]}),
        (None, True, {"mode": "VALIDATED"}),
    ],
)
async def test_each_tool_choice_has_its_form(
    server: ScriptedServer, adapter: GeminiAdapter, choice: ToolChoice | None, strict: bool | None, expected: Any
) -> None:
    tool = WEATHER.model_copy(update={"strict": strict})
    body, _ = await sent(server, adapter, asked(tools=(tool,), tool_choice=choice))
    assert body.get("toolConfig", {}).get("functionCallingConfig") == expected


@pytest.mark.parametrize(
    ("model", "thinking", "expected", "noted"),
    [
        ("gemini-2.5-flash", Thinking(budget_tokens=2_000), {"thinkingBudget": 2_000}, False),
        ("gemini-2.5-flash", Thinking(effort="none"), {"thinkingBudget": 0}, False),
        ("gemini-2.5-pro", Thinking(effort="none"), {"thinkingBudget": 128}, True),
        ("gemini-2.5-pro", Thinking(effort="max"), {"thinkingBudget": 32_768}, True),
        (
            "gemini-2.5-flash-lite",
            Thinking(budget_tokens=100, show=True),
            {"includeThoughts": True, "thinkingBudget": 512},
            True,
        ),
        ("gemini-2.0-flash", Thinking(effort="high"), None, True),
        ("gemini-2.0-flash", Thinking(effort="none"), None, False),
        ("gemini-3-flash-preview", Thinking(effort="minimal"), {"thinkingLevel": "minimal"}, False),
        ("gemini-3.1-pro-preview", Thinking(effort="minimal"), {"thinkingLevel": "low"}, False),
        ("gemini-3.8-flash", Thinking(effort="none"), {"thinkingLevel": "low"}, True),
        ("gemini-3.5-flash", Thinking(budget_tokens=9_000), {"thinkingLevel": "medium"}, False),
        ("gemini-3.5-flash", Thinking(effort="max"), {"thinkingLevel": "high"}, False),
        ("gemini-3.5-flash", Thinking(show=True), {"includeThoughts": True}, False),
    ],
)
async def test_thinking_takes_the_form_that_the_model_knows(
    server: ScriptedServer, adapter: GeminiAdapter, model: str, thinking: Thinking, expected: Any, noted: bool
) -> None:
    body, notes = await sent(server, adapter, asked(thinking=thinking), model)
    assert body["generationConfig"].get("thinkingConfig") == expected
    assert notes == (("thinking",) if noted else ())


async def test_what_is_not_carried_is_noted(server: ScriptedServer, adapter: GeminiAdapter) -> None:
    picture = ImagePart(media_type="image/png", data=PNG, detail="low", cache="5m")
    request = ModelRequest(
        messages=(
            user("Hi"),
            Message(
                role="assistant",
                parts=(ThinkingPart(provider="anthropic", text="hm"), ToolCallPart(id="1", name="weather.get", arguments={})),
            ),
            Message(role="user", parts=(ToolResultPart(id="1", name="weather.get", content="x", images=(picture,)),)),
        ),
        tools=(WEATHER,),
        tool_choice=ToolChoice(parallel=False),
        seed=2**40,
        system="s",
        system_cache="1h",
    )
    body, notes = await sent(server, adapter, request, "gemini-2.5-flash")
    assert notes == ("thinking part", "image detail", "images of tool results", "tool_choice.parallel", "seed", "cache")
    assert [list(part) for part in body["contents"][2]["parts"]] == [["functionResponse"], ["inlineData"]]


_SCHEMA = JsonSchemaFormat(name="t", json_schema={"type": "object"})


@pytest.mark.parametrize(
    ("model", "request_", "code"),
    [
        ("gemini-2.5-flash", asked(tools=(WEATHER,), response_format=_SCHEMA), "schema_with_tools"),
        ("gemini-3.5-flash", asked(stop=("a", "b", "c", "d", "e", "f")), "too_many_stops"),
        (
            "gemini-3.5-flash",
            asked(messages=(user("Hi"), Message(role="assistant", parts=(TextPart(text="One, "),)))),
            "prefill_unsupported",
        ),
        (
            "gemini-embedding-001",
            ModelRequest(kind="embed", messages=(Message(role="user", parts=(TextPart(text="x"),) * 101),)),
            "too_many_texts",
        ),
    ],
)
async def test_what_cannot_be_taken_is_refused_before_sending(
    server: ScriptedServer, adapter: GeminiAdapter, model: str, request_: ModelRequest, code: str
) -> None:
    with pytest.raises(UnsupportedRequest) as refused:
        await ask(adapter, request_, model=model)
    assert (refused.value.kind, refused.value.code) == ("other_provider", code)
    assert server.sent == []


async def test_any_object_is_asked_for_without_a_schema(server: ScriptedServer, adapter: GeminiAdapter) -> None:
    body, _ = await sent(server, adapter, asked(response_format=JsonSchemaFormat(name="t", json_schema={})))
    assert body["generationConfig"]["responseMimeType"] == "application/json"
    assert "responseJsonSchema" not in body["generationConfig"]


async def test_texts_outside_ascii_are_sent_as_they_are(server: ScriptedServer, adapter: GeminiAdapter) -> None:
    await sent(server, adapter, asked(messages=(user("Grüß Gott 🌍"),)))
    assert "Grüß Gott 🌍".encode() in server.sent[-1].body
    assert json.loads(server.sent[-1].body)


def test_features_follow_the_model() -> None:
    adapter = GeminiAdapter(api_key="k")
    assert adapter.features("gemini-3.5-flash").thinking
    assert not adapter.features("gemini-2.0-flash").thinking
    assert adapter.features("gemini-embedding-001").embeddings
    assert not adapter.features("gemini-embedding-001").streaming
