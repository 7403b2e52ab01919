"""The bodies that OpenAI and the servers of its format are sent, byte for byte; and what is refused or noted instead of sent."""

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from adapters.deepseek import DeepSeekAdapter
from adapters.ollama import OllamaAdapter
from adapters.openai import OpenAIAdapter
from adapters.openai_compatible import Dialect, OpenAICompatibleAdapter
from adapters.port import Answer, ProviderError, UnsupportedRequest
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
from tests.adapters.openai_streams import responses_stream
from tests.adapters.streaming import HELLO
from tests.loopback.raw import RawServer, Reply

CHAT_ANSWER = {
    "choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1},
}
RESPONSE = responses_stream()[-1]["response"]
PARAMETERS: dict[str, Any] = {"type": "object", "properties": {"q": {"type": "string"}}}
TOOL = ToolSpec(name="look.up", description="Looks up", parameters=PARAMETERS)
IMAGE = ImagePart(media_type="image/png", data=b"\x89PNG", detail="low")
TURNS = {"messages": [{"role": "user", "content": "Hello."}]}
OPENAI = {"max_completion_tokens": 1024, "store": False}


class Wire:
    """Adapters that are pointed at one server."""

    def __init__(self, server: RawServer) -> None:
        self.server = server
        self._built: list[OpenAICompatibleAdapter] = []

    def adapter(self, provider: str, **options: Any) -> OpenAICompatibleAdapter:
        url = f"http://127.0.0.1:{self.server.port}"
        built: OpenAICompatibleAdapter
        match provider:
            case "openai":
                built = OpenAIAdapter(api_key="test-key", base_url=f"{url}/v1", **options)
            case "deepseek":
                built = DeepSeekAdapter(api_key="test-key", base_url=f"{url}/v1")
            case "ollama":
                built = OllamaAdapter(base_url=f"{url}/v1")
            case _:
                built = OpenAICompatibleAdapter(Dialect(provider="groq"), api_key="test-key", base_url=f"{url}/v1")
        self._built.append(built)
        return built

    async def answer(self, provider: str, request: ModelRequest, *, model: str = "m", **options: Any) -> Answer:
        self.server.reply(Reply.json(CHAT_ANSWER))
        return await self.adapter(provider, **options).complete(
            request, model=model, timeout=timedelta(seconds=20), idempotency_key="call-1-a1"
        )

    async def sent(self, provider: str, request: ModelRequest, *, model: str = "m", **options: Any) -> Any:
        await self.answer(provider, request, model=model, **options)
        return self.server.requests[-1].json()

    async def responses(self, request: ModelRequest, **options: Any) -> tuple[Any, tuple[str, ...]]:
        self.server.reply(Reply.json(RESPONSE))
        answer = await self.adapter("openai", **options).complete(
            request, model="m", timeout=timedelta(seconds=20), idempotency_key="call-1-a1"
        )
        assert self.server.requests[-1].path == "/v1/responses"
        return self.server.requests[-1].json(), answer.response.notes

    async def close(self) -> None:
        for adapter in self._built:
            await adapter.close()


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    async with RawServer() as server:
        running = Wire(server)
        yield running
        await running.close()


def _asked(**fields: Any) -> ModelRequest:
    return HELLO.model_copy(update=fields)


# --- one feature, one body -----------------------------------------------------------------------------------------------------

