"""The bytes that each provider receives, and what becomes of the particulars of its answers."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from adapters.outgoing import ToolNames
from adapters.port import ModelAdapter, UnsupportedRequest
from agentos.contracts.model import (
    JsonSchemaFormat,
    Message,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    ToolSpec,
    Usage,
    user,
)
from tests.loopback.provider import Answer, LoopbackProvider

Complete = Callable[..., Awaitable[ModelResponse]]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"kind": {"type": "string", "enum": ["bug", "feature"]}},
    "required": ["kind"],
    "additionalProperties": False,
}
EVERYTHING = ModelRequest(
    system="Be brief.",
    messages=(
        user("First."),
        Message(
            role="assistant",
            parts=(TextPart(text="Looking."), ToolCallPart(id="call_1", name="github.search", arguments={"q": "a_b"})),
        ),
        Message(
            role="user",
            parts=(
                TextPart(text="And now?"),
                ToolResultPart(id="call_1", name="github.search", content="none", is_error=True),
            ),
        ),
    ),
    tools=(ToolSpec(name="github.search", description="Searches", parameters=SCHEMA),),
    response_format=JsonSchemaFormat(name="a triage", json_schema=SCHEMA),
    max_output_tokens=321,
    stop=("END",),
)


async def _sent(complete: Complete, adapter: ModelAdapter, server: LoopbackProvider, request: ModelRequest) -> Any:
    await complete(adapter, request)
    return server.requests[-1].json()


@pytest.mark.parametrize("provider", ["openai", "ollama", "deepseek"])
async def test_chat_completions_receive_every_field(
    adapters: dict[str, ModelAdapter], server: LoopbackProvider, complete: Complete, provider: str
) -> None:
    body = await _sent(complete, adapters[provider], server, EVERYTHING.model_copy(update={"temperature": 0.25}))
    system, first, call, result, second = body["messages"]
    assert system["role"] == "system"
    assert system["content"].startswith("Be brief.")
    assert first == {"role": "user", "content": "First."}
    assert call["content"] == "Looking."
    [called] = call["tool_calls"]
    assert (called["id"], called["function"]["name"]) == ("call_1", "github_search")
    assert json.loads(called["function"]["arguments"]) == {"q": "a_b"}
    assert result == {"role": "tool", "tool_call_id": "call_1", "content": "The tool failed: none"}
    assert second == {"role": "user", "content": "And now?"}
    assert body["tools"][0]["function"] == {"name": "github_search", "description": "Searches", "parameters": SCHEMA}
    assert (body["temperature"], body["stop"]) == (0.25, ["END"])
    assert body["max_completion_tokens" if provider == "openai" else "max_tokens"] == 321
    if provider == "deepseek":
        assert body["response_format"] == {"type": "json_object"}
        assert json.dumps(SCHEMA) in system["content"]
    else:
        assert body["response_format"]["json_schema"] == {"name": "a_triage", "schema": SCHEMA, "strict": True}


async def test_a_schema_that_strict_mode_refuses_is_sent_as_a_wish(
    adapters: dict[str, ModelAdapter], server: LoopbackProvider, complete: Complete
) -> None:
    loose: dict[str, Any] = {"type": "object", "properties": {"kind": {"type": "string"}}}
    request = ModelRequest(messages=(user("x"),), response_format=JsonSchemaFormat(name="t", json_schema=loose))
    body = await _sent(complete, adapters["openai"], server, request)
    assert body["response_format"]["json_schema"]["strict"] is False


async def test_messages_receive_every_field(
    adapters: dict[str, ModelAdapter], server: LoopbackProvider, complete: Complete
) -> None:
    body = await _sent(complete, adapters["anthropic"], server, EVERYTHING)
    assert body["system"] == "Be brief."
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "First."}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Looking."},
                {"type": "tool_use", "id": "call_1", "name": "github_search", "input": {"q": "a_b"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "none", "is_error": True},
                {"type": "text", "text": "And now?"},
            ],
        },
    ]
    assert body["tools"] == [{"name": "github_search", "description": "Searches", "input_schema": SCHEMA}]
    assert (body["max_tokens"], body["stop_sequences"]) == (321, ["END"])
    assert body["output_config"]["format"]["type"] == "json_schema"
    assert body["output_config"]["format"]["schema"]["properties"]["kind"]["enum"] == ["bug", "feature"]


async def test_generate_content_receives_every_field(
    adapters: dict[str, ModelAdapter], server: LoopbackProvider, complete: Complete
) -> None:
    body = await _sent(complete, adapters["gemini"], server, EVERYTHING.model_copy(update={"temperature": 0.25}))
    assert body["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    first, call, result = body["contents"]
    assert first == {"role": "user", "parts": [{"text": "First."}]}
    assert call["role"] == "model"
    assert call["parts"][1]["functionCall"] == {"id": "call_1", "name": "github_search", "args": {"q": "a_b"}}
    assert call["parts"][1]["thoughtSignature"], "models from Gemini 3 on refuse a call without one"
    answered = next(part["functionResponse"] for part in result["parts"] if "functionResponse" in part)
    assert answered == {"id": "call_1", "name": "github_search", "response": {"error": "none"}}
    config = body["generationConfig"]
    assert (config["maxOutputTokens"], config["stopSequences"], config["temperature"]) == (321, ["END"], 0.25)
    assert config["responseMimeType"] == "application/json"
    assert config["responseJsonSchema"] == SCHEMA


async def test_older_gemini_models_get_no_thought_signature(
    adapters: dict[str, ModelAdapter], server: LoopbackProvider, complete: Complete
) -> None:
    # Nor a response schema beside tools, which they refuse.
    await complete(adapters["gemini"], EVERYTHING.model_copy(update={"response_format": None}), model="gemini-2.5-flash")
    assert b"thoughtSignature" not in server.requests[-1].body


@pytest.mark.parametrize(
    ("provider", "path", "header", "value"),
    [
        ("openai", "/v1/chat/completions", "authorization", "Bearer test-key-0123456789"),
        ("anthropic", "/v1/messages", "authorization", "Bearer test-key-0123456789"),
        ("gemini", "/v1beta/models/model-1:generateContent", "x-goog-api-key", "test-key-0123456789"),
        ("deepseek", "/chat/completions", "authorization", "Bearer test-key-0123456789"),
        ("ollama", "/v1/chat/completions", "authorization", "Bearer ollama"),
    ],
)
async def test_the_path_the_key_and_the_idempotency_key_are_sent(
    adapters: dict[str, ModelAdapter],
    server: LoopbackProvider,
    complete: Complete,
    provider: str,
    path: str,
    header: str,
    value: str,
) -> None:
    await complete(adapters[provider], ModelRequest(messages=(user("Hello."),)))
    [request] = server.requests
    assert request.path == path
    assert request.headers[header] == value
    assert request.headers["idempotency-key"] == "call-1-a1"
    assert "traceparent" not in request.headers


async def test_the_same_request_is_sent_as_the_same_bytes(
    adapter: ModelAdapter, server: LoopbackProvider, complete: Complete
) -> None:
    await complete(adapter, EVERYTHING)
    await complete(adapter, EVERYTHING)
    assert server.requests[0].body == server.requests[1].body


@pytest.mark.parametrize(
    ("provider", "sent", "expected"),
    [
        (
            "openai",
            {
                "prompt_tokens": 100,
                "completion_tokens": 30,
                "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(input_tokens=30, cache_read_tokens=60, cache_write_tokens=10, output_tokens=30, reasoning_tokens=20),
        ),
        (
            "openai",
            {"prompt_tokens": 5, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 9}},
            Usage(input_tokens=0, cache_read_tokens=5, output_tokens=3),
        ),
        (
            "anthropic",
            {
                "input_tokens": 30,
                "cache_read_input_tokens": 60,
                "cache_creation_input_tokens": 10,
                "output_tokens": 30,
                "output_tokens_details": {"thinking_tokens": 20},
            },
            Usage(input_tokens=30, cache_read_tokens=60, cache_write_tokens=10, output_tokens=30, reasoning_tokens=20),
        ),
        (
            "gemini",
            {"promptTokenCount": 100, "cachedContentTokenCount": 60, "candidatesTokenCount": 10, "thoughtsTokenCount": 20},
            Usage(input_tokens=40, cache_read_tokens=60, output_tokens=30, reasoning_tokens=20),
        ),
        (
            "deepseek",
            {
                "prompt_tokens": 100,
                "prompt_cache_hit_tokens": 60,
                "prompt_cache_miss_tokens": 40,
                "completion_tokens": 30,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(input_tokens=40, cache_read_tokens=60, output_tokens=30, reasoning_tokens=20),
        ),
        ("ollama", {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}, Usage(input_tokens=7, output_tokens=3)),
    ],
)
async def test_usage_comes_back_in_disjoint_classes(
    adapters: dict[str, ModelAdapter],
    server: LoopbackProvider,
    complete: Complete,
    provider: str,
    sent: dict[str, Any],
    expected: Usage,
) -> None:
    server.always(Answer(text="ok", usage=sent))
    assert (await complete(adapters[provider], ModelRequest(messages=(user("Hello."),)))).usage == expected


_OPENAI_USAGE = {"prompt_tokens": 1, "completion_tokens": 1}
_ANTHROPIC_USAGE = {"input_tokens": 1, "output_tokens": 1}


@pytest.mark.parametrize(
    ("provider", "body", "text", "finish"),
    [
        (
            "openai",
            {"choices": [{"message": {"content": None, "refusal": "No."}, "finish_reason": "stop"}]},
            "No.",
            "content_filter",
        ),
        ("openai", {"choices": [{"message": {"content": ""}, "finish_reason": "length"}]}, "", "length"),
        ("openai", {"choices": [{"message": {"content": "x"}, "finish_reason": "brand_new"}]}, "x", "other"),
        (
            "anthropic",
            {
                "type": "message",
                "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "x"}],
                "stop_reason": "end_turn",
            },
            "x",
            "stop",
        ),
        ("anthropic", {"type": "message", "content": [], "stop_reason": "refusal"}, "", "content_filter"),
        (
            "gemini",
            {"candidates": [{"content": {"parts": [{"text": "hm", "thought": True}, {"text": "x"}]}, "finishReason": "STOP"}]},
            "x",
            "stop",
        ),
        ("gemini", {"promptFeedback": {"blockReason": "SAFETY"}}, "", "content_filter"),
        ("gemini", {"candidates": [{"finishReason": "SAFETY"}]}, "", "content_filter"),
        ("gemini", {"candidates": [{"content": {}, "finishReason": "MAX_TOKENS"}]}, "", "length"),
    ],
)
async def test_particular_answers_are_read(
    adapters: dict[str, ModelAdapter],
    server: LoopbackProvider,
    complete: Complete,
    provider: str,
    body: dict[str, Any],
    text: str,
    finish: str,
) -> None:
    usage = {"anthropic": {"usage": _ANTHROPIC_USAGE}, "openai": {"usage": _OPENAI_USAGE}, "gemini": {"usageMetadata": {}}}
    server.always(Answer(body={**body, **usage[provider]}))
    answer = await complete(adapters[provider], ModelRequest(messages=(user("Hello."),)))
    assert (answer.text, answer.finish_reason) == (text, finish)


@pytest.mark.parametrize("provider", ["deepseek", "anthropic"])
async def test_a_schema_that_is_no_object_can_go_to_another_provider(
    adapters: dict[str, ModelAdapter], server: LoopbackProvider, complete: Complete, provider: str
) -> None:
    wanted = JsonSchemaFormat(name="t", json_schema={"type": "array"})
    with pytest.raises(UnsupportedRequest) as refused:
        await complete(adapters[provider], ModelRequest(messages=(user("x"),), response_format=wanted))
    assert (refused.value.kind, refused.value.code) == ("other_provider", "schema_not_object")
    assert server.requests == []


async def test_a_schema_that_anthropics_sdk_cannot_express_can_go_to_another_provider(
    adapters: dict[str, ModelAdapter], complete: Complete
) -> None:
    wanted = JsonSchemaFormat(name="t", json_schema={"type": "object", "properties": {"any": {}}})
    with pytest.raises(UnsupportedRequest) as refused:
        await complete(adapters["anthropic"], ModelRequest(messages=(user("x"),), response_format=wanted))
    assert refused.value.code == "unsupported_schema"


def test_tool_names_survive_the_way_there_and_back_even_where_they_collide() -> None:
    ours = ["github.comment", "github_comment", "github/comment", "1st", "x" * 90, "x" * 91, "ü"]
    tools = tuple(ToolSpec(name=name, description="", parameters={}) for name in ours)
    names = ToolNames(ModelRequest(messages=(user("x"),), tools=tools))
    wire = [names.to_wire(name) for name in ours]
    assert [names.from_wire(name) for name in wire] == ours
    assert all(len(name) <= 64 and name.isascii() and not name[0].isdigit() for name in wire)
    assert names.from_wire("made_up") == "made_up"
