"""Unmodified OpenAI and Anthropic SDKs: their own helpers for streams, tools, JSON, images and vectors, pointed here by base URL alone."""

import base64
from typing import Any

import anthropic
import openai
import pytest
from pydantic import BaseModel

from agentos.contracts.model import (
    ImagePart,
    ModelResponse,
    TextDelta,
    TextPart,
    ThinkingDelta,
    ThinkingPart,
    ThinkingSealed,
    ToolCallDelta,
    ToolCallPart,
    ToolCallStarted,
    ToolResultPart,
)
from tests.services.gateway.endpoint.world import Turn, World, answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
MAIL = "ada@example.org"
CALL = ToolCallPart(id="call_1", name="send", arguments={"to": "<EMAIL_1>", "n": 2})
THOUGHT = ThinkingPart(provider="anthropic", text="So <EMAIL_1> it is.", signature="c2lnbmVk")


async def plain(turn: Turn) -> ModelResponse:
    await turn.say(TextDelta(text="Dear <EMAIL"), TextDelta(text="_1>, hel"))
    await turn.say(TextDelta(text="lo"))
    return answer("Dear <EMAIL_1>, hello")


async def with_tools(turn: Turn) -> ModelResponse:
    """Thinks, speaks, and asks for two tools at once."""
    await turn.say(ThinkingDelta(text="So <EMAIL_1> it is."))
    await turn.say(TextDelta(text="I write to <EMAIL_1>."))
    await turn.say(ToolCallStarted(index=0, id="call_1", name="send"))
    await turn.say(ToolCallDelta(index=0, json_text='{"to": "<EMA'), ToolCallDelta(index=0, json_text='IL_1>", "n": 2}'))
    second = ToolCallPart(id="call_2", name="send", arguments={"to": "me", "n": 1}, signature="bWFyaw==")
    # The second call never comes as pieces: the settlement has it.
    return answer(THOUGHT, "I write to <EMAIL_1>.", CALL, second, finish_reason="tool_calls")


HIDDEN = ThinkingPart(provider="anthropic", encrypted="aGlkZGVu")
MARKED = ToolCallPart(id="call_1", name="send", arguments={"to": "<EMAIL_1>", "n": 2}, signature="bWFyaw==")
THOROUGH = (THOUGHT, HIDDEN, TextPart(text="I write."), ThinkingPart(provider="gemini", signature="Z2Vt"), MARKED)


async def sealed(turn: Turn) -> ModelResponse:
    """Thinks in every way that there is, and seals as it goes."""
    await turn.say(ThinkingDelta(text="So <EMAIL_1> it is."), ThinkingSealed(provider="anthropic", signature="c2lnbmVk"))
    await turn.say(ThinkingSealed(provider="anthropic", encrypted="aGlkZGVu"), TextDelta(text="I write."))
    await turn.say(ThinkingSealed(provider="gemini", signature="Z2Vt"))
    await turn.say(ToolCallStarted(index=0, id="call_1", name="send", signature="bWFyaw=="))
    await turn.say(ToolCallDelta(index=0, json_text='{"to": "<EMAIL_1>", "n": 2}'))
    return answer(*THOROUGH, finish_reason="tool_calls")


async def sealed_in_part(turn: Turn) -> ModelResponse:
    """As above; most of it never comes as pieces."""
    await turn.say(ThinkingDelta(text="So <EMAIL_1>"))
    return answer(*THOROUGH, finish_reason="tool_calls")


async def sealed_at_once(_: Turn) -> ModelResponse:
    """As above, without a single piece."""
    return answer(*THOROUGH, finish_reason="tool_calls")


async def silent(turn: Turn) -> ModelResponse:
    """As above, without a single piece."""
    return answer(THOUGHT, "I write to <EMAIL_1>.", CALL, finish_reason="tool_calls")


# --- OpenAI's Chat Completions -------------------------------------------------------------------------------------------------

TOOL: Any = {"type": "function", "function": {"name": "send", "description": "Send", "parameters": {"type": "object"}}}
ASK: Any = [{"role": "system", "content": "Be brief"}, {"role": "user", "content": f"Mail {MAIL}"}]