CHAT_BODIES: dict[str, tuple[str, ModelRequest, dict[str, Any]]] = {
    "the least": ("openai", HELLO, {**TURNS, **OPENAI}),
    "the least, elsewhere": ("groq", HELLO, {**TURNS, "max_tokens": 1024}),
    "what samples": (
        "openai",
        _asked(temperature=0.5, top_p=0.9, presence_penalty=-1.5, frequency_penalty=2.0, seed=7, stop=("A", "B"), max_output_tokens=9),
        {
            **TURNS, "max_completion_tokens": 9, "store": False, "temperature": 0.5, "top_p": 0.9, "presence_penalty": -1.5,
            "frequency_penalty": 2.0, "stop": ["A", "B"], "seed": 7,
        },
    ),
    "a system prompt and several texts": (
        "openai",
        ModelRequest(system="Be brief.", messages=(Message(role="user", parts=(TextPart(text="a"), TextPart(text="b"))),)),
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a\n\nb"}], **OPENAI},
    ),
    "images by their bytes and by address": (
        "openai",
        ModelRequest(messages=(Message(role="user", parts=(
            TextPart(text="What is it?"), IMAGE, ImagePart(url="https://example.org/a.jpg"))),)),
        {"messages": [{"role": "user", "content": [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw==", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://example.org/a.jpg"}},
        ]}], **OPENAI},
    ),
    "tools, one of them strict, demanded by name and one at a time": (
        "openai",
        _asked(tools=(TOOL, ToolSpec(name="b", description="", parameters={}, strict=True)),
               tool_choice=ToolChoice(mode="tool", name="look.up", parallel=False)),
        {
            **TURNS, **OPENAI,
            "tools": [
                {"type": "function", "function": {"name": "look_up", "description": "Looks up", "parameters": PARAMETERS}},
                {"type": "function", "function": {"name": "b", "description": "", "parameters": {}, "strict": True}},
            ],
            "tool_choice": {"type": "function", "function": {"name": "look_up"}},
            "parallel_tool_calls": False,
        },
    ),
    "a tool, whichever": (
        "openai", _asked(tools=(TOOL,), tool_choice=ToolChoice(mode="required")),
        {
            **TURNS, **OPENAI, "tool_choice": "required",
            "tools": [{"type": "function", "function": {"name": "look_up", "description": "Looks up", "parameters": PARAMETERS}}],
        },
    ),
    "a schema": (
        "openai",
        _asked(response_format=JsonSchemaFormat(name="my answer", json_schema=PARAMETERS, strict=True)),
        {**TURNS, **OPENAI, "response_format": {
            "type": "json_schema", "json_schema": {"name": "my_answer", "schema": PARAMETERS, "strict": True}}},
    ),
    "any JSON object": (
        "openai",
        _asked(response_format=JsonSchemaFormat(name="any", json_schema={})),
        {"messages": [{"role": "system", "content": "Answer with one JSON object and nothing else."}, *TURNS["messages"]],
         **OPENAI, "response_format": {"type": "json_object"}},
    ),
    "effort": ("openai", _asked(thinking=Thinking(effort="max")), {**TURNS, **OPENAI, "reasoning_effort": "max"}),
    "effort by tokens": ("openai", _asked(thinking=Thinking(budget_tokens=10_000)), {**TURNS, **OPENAI, "reasoning_effort": "medium"}),
    "no thinking": ("openai", _asked(thinking=Thinking(budget_tokens=0)), {**TURNS, **OPENAI, "reasoning_effort": "none"}),
    "a cache key": ("openai", _asked(cache_key="tenant-1"), {**TURNS, **OPENAI, "prompt_cache_key": "tenant-1"}),
    "a cache key that is too long": ("openai", _asked(cache_key="x" * 65), {
        **TURNS, **OPENAI, "prompt_cache_key": hashlib.sha256(b"x" * 65).hexdigest()}),
    "DeepSeek thinks": (
        "deepseek", _asked(thinking=Thinking(effort="medium", show=True)),
        {**TURNS, "max_tokens": 1024, "thinking": {"type": "enabled"}, "reasoning_effort": "high"},
    ),
    "DeepSeek does not think": (
        "deepseek", _asked(thinking=Thinking(effort="none")), {**TURNS, "max_tokens": 1024, "thinking": {"type": "disabled"}},
    ),
    "most servers know three efforts": (
        "groq", _asked(thinking=Thinking(effort="max")), {**TURNS, "max_tokens": 1024, "reasoning_effort": "high"},
    ),
    "ollama thinks": ("ollama", _asked(thinking=Thinking(effort="low", show=True), seed=7),
                      {**TURNS, "max_tokens": 1024, "reasoning_effort": "low", "seed": 7}),
}  # fmt: skip


@pytest.mark.parametrize(("provider", "request_", "expected"), CHAT_BODIES.values(), ids=CHAT_BODIES.keys())
async def test_each_feature_is_sent_in_the_providers_words(
    wire: Wire, provider: str, request_: ModelRequest, expected: dict[str, Any]
) -> None:
    assert await wire.sent(provider, request_) == {"model": "m", **expected}


