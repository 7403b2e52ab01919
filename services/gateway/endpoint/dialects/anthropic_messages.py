"""Anthropic's Messages, as clients are answered: one message, or the events of a stream."""

from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

from agentos.contracts.model import (
    Delta,
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
from services.gateway.endpoint.asked import Asked
from services.gateway.endpoint.dialects.anthropic_request import read_messages
from services.gateway.endpoint.dialects.openai_chat import told_of
from services.gateway.endpoint.errors import EndpointError, anthropic_object
from services.gateway.endpoint.sse import event_frame


def stop_reason(response: ModelResponse) -> str:
    """In Anthropic's words."""
    match response.finish_reason:
        case "length" | "cut_off":
            return "max_tokens"
        case "tool_calls":
            return "tool_use"
        case "content_filter":
            return "refusal"
        case "stop" | "other":
            return "end_turn" if response.stop_sequence is None else "stop_sequence"


def usage_of(usage: Usage) -> dict[str, Any]:
    """Anthropic counts the classes apart, as the neutral usage does."""
    return {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens - usage.cache_write_1h_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        },
        "output_tokens": usage.output_tokens,
        "service_tier": "standard",
    }


class Messages:
    """``POST /v1/messages``."""

    read = staticmethod(read_messages)
    error = staticmethod(anthropic_object)

    def answer(self, _: Asked, call: str, response: ModelResponse) -> dict[str, Any]:
        """The whole answer. ``response`` has its placeholders restored."""
        return {
            "id": f"msg_{call}",
            "type": "message",
            "role": "assistant",
            "model": response.model,
            "content": [block for part in response.parts if (block := _block(part)) is not None],
            "stop_reason": stop_reason(response),
            "stop_sequence": response.stop_sequence,
            "usage": usage_of(response.usage),
            "agentos": told_of(call, response),
        }

    def writer(self, asked: Asked, call: str) -> "MessageWriter":
        """Writes one stream."""
        return MessageWriter(asked, call)


def _block(part: TextPart | ThinkingPart | ToolCallPart) -> dict[str, Any] | None:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text, "citations": None}
        case ThinkingPart():
            if (hidden := carried.hidden_of(part)) is not None:
                return {"type": "redacted_thinking", "data": hidden}
            return {"type": "thinking", "thinking": part.text, "signature": carried.signature_of(part) or ""}
        case ToolCallPart():
            return {
                "type": "tool_use",
                "id": carried.tool_id(part.id, part.signature),
                "name": part.name,
                "input": part.arguments,
            }


@dataclass(slots=True)
class _Open:
    index: int
    kind: Literal["text", "thinking", "tool"]
    tool: int = -1