async def test_chat_stream_helper_gathers_text_tools_and_usage(world: World, client: openai.AsyncOpenAI) -> None:
    world.router.play = with_tools
    async with client.chat.completions.stream(
        model="fast", messages=ASK, tools=[TOOL], stream_options={"include_usage": True}
    ) as stream:
        kinds = {event.type async for event in stream}
        said = await stream.get_final_completion()
    message = said.choices[0].message
    assert message.content == f"I write to {MAIL}."
    assert [call.function.arguments for call in message.tool_calls or ()] == [
        f'{{"to": "{MAIL}", "n": 2}}', '{"to": "me", "n": 1}',
    ]  # fmt: skip
    assert said.choices[0].finish_reason == "tool_calls"
    assert said.usage is not None
    assert (said.usage.prompt_tokens, said.usage.completion_tokens) == (10, 5)
    assert said.usage.prompt_tokens_details is not None
    assert said.usage.prompt_tokens_details.cached_tokens == 2
    assert {"content.delta", "tool_calls.function.arguments.delta", "tool_calls.function.arguments.done"} <= kinds


async def test_chat_tool_results_and_marks_of_thinking_go_back_as_they_came(world: World, client: openai.AsyncOpenAI) -> None:
    world.router.play = with_tools
    first = await client.chat.completions.create(model="fast", messages=ASK, tools=[TOOL])
    message = first.choices[0].message
    world.router.play = plain
    results = [{"role": "tool", "tool_call_id": call.id, "content": f"sent to {MAIL}"} for call in message.tool_calls or ()]
    again = await client.chat.completions.create(model="fast", messages=[*ASK, message, *results], tools=[TOOL])  # type: ignore[list-item]
    assert again.choices[0].message.content == f"Dear {MAIL}, hello"
    request = world.router.turns[-1].request
    assert [turn.role for turn in request.messages] == ["user", "assistant", "user"]
    calls = [part for part in request.messages[1].parts if isinstance(part, ToolCallPart)]
    assert [(call.id, call.signature) for call in calls] == [("call_1", None), ("call_2", "bWFyaw==")]
    given = [part for part in request.messages[2].parts if isinstance(part, ToolResultPart)]
    assert [(part.id, part.name, part.content) for part in given] == [
        ("call_1", "send", "sent to <EMAIL_1>"), ("call_2", "send", "sent to <EMAIL_1>"),
    ]  # fmt: skip
    assert world.rules.asked[-1].history.labels == ("untrusted",)


class Letter(BaseModel):
    to: str
    lines: list[str]


async def test_chat_parse_gets_the_object_with_its_values_restored(world: World, client: openai.AsyncOpenAI) -> None:
    async def play(turn: Turn) -> ModelResponse:
        assert turn.request.response_format is not None
        assert turn.request.response_format.strict is True
        return answer('{"to": "<EMAIL_1>", "lines": ["a \\"quoted\\" <EMAIL_1>"]}')

    world.router.play = play
    said = await client.chat.completions.parse(model="fast", messages=ASK, response_format=Letter)
    assert said.choices[0].message.parsed == Letter(to=MAIL, lines=[f'a "quoted" {MAIL}'])


async def test_images_are_carried(world: World, client: openai.AsyncOpenAI) -> None:
    parts: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
    ]
    world.router.play = plain
    await client.chat.completions.create(model="fast", messages=[{"role": "user", "content": parts}])
    found = [part for part in world.router.turns[0].request.messages[0].parts if isinstance(part, ImagePart)]
    assert [(part.media_type, part.detail, part.url) for part in found] == [
        ("image/png", "low", None), (None, None, "https://example.org/a.png"),
    ]  # fmt: skip
    assert found[0].data == base64.b64decode(PNG)