async def test_a_stream_asks_for_its_counts(wire: Wire) -> None:
    wire.server.reply(Reply.json(CHAT_ANSWER))
    async for _ in wire.adapter("groq").stream(HELLO, model="m", timeout=timedelta(seconds=20), idempotency_key="k"):
        pass
    expected = {"model": "m", **TURNS, "max_tokens": 1024, "stream": True, "stream_options": {"include_usage": True}}
    assert wire.server.requests[-1].json() == expected


async def test_text_is_sent_as_it_is_without_escapes(wire: Wire) -> None:
    await wire.answer("openai", ModelRequest(messages=(user("Grüße 🎉 </script>\u2028"),)))
    assert '{"role":"user","content":"Grüße 🎉 </script>\u2028"}'.encode() in wire.server.requests[-1].body


async def test_nothing_is_told_of_the_machine_and_every_header_is_meant(wire: Wire) -> None:
    await wire.answer("openai", HELLO)
    headers = wire.server.requests[-1].headers
    assert sorted(headers) == [
        "accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "host", "idempotency-key",
        "user-agent",
    ]  # fmt: skip
    assert (headers["content-type"], headers["idempotency-key"]) == ("application/json", "call-1-a1")
    assert headers["authorization"] == "Bearer test-key"


async def test_a_later_request_is_sent_as_the_first_of_its_path_was_but_for_what_is_its_own(wire: Wire) -> None:
    """Its body and length, its idempotency key, and the cookies that the server has set since."""
    adapter = wire.adapter("openai")
    for key, said, cookie in (("one", "Hello.", "a=1"), ("two", "Hello, hello.", "a=2"), ("three", "Hello.", "a=3")):
        wire.server.reply(Reply.json(CHAT_ANSWER, set_cookie=cookie))
        request = ModelRequest(messages=(user(said),))
        await adapter.complete(request, model="m", timeout=timedelta(seconds=20), idempotency_key=key)
    first, second, third = wire.server.requests
    assert first.line == second.line == third.line
    assert [each.json()["messages"][0]["content"] for each in wire.server.requests] == ["Hello.", "Hello, hello.", "Hello."]
    assert [each.headers["idempotency-key"] for each in wire.server.requests] == ["one", "two", "three"]
    assert [int(each.headers["content-length"]) for each in wire.server.requests] == [
        len(each.body) for each in wire.server.requests
    ]
    assert [each.headers.get("cookie") for each in wire.server.requests] == [None, "a=1", "a=2"]
    own = {"idempotency-key", "content-length", "cookie"}
    alike = [{name: value for name, value in each.headers.items() if name not in own} for each in wire.server.requests]
    assert alike[0] == alike[1] == alike[2]


# --- conversations -------------------------------------------------------------------------------------------------------------

THOUGHT = ThinkingPart(provider="openai", text="Hm.", encrypted="sealed", id="rs_1")
CALL = ToolCallPart(id="call_1", name="look.up", arguments={"q": "é"})
RESULT = ToolResultPart(id="call_1", name="look.up", content="none", is_error=True)
TALK = (
    user("First."),
    Message(role="assistant", parts=(THOUGHT, TextPart(text="Looking."), CALL)),
    Message(role="user", parts=(TextPart(text="And now?"), RESULT)),
)


async def test_a_conversation_is_told_in_chat_messages(wire: Wire) -> None:
    answer = await wire.answer("openai", ModelRequest(messages=TALK, tools=(TOOL,)), api="chat")
    assert wire.server.requests[-1].json()["messages"] == [
        {"role": "user", "content": "First."},
        {
            "role": "assistant",
            "content": "Looking.",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"q":"é"}'}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "The tool failed: none"},
        {"role": "user", "content": "And now?"},
    ]
    assert answer.response.notes == ("thinking: openai/m takes none back by chat completions, or not another provider's",)


async def test_deepseek_sees_again_what_it_thought_before_a_call_and_nothing_else(wire: Wire) -> None:
    own = THOUGHT.model_copy(update={"provider": "deepseek"})
    turns = (
        user("First."),
        Message(role="assistant", parts=(own, TextPart(text="Hi."))),
        user("Second."),
        Message(role="assistant", parts=(own, CALL)),
        Message(role="user", parts=(RESULT,)),
    )
    messages = (await wire.sent("deepseek", ModelRequest(messages=turns, tools=(TOOL,))))["messages"]
    assert messages[1] == {"role": "assistant", "content": "Hi."}
    assert (messages[3]["content"], messages[3]["reasoning_content"]) == (None, "Hm.")


