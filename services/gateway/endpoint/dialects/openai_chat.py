"""OpenAI's Chat Completions, as clients are answered: one object, or chunks of server-sent events."""

import json
import time
from typing import Any

from agentos.contracts.model import (
    Delta,
    FinishReason,
    ModelResponse,
    TextDelta,
    TextPart,
    ThinkingDelta,
    ThinkingPart,
    ThinkingSealed,
    ToolCallDelta,
    ToolCallPart,
    ToolCallStarted,
    Usage,
)
from services.gateway.endpoint import carried
from services.gateway.endpoint.asked import Asked, Defaults
from services.gateway.endpoint.dialects.openai_chat_request import read_chat
from services.gateway.endpoint.errors import EndpointError, openai_object
from services.gateway.endpoint.sse import data_frame

_FINISH: dict[FinishReason, str] = {
    "stop": "stop", "length": "length", "tool_calls": "tool_calls", "content_filter": "content_filter", "cut_off": "length",
    "other": "stop",
}  # fmt: skip


def usage_of(usage: Usage) -> dict[str, Any]:
    """OpenAI counts what was read from a cache, and thinking, among input and output."""
    prompt = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": usage.output_tokens,
        "total_tokens": prompt + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens, "audio_tokens": 0},
    }


def told_of(call: str, response: ModelResponse) -> dict[str, Any]:
    """What AgentOS adds to an answer: which call it was, and what of the request could not be carried."""
    told: dict[str, Any] = {"call": call, "provider": response.provider, "simulated": response.simulated}
    return told | ({"notes": list(response.notes)} if response.notes else {}) | (
        {"finish_reason": "cut_off"} if response.finish_reason == "cut_off" else {}
    )  # fmt: skip


class ChatCompletions:
    """``POST /v1/chat/completions``."""

    read = staticmethod(read_chat)
    error = staticmethod(openai_object)

    def answer(self, _: Asked, call: str, response: ModelResponse) -> dict[str, Any]:
        """The whole answer. ``response`` has its placeholders restored."""
        return {
            "id": f"chatcmpl-{call}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": response.model,
            "choices": [
                {
                    "index": 0,
                    "message": _message(response),
                    "logprobs": None,
                    "finish_reason": _FINISH[response.finish_reason],
                }
            ],
            "usage": usage_of(response.usage),
            "service_tier": "default",
            "system_fingerprint": None,
            "agentos": told_of(call, response),
        }

    def writer(self, asked: Asked, call: str) -> "ChatWriter":
        """Writes one stream."""
        return ChatWriter(asked, call)


def _message(response: ModelResponse) -> dict[str, Any]:
    text = [part.text for part in response.parts if isinstance(part, TextPart)]
    thought = "".join(part.text for part in response.parts if isinstance(part, ThinkingPart))
    calls = [part for part in response.parts if isinstance(part, ToolCallPart)]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(text) if text else None, "refusal": None}
    if thought:
        message["reasoning_content"] = thought
    if calls:
        message["tool_calls"] = [
            {
                "id": carried.tool_id(part.id, part.signature),
                "type": "function",
                "function": {"name": part.name, "arguments": json.dumps(part.arguments, ensure_ascii=False)},
            }
            for part in calls
        ]
    return message


class ChatWriter:
    """Chunks: the role first, then what comes, the finish reason, the usage if it was asked for, ``[DONE]``."""

    def __init__(self, asked: Asked, call: str) -> None:
        self._usage = bool(asked.echo.get("include_usage"))
        self._base: dict[str, Any] = {
            "id": f"chatcmpl-{call}", "object": "chat.completion.chunk", "created": int(time.time()), "model": asked.request.model,
            "service_tier": "default", "system_fingerprint": None,
        }  # fmt: skip
        if self._usage:
            self._base["usage"] = None
        self._call = call

    def begin(self) -> bytes:
        """The first chunk."""
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def delta(self, delta: Delta) -> bytes:
        """What came, in the chunk that it makes."""
        match delta:
            case TextDelta():
                return self._chunk({"content": delta.text}) if delta.text else b""
            case ThinkingDelta():
                return self._chunk({"reasoning_content": delta.text}) if delta.text else b""
            case ThinkingSealed():
                # This format has no place for it.
                return b""
            case ToolCallStarted():
                id_ = carried.tool_id(delta.id, delta.signature)
                function = {"name": delta.name, "arguments": ""}
                return self._chunk(
                    {"tool_calls": [{"index": delta.index, "id": id_, "type": "function", "function": function}]}
                )
            case ToolCallDelta():
                if not delta.json_text:
                    return b""
                return self._chunk({"tool_calls": [{"index": delta.index, "function": {"arguments": delta.json_text}}]})

    def end(self, response: ModelResponse) -> bytes:
        """The last chunks."""
        last = self._chunk({}, finish=_FINISH[response.finish_reason], agentos=told_of(self._call, response))
        if self._usage:
            last += data_frame({**self._base, "choices": [], "usage": usage_of(response.usage)})
        return last + b"data: [DONE]\n\n"

    def error(self, error: EndpointError) -> bytes:
        """The stream ends here."""
        return data_frame(openai_object(error))

    def ping(self) -> bytes:
        """A sign of life: a comment, which no client shows."""
        return b": ping\n\n"

    def _chunk(self, delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return data_frame({**self._base, "choices": [choice], **more})


__all__ = ["ChatCompletions", "ChatWriter", "Defaults", "told_of", "usage_of"]