async def test_embeddings_are_floats_in_both_encodings(world: World, client: openai.AsyncOpenAI) -> None:
    async def play(turn: Turn) -> ModelResponse:
        assert turn.request.kind == "embed"
        return answer(embeddings=((0.5, -1.0), (0.25, 2.0)))

    world.router.play = play
    # The SDK asks for base64 by itself.
    packed = await client.embeddings.create(model="fast", input=["a", "b"])
    plainly = await client.embeddings.create(model="fast", input=["a", "b"], encoding_format="float")
    assert [each.embedding for each in packed.data] == [each.embedding for each in plainly.data] == [[0.5, -1.0], [0.25, 2.0]]
    assert packed.usage.prompt_tokens == 10


# --- OpenAI's Responses ---------------------------------------------------------------------------------------------------------

FLAT: Any = {"type": "function", "name": "send", "description": "Send", "parameters": {"type": "object"}, "strict": False}


@pytest.mark.parametrize("play", [with_tools, silent])
async def test_responses_stream_helper_gathers_items(world: World, client: openai.AsyncOpenAI, play: Any) -> None:
    world.router.play = play
    async with client.responses.stream(
        model="fast", input=f"Mail {MAIL}", tools=[FLAT], reasoning={"summary": "auto"}
    ) as stream:
        numbers = [event.sequence_number async for event in stream]
        said = await stream.get_final_response()
    assert numbers == list(range(len(numbers)))
    assert said.output_text == f"I write to {MAIL}."
    assert [item.type for item in said.output][:3] == ["reasoning", "message", "function_call"]
    call = next(item for item in said.output if item.type == "function_call")
    assert (call.name, call.call_id, call.arguments) == ("send", "call_1", f'{{"to": "{MAIL}", "n": 2}}')
    assert said.status == "completed"
    assert said.usage is not None
    assert (said.usage.input_tokens, said.usage.output_tokens_details.reasoning_tokens) == (10, 3)


async def test_responses_items_go_back_as_they_came(world: World, client: openai.AsyncOpenAI) -> None:
    world.router.play = with_tools
    first = await client.responses.create(
        model="fast", input=f"Mail {MAIL}", tools=[FLAT], include=["reasoning.encrypted_content"], store=False
    )
    results = [
        {"type": "function_call_output", "call_id": item.call_id, "output": "sent"}
        for item in first.output
        if item.type == "function_call"
    ]
    world.router.play = plain
    given: Any = [{"role": "user", "content": f"Mail {MAIL}"}, *(item.model_dump() for item in first.output), *results]
    again = await client.responses.create(model="fast", input=given, tools=[FLAT], instructions="Be brief")
    assert again.output_text == f"Dear {MAIL}, hello"
    request = world.router.turns[-1].request
    assert [turn.role for turn in request.messages] == ["user", "assistant", "user"]
    thoughts = [part for part in request.messages[1].parts if isinstance(part, ThinkingPart)]
    assert thoughts == [ThinkingPart(provider="anthropic", text="So <EMAIL_1> it is.", signature="c2lnbmVk")]
    assert request.system == "Be brief"


@pytest.mark.parametrize("play", [sealed, sealed_in_part, sealed_at_once])
async def test_a_streamed_response_goes_back_as_its_provider_gave_it(
    world: World, client: openai.AsyncOpenAI, play: Any
) -> None:
    """Item by item, as they were done: agents do not wait for the whole."""
    world.router.play = play
    async with client.responses.stream(
        model="fast", input=f"Mail {MAIL}", tools=[FLAT], include=["reasoning.encrypted_content"], store=False
    ) as stream:
        done: list[Any] = [
            event.item.model_dump(exclude={"status", "parsed_arguments"})
            async for event in stream
            if event.type == "response.output_item.done"
        ]
        last = await stream.get_final_response()
    assert [item["id"] for item in done] == [getattr(item, "id", None) for item in last.output]
    world.router.play = plain
    result = {"type": "function_call_output", "call_id": done[-1]["call_id"], "output": "sent"}
    given: Any = [{"role": "user", "content": f"Mail {MAIL}"}, *done, result]
    await client.responses.create(model="fast", input=given, tools=[FLAT])
    assert world.router.turns[-1].request.messages[1].parts == THOROUGH