async def test_deepseek_goes_on_with_an_answer_that_was_begun(wire: Wire) -> None:
    begun = ModelRequest(messages=(user("Count."), Message(role="assistant", parts=(TextPart(text="One, two,"),))))
    body = await wire.sent("deepseek", begun)
    assert body["messages"][-1] == {"role": "assistant", "content": "One, two,", "prefix": True}
    assert body["thinking"] == {"type": "disabled"}
    assert wire.server.requests[-1].path == "/beta/chat/completions"
    assert wire.adapter("deepseek").features("m").continues


@pytest.mark.parametrize("provider", ["openai", "ollama", "groq"])
async def test_who_does_not_go_on_with_an_answer_says_so(wire: Wire, provider: str) -> None:
    begun = ModelRequest(messages=(user("Count."), Message(role="assistant", parts=(TextPart(text="One, two,"),))))
    answer = await wire.answer(provider, begun)
    assert answer.response.notes == (f"last turn: {provider}/m answers an answer that was begun, and does not go on with it",)
    assert not wire.adapter(provider).features("m").continues


async def test_images_of_tool_results_follow_in_a_user_turn_where_there_is_no_other_way(wire: Wire) -> None:
    shown = RESULT.model_copy(update={"images": (IMAGE,), "is_error": False})
    turns = (*TALK[:2], Message(role="user", parts=(shown, TextPart(text="And now?"))))
    answer = await wire.answer("groq", ModelRequest(messages=turns, tools=(TOOL,)))
    assert wire.server.requests[-1].json()["messages"][2:] == [
        {"role": "tool", "tool_call_id": "call_1", "content": "none"},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw==", "detail": "low"}},
                {"type": "text", "text": "And now?"},
            ],
        },
    ]
    assert any(note.startswith("images of tool results: groq/m") for note in answer.response.notes)


# --- Responses -----------------------------------------------------------------------------------------------------------------


async def test_a_conversation_is_told_in_items_with_the_encrypted_thinking_where_it_was(wire: Wire) -> None:
    request = ModelRequest(
        system="Be brief.",
        messages=TALK,
        tools=(TOOL, ToolSpec(name="b", description="", parameters={}, strict=True)),
        tool_choice=ToolChoice(mode="required", parallel=True),
        response_format=JsonSchemaFormat(name="t", json_schema=PARAMETERS),
        thinking=Thinking(effort="high", show=True),
        temperature=0.5,
        top_p=0.9,
        cache_key="tenant-1",
    )
    body, notes = await wire.responses(request)
    assert body == {
        "model": "m",
        "input": [
            {"role": "user", "content": "First."},
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "Hm."}],
                "encrypted_content": "sealed",
            },
            {"role": "assistant", "content": "Looking."},
            {"type": "function_call", "call_id": "call_1", "name": "look_up", "arguments": '{"q":"é"}'},
            {"type": "function_call_output", "call_id": "call_1", "output": "The tool failed: none"},
            {"role": "user", "content": "And now?"},
        ],
        "instructions": "Be brief.",
        "tools": [
            {"type": "function", "name": "look_up", "description": "Looks up", "parameters": PARAMETERS, "strict": False},
            {"type": "function", "name": "b", "description": "", "parameters": {}, "strict": True},
        ],
        "tool_choice": "required",
        "parallel_tool_calls": True,
        "text": {"format": {"type": "json_schema", "name": "t", "schema": PARAMETERS, "strict": False}},
        "max_output_tokens": 1024,
        "temperature": 0.5,
        "top_p": 0.9,
        "reasoning": {"effort": "high", "summary": "auto"},
        "prompt_cache_key": "tenant-1",
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }
    assert notes == ()