class MessageWriter:
    """The events of a message. A block ends when the next one begins; one of thinking, when it is known what its provider adds to it."""

    def __init__(self, asked: Asked, call: str) -> None:
        self._model = asked.request.model
        self._call = call
        self._blocks = 0
        self._open: _Open | None = None
        self._thoughts: list[_Open | None] = []
        """Those that were begun, in order; None for one that is over."""

    def begin(self) -> bytes:
        """The message, still empty. What it used is known at the end."""
        message: dict[str, Any] = {
            "id": f"msg_{self._call}", "type": "message", "role": "assistant", "model": self._model, "content": list[Any](),
            "stop_reason": None, "stop_sequence": None, "usage": usage_of(Usage()),
        }  # fmt: skip
        return event_frame("message_start", {"type": "message_start", "message": message})

    def delta(self, delta: Delta) -> bytes:
        """What came, in the events that it makes."""
        match delta:
            case TextDelta():
                before = self._turn_to("text", {"type": "text", "text": ""})
                return before + self._delta({"type": "text_delta", "text": delta.text})
            case ThinkingDelta():
                before = self._turn_to("thinking", {"type": "thinking", "thinking": "", "signature": ""})
                return before + self._delta({"type": "thinking_delta", "thinking": delta.text})
            case ThinkingSealed():
                return self._seal(delta)
            case ToolCallStarted():
                block: dict[str, Any] = {
                    "type": "tool_use", "id": carried.tool_id(delta.id, delta.signature), "name": delta.name, "input": {},
                }  # fmt: skip
                return self._turn_to("tool", block, delta.index)
            case ToolCallDelta():
                return self._delta({"type": "input_json_delta", "partial_json": delta.json_text})

    def end(self, response: ModelResponse) -> bytes:
        """What the deltas did not say: signatures, thinking that is hidden, why it ended and what it used."""
        sent = self._leave()
        thoughts = [part for part in response.parts if isinstance(part, ThinkingPart)]
        for block, part in zip_longest(self._thoughts, thoughts[: len(self._thoughts)]):
            if block is not None:
                sent += self._signed(block, None if part is None else carried.signature_of(part))
        for part in thoughts[len(self._thoughts) :]:
            sent += self._whole(part)
        said = {"stop_reason": stop_reason(response), "stop_sequence": response.stop_sequence}
        last = {
            "type": "message_delta", "delta": said, "usage": usage_of(response.usage), "agentos": told_of(self._call, response),
        }  # fmt: skip
        return sent + event_frame("message_delta", last) + event_frame("message_stop", {"type": "message_stop"})

    def error(self, error: EndpointError) -> bytes:
        """The stream ends here."""
        return event_frame("error", anthropic_object(error))

    def ping(self) -> bytes:
        """A sign of life."""
        return event_frame("ping", {"type": "ping"})

    # --- blocks -------------------------------------------------------------------------------------------------------

    def _turn_to(self, kind: Literal["text", "thinking", "tool"], block: dict[str, Any], tool: int = -1) -> bytes:
        if self._open is not None and self._open.kind == kind and self._open.tool == tool:
            return b""
        return self._leave() + self._start(block, kind, tool)

    def _start(self, block: dict[str, Any], kind: Literal["text", "thinking", "tool"], tool: int = -1) -> bytes:
        self._open = _Open(self._blocks, kind, tool)
        self._blocks += 1
        return event_frame(
            "content_block_start", {"type": "content_block_start", "index": self._open.index, "content_block": block}
        )

    def _delta(self, delta: dict[str, Any], index: int | None = None) -> bytes:
        at = self._open.index if index is None and self._open is not None else index
        return event_frame("content_block_delta", {"type": "content_block_delta", "index": at, "delta": delta})

    def _seal(self, sealed: ThinkingSealed) -> bytes:
        """The end of the thinking that is open, or a block of its own for what nobody is shown."""
        # What stands for a part that is shown does not depend on what is shown.
        part = ThinkingPart(
            provider=sealed.provider, signature=sealed.signature, encrypted=sealed.encrypted, id=sealed.id,
        )  # fmt: skip
        if self._open is not None and self._open.kind == "thinking":
            sent = self._signed(self._taken(), carried.signature_of(part))
        else:
            sent = self._leave() + self._whole(part)
        self._thoughts.append(None)
        return sent

    def _signed(self, block: _Open, signature: str | None) -> bytes:
        signed = b"" if signature is None else self._delta({"type": "signature_delta", "signature": signature}, block.index)
        return signed + self._stop(block)

    def _whole(self, part: ThinkingPart) -> bytes:
        """A part of thinking of which nothing was sent."""
        if (hidden := carried.hidden_of(part)) is not None:
            return self._start({"type": "redacted_thinking", "data": hidden}, "thinking") + self._stop(self._taken())
        sent = self._start({"type": "thinking", "thinking": "", "signature": ""}, "thinking")
        if part.text:
            sent += self._delta({"type": "thinking_delta", "thinking": part.text})
        return sent + self._signed(self._taken(), carried.signature_of(part))

    def _leave(self) -> bytes:
        if self._open is None:
            return b""
        block = self._taken()
        if block.kind == "thinking":
            self._thoughts.append(block)
            return b""
        return self._stop(block)

    def _taken(self) -> _Open:
        block, self._open = self._open, None
        if block is None:
            raise ValueError("no block is open")
        return block

    def _stop(self, block: _Open) -> bytes:
        return event_frame("content_block_stop", {"type": "content_block_stop", "index": block.index})