async def test_responses_parse_gets_the_object(world: World, client: openai.AsyncOpenAI) -> None:
    async def play(turn: Turn) -> ModelResponse:
        return answer('{"to": "<EMAIL_1>", "lines": []}')

    world.router.play = play
    said = await client.responses.parse(model="fast", input=f"Mail {MAIL}", text_format=Letter)
    assert said.output_parsed == Letter(to=MAIL, lines=[])


# --- Anthropic's Messages -------------------------------------------------------------------------------------------------------

THEIRS: Any = {
    "name": "send",
    "description": "Send",
    "input_schema": {"type": "object"},
    "cache_control": {"type": "ephemeral"},
}
ASKED: Any = [{"role": "user", "content": f"Mail {MAIL}"}]


@pytest.mark.parametrize("play", [with_tools, silent])
async def test_messages_stream_helper_gathers_blocks(world: World, claude: anthropic.AsyncAnthropic, play: Any) -> None:
    world.router.play = play
    async with claude.messages.stream(
        model="fast", max_tokens=64, messages=ASKED, tools=[THEIRS], thinking={"type": "enabled", "budget_tokens": 1024}
    ) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        said = await stream.get_final_message()
    assert text == f"I write to {MAIL}."
    thought, spoken, tool = said.content[:3]
    assert thought.type == "thinking"
    assert (thought.thinking, thought.signature) == (f"So {MAIL} it is.", "c2lnbmVk")
    assert spoken.type == "text"
    assert tool.type == "tool_use"
    assert (tool.name, tool.input) == ("send", {"to": MAIL, "n": 2})
    assert said.stop_reason == "tool_use"
    assert (said.usage.input_tokens, said.usage.cache_read_input_tokens, said.usage.output_tokens) == (7, 2, 5)


async def test_messages_blocks_go_back_as_they_came(world: World, claude: anthropic.AsyncAnthropic) -> None:
    world.router.play = with_tools
    first = await claude.messages.create(model="fast", max_tokens=64, messages=ASKED, tools=[THEIRS])
    results: Any = [
        {"type": "tool_result", "tool_use_id": block.id, "content": [{"type": "text", "text": "sent"}]}
        for block in first.content
        if block.type == "tool_use"
    ]
    world.router.play = plain
    again = await claude.messages.create(
        model="fast",
        max_tokens=64,
        system=[{"type": "text", "text": "Be brief", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        messages=[*ASKED, {"role": "assistant", "content": first.content}, {"role": "user", "content": results}],
        tools=[THEIRS],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        stop_sequences=["END"],
        metadata={"user_id": "ada"},
    )
    assert isinstance(again.content[0], anthropic.types.TextBlock)
    request = world.router.turns[-1].request
    assert request.messages[1].parts[0] == THOUGHT
    assert request.messages[1].parts[1] == TextPart(text="I write to <EMAIL_1>.")
    assert (request.system, request.system_cache, request.stop) == ("Be brief", "1h", ("END",))
    assert request.tools[0].cache == "5m"
    assert request.tool_choice is not None
    assert (request.tool_choice.mode, request.tool_choice.parallel) == ("required", False)


@pytest.mark.parametrize("play", [sealed, sealed_in_part, sealed_at_once])
async def test_a_streamed_message_goes_back_as_its_provider_gave_it(
    world: World, claude: anthropic.AsyncAnthropic, play: Any
) -> None:
    world.router.play = play
    async with claude.messages.stream(model="fast", max_tokens=64, messages=ASKED, tools=[THEIRS]) as stream:
        first = await stream.get_final_message()
    assert [block.type for block in first.content] == ["thinking", "redacted_thinking", "text", "thinking", "tool_use"]
    world.router.play = plain
    result: Any = {"type": "tool_result", "tool_use_id": first.content[-1].id, "content": "sent"}  # type: ignore[union-attr]
    await claude.messages.create(
        model="fast",
        max_tokens=64,
        messages=[*ASKED, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}],
        tools=[THEIRS],
    )
    assert world.router.turns[-1].request.messages[1].parts == THOROUGH


async def test_tokens_are_counted_as_an_estimate(claude: anthropic.AsyncAnthropic) -> None:
    counted = await claude.messages.count_tokens(model="fast", messages=[{"role": "user", "content": "12345678"}])
    assert counted.input_tokens == 2