async def test_images_stand_in_items_also_those_of_tool_results(wire: Wire) -> None:
    shown = RESULT.model_copy(update={"images": (ImagePart(url="https://example.org/a.jpg"),)})
    turns = (Message(role="user", parts=(TextPart(text="Look."), IMAGE)), TALK[1], Message(role="user", parts=(shown,)))
    body, _ = await wire.responses(ModelRequest(messages=turns, tools=(TOOL,)))
    assert body["input"][0] == {
        "role": "user",
        "content": [
            {"type": "input_text", "text": "Look."},
            {"type": "input_image", "image_url": "data:image/png;base64,iVBORw==", "detail": "low"},
        ],
    }
    assert body["input"][-1]["output"] == [
        {"type": "input_text", "text": "The tool failed: none"},
        {"type": "input_image", "image_url": "https://example.org/a.jpg", "detail": "auto"},
    ]


async def test_thinking_that_cannot_be_taken_back_is_left_out_with_a_note(wire: Wire) -> None:
    others = (
        THOUGHT.model_copy(update={"provider": "anthropic"}),
        THOUGHT.model_copy(update={"encrypted": None}),
        TextPart(text="Hi."),
        THOUGHT,
    )
    turns = (user("First."), Message(role="assistant", parts=others), user("Second."))
    body, notes = await wire.responses(ModelRequest(messages=turns), api="responses")
    assert body["input"][1:] == [{"role": "assistant", "content": "Hi."}, {"role": "user", "content": "Second."}]
    assert notes == ("thinking: openai/m takes back its own alone, encrypted and with what it led to",)


async def test_what_responses_do_not_take_is_noted(wire: Wire) -> None:
    request = _asked(top_k=5, seed=1, presence_penalty=0.5, frequency_penalty=0.5, system="x", system_cache="1h")
    _, notes = await wire.responses(request, api="responses")
    assert [note.split(":")[0] for note in notes] == ["top_k", "seed", "presence_penalty", "frequency_penalty", "cache"]


BY_RESPONSES: dict[str, tuple[ModelRequest, bool]] = {
    "nothing special": (HELLO, False),
    "thinking alone": (_asked(thinking=Thinking(effort="low")), False),
    "tools alone": (_asked(tools=(TOOL,)), False),
    "thinking with tools": (_asked(thinking=Thinking(effort="low"), tools=(TOOL,)), True),
    "no thinking with tools": (_asked(thinking=Thinking(effort="none"), tools=(TOOL,)), False),
    "shown thinking": (_asked(thinking=Thinking(show=True)), True),
    "encrypted thinking in the history": (ModelRequest(messages=TALK), True),
    "stop sequences, which they do not take": (_asked(thinking=Thinking(show=True), stop=("x",)), False),
    "a limit that they do not take": (_asked(thinking=Thinking(show=True), max_output_tokens=15), False),
}


@pytest.mark.parametrize(("request_", "expected"), BY_RESPONSES.values(), ids=BY_RESPONSES.keys())
async def test_responses_are_taken_for_what_chat_completions_cannot_do(
    wire: Wire, request_: ModelRequest, expected: bool
) -> None:
    wire.server.reply(Reply.json(RESPONSE if expected else CHAT_ANSWER))
    await wire.adapter("openai").complete(request_, model="m", timeout=timedelta(seconds=20), idempotency_key="k")
    assert wire.server.requests[-1].path == ("/v1/responses" if expected else "/v1/chat/completions")


MARKED = ModelRequest(
    system="Be brief.",
    system_cache="5m",
    messages=(
        Message(role="user", parts=(TextPart(text="a", cache="5m"), TextPart(text="b"))),
        TALK[1],
        Message(role="user", parts=(RESULT.model_copy(update={"cache": "1h"}),)),
    ),
    tools=(TOOL.model_copy(update={"cache": "5m"}),),
)
MARK = {"prompt_cache_breakpoint": {"mode": "explicit"}}


@pytest.mark.parametrize("model", ["gpt-5.6", "gpt-6-luna", "gpt-5.10-mini"])
async def test_marks_of_prefixes_are_carried_to_models_that_take_them(wire: Wire, model: str) -> None:
    answer = await wire.answer("openai", MARKED, model=model, api="chat")
    system, asked, _, result = wire.server.requests[-1].json()["messages"]
    assert system["content"] == [{"type": "text", "text": "Be brief.", **MARK}]
    assert asked["content"] == [{"type": "text", "text": "a", **MARK}, {"type": "text", "text": "b"}]
    assert result["content"] == [{"type": "text", "text": "The tool failed: none", **MARK}]
    assert [note.split(" ", 2)[2] for note in answer.response.notes if note.startswith("cache")] == [
        "takes no marks on tools and their calls",
        "keeps what is marked for half an hour at least",
    ]


