"""The bytes that Anthropic is sent, and what is refused or noted instead."""

import base64
import json
from typing import Any

import pytest

from adapters.anthropic import AnthropicAdapter
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
    user,
)
from tests.adapters.anthropic_wire import PNG, START, STOP, TEXT, WEATHER, because, began, ended, message, more
from tests.adapters.conformance import HELLO, ask, ask_streaming, events
from tests.loopback.raw import RawServer, Reply


async def sent(raw: RawServer, claude: AnthropicAdapter, request: ModelRequest, model: str = "claude-sonnet-4-5") -> Any:
    raw.reply(Reply.json(message({"type": "text", "text": "x"})))
    await ask(claude, request, model=model)
    return raw.requests[-1].json()


async def test_everything_of_a_conversation_is_sent(raw: RawServer, claude: AnthropicAdapter) -> None:
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
    body = await sent(raw, claude, request)
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
    headers = raw.requests[-1].headers
    assert raw.requests[-1].path == "/v1/messages"
    assert headers["authorization"] == "Bearer test-key-0123456789"
    assert headers["content-type"] == "application/json"
    assert headers["idempotency-key"] == "call-1-a1"


async def test_a_stream_is_asked_for(raw: RawServer, claude: AnthropicAdapter) -> None:
    raw.reply(Reply.sse(events(*TEXT)))
    await ask_streaming(claude)
    assert raw.requests[-1].json()["stream"] is True


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
    raw: RawServer, claude: AnthropicAdapter, choice: ToolChoice | None, expected: Any
) -> None:
    body = await sent(raw, claude, HELLO.model_copy(update={"tools": (WEATHER,), "tool_choice": choice}))
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
    raw: RawServer, claude: AnthropicAdapter, model: str, thinking: Thinking, expected: Any, effort: str | None
) -> None:
    body = await sent(raw, claude, HELLO.model_copy(update={"thinking": thinking, "max_output_tokens": 16_000}), model)
    assert body.get("thinking") == expected
    assert body.get("output_config", {}).get("effort") == effort


@pytest.mark.parametrize(
    ("most", "budget", "sent_budget", "noted"),
    [(4_000, 2_000, 2_000, False), (4_000, 9_000, 3_000, True), (1_024, 2_000, None, True)],
)
async def test_a_budget_stays_within_the_output_that_is_allowed(
    raw: RawServer, claude: AnthropicAdapter, most: int, budget: int, sent_budget: int | None, noted: bool
) -> None:
    raw.reply(Reply.json(message({"type": "text", "text": "x"})))
    request = HELLO.model_copy(update={"thinking": Thinking(budget_tokens=budget), "max_output_tokens": most})
    answer = await ask(claude, request, model="claude-sonnet-4-5")
    assert raw.requests[-1].json().get("thinking", {}).get("budget_tokens") == sent_budget
    assert any(note.startswith("thinking:") for note in answer.response.notes) is noted


@pytest.mark.parametrize(
    "model", ["claude-sonnet-4-5", "claude-haiku-4-5-20251001", "claude-opus-4-6", "claude-3-5-haiku-latest"]
)
async def test_older_models_get_their_temperature_by_the_version_of_the_api_that_has_it(
    raw: RawServer, claude: AnthropicAdapter, model: str
) -> None:
    body = await sent(raw, claude, HELLO.model_copy(update={"temperature": 0.25, "top_k": 40}), model)
    assert (body["temperature"], body["top_k"]) == (0.25, 40)
    assert raw.requests[-1].headers["anthropic-version"] == "2023-06-01"


async def test_without_sampling_the_version_is_the_sdks(raw: RawServer, claude: AnthropicAdapter) -> None:
    body = await sent(raw, claude, HELLO.model_copy(update={"temperature": 1.0}), "claude-haiku-5-5")
    assert "temperature" not in body
    assert raw.requests[-1].headers["anthropic-version"] != "2023-06-01"


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
    raw: RawServer, claude: AnthropicAdapter, model: str, request_: ModelRequest, code: str
) -> None:
    for stream in (False, True):
        with pytest.raises(UnsupportedRequest) as refused:
            await (ask_streaming if stream else ask)(claude, request_, model=model)
        assert (refused.value.kind, refused.value.code) == ("other_provider", code)
    assert raw.requests == []


async def test_what_is_not_carried_is_noted(raw: RawServer, claude: AnthropicAdapter) -> None:
    raw.reply(Reply.json(message({"type": "text", "text": "x"})))
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
    answer = await ask(claude, request, model="claude-opus-4-5")
    assert [note.split(":")[0] for note in answer.response.notes] == [
        "image detail",
        "thinking part",
        "response_format",
        "seed",
        "presence_penalty",
        "frequency_penalty",
    ]
    assert [turn["role"] for turn in raw.requests[-1].json()["messages"]] == ["user", "user"]


async def test_four_cache_marks_are_set_and_the_hour_comes_first(raw: RawServer, claude: AnthropicAdapter) -> None:
    raw.reply(Reply.json(message({"type": "text", "text": "x"})))
    parts = (TextPart(text="a", cache="5m"), TextPart(text="b", cache="1h"), TextPart(text="c", cache="5m"))
    request = ModelRequest(
        system="s",
        system_cache="1h",
        messages=(Message(role="user", parts=parts),),
        tools=(WEATHER.model_copy(update={"cache": "1h"}),),
    )
    answer = await ask(claude, request, model="claude-opus-4-5")
    body = raw.requests[-1].json()
    assert "cache_control" not in body["tools"][0]
    assert body["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert [block["cache_control"] for block in body["messages"][0]["content"]] == [{"type": "ephemeral"}] * 3
    assert [note.split(":")[0] for note in answer.response.notes] == ["cache", "cache 1h"]


async def test_strict_tools_and_schemas_are_closed(raw: RawServer, claude: AnthropicAdapter) -> None:
    request = _asked(tools=(WEATHER.model_copy(update={"strict": True}),), response_format=_ANY_SCHEMA)
    body = await sent(raw, claude, request)
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
    raw: RawServer, claude: AnthropicAdapter, written: tuple[str, ...], text: str, stream: bool
) -> None:
    pieces = [more(0, "text_delta", text=piece) for piece in written]
    raw.reply(Reply.sse(events(START, began(0, {"type": "text", "text": ""}), *pieces, ended(0), because("end_turn"), STOP)))
    request = _asked(messages=_PREFILLED)
    answer = (
        (await ask_streaming(claude, request, model="claude-opus-4-5"))[2]
        if stream
        else await ask(claude, request, model="claude-opus-4-5")
    )
    assert raw.requests[-1].json()["messages"][-1]["content"] == [{"type": "text", "text": "One,"}]
    assert answer.response.text == text


async def test_features_follow_the_model(claude: AnthropicAdapter) -> None:
    assert claude.features("claude-sonnet-4-5").continues
    assert not claude.features("claude-haiku-5-5").continues
    assert not claude.features("claude-3-haiku-20240307").thinking
    assert not claude.features("claude-haiku-5-5").embeddings


def test_the_same_request_gives_the_same_bytes() -> None:
    from adapters.anthropic_requests import write_request
    from adapters.outgoing import ToolNames

    request = _asked(tools=(WEATHER,), thinking=Thinking(effort="low"))
    first, second = (
        json.dumps(write_request(request, ToolNames(request), model="claude-haiku-5-5", stream=True).body) for _ in range(2)
    )
    assert first == second
