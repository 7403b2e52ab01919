"""One streamed answer on the wire of each provider, in four stages, so that a test can let it go wrong at each of them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from adapters.anthropic import AnthropicAdapter
from adapters.deepseek import DeepSeekAdapter
from adapters.gemini import GeminiAdapter
from adapters.ollama import OllamaAdapter
from adapters.openai import OpenAIAdapter
from adapters.port import ModelAdapter

BEGUN, REST = "Once upon", " a time"


@dataclass(frozen=True)
class Wire:
    """``opening`` comes before the first word, ``first`` and ``rest`` are the words, ``end`` says why it ended."""

    name: str
    model: str
    build: Callable[[str], ModelAdapter]
    opening: bytes
    first: bytes
    rest: bytes
    end: bytes
    broken: bytes
    """An error inside the stream: the provider has too much to do."""
    counts: Literal["at the end", "at the beginning", "all along"] = "at the end"
    """When it says what was used."""


def _data(value: Any) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def _named(value: dict[str, Any]) -> bytes:
    return f"event: {value['type']}\n".encode() + _data(value)


def _chat(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _data({"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]})


def _chat_wire(name: str, model: str, build: Callable[[str], ModelAdapter]) -> Wire:
    used = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    last = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [], "usage": used}
    return Wire(
        name,
        model,
        build,
        opening=_chat({"role": "assistant", "content": ""}),
        first=_chat({"content": BEGUN}),
        rest=_chat({"content": REST}),
        end=_chat({}, "stop") + _data(last) + b"data: [DONE]\n\n",
        broken=_data({"error": {"message": "busy", "type": "server_error", "param": None, "code": None}}),
    )


def _responses() -> Wire:
    part = {"type": "output_text", "text": BEGUN + REST, "annotations": []}
    message = {"id": "i", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    begun = {"id": "r", "object": "response", "created_at": 0, "model": "m", "status": "in_progress", "output": []}
    usage = {
        "input_tokens": 10, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 15,
    }  # fmt: skip
    at = {"item_id": "i", "output_index": 0, "content_index": 0}
    return Wire(
        "openai responses",
        "openai/gpt-5-mini",
        lambda url: OpenAIAdapter(api_key="k", base_url=f"{url}/v1", api="responses"),
        opening=_named({"type": "response.created", "sequence_number": 0, "response": begun})
        + _named({"type": "response.output_item.added", "sequence_number": 1, "output_index": 0,
                  "item": message | {"status": "in_progress", "content": []}})
        + _named({"type": "response.content_part.added", "sequence_number": 2, **at, "part": part | {"text": ""}}),
        first=_named({"type": "response.output_text.delta", "sequence_number": 3, **at, "delta": BEGUN}),
        rest=_named({"type": "response.output_text.delta", "sequence_number": 4, **at, "delta": REST}),
        end=_named({"type": "response.output_text.done", "sequence_number": 5, **at, "text": BEGUN + REST})
        + _named({"type": "response.content_part.done", "sequence_number": 6, **at, "part": part})
        + _named({"type": "response.output_item.done", "sequence_number": 7, "output_index": 0, "item": message})
        + _named({"type": "response.completed", "sequence_number": 8,
                  "response": begun | {"status": "completed", "output": [message], "usage": usage}}),
        broken=_named({"type": "error", "sequence_number": 3, "code": "server_error", "message": "busy", "param": None}),
    )  # fmt: skip


def _anthropic() -> Wire:
    message = {
        "id": "msg", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 10, "output_tokens": 0},
    }  # fmt: skip

    def text(words: str) -> bytes:
        return _named({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": words}})

    return Wire(
        "anthropic",
        "anthropic/claude-haiku-4-5",
        lambda url: AnthropicAdapter(api_key="k", base_url=url),
        opening=_named({"type": "message_start", "message": message})
        + _named({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        first=text(BEGUN),
        rest=text(REST),
        end=_named({"type": "content_block_stop", "index": 0})
        + _named({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                  "usage": {"output_tokens": 5}})
        + _named({"type": "message_stop"}),
        broken=_named({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}),
        counts="at the beginning",
    )  # fmt: skip


def _gemini() -> Wire:
    def chunk(words: str, **more: Any) -> bytes:
        candidate = {"content": {"role": "model", "parts": [{"text": words}]}, "index": 0, **more}
        used = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}
        return _data({"candidates": [candidate], "usageMetadata": used, "modelVersion": "m", "responseId": "r"})

    return Wire(
        "gemini",
        "gemini/gemini-2.5-flash",
        lambda url: GeminiAdapter(api_key="k", base_url=url),
        opening=_data(
            {"usageMetadata": {"promptTokenCount": 10, "totalTokenCount": 10}, "modelVersion": "m", "responseId": "r"}
        ),
        first=chunk(BEGUN),
        rest=chunk(REST),
        end=chunk("", finishReason="STOP"),
        broken=_data({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}),
        counts="all along",
    )


WIRES = (
    _chat_wire("openai chat", "openai/gpt-5-mini", lambda url: OpenAIAdapter(api_key="k", base_url=f"{url}/v1", api="chat")),
    _responses(),
    _anthropic(),
    _gemini(),
    _chat_wire("deepseek", "deepseek/deepseek-chat", lambda url: DeepSeekAdapter(api_key="k", base_url=url)),
    _chat_wire("ollama", "ollama/qwen3", lambda url: OllamaAdapter(base_url=f"{url}/v1")),
)