async def test_marks_of_prefixes_are_carried_by_responses_too(wire: Wire) -> None:
    wire.server.reply(Reply.json(RESPONSE))
    adapter = wire.adapter("openai", api="responses")
    await adapter.complete(MARKED, model="gpt-6-luna", timeout=timedelta(seconds=20), idempotency_key="k")
    body = wire.server.requests[-1].json()
    assert "instructions" not in body
    assert body["input"][0] == {"role": "developer", "content": [{"type": "input_text", "text": "Be brief.", **MARK}]}
    assert body["input"][1]["content"] == [{"type": "input_text", "text": "a", **MARK}, {"type": "input_text", "text": "b"}]
    assert body["input"][-1]["output"] == [{"type": "input_text", "text": "The tool failed: none", **MARK}]


@pytest.mark.parametrize("model", ["gpt-5.5", "gpt-5", "gpt-4o", "o3", "gpt-x"])
async def test_other_models_get_no_marks(wire: Wire, model: str) -> None:
    answer = await wire.answer("openai", MARKED, model=model, api="chat")
    assert b"breakpoint" not in wire.server.requests[-1].body
    assert f"cache: openai/{model} keeps prefixes by itself, without marks" in answer.response.notes


# --- refused, and noted --------------------------------------------------------------------------------------------------------

_LOOK = Message(role="user", parts=(TextPart(text="Look."), ImagePart(url="https://example.org/a.jpg")))
REFUSED: dict[str, tuple[str, ModelRequest, str, str, dict[str, Any]]] = {
    "DeepSeek sees nothing": ("deepseek", ModelRequest(messages=(_LOOK,)), "no_vision", "other_provider", {}),
    "ollama fetches nothing": ("ollama", ModelRequest(messages=(_LOOK,)), "image_url_unsupported", "other_provider", {}),
    "OpenAI's schemas are objects": (
        "openai", _asked(response_format=JsonSchemaFormat(name="t", json_schema={"type": "array"})), "schema_not_object",
        "other_provider", {},
    ),
    "too many stops": ("openai", _asked(stop=("1", "2", "3", "4", "5")), "too_many_stops", "other_provider", {}),
    "stops by Responses": ("openai", _asked(stop=("1",)), "too_many_stops", "other_provider", {"api": "responses"}),
    "a low limit by Responses": ("openai", _asked(max_output_tokens=15), "limit_too_low", "other_provider", {"api": "responses"}),
    "DeepSeek embeds nothing": ("deepseek", _asked(kind="embed"), "no_embeddings", "other_provider", {}),
    "two tools of one name": ("groq", _asked(tools=(TOOL, TOOL)), "duplicate_tool", "never", {}),
    "a tool that takes no object": (
        "groq", _asked(tools=(ToolSpec(name="t", description="", parameters={"type": "array"}),)), "invalid_tool_schema", "never", {}),
    "a tool demanded, none offered": (
        "groq", _asked(tool_choice=ToolChoice(mode="required")), "contradictory_tool_choice", "never", {}),
    "another tool demanded than offered": (
        "groq", _asked(tools=(TOOL,), tool_choice=ToolChoice(mode="tool", name="other")), "contradictory_tool_choice", "never", {}),
    "an image in an answer": (
        "groq", ModelRequest(messages=(user("x"), Message(role="assistant", parts=(IMAGE,)))), "misplaced_part", "never", {}),
    "embeddings of two turns": (
        "groq", ModelRequest(kind="embed", messages=(user("x"), user("y"))), "not_embeddable", "never", {}),
}  # fmt: skip


