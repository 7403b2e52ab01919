"""Rarer forms of answers that providers' servers have been seen to send, whole and streamed: read to the word and to the token."""

from typing import Any

import pytest

from adapters.anthropic import AnthropicAdapter
from adapters.gemini import GeminiAdapter
from adapters.openai_compatible import OpenAICompatibleAdapter
from adapters.port import ProviderError
from agentos.contracts.model import TextPart, ThinkingPart, ToolCallPart, Usage
from tests.adapters.anthropic_wire import START, STOP, TEXT, because, began, ended, message, more
from tests.adapters.conformance import ask, ask_streaming, events, kinds
from tests.adapters.openai_streams import chunk, finish, responses_stream, usage_chunk
from tests.adapters.streaming import run, sse
from tests.loopback.raw import RawServer, Reply

# --- chat completions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", [b"error: ", b""])
async def test_an_error_in_a_field_of_its_own_or_in_none_is_one(
    raw: RawServer, compatible: OpenAICompatibleAdapter, field: bytes
) -> None:
    """llama.cpp's server breaks its streams off with ``error: {…}``, others with the bare object."""
    error = b'{"error": {"message": "m", "code": 503, "type": "unavailable_error"}}\n'
    raw.reply(Reply.sse(sse(chunk({"content": "Hi"}), done=False) + field + error, cut=11))
    with pytest.raises(ProviderError) as told:
        await run(compatible)
    assert (told.value.kind, told.value.code) == ("retry", "unavailable_error")


