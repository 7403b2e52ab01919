"""What Gemini answers, byte by byte, in every form that an answer can take."""

from typing import Any

import pytest

from adapters.gemini import GeminiAdapter
from adapters.port import ProviderError
from agentos.contracts.model import (
    Message,
    ModelRequest,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    Usage,
    user,
)
from tests.adapters.conformance import ask, ask_streaming, events
from tests.adapters.gemini_wire import EVERYTHING, FULL_USAGE, TEXT, WEATHER, asked, piece, used
from tests.loopback.raw import RawServer, Reply


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 3, 100_000])
async def test_a_stream_is_read_however_its_lines_end_and_wherever_the_network_cuts_it(
    raw: RawServer, gemini: GeminiAdapter, newline: str, size: int
) -> None:
    raw.reply(Reply.sse(events(*EVERYTHING, newline=newline), cut=size))
    request = asked(
        tools=(WEATHER,),
        messages=(user("Hi"), Message(role="assistant", parts=(ToolCallPart(id="call_1", name="f", arguments={}),)), user("?")),
    )
    _, usages, answer = await ask_streaming(gemini, request)
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


async def test_ids_that_are_made_up_are_the_same_every_time(raw: RawServer, gemini: GeminiAdapter) -> None:
    raw.reply(Reply.sse(events(*EVERYTHING)))
    first = (await ask_streaming(gemini))[2].response.parts
    assert (await ask_streaming(gemini))[2].response.parts == first


async def test_a_whole_answer_has_every_part_and_every_count(raw: RawServer, gemini: GeminiAdapter) -> None:
    raw.reply(
        Reply.json(
            piece(
                {"text": "hm", "thought": True, "thoughtSignature": "dGg="},
                {"text": "One."},
                {"functionCall": {"name": "weather_get", "args": None}, "thoughtSignature": "c2ln"},
                reason="STOP",
                avgLogprobs=-0.1,
                **used(candidatesTokenCount=49, thoughtsTokenCount=40, cachedContentTokenCount=60, toolUsePromptTokenCount=5),
            ),
            200,
            **{"x-gemini-service-tier": "standard", "retry-after": "9"},
        )
    )
    answer = await ask(gemini, asked(tools=(WEATHER,)))
    assert answer.response.parts == (
        ThinkingPart(provider="gemini", text="hm", signature="dGg="),
        TextPart(text="One."),
        ToolCallPart(id="call_1", name="weather.get", arguments={}, signature="c2ln"),
    )
    assert answer.response.usage == FULL_USAGE
    assert not answer.estimated


async def test_compressed_and_mislabelled_streams_are_read(raw: RawServer, gemini: GeminiAdapter) -> None:
    raw.reply(Reply.sse(b": ping\n\n" + events(*TEXT), zipped=True, cut=7, headers={"content-type": "text/plain"}))
    assert (await ask_streaming(gemini))[2].response.text == "Grüß Gott 🌍"


async def test_pieces_in_a_list_are_read_where_events_were_asked_for(raw: RawServer, gemini: GeminiAdapter) -> None:
    raw.reply(Reply.json(TEXT))
    _, _, answer = await ask_streaming(gemini)
    assert (answer.response.text, answer.response.usage.output_tokens) == ("Grüß Gott 🌍", 7)


async def test_a_server_that_answers_whole_where_a_stream_was_asked_for_is_read(raw: RawServer, gemini: GeminiAdapter) -> None:
    raw.reply(Reply.json(piece({"text": "whole"}, reason="STOP", **used())))
    assert (await ask_streaming(gemini))[2].response.text == "whole"


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
    raw: RawServer, gemini: GeminiAdapter, answer: dict[str, Any], finish: str, reason: str
) -> None:
    raw.reply(Reply.json({**answer, **used()}))
    whole = (await ask(gemini)).response
    raw.reply(Reply.sse(events({**answer, **used()})))
    streamed = (await ask_streaming(gemini))[2].response
    assert (whole.finish_reason, whole.provider_finish_reason) == (finish, reason)
    assert whole == streamed


async def test_what_is_not_carried_of_an_answer_is_noted(raw: RawServer, gemini: GeminiAdapter) -> None:
    parts = [{"inlineData": {"mimeType": "image/png", "data": "AA=="}}, {"executableCode": {"code": "1"}}, {"text": "x"}]
    raw.reply(Reply.json(piece(*parts, reason="STOP", **used())))
    response = (await ask(gemini)).response
    assert response.text == "x"
    assert response.notes == (
        "answer: inlineData of gemini is not carried",
        "answer: executableCode of gemini is not carried",
    )


async def test_a_stream_without_counts_is_estimated_and_says_so(raw: RawServer, gemini: GeminiAdapter) -> None:
    raw.reply(Reply.sse(events(piece({"text": "Twelve chars"}, reason="STOP"))))
    answer = (await ask_streaming(gemini))[2]
    assert answer.estimated
    assert answer.response.usage.output_tokens == 3


# --- embeddings -------------------------------------------------------------------------------------------------------------

EMBED = ModelRequest(
    kind="embed", messages=(Message(role="user", parts=(TextPart(text="one"), TextPart(text="two"))),), dimensions=2
)


@pytest.mark.parametrize(("metadata", "tokens", "estimated"), [({}, None, True), ({"promptTokenCount": 6}, 6, False)])
async def test_texts_become_vectors_in_order(
    raw: RawServer, gemini: GeminiAdapter, metadata: dict[str, int], tokens: int | None, estimated: bool
) -> None:
    raw.reply(Reply.json({"embeddings": [{"values": [0.5, -1]}, {"values": [1e-3, 2]}], "usageMetadata": metadata}))
    answer = await ask(gemini, EMBED, model="gemini-embedding-001")
    assert answer.response.embeddings == ((0.5, -1.0), (0.001, 2.0))
    assert answer.estimated is estimated
    assert answer.response.usage.input_tokens == (tokens or answer.response.usage.input_tokens) > 0
    assert raw.requests[-1].path == "/v1beta/models/gemini-embedding-001:batchEmbedContents"
    assert raw.requests[-1].json() == {
        "requests": [
            {
                "model": "models/gemini-embedding-001",
                "content": {"parts": [{"text": text}]},
                "outputDimensionality": 2,
            }
            for text in ("one", "two")
        ]
    }
    assert (await ask_streaming(gemini, EMBED, model="gemini-embedding-001"))[2].response.embeddings


@pytest.mark.parametrize(
    "body", [{"embeddings": [{"values": [1]}]}, {"embeddings": [{"values": [1]}, {"values": ["x"]}]}, {"embeddings": None}, []]
)
async def test_fewer_vectors_than_texts_are_no_answer(raw: RawServer, gemini: GeminiAdapter, body: Any) -> None:
    raw.reply(Reply.json(body))
    with pytest.raises(ProviderError) as failed:
        await ask(gemini, EMBED, model="gemini-embedding-001")
    assert failed.value.code == "bad_answer"