@pytest.mark.parametrize(("provider", "request_", "code", "kind", "options"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_cannot_be_carried_is_refused_before_a_byte_is_sent(
    wire: Wire, provider: str, request_: ModelRequest, code: str, kind: str, options: dict[str, Any]
) -> None:
    with pytest.raises(UnsupportedRequest) as refused:
        await wire.answer(provider, request_, **options)
    assert (refused.value.code, refused.value.kind, wire.server.requests) == (code, kind, [])


async def test_a_model_that_does_not_think_is_not_asked_to(wire: Wire) -> None:
    with pytest.raises(UnsupportedRequest) as refused:
        await wire.answer("openai", _asked(thinking=Thinking(effort="low")), model="gpt-4o-mini")
    assert (refused.value.code, refused.value.kind) == ("no_thinking", "other_provider")
    assert [wire.adapter("openai").features(model).thinking for model in ("gpt-4o", "gpt-4.1", "gpt-5-mini", "o3")] == [
        False, False, True, True,
    ]  # fmt: skip


NOTED: dict[str, tuple[str, ModelRequest, str]] = {
    "top_k": ("openai", _asked(top_k=5), "top_k: openai/m takes none"),
    "DeepSeek's seed": ("deepseek", _asked(seed=5), "seed: deepseek/m takes none"),
    "cache marks": ("groq", _asked(system="x", system_cache="5m"), "cache: groq/m keeps prefixes by itself, without marks"),
    "one tool at a time": (
        "ollama", _asked(tools=(TOOL,), tool_choice=ToolChoice(parallel=False)), "tool_choice.parallel: ollama/m takes none"),
    "detail of an image": (
        "ollama", ModelRequest(messages=(Message(role="user", parts=(IMAGE,)),)), "image.detail: ollama/m takes none"),
    "thinking that is not shown": (
        "openai", _asked(thinking=Thinking(effort="low", show=True), stop=("x",)),
        "thinking.show: openai/m shows none by chat completions",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("provider", "request_", "expected"), NOTED.values(), ids=NOTED.keys())
async def test_what_is_left_out_is_said(wire: Wire, provider: str, request_: ModelRequest, expected: str) -> None:
    assert (await wire.answer(provider, request_)).response.notes == (expected,)


# --- embeddings ----------------------------------------------------------------------------------------------------------------

TEXTS = ModelRequest(
    kind="embed", messages=(Message(role="user", parts=(TextPart(text="a"), TextPart(text="b"))),), dimensions=2
)


@pytest.mark.parametrize(
    "data",
    [
        [{"index": 1, "embedding": [0.5, -1]}, {"index": 0, "embedding": [1.0, 2]}],
        [{"embedding": [1, 2]}, {"embedding": [0.5, -1.0]}],
        [{"index": 0, "embedding": "AACAPwAAAEA="}, {"index": 1, "embedding": "AAAAPwAAgL8="}],
    ],
    ids=["out of order", "without an index", "base64"],
)
async def test_embeddings_come_in_the_order_of_their_texts(wire: Wire, data: list[Any]) -> None:
    wire.server.reply(
        Reply.json({"object": "list", "data": data, "model": "e-1", "usage": {"prompt_tokens": 2, "total_tokens": 2}})
    )
    adapter = wire.adapter("openai")
    answer = await adapter.complete(TEXTS, model="text-embedding-3-small", timeout=timedelta(seconds=20), idempotency_key="k")
    assert answer.response.embeddings == ((1.0, 2.0), (0.5, -1.0))
    assert (answer.response.usage.input_tokens, answer.response.usage.output_tokens) == (2, 0)
    assert wire.server.requests[-1].path == "/v1/embeddings"
    assert wire.server.requests[-1].json() == {
        "model": "text-embedding-3-small", "input": ["a", "b"], "encoding_format": "float", "dimensions": 2,
    }  # fmt: skip
    assert adapter.features("text-embedding-3-small").embeddings
    assert not adapter.features("gpt-x").embeddings


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{"embedding": [1]}], "usage": {"prompt_tokens": 2}},
        {"data": [{"embedding": [1]}, {"embedding": []}], "usage": {"prompt_tokens": 2}},
        {"data": [{"embedding": [1]}, {"embedding": ["x"]}], "usage": {"prompt_tokens": 2}},
        {"data": [{"embedding": [1]}, {"embedding": [2]}]},
        {"data": None},
        [],
    ],
)
async def test_what_is_not_one_vector_for_each_text_is_no_answer(wire: Wire, body: Any) -> None:
    wire.server.reply(Reply.json(body))
    with pytest.raises(ProviderError) as failed:
        await wire.adapter("openai").complete(TEXTS, model="e", timeout=timedelta(seconds=20), idempotency_key="k")
    assert failed.value.code == "bad_answer"