COUNTS: dict[str, tuple[dict[str, Any], Usage]] = {
    "Mistral: sounds of the prompt are in the total alone": (
        {"prompt_audio_seconds": 3, "prompt_tokens": 9, "completion_tokens": 248, "total_tokens": 632,
         "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 375}},
        Usage(input_tokens=384, output_tokens=248),
    ),
    "OpenAI: sounds of the prompt are in the prompt": (
        {"prompt_tokens": 384, "completion_tokens": 248, "total_tokens": 632, "prompt_tokens_details": {"audio_tokens": 375}},
        Usage(input_tokens=384, output_tokens=248),
    ),
    "Vercel: thinking is in no sum": (
        {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11, "completion_tokens_details": {"reasoning_tokens": 25}},
        Usage(input_tokens=9, output_tokens=27, reasoning_tokens=25),
    ),
    "Azure: more out of the cache than was asked": (
        {"prompt_tokens": 10, "completion_tokens": 213, "total_tokens": 223, "prompt_tokens_details": {"cached_tokens": 161}},
        Usage(cache_read_tokens=10, output_tokens=213),
    ),
    "predictions, taken and not": (
        {"prompt_tokens": 70, "completion_tokens": 90, "total_tokens": 160,
         "completion_tokens_details": {"accepted_prediction_tokens": 20, "rejected_prediction_tokens": 30, "reasoning_tokens": 0}},
        Usage(input_tokens=70, output_tokens=90),
    ),
    "Perplexity: what searches cost": (
        {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13, "search_context_size": "low", "citation_tokens": 99,
         "num_search_queries": 2, "cost": {"input_tokens_cost": 1e-05, "total_cost": 0.005}},
        Usage(input_tokens=9, output_tokens=4),
    ),
}  # fmt: skip


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("name", COUNTS)
async def test_rarer_counts_are_read_to_the_token(
    raw: RawServer, compatible: OpenAICompatibleAdapter, name: str, streamed: bool
) -> None:
    usage, expected = COUNTS[name]
    message = {"role": "assistant", "content": "Hi"}
    whole = {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": usage,
    }
    raw.reply(
        Reply.sse(sse(chunk({"content": "Hi"}), finish(), {**usage_chunk(), "usage": usage})) if streamed else Reply.json(whole)
    )
    response = (await run(compatible)).answer if streamed else (await ask(compatible)).response
    assert (response.usage, response.text, response.notes) == (expected, "Hi", ())


async def test_what_was_found_is_noted(raw: RawServer, compatible: OpenAICompatibleAdapter) -> None:
    found = chunk({"content": "Hi"}, citations=["u"], search_results=[{"title": "t", "url": "u", "snippet": "s"}])
    raw.reply(Reply.sse(sse(found, finish(), usage_chunk())))
    assert (await run(compatible)).answer.notes == (
        "answer: citations of house is not carried",
        "answer: search_results of house is not carried",
    )


def _whole(message: dict[str, Any], **choice: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    return {"object": "chat.completion", "choices": [{"index": 0, "message": message, **choice}], "usage": usage}


async def test_fields_that_are_there_with_nothing_in_them_say_nothing(
    raw: RawServer, compatible: OpenAICompatibleAdapter
) -> None:
    """Snowflake writes each field of the format into each answer, and no reason."""
    call: Any = {
        "id": "c1",
        "type": "function",
        "custom": {"input": "", "name": ""},
        "function": {"name": "look", "arguments": '{"n": 1}'},
    }
    nothing: Any = {
        "annotations": None, "refusal": "", "function_call": {"arguments": "", "name": ""},
        "audio": {"data": "", "expires_at": 0, "id": "", "transcript": ""},
    }  # fmt: skip
    raw.reply(Reply.json(_whole({"role": "assistant", "content": "", "tool_calls": [call], **nothing}, finish_reason="")))
    response = (await ask(compatible)).response
    assert response.parts == (ToolCallPart(id="c1", name="look", arguments={"n": 1}),)
    assert (response.finish_reason, response.provider_finish_reason, response.notes) == ("tool_calls", None, ())


async def test_an_id_that_comes_again_is_not_taken_again(raw: RawServer, compatible: OpenAICompatibleAdapter) -> None:
    function = {"name": "look", "arguments": "{}"}
    calls = [{"id": "null", "type": "function", "function": function}, {"id": "null", "type": "function", "function": function}]
    asked = {"role": "assistant", "content": None, "tool_calls": [{**call, "index": at} for at, call in enumerate(calls)]}
    raw.reply(Reply.json(_whole(asked, finish_reason="tool_calls")))
    ids = [part.id for part in (await ask(compatible)).response.parts if isinstance(part, ToolCallPart)]
    assert (len(ids), len(set(ids))) == (2, 2)


async def test_the_stop_sequence_is_told_under_sglang_s_name_too(raw: RawServer, compatible: OpenAICompatibleAdapter) -> None:
    raw.reply(Reply.json(_whole({"content": "Hi"}, finish_reason="stop", matched_stop="END")))
    assert (await ask(compatible)).response.stop_sequence == "END"
    raw.reply(Reply.json(_whole({"content": "Hi"}, finish_reason="stop", matched_stop=151645)))
    assert (await ask(compatible)).response.stop_sequence is None


async def test_groq_s_word_for_a_stream_that_it_stopped_is_an_error(
    raw: RawServer, compatible: OpenAICompatibleAdapter
) -> None:
    stopped = {**chunk(), "choices": [], "x_groq": {"id": "req_1", "error": "over capacity"}}
    raw.reply(Reply.sse(sse(chunk({"content": "Hi"}), stopped)))
    with pytest.raises(ProviderError) as told:
        await run(compatible)
    assert (told.value.kind, told.value.code) == ("retry", "stream_error")


# --- Anthropic --------------------------------------------------------------------------------------------------------

NOTHING_KEPT: Any = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
COMPACTED: Any = {"type": "compaction", "input_tokens": 100, "output_tokens": 83, "cache_creation_input_tokens": 0,
                  "cache_read_input_tokens": 55_096}  # fmt: skip
ITSELF: Any = {"type": "message", "input_tokens": 181, "output_tokens": 8, **NOTHING_KEPT}
WRITTEN_BY: Any = {
    "type": "compaction", "input_tokens": 100, "output_tokens": 131, "cache_creation_input_tokens": 55_096, "cache_read_input_tokens": 0,
    "cache_creation": {"ephemeral_5m_input_tokens": 55_000, "ephemeral_1h_input_tokens": 96},
}  # fmt: skip
ADVISED: Any = {
    "type": "advisor_message",
    "model": "claude-opus-4-8",
    "input_tokens": 2518,
    "output_tokens": 22,
    **NOTHING_KEPT,
}
PASSES: dict[str, tuple[list[Any], Usage, tuple[str, ...]]] = {
    "its own alone": ([ITSELF], Usage(input_tokens=181, output_tokens=8), ()),
    "one that compacted, out of the cache": ([COMPACTED, ITSELF], Usage(input_tokens=281, cache_read_tokens=55_096, output_tokens=91), ()),
    "one that compacted, into the cache": (
        [WRITTEN_BY, ITSELF],
        Usage(input_tokens=281, cache_write_tokens=55_096, cache_write_1h_tokens=96, output_tokens=139), (),
    ),
    "one by another model": (
        [ITSELF, ADVISED], Usage(input_tokens=181, output_tokens=8), ("answer: usage of another model of anthropic is not carried",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("name", PASSES)
async def test_what_it_took_to_compact_the_conversation_is_counted(
    raw: RawServer, claude: AnthropicAdapter, name: str, streamed: bool
) -> None:
    passes, expected, notes = PASSES[name]
    usage = {"input_tokens": 181, "output_tokens": 8, **NOTHING_KEPT, "iterations": passes}
    if streamed:
        begun: Any = START["message"]
        start = {**begun, "model": "claude-sonnet-4-6", "usage": {**COMPACTED, "output_tokens": 1}}
        raw.reply(Reply.sse(events({**START, "message": start}, *TEXT[1:-2], because("end_turn", usage=usage), STOP)))
        response = (await ask_streaming(claude))[2].response
    else:
        raw.reply(Reply.json(message({"type": "text", "text": "x"}, model="claude-sonnet-4-6", usage=usage)))
        response = (await ask(claude)).response
    assert (response.usage, response.notes) == (expected, notes)


async def test_a_whole_message_that_the_limit_cut_in_a_call_has_no_such_call(raw: RawServer, claude: AnthropicAdapter) -> None:
    """Its input is an object however little of it came."""
    calls = [{"type": "tool_use", "id": f"toolu_{n}", "name": "f", "input": {"a": n}} for n in (1, 2)]
    raw.reply(Reply.json(message(*calls, reason="max_tokens")))
    response = (await ask(claude)).response
    assert response.parts == (ToolCallPart(id="toolu_1", name="f", arguments={"a": 1}),)
    assert response.notes == ("tool call: the answer of anthropic was cut off in the middle of its arguments",)


async def test_a_call_that_the_limit_cut_before_its_first_argument_is_left_out(
    raw: RawServer, claude: AnthropicAdapter
) -> None:
    called = [
        began(1, {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}),
        more(1, "input_json_delta", partial_json=""),
        ended(1),
    ]
    raw.reply(Reply.sse(events(*TEXT[:-2], *called, because("max_tokens"), STOP)))
    response = (await ask_streaming(claude))[2].response
    assert (kinds(response.parts), response.finish_reason) == (["text"], "length")


# --- Responses --------------------------------------------------------------------------------------------------------


def _item(index: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


@pytest.mark.parametrize("deltas", [True, False])
async def test_parts_that_are_numbered_otherwise_in_events_than_they_stand_come_once(
    raw: RawServer, responses: OpenAICompatibleAdapter, deltas: bool
) -> None:
    """Bedrock numbers a message's only part 1, as if its thinking were part 0 of it."""
    thought: Any = {"type": "reasoning", "id": "msg_a", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]}
    said: Any = {
        "type": "message", "id": "msg_b", "role": "assistant",
        "content": [{"type": "output_text", "text": "One. ", "annotations": []}, {"type": "output_text", "text": "Two."}],
    }  # fmt: skip
    final = {
        "object": "response",
        "status": "completed",
        "output": [thought, said],
        "usage": {"input_tokens": 75, "output_tokens": 46},
    }
    where = {"item_id": "msg_b", "output_index": 1}
    spoken: list[Any] = [
        {"type": "response.reasoning_text.delta", "item_id": "msg_a", "output_index": 0, "content_index": 0, "delta": "Hm."},
        _item(0, thought),
        {"type": "response.output_text.delta", **where, "content_index": 1, "delta": "One. "},
        {"type": "response.output_text.done", **where, "content_index": 1, "text": "One. "},
        {"type": "response.output_text.delta", **where, "content_index": 2, "delta": "Tw"},
        _item(1, said),
    ]
    raw.reply(Reply.sse(sse(*(spoken if deltas else ()), {"type": "response.completed", "response": final}, done=False)))
    answer = (await run(responses)).answer
    assert answer.parts == (ThinkingPart(provider="house", text="Hm.", id="msg_a"), TextPart(text="One. Two."))


FINAL: Any = responses_stream()[-1]["response"]


async def test_a_whole_response_where_a_stream_was_asked_for_comes_in_pieces_too(
    raw: RawServer, responses: OpenAICompatibleAdapter
) -> None:
    raw.reply(Reply.json(FINAL))
    found = await run(responses)
    assert (found.text, found.thinking) == ("Grüße 🎉", "First.\n\nThen, señor.")
    assert (kinds(found.answer.parts), found.answer.usage.input_tokens) == (["thinking", "text", "tool_call", "tool_call"], 30)


async def test_thinking_that_is_encrypted_anew_at_the_end_is_what_came_first(
    raw: RawServer, responses: OpenAICompatibleAdapter
) -> None:
    """OpenAI does so with each answer; ``run`` sees to it that the pieces add up to the parts."""
    *spoken, last = responses_stream()
    anew = [{**item, "encrypted_content": "gAAAA-anew"} if item["type"] == "reasoning" else item for item in FINAL["output"]]
    raw.reply(Reply.sse(sse(*spoken, {**last, "response": {**FINAL, "output": anew}}, done=False)))
    thought = (await run(responses)).answer.parts[0]
    assert isinstance(thought, ThinkingPart)
    assert thought.encrypted == "gAAAA-sealed"


# --- Gemini -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "finish"), [(1, "stop"), (2, "length"), (3, "content_filter"), (4, "content_filter"), (5, "other")]
)
async def test_reasons_as_numbers_have_their_meaning(raw: RawServer, gemini: GeminiAdapter, number: int, finish: str) -> None:
    piece = {
        "candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": number}],
        "usageMetadata": {"promptTokenCount": 9},
    }
    raw.reply(Reply.json([piece]))
    assert (await ask_streaming(gemini))[2].response.finish_reason == finish


# --- Gemini: arguments one by one ---------------------------------------------------------------------------------------


def _pieces(*calls: dict[str, Any], reason: str = "STOP") -> bytes:
    pieces: list[Any] = [
        {"candidates": [{"content": {"role": "model", "parts": [{"functionCall": call}]}, "index": 0}]} for call in calls
    ]
    last: Any = {"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": reason}]}
    return events(*pieces, {**last, "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 4, "totalTokenCount": 13}})


def _said(path: str, said: str, *, more: bool = True) -> dict[str, Any]:
    goes_on = {"willContinue": True} if more else {}
    return {"partialArgs": [{"jsonPath": path, "stringValue": said, **goes_on}], "willContinue": True}


BEGUN: Any = {"name": "look", "willContinue": True}
WRITTEN: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "a text in pieces": ([BEGUN, _said("$.q", "a \""), _said("$.q", "b🌍"), _said("$.q", "", more=False), {}], [{"q": 'a "b🌍'}]),
    "one call after the other": (
        [{"name": "look"}, BEGUN, _said("$.q", "A"), {}, BEGUN, _said("$.q", "B"), {}], [{}, {"q": "A"}, {"q": "B"}],
    ),
    "things in lists in things, and a call that ends with its last argument": (
        [BEGUN, _said("$.a[0].b", "x"), {"willContinue": True}, _said("$.a[1].b", "y"),
         {"partialArgs": [{"jsonPath": "$.a[1].n", "numberValue": 0.5}, {"jsonPath": "$['c d']", "boolValue": False},
                          {"jsonPath": "$.e", "nullValue": "NULL_VALUE"}]}],
        [{"a": [{"b": "x"}, {"b": "y", "n": 0.5}], "c d": False, "e": None}],
    ),
    "all at once": ([{"name": "look", "partialArgs": [{"jsonPath": "$.n", "numberValue": 2}]}], [{"n": 2}]),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
async def test_arguments_that_come_one_by_one_are_put_together(raw: RawServer, gemini: GeminiAdapter, name: str) -> None:
    calls, expected = WRITTEN[name]
    raw.reply(Reply.sse(_pieces(*calls), cut=29))
    response = (await ask_streaming(gemini))[2].response
    assert [part.arguments for part in response.parts if isinstance(part, ToolCallPart)] == expected
    assert response.finish_reason == "tool_calls"


async def test_a_call_that_the_limit_cut_between_arguments_is_left_out(raw: RawServer, gemini: GeminiAdapter) -> None:
    raw.reply(Reply.json([{"candidates": [{"content": {"parts": [{"functionCall": BEGUN}]}, "finishReason": "MAX_TOKENS"}],
                           "usageMetadata": {"promptTokenCount": 9}}]))  # fmt: skip
    response = (await ask(gemini)).response
    assert (response.parts, response.finish_reason) == ((), "length")
    assert response.notes == ("tool call: the answer of gemini was cut off in the middle of its arguments",)


@pytest.mark.parametrize(
    "calls",
    [
        [BEGUN, _said("q", "x"), {}],
        [BEGUN, _said("$", "x"), {}],
        [BEGUN, _said("$.q[0]", "x"), _said("$.q.b", "x"), {}],
        [BEGUN, _said("$[0]", "x"), {}],
        [BEGUN, _said("$.q[99999]", "x"), {}],
        [BEGUN, _said("$" + ".q" * 100, "x"), {}],
        [BEGUN, _said("$.q", "x")],
        [BEGUN, BEGUN, {}],
        [{}],
    ],
)
async def test_arguments_that_have_no_place_or_no_end_are_no_answer(
    raw: RawServer, gemini: GeminiAdapter, calls: list[dict[str, Any]]
) -> None:
    raw.reply(Reply.sse(_pieces(*calls)))
    with pytest.raises(ProviderError) as told:
        await ask(gemini)
    assert told.value.code == "bad_answer"
