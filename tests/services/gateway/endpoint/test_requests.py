"""What clients may ask for: carried as it is meant, harmless, or refused by name with what to do. Pure, without a server."""

import json
from typing import Any

import pytest

from agentos.contracts.model import ImagePart, ModelRequest, TextPart, ThinkingPart, ToolCallPart, ToolChoice, ToolResultPart
from services.gateway.endpoint import carried
from services.gateway.endpoint.asked import Asked, Defaults
from services.gateway.endpoint.dialects.anthropic_request import read_messages
from services.gateway.endpoint.dialects.embeddings import read_embedding
from services.gateway.endpoint.dialects.openai_chat_request import read_chat
from services.gateway.endpoint.dialects.openai_responses_request import read_responses
from services.gateway.endpoint.errors import EndpointError

DEFAULTS = Defaults(max_output_tokens=100)
CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
RESPONSES: dict[str, Any] = {"model": "m", "input": "Hello"}
MESSAGES: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
EMBED: dict[str, Any] = {"model": "m", "input": "Hello"}
READERS = {
    "chat": (read_chat, CHAT),
    "responses": (read_responses, RESPONSES),
    "messages": (read_messages, MESSAGES),
    "embed": (read_embedding, EMBED),
}


def read(dialect: str, **change: Any) -> Asked:
    reader, base = READERS[dialect]
    return reader(json.dumps({**base, **change}).encode(), DEFAULTS)


TOOL = {"type": "function", "function": {"name": "t", "parameters": {"type": "object"}}}


def allowed_in_chat(name: str) -> dict[str, Any]:
    return {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": name}}]},
    }


ASSISTANT: dict[str, Any] = {
    "role": "assistant",
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "t", "arguments": "{"}}],
}


