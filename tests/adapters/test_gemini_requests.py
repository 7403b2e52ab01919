"""The bytes that Gemini is sent, and what is refused or noted instead."""

import base64
import json
from typing import Any

import pytest

from adapters.gemini import GeminiAdapter
from adapters.port import UnsupportedRequest
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
    user,
)
from tests.adapters.conformance import ask, ask_streaming, events
from tests.adapters.gemini_wire import EVERYTHING, PNG, STAND_IN, TEXT, WEATHER, asked, piece, used
from tests.loopback.raw import RawServer, Reply


async def sent(
    raw: RawServer, gemini: GeminiAdapter, request: ModelRequest, model: str = "gemini-3.5-flash"
) -> tuple[Any, tuple[str, ...]]:
    raw.reply(Reply.json(piece({"text": "x"}, reason="STOP", **used())))
    answer = await ask(gemini, request, model=model)
    return raw.requests[-1].json(), tuple(note.split(":")[0] for note in answer.response.notes)


async def test_everything_of_a_conversation_is_sent(raw: RawServer, gemini: GeminiAdapter) -> None:
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
    body, notes = await sent(raw, gemini, request)
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
    headers = raw.requests[-1].headers
    assert headers["x-goog-api-key"] == "test-key-0123456789"
    assert headers["content-type"] == "application/json"
    assert headers["idempotency-key"] == "call-1-a1"
    assert headers["x-server-timeout"] == "20"
    assert headers["x-goog-api-client"].startswith("google-genai-sdk/")


async def test_a_stream_is_asked_for_as_events(raw: RawServer, gemini: GeminiAdapter) -> None:
    raw.reply(Reply.sse(events(*TEXT)))
    await ask_streaming(gemini, model="gemini-3.5-flash")
    assert raw.requests[-1].path == "/v1beta/models/gemini-3.5-flash:streamGenerateContent?alt=sse"
    assert "x-server-timeout" not in raw.requests[-1].headers


async def test_what_a_model_answered_is_sent_back_as_it_came(raw: RawServer, gemini: GeminiAdapter) -> None:
    raw.reply(Reply.sse(events(*EVERYTHING)))
    parts = (await ask_streaming(gemini, asked(tools=(WEATHER,))))[2].response.parts
    body, _ = await sent(raw, gemini, asked(messages=(user("Hi"), Message(role="assistant", parts=parts), user("?"))))
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
    raw: RawServer, gemini: GeminiAdapter, choice: ToolChoice | None, strict: bool | None, expected: Any
) -> None:
    tool = WEATHER.model_copy(update={"strict": strict})
    body, _ = await sent(raw, gemini, asked(tools=(tool,), tool_choice=choice))
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
    raw: RawServer, gemini: GeminiAdapter, model: str, thinking: Thinking, expected: Any, noted: bool
) -> None:
    body, notes = await sent(raw, gemini, asked(thinking=thinking), model)
    assert body["generationConfig"].get("thinkingConfig") == expected
    assert notes == (("thinking",) if noted else ())


async def test_what_is_not_carried_is_noted(raw: RawServer, gemini: GeminiAdapter) -> None:
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
    body, notes = await sent(raw, gemini, request, "gemini-2.5-flash")
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
    raw: RawServer, gemini: GeminiAdapter, model: str, request_: ModelRequest, code: str
) -> None:
    with pytest.raises(UnsupportedRequest) as refused:
        await ask(gemini, request_, model=model)
    assert (refused.value.kind, refused.value.code) == ("other_provider", code)
    assert raw.requests == []


async def test_any_object_is_asked_for_without_a_schema(raw: RawServer, gemini: GeminiAdapter) -> None:
    body, _ = await sent(raw, gemini, asked(response_format=JsonSchemaFormat(name="t", json_schema={})))
    assert body["generationConfig"]["responseMimeType"] == "application/json"
    assert "responseJsonSchema" not in body["generationConfig"]


async def test_texts_outside_ascii_are_sent_as_they_are(raw: RawServer, gemini: GeminiAdapter) -> None:
    await sent(raw, gemini, asked(messages=(user("Grüß Gott 🌍"),)))
    assert "Grüß Gott 🌍".encode() in raw.requests[-1].body
    assert json.loads(raw.requests[-1].body)


async def test_features_follow_the_model(gemini: GeminiAdapter) -> None:
    assert gemini.features("gemini-3.5-flash").thinking
    assert not gemini.features("gemini-2.0-flash").thinking
    assert gemini.features("gemini-embedding-001").embeddings
    assert not gemini.features("gemini-embedding-001").streaming
