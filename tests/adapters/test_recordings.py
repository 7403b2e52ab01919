"""What the providers' servers, and those that speak their formats, have been seen to send: each in the form in which it comes over the wire."""

import json
from typing import Any

import pytest

from adapters.anthropic import AnthropicAdapter
from adapters.gemini import GeminiAdapter
from adapters.openai_compatible import Dialect, OpenAICompatibleAdapter
from adapters.port import ModelAdapter, ProviderError
from agentos.contracts.model import (
    JsonSchemaFormat,
    Message,
    TextPart,
    ThinkingPart,
    ThinkingSealed,
    ToolCallPart,
    ToolResultPart,
    Usage,
    user,
)
from tests.adapters.conformance import HELLO, ask, ask_streaming, events
from tests.adapters.openai_streams import chunk, finish, usage_chunk
from tests.adapters.streaming import run, sse
from tests.loopback.raw import RawServer, Reply

USED = Usage(input_tokens=9, output_tokens=4)


# --- chat completions -------------------------------------------------------------------------------------------------

SAID = TextPart(text="Hi")
CALL: Any = {"index": 0, "id": "c1", "type": "function", "function": {"name": "look", "arguments": ""}}
COUNTS: Any = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
SO_FAR: Any = {"role": "assistant", "content": ""}
CHATS: dict[str, tuple[list[Any], tuple[Any, ...], str, tuple[str, ...]]] = {
    "OpenAI, with noise against listeners": (
        [chunk({"role": "assistant", "content": "", "refusal": None}, obfuscation="aXk"), chunk({"content": "Hi"}, obfuscation=""), finish(),
         {**usage_chunk(), "obfuscation": "q"}],
        (SAID,), "stop", (),
    ),
    "OpenAI, a refusal": (
        [chunk({"role": "assistant", "content": None, "refusal": ""}), chunk({"refusal": "Hi"}), finish(), usage_chunk()],
        (SAID,), "content_filter", (),
    ),
    "OpenAI, sources and a sound": (
        [chunk({"content": "Hi"}), chunk({"annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}]}),
         chunk({"audio": {"id": "a", "data": "…"}}), finish(), usage_chunk()],
        (SAID,), "stop", ("answer: annotations of house is not carried", "answer: audio of house is not carried"),
    ),
    "Azure, filters before the answer and after it": (
        [{"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": [{"prompt_index": 0}]},
         chunk({"content": "Hi"}), finish(),
         {"id": "", "choices": [{"index": 0, "finish_reason": None, "content_filter_results": {}, "content_filter_offsets": {}}]},
          usage_chunk()],
        (SAID,), "stop", (),
    ),
    "counts of nothing on each chunk": (
        [chunk({"content": "Hi"}, usage=None), chunk(finish="stop", usage=None), usage_chunk()], (SAID,), "stop", (),
    ),
    "counts that grow with each chunk": (
        [chunk({"content": "H"}, usage={"prompt_tokens": 9, "completion_tokens": 1}),
         chunk({"content": "i"}, usage={"prompt_tokens": 9, "completion_tokens": 2}), chunk(finish="stop", usage=COUNTS)],
        (SAID,), "stop", (),
    ),
    "zeros before the counts and after them": (
        [chunk({"content": "Hi"}, usage=dict.fromkeys(COUNTS, 0)), chunk(finish="stop", usage=COUNTS),
         {"choices": [], "usage": dict.fromkeys(COUNTS, 0)}],
        (SAID,), "stop", (),
    ),
    "counts by the names of Responses": (
        [chunk({"content": "Hi"}), finish(), {"choices": [], "usage": {"input_tokens": 9, "output_tokens": 4}}], (SAID,), "stop", (),
    ),
    "what was said is in the total alone": (
        [chunk({"content": "Hi"}), finish(), {"choices": None, "usage": {"prompt_tokens": 9, "total_tokens": 13}}], (SAID,), "stop", (),
    ),
    "Groq, counts in a field of its own": (
        [{**chunk({"content": "Hi"}), "x_groq": {"id": "r"}}, {**finish(), "x_groq": {"id": "r", "usage": {"queue_time": 0.1, **COUNTS}}}],
        (SAID,), "stop", (),
    ),
    "no reason as an empty text, no delta, no object": (
        [{"choices": [{"index": 0, "delta": {"content": "H"}, "finish_reason": ""}]}, {"choices": [{"delta": {"content": "i"}}]},
         {"choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]}, usage_chunk()],
        (SAID,), "stop", (),
    ),
    "OpenRouter, waiting and thinking": (
        [": OPENROUTER PROCESSING\n\n", chunk({"content": "", "reasoning": "Hm",
         "reasoning_details": [{"type": "reasoning.text", "text": "Hm"}]}),
         chunk({"reasoning": None, "reasoning_details": [{"type": "reasoning.text", "signature": "s"}]}), chunk({"content": "Hi"}),
         chunk({"content": ""}, finish="stop", native_finish_reason="STOP"), {**usage_chunk(cost=0.1, is_byok=False)}],
        (ThinkingPart(provider="house", text="Hm"), SAID), "stop", ("answer: reasoning_details of house is not carried",),
    ),
    "DeepSeek, alive while it thinks": (
        [": keep-alive\n\n: keep-alive\n\n", chunk({"role": "assistant", "content": None, "reasoning_content": ""}),
         chunk({"content": None, "reasoning_content": "Hm"}), chunk({"content": "Hi", "reasoning_content": None}),
         chunk({"content": ""}, finish="stop", usage=COUNTS)],
        (ThinkingPart(provider="house", text="Hm"), SAID), "stop", (),
    ),
    "thinking under both of its names": (
        [chunk({"reasoning": "Hm", "reasoning_content": "Hm"}), chunk({"content": "Hi"}), finish(), usage_chunk()],
        (ThinkingPart(provider="house", text="Hm"), SAID), "stop", (),
    ),
    "Mistral, parts and a reference": (
        [chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]}),
         chunk({"content": [{"type": "text", "text": "Hi"}, {"type": "reference", "reference_ids": [1]}]}),
         chunk({"content": ""}, finish="stop", usage=COUNTS)],
        (ThinkingPart(provider="house", text="Hm"), SAID), "stop", ("answer: parts that are no text of house is not carried",),
    ),
    "a call's id on each chunk, its name once": (
        [chunk({"tool_calls": [CALL]}), chunk({"tool_calls": [{**CALL, "function": {"name": "", "arguments": '{"n":'}}]}),
         chunk({"tool_calls": [{**CALL, "function": {"name": None, "arguments": "1}"}}]}), finish("tool_calls"), usage_chunk()],
        (ToolCallPart(id="c1", name="look", arguments={"n": 1}),), "tool_calls", (),
    ),
    "a call that the limit cut": (
        [chunk({"content": "Hi"}), chunk({"tool_calls": [{**CALL, "function": {"name": "look", "arguments": '{"n":'}}]}), finish("length"),
         usage_chunk()],
        (SAID,), "length", ("tool call: the answer of house was cut off in the middle of its arguments",),
    ),
    "Perplexity, all so far beside each piece": (
        [{"choices": [{"index": 0, "finish_reason": None, "message": SO_FAR, "delta": SO_FAR}]},
         {"choices": [{"index": 0, "finish_reason": None, "message": {**SO_FAR, "content": "H"}, "delta": {**SO_FAR, "content": "H"}}]},
         {"choices": [{"index": 0, "finish_reason": None, "message": {**SO_FAR, "content": "Hi"}, "delta": {**SO_FAR, "content": "i"}}]},
         {"choices": [{"index": 0, "finish_reason": "stop", "message": {**SO_FAR, "content": "Hi"}, "delta": SO_FAR}], "usage": COUNTS}],
        (SAID,), "stop", (),
    ),
    "Cohere's words for the end": ([chunk({"content": "Hi"}), finish("COMPLETE"), usage_chunk()], (SAID,), "stop", ()),
    "Zhipu's word for a filter": ([chunk({"content": "Hi"}), finish("sensitive"), usage_chunk()], (SAID,), "content_filter", ()),
}  # fmt: skip


WHOLE_CHATS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "an answer": ({"message": {**SO_FAR, "content": "Hi"}}, (SAID,)),
    "Cloudflare, JSON as JSON": ({"message": {**SO_FAR, "content": {"né": [1]}}}, (TextPart(text='{"né": [1]}'),)),
    "Perplexity, an empty piece beside the answer": ({"message": {**SO_FAR, "content": "Hi"}, "delta": SO_FAR}, (SAID,)),
    "Perplexity, an empty piece beside a call": (
        {"message": {**SO_FAR, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
         "delta": SO_FAR},
        (ToolCallPart(id="c1", name="look", arguments={}),),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE_CHATS)
async def test_whole_chat_completions_as_their_servers_send_them(
    raw: RawServer, compatible: OpenAICompatibleAdapter, name: str
) -> None:
    choice, parts = WHOLE_CHATS[name]
    raw.reply(
        Reply.json({"id": "1", "model": "m", "choices": [{"index": 0, "finish_reason": "stop", **choice}], "usage": COUNTS})
    )
    wanted = HELLO.model_copy(update={"response_format": JsonSchemaFormat(name="json", json_schema={})})
    response = (await ask(compatible, wanted)).response
    assert (response.parts, response.usage) == (parts, USED)


@pytest.mark.parametrize("name", CHATS)
@pytest.mark.parametrize("cut", [None, 13])
async def test_chat_completions_as_their_servers_send_them(
    raw: RawServer, compatible: OpenAICompatibleAdapter, name: str, cut: int | None
) -> None:
    values, parts, reason, notes = CHATS[name]
    body = b"".join(value.encode() if isinstance(value, str) else sse(value, done=False) for value in values)
    raw.reply(Reply.sse(body + b"data: [DONE]\n\n", cut=cut))
    answer = (await run(compatible)).answer
    assert (answer.parts, answer.finish_reason, answer.usage, answer.notes) == (parts, reason, USED, notes)


async def test_the_mark_of_a_call_by_gemini_s_servers_of_this_format_goes_back_to_them_and_to_nobody_else(
    raw: RawServer, compatible: OpenAICompatibleAdapter, gemini: GeminiAdapter
) -> None:
    signed = {"extra_content": {"google": {"thought_signature": "CiQB+/s=="}}, "id": "c1", "type": "function"}
    call = {**signed, "function": {"name": "look", "arguments": '{"n": 1}'}}
    raw.reply(Reply.sse(sse(chunk({"role": "assistant", "tool_calls": [call]}), chunk(finish="stop", usage=COUNTS))))
    answer = (await run(compatible)).answer
    result = Message(role="user", parts=(ToolResultPart(id="c1", name="look", content="42"),))
    again = HELLO.model_copy(update={"messages": (user("Hello."), Message(role="assistant", parts=answer.parts), result)})
    raw.reply(Reply.sse(sse(chunk({"content": "Hi"}), finish(), usage_chunk())))
    await run(compatible, again)
    assert raw.requests[-1].json()["messages"][1]["tool_calls"][0]["extra_content"] == signed["extra_content"]
    other = OpenAICompatibleAdapter(Dialect(provider="other"), api_key="k", base_url=f"http://127.0.0.1:{raw.port}/v1")
    raw.reply(Reply.sse(sse(chunk({"content": "Hi"}), finish(), usage_chunk())))
    await run(other, again)
    await other.close()
    assert "extra_content" not in raw.requests[-1].json()["messages"][1]["tool_calls"][0]
    raw.reply(
        Reply.sse(
            events({"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}], "usageMetadata": {}})
        )
    )
    await ask_streaming(gemini, again, model="gemini-3.5-flash")
    assert b"CiQB" not in raw.requests[-1].body


BROKEN_CHATS: dict[str, tuple[bytes, str, str]] = {
    "an error as a text": (b'{"error": "model is loading"}', "retry", "stream_error"),
    "an error in a whole body": (b'{"error": {"message": "m", "type": "tokens", "code": "rate_limit_exceeded"}}', "wait",
     "rate_limit_exceeded"),
    "a flat error": (b'{"code": 50501, "message": "System busy", "data": null}', "retry", "stream_error"),
    "an error after words": (sse(chunk({"content": "Hi"}), {"error": {"message": "m", "type": "server_error", "code": None}}), "retry",
     "server_error"),
    "OpenRouter: an error beside a choice": (
        sse(chunk({"content": "Hi"}), {**chunk({"content": ""}, finish="error"), "error": {"code": 429, "message": "m"}}), "wait", "http_429",
    ),
    "DeepSeek: out of resources": (sse(chunk({"content": "Hi"}), finish("insufficient_system_resource")), "retry",
     "insufficient_system_resource"),
    "Zhipu: its network": (sse(chunk({"content": "Hi"}), finish("network_error")), "retry", "network_error"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN_CHATS)
async def test_a_200_that_is_an_error_is_one(raw: RawServer, compatible: OpenAICompatibleAdapter, name: str) -> None:
    body, kind, code = BROKEN_CHATS[name]
    raw.reply(Reply.sse(body))
    with pytest.raises(ProviderError) as told:
        await run(compatible)
    assert (told.value.kind, told.value.code) == (kind, code)


# --- Responses --------------------------------------------------------------------------------------------------------

RESPONSE: Any = {"id": "resp_1", "object": "response", "model": "gpt-x", "status": "completed", "output": [], "error": None}
TOKENS: Any = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}
THOUGHT: Any = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
SEALED_THOUGHT = ThinkingPart(provider="house", encrypted="gAAA", id="rs_1")


def _message(text: str, id_: str = "msg_1", **content: Any) -> dict[str, Any]:
    return {
        "id": id_, "type": "message", "status": "completed", "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": [], **content}],
    }  # fmt: skip


def _said(text: str, index: int = 0, id_: str = "msg_1") -> dict[str, Any]:
    where = {"item_id": id_, "output_index": index, "content_index": 0}
    return {"type": "response.output_text.delta", **where, "delta": text, "logprobs": [], "obfuscation": "x"}


def _item(index: int, item: dict[str, Any], what: str = "done") -> dict[str, Any]:
    return {"type": f"response.output_item.{what}", "output_index": index, "item": item}


def _completed(*output: Any, status: str = "completed", **more: Any) -> dict[str, Any]:
    return {"type": f"response.{status}", "response": {**RESPONSE, "status": status, "output": output, "usage": TOKENS, **more}}


RESPONSES: dict[str, tuple[list[Any], tuple[Any, ...], str, tuple[str, ...]]] = {
    "encrypted thinking that is another at its beginning": (
        [_item(0, {**THOUGHT, "encrypted_content": "early"}, "added"), _item(0, THOUGHT), _said("Hi", 1), _item(1, _message("Hi")),
         _completed(THOUGHT, _message("Hi"))],
        (SEALED_THOUGHT, SAID), "stop", (),
    ),
    "Azure, other ids in each event": (
        [_item(0, THOUGHT), _said("Hi", 1, "msg_b"), _item(1, _message("Hi", "msg_c")),
         _completed({**THOUGHT, "id": "rs_d"}, _message("Hi", "msg_d"))],
        (SEALED_THOUGHT, SAID), "stop", (),
    ),
    "a search at the provider, with sources": (
        [_item(0, {"id": "ws_1", "type": "web_search_call", "status": "in_progress"}, "added"),
         {"type": "response.web_search_call.searching", "output_index": 0, "item_id": "ws_1"},
         _item(0, {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}}), _said("Hi", 1),
         {"type": "response.output_text.annotation.added", "item_id": "msg_1", "output_index": 1, "annotation": {"type": "url_citation"}},
         _completed({"id": "ws_1", "type": "web_search_call"}, _message("Hi", annotations=[{"type": "url_citation", "url": "u"}]))],
        (SAID,), "stop", ("answer: web_search_call of house is not carried", "answer: annotations of house is not carried"),
    ),
    "a remark and the answer": (
        [_said("One. "), _item(0, _message("One. ")), _said("Two.", 1, "msg_2"), _item(1, _message("Two.", "msg_2")),
         _completed({**_message("One. "), "phase": "commentary"}, {**_message("Two.", "msg_2"), "phase": "final_answer"})],
        (TextPart(text="One. "), TextPart(text="Two.")), "stop", (),
    ),
    "signs of life and events of others": (
        [{"type": "keepalive"}, {"type": "codex.rate_limits", "rate_limits": {}}, _completed(_message("Hi"))], (SAID,), "stop", (),
    ),
    "open weights, thinking in clear": (
        [{"type": "response.reasoning_text.delta", "item_id": "rs_1", "output_index": 0, "content_index": 0, "delta": "Hm"},
         _item(0, {"id": "rs_1", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm"}]}),
         _completed({"id": "rs_1", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm"}]}, _message("Hi"))],
        (ThinkingPart(provider="house", text="Hm", id="rs_1"), SAID), "stop", (),
    ),
    "the limit, while it still thought": (
        [_completed(THOUGHT, status="incomplete", incomplete_details={"reason": "max_output_tokens"})], (SEALED_THOUGHT,), "length", (),
    ),
    "a filter": ([_completed(status="incomplete", incomplete_details={"reason": "content_filter"})], (), "content_filter", ()),
}  # fmt: skip


@pytest.mark.parametrize("name", RESPONSES)
async def test_responses_as_their_servers_send_them(raw: RawServer, responses: OpenAICompatibleAdapter, name: str) -> None:
    values, parts, reason, notes = RESPONSES[name]
    raw.reply(Reply.sse(sse(*values, named=True, done=False), cut=17))
    answer = (await run(responses)).answer
    assert (answer.parts, answer.finish_reason, answer.usage, answer.notes) == (parts, reason, USED, notes)


# --- Anthropic --------------------------------------------------------------------------------------------------------

COUNTED: Any = {
    "input_tokens": 25, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 50,
    "cache_creation": {"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40}, "output_tokens": 1, "service_tier": "standard",
}  # fmt: skip
BEGAN: Any = {
    "type": "message_start",
    "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": [], "usage": COUNTED},
}


def _block(index: int, block: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _text_block(index: int = 0) -> list[dict[str, Any]]:
    return _block(index, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hi"})


def _over(reason: str, **usage: Any) -> list[dict[str, Any]]:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return [{"type": "message_delta", "delta": delta, "usage": {"output_tokens": 4, **usage}}, {"type": "message_stop"}]


ALL = Usage(input_tokens=25, cache_read_tokens=50, cache_write_tokens=100, cache_write_1h_tokens=40, output_tokens=4)
MESSAGES: dict[str, tuple[list[Any], tuple[Any, ...], str, Usage, tuple[str, ...]]] = {
    "a ping, counts again at the end, some of them as nothing": (
        [BEGAN, {"type": "ping"}, *_text_block(), *_over("end_turn", input_tokens=0, cache_read_input_tokens=0)], (SAID,), "stop", ALL, (),
    ),
    "thinking that is not shown": (
        [BEGAN, *_block(0, {"type": "thinking", "thinking": "", "signature": ""}, {"type": "signature_delta", "signature": "s1"}),
         *_block(1, {"type": "redacted_thinking", "data": "e1"}), *_text_block(2),
         *_over("end_turn", output_tokens_details={"thinking_tokens": 3})],
        (ThinkingPart(provider="anthropic", signature="s1"), ThinkingPart(provider="anthropic", encrypted="e1"), SAID), "stop",
        ALL.model_copy(update={"reasoning_tokens": 3}), (),
    ),
    "a search at the provider, which counts more at the end": (
        [BEGAN, *_block(0, {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}},
                        {"type": "input_json_delta", "partial_json": '{"query": "q"}'}),
         *_block(1, {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []}),
         *_block(2, {"type": "text", "text": "", "citations": []}, {"type": "citations_delta", "citation": {}},
          {"type": "text_delta", "text": "Hi"}),
         *_over("end_turn", input_tokens=900, server_tool_use={"web_search_requests": 1})],
        (SAID,), "stop", ALL.model_copy(update={"input_tokens": 900}),
        ("answer: server_tool_use of anthropic is not carried", "answer: web_search_tool_result of anthropic is not carried",
         "answer: citations of anthropic is not carried"),
    ),
    "a turn that pauses": ([BEGAN, *_text_block(), *_over("pause_turn")], (SAID,), "other", ALL, ()),
    "a refusal of which nothing is said": ([BEGAN, *_over("refusal")], (), "content_filter", ALL, ()),
    "no room left in the context": ([BEGAN, *_text_block(), *_over("model_context_window_exceeded")], (SAID,), "length", ALL, ()),
    "a call whose input comes at once": (
        [BEGAN, *_block(0, {"type": "tool_use", "id": "t1", "name": "look", "input": {"n": 1}, "caller": {"type": "direct"}}),
         *_over("tool_use")],
        (ToolCallPart(id="t1", name="look", arguments={"n": 1}),), "tool_calls", ALL, (),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
async def test_messages_as_anthropic_sends_them(raw: RawServer, claude: AnthropicAdapter, name: str) -> None:
    values, parts, reason, usage, notes = MESSAGES[name]
    raw.reply(Reply.sse(events(*values), cut=19))
    deltas, _, answer = await ask_streaming(claude)
    assert answer.response.parts == parts
    assert (answer.response.finish_reason, answer.response.usage, answer.response.notes) == (reason, usage, notes)
    sealed = [delta for delta in deltas if isinstance(delta, ThinkingSealed)]
    assert [(each.signature, each.encrypted) for each in sealed] == [
        (part.signature, part.encrypted) for part in parts if isinstance(part, ThinkingPart)
    ]


# --- Gemini -----------------------------------------------------------------------------------------------------------


def _piece(*parts: dict[str, Any], reason: str | None = None, **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": 0, **more}
    return {
        "candidates": [candidate | ({} if reason is None else {"finishReason": reason})],
        "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9},
    }


LAST: Any = {"promptTokenCount": 9, "candidatesTokenCount": 4, "totalTokenCount": 13}
GEMINI: dict[str, tuple[list[Any], tuple[Any, ...], str, Usage, tuple[str, ...]]] = {
    "the end without content": (
        [_piece({"text": "Hi"}), {"candidates": [{"finishReason": "STOP", "index": 0}], "usageMetadata": LAST}], (SAID,), "stop", USED, (),
    ),
    "every count": (
        [_piece({"text": "Hi"}), {**_piece({"text": ""}, reason="STOP"), "usageMetadata": {
            "promptTokenCount": 100, "cachedContentTokenCount": 40, "toolUsePromptTokenCount": 20, "thoughtsTokenCount": 30,
            "candidatesTokenCount": 4, "totalTokenCount": 154, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}]}}],
        (SAID,), "stop", Usage(input_tokens=80, cache_read_tokens=40, output_tokens=34, reasoning_tokens=30), (),
    ),
    "what was said is in the total alone": (
        [_piece({"text": "Hi"}), {**_piece(reason="STOP"), "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 13}}],
        (SAID,), "stop", USED, (),
    ),
    "the signature of a text in a piece of its own": (
        [_piece({"text": "Hm", "thought": True}), _piece({"text": "Hi"}),
         {**_piece({"text": "", "thoughtSignature": "cw=="}, reason="STOP"), "usageMetadata": LAST}],
        (ThinkingPart(provider="gemini", text="Hm"), SAID, ThinkingPart(provider="gemini", signature="cw==")), "stop", USED, (),
    ),
    "a prompt that is blocked": (
        [{"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}}],
        (), "content_filter", Usage(input_tokens=9), (),
    ),
    "an answer that is recited": (
        [_piece({"text": "Hi"}), {"candidates": [{"content": {}, "finishReason": "RECITATION", "finishMessage": "m"}], "usageMetadata": LAST}],
        (SAID,), "content_filter", USED, (),
    ),
    "sources and a picture": (
        [{**_piece({"text": "Hi"}, {"inlineData": {"mimeType": "image/png", "data": "x"}}, reason="STOP",
         groundingMetadata={"webSearchQueries": ["q"]}),
          "usageMetadata": LAST}],
        (SAID,), "stop", USED, ("answer: inlineData of gemini is not carried", "answer: groundingMetadata of gemini is not carried"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GEMINI)
async def test_pieces_as_gemini_sends_them(raw: RawServer, gemini: GeminiAdapter, name: str) -> None:
    values, parts, reason, usage, notes = GEMINI[name]
    raw.reply(Reply.sse(events(*values, newline="\r\n"), cut=23))
    _, _, answer = await ask_streaming(gemini, model="gemini-3.5-flash")
    assert answer.response.parts == parts
    assert (answer.response.finish_reason, answer.response.usage, answer.response.notes) == (reason, usage, notes)


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"])
async def test_a_slip_of_gemini_s_is_worth_another_try(raw: RawServer, gemini: GeminiAdapter, reason: str) -> None:
    values: Any = {"candidates": [{"content": {}, "finishReason": reason, "finishMessage": "m"}], "usageMetadata": LAST}
    raw.reply(Reply.json(values))
    adapter: ModelAdapter = gemini
    with pytest.raises(ProviderError) as told:
        await ask_streaming(adapter, model="gemini-3.5-flash")
    assert (told.value.kind, told.value.code, told.value.usage) == ("retry", reason, USED)
    assert json.loads(raw.requests[0].body)