@pytest.mark.parametrize(
    ("dialect", "change", "param"),
    [
        ("chat", {"n": 2}, "n"),
        ("chat", {"n": True}, "n"),
        ("chat", {"logprobs": True}, "logprobs"),
        ("chat", {"logit_bias": {"1": 2}}, "logit_bias"),
        ("chat", {"store": True}, "store"),
        ("chat", {"service_tier": "priority"}, "service_tier"),
        ("chat", {"modalities": ["audio"]}, "modalities"),
        ("chat", {"functions": []}, "functions"),
        ("chat", {"web_search_options": {}}, "web_search_options"),
        ("chat", {"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens"),
        ("chat", {"stream_options": {"include_usage": True}}, "stream_options"),
        ("chat", {"messages": []}, "messages"),
        ("chat", {"messages": [{"role": "system", "content": "Only this"}]}, "messages"),
        ("chat", {"messages": [{"role": "tool", "tool_call_id": "x", "content": ""}]}, "messages.0.tool_call_id"),
        ("chat", {"messages": [ASSISTANT]}, "messages.0.tool_calls.0.function.arguments"),
        ("chat", {"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools.0.name"),
        ("chat", {"tools": [{"type": "function", "function": {"name": "t", "parameters": {"type": "string"}}}]}, "tools.0"),
        ("chat", {"tools": [TOOL, TOOL]}, "tools"),
        ("chat", {"tool_choice": "required"}, "tool_choice"),
        ("chat", {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "other"}}}, "tool_choice"),
        ("chat", {"temperature": 3}, "temperature"),
        ("chat", {"max_tokens": 0, "max_completion_tokens": -1}, "max_tokens"),
        ("chat", {"nonsense": 1}, "nonsense"),
        ("chat", {"messages": [{"role": "user", "content": "x", "nickname": "ada"}]}, "messages.0.user.nickname"),
        ("chat", {"prompt_cache_options": {"mode": "explicit"}}, "prompt_cache_options"),
        ("chat", {"prompt_cache_options": {"mode": ["implicit"]}}, "prompt_cache_options"),
        ("chat", {"tools": [{"type": "custom", "custom": {"name": "t"}}]}, "tools.0"),
        ("responses", {"tools": [{"type": "web_search"}]}, "tools.0"),
        ("responses", {"tools": [{"type": "custom", "name": "t"}]}, "tools.0"),
        ("responses", {"tools": [{"name": "t", "type": "function", "defer_loading": True}]}, "tools.0.defer_loading"),
        ("responses", {"include": ["message.output_text.logprobs"]}, "include.0"),
        ("messages", {"tools": [{"type": "web_search_20260209", "name": "web_search"}]}, "tools.0"),
        ("messages", {"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools.0"),
        (
            "messages",
            {"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "base64", "data": ""}}]}]},
            "messages.0.content.0.document.source",
        ),
        ("messages", {"messages": [{"role": "system", "content": "Only this"}]}, "messages"),
        (
            "messages",
            {"messages": [{"role": "system", "content": [{"type": "tool_use", "id": "t", "name": "t", "input": {}}]}]},
            "messages.0.content.0",
        ),
        ("responses", {"previous_response_id": "r"}, "previous_response_id"),
        ("responses", {"background": True}, "background"),
        ("responses", {"store": True}, "store"),
        ("responses", {"truncation": "auto"}, "truncation"),
        ("responses", {"conversation": "c"}, "conversation"),
        ("responses", {"input": []}, "input"),
        ("responses", {"input": [{"type": "function_call_output", "call_id": "x", "output": ""}]}, "input.0.call_id"),
        ("messages", {"mcp_servers": [{"url": "x"}]}, "mcp_servers"),
        ("messages", {"container": "c"}, "container"),
        ("messages", {"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ("messages", {"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ("messages", {"messages": []}, "messages"),
        (
            "messages",
            {"messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}]},
            "messages.0.content.0",
        ),
        (
            "messages",
            {"messages": [{"role": "user", "content": [{"type": "text", "text": 3}]}]},
            "messages.0.content.0.text.text",
        ),
        (
            "messages",
            {"system": [{"type": "text", "text": "a", "cache_control": {"type": "x"}}]},
            "system.0.cache_control.type",
        ),
        ("chat", {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, "messages.0.user.content.0"),
        ("chat", {"tools": [TOOL], "tool_choice": {"type": "custom"}}, "tool_choice"),
        ("chat", {"tools": [TOOL], "tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools.allowed_tools"),
        ("chat", {"tools": [TOOL], "tool_choice": allowed_in_chat("other")}, "tool_choice"),
        ("responses", {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}, "tool_choice"),
        ("embed", {"input": [1, 2]}, "input"),
        ("embed", {"input": [""]}, "input"),
        ("embed", {"dimensions": 0}, "dimensions"),
    ],
)
def test_what_cannot_be_carried_is_refused_by_name(dialect: str, change: dict[str, Any], param: str) -> None:
    with pytest.raises(EndpointError) as refused:
        read(dialect, **change)
    assert (refused.value.status, refused.value.param) == (400, param)
    assert refused.value.message.startswith(f"{param}: ")


@pytest.mark.parametrize(
    ("dialect", "change"),
    [
        ("chat", {"n": 1, "store": False, "metadata": {"a": "b"}, "service_tier": "auto", "logit_bias": {}, "logprobs": False}),
        ("chat", {"stream": True, "stream_options": {"include_usage": True}, "modalities": ["text"], "unheard_of": None}),
        ("chat", {"response_format": {"type": "text"}, "user": "ada", "safety_identifier": "ada"}),
        (
            "responses",
            {"store": False, "truncation": "disabled", "metadata": {}, "text": {"format": {"type": "text"}}, "top_p": None},
        ),
        ("messages", {"metadata": {"user_id": "ada"}, "service_tier": "auto", "mcp_servers": [], "stream": False}),
    ],
)
def test_what_means_nothing_here_is_harmless(dialect: str, change: dict[str, Any]) -> None:
    request = read(dialect, **change).request
    assert [part for part in request.messages[0].parts if isinstance(part, TextPart)] == [TextPart(text="Hello")]


@pytest.mark.parametrize("dialect", READERS)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"model": "\\ud800"}', b"[" * 100_000])
def test_what_is_no_request_is_refused(dialect: str, body: bytes) -> None:
    with pytest.raises(EndpointError) as refused:
        READERS[dialect][0](body, DEFAULTS)
    assert refused.value.status == 400


def test_what_a_client_leaves_out_has_a_default_and_its_words_are_ours() -> None:
    asked = read(
        "chat",
        messages=[
            {"role": "developer", "content": "One"}, {"role": "system", "content": [{"type": "text", "text": "Two"}]}, *CHAT["messages"],
        ],
        reasoning_effort="xhigh",
        stop="END",
        prompt_cache_key="k",
        response_format={"type": "json_object"},
    )  # fmt: skip
    request = asked.request
    assert (request.system, request.max_output_tokens, request.stop, request.cache_key) == ("One\n\nTwo", 100, ("END",), "k")
    assert request.thinking is not None
    assert request.thinking.effort == "max"
    assert request.response_format is not None
    assert request.response_format.json_schema == {}


LATE = "messages.1: instructions in the midst of a conversation stand before it"


def test_instructions_in_the_midst_of_a_conversation_stand_before_it_and_a_note_says_so() -> None:
    turns = [*CHAT["messages"], {"role": "system", "content": "Late"}, {"role": "user", "content": "Go"}]
    for dialect in ("chat", "messages"):
        asked = read(dialect, messages=turns, **({"system": "First"} if dialect == "messages" else {}))
        assert asked.request.system == ("First\n\nLate" if dialect == "messages" else "Late")
        assert [part for turn in asked.request.messages for part in turn.parts] == [TextPart(text="Hello"), TextPart(text="Go")]
        assert asked.notes == (LATE,)
    asked = read("responses", input=turns, instructions="First")
    assert (asked.request.system, asked.notes) == ("First\n\nLate", (LATE.replace("messages", "input"),))
    assert read("chat", messages=[{"role": "system", "content": "First"}, *CHAT["messages"]]).notes == ()


def test_a_choice_among_some_tools_offers_no_others() -> None:
    tools: list[dict[str, Any]] = [{"name": name, "parameters": {"type": "object"}} for name in ("a", "t", "b")]
    chat = read("chat", tools=[{"type": "function", "function": tool} for tool in tools], tool_choice=allowed_in_chat("t"))
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "t"}]}
    responses = read("responses", tools=[{"type": "function", **tool} for tool in tools], tool_choice=choice)
    for request in (chat.request, responses.request):
        assert [tool.name for tool in request.tools] == ["t"]
        assert request.tool_choice == ToolChoice(mode="required")


def test_names_of_participants_are_left_out_and_a_note_says_so() -> None:
    call = {**ASSISTANT["tool_calls"][0], "function": {"name": "t", "arguments": "{}"}}
    asked = read("chat", messages=[
        {"role": "user", "content": "Hello", "name": "ada"},
        {"role": "assistant", "content": "Hi", "name": "critic", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "42", "name": "t"},
    ])  # fmt: skip
    assert asked.notes == ("messages: names of participants are not carried",)
    assert "ada" not in asked.request.model_dump_json()
    result = asked.request.messages[2].parts[0]
    assert isinstance(result, ToolResultPart)
    assert result.name == "t"


def test_marks_of_prefixes_are_carried_from_openai_s_dialects() -> None:
    mark: Any = {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}, "cache_control": {"type": "ephemeral"}}
    asked = read(
        "chat",
        messages=[
            {"role": "system", "content": [{"type": "text", "text": "Rules", **mark}]},
            {
                "role": "user",
                "content": [{"type": "text", "text": "Hello", "prompt_cache_breakpoint": {"mode": "explicit"}}, image],
            },
        ],
        tools=[{**TOOL, "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        prompt_cache_options={"mode": "implicit"},
    )
    request = asked.request
    assert (request.system_cache, request.tools[0].cache, asked.notes) == ("1h", "1h", ())
    assert [part.cache for part in request.messages[0].parts if isinstance(part, TextPart | ImagePart)] == ["5m", "5m"]
    content = [
        {"type": "input_text", "text": "Hello", **mark},
        {"type": "input_image", "image_url": "https://example.org/a", **mark},
    ]
    rules = {"role": "developer", "content": [{"type": "input_text", "text": "Rules", **mark}]}
    request = read("responses", input=[rules, {"role": "user", "content": content}]).request
    assert request.system_cache == "1h"
    assert [part.cache for part in request.messages[0].parts if isinstance(part, TextPart | ImagePart)] == ["1h", "1h"]


def test_what_sdks_send_back_of_an_answer_is_read() -> None:
    answer = {
        "type": "output_text",
        "text": "Hi",
        "annotations": [{"type": "url_citation", "url": "u"}],
        "logprobs": [{"token": "Hi"}],
    }
    items = [
        {"role": "user", "content": "Hello"},
        {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"},
        {"type": "message", "role": "assistant", "content": [answer], "phase": "commentary"},
        {"type": "function_call", "call_id": "c1", "name": "t", "arguments": "{}", "caller": {"type": "direct"}},
        {"type": "function_call_output", "call_id": "c1", "name": "t", "output": "42", "caller": {"type": "direct"}},
    ]
    include = ["reasoning.encrypted_content", "web_search_call.action.sources"]
    asked = read("responses", input=items, include=include, reasoning={"effort": "low", "context": "all_turns"})
    assert asked.request.messages[1].parts == (
        ThinkingPart(provider="openai", encrypted="gAAA"), TextPart(text="Hi"), ToolCallPart(id="c1", name="t", arguments={}),
    )  # fmt: skip
    assert asked.notes == ("reasoning.context: is the provider's choice",)
    thought = read("chat", messages=[*CHAT["messages"], {"role": "assistant", "content": "Hi", "reasoning": "Hm"}]).request
    assert thought.messages[1].parts == (ThinkingPart(provider="unknown", text="Hm"), TextPart(text="Hi"))
    cited = {"type": "text", "text": "Hi", "citations": [{"type": "char_location", "cited_text": "H"}]}
    said = read("messages", messages=[*MESSAGES["messages"], {"role": "assistant", "content": [cited]}]).request
    assert said.messages[1].parts == (TextPart(text="Hi"),)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Body"}}, "Body"),
        (
            {"type": "document", "title": "T", "context": "C", "citations": {"enabled": False},
             "source": {"type": "content", "content": [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]}},
            "T\n\nC\n\nA\n\nB",
        ),
        ({"type": "document", "title": "T", "source": {"type": "content", "content": "A"}}, "T\n\nA"),
        ({"type": "search_result", "source": "https://example.org", "title": "T", "content": [{"type": "text", "text": "A"}]},
         "T\n\nhttps://example.org\n\nA"),
    ],
)  # fmt: skip
def test_documents_of_text_are_told_in_words(block: dict[str, Any], words: str) -> None:
    marked = {**block, "cache_control": {"type": "ephemeral"}}
    use = {"type": "tool_use", "id": "t1", "name": "t", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [block]}
    assert read("messages", messages=[{"role": "user", "content": [marked]}]).reads_others
    assert not read("messages").reads_others
    asked = read(
        "messages",
        messages=[
            {"role": "user", "content": [marked]}, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]},
        ],
    )  # fmt: skip
    request = asked.request
    assert request.messages[0].parts == (TextPart(text=words, cache="5m"),)
    found = request.messages[2].parts[0]
    assert isinstance(found, ToolResultPart)
    assert found.content == words


def test_cache_marks_and_thinking_of_anthropic_are_carried() -> None:
    block = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    thought = [{"type": "redacted_thinking", "data": "x"}, {"type": "thinking", "thinking": "t", "signature": "s"}]
    request: ModelRequest = read(
        "messages",
        messages=[{"role": "user", "content": [block]}, {"role": "assistant", "content": thought}],
        thinking={"type": "adaptive"},
        output_config={"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    ).request
    assert request.messages[0].parts == (TextPart(text="Hi", cache="1h"),)
    assert request.messages[1].parts == (
        ThinkingPart(provider="anthropic", encrypted="x"), ThinkingPart(provider="anthropic", text="t", signature="s"),
    )  # fmt: skip
    assert request.thinking is not None
    assert (request.thinking.effort, request.thinking.show) == ("high", True)
    assert request.response_format is not None


@pytest.mark.parametrize(
    "part",
    [
        ThinkingPart(provider="openai", text="t", encrypted="e", id="rs_1"),
        ThinkingPart(provider="gemini", text="t", signature="s"),
        ThinkingPart(provider="anthropic", text="t", signature="s"),
    ],
)
def test_thinking_comes_back_as_it_was_through_both_dialects(part: ThinkingPart) -> None:
    assert carried.thinking_of("t", carried.signature_of(part), "p") == part
    assert carried.thinking_of("t", carried.packed(part), "p") == part


def test_a_mark_that_was_altered_is_refused() -> None:
    with pytest.raises(EndpointError, match="altered"):
        carried.thinking_of("t", "aos1.nonsense", "p")
