"""Anthropic's wire format in pieces: events of a stream, blocks, whole messages."""

from typing import Any

from agentos.contracts.model import (
    ToolSpec,
    Usage,
)

__all__ = [
    "EVERYTHING",
    "FULL_USAGE",
    "PING",
    "PNG",
    "START",
    "STOP",
    "TEXT",
    "WEATHER",
    "because",
    "began",
    "ended",
    "message",
    "more",
]

PNG = b"\x89PNG\r\n"
WEATHER = ToolSpec(
    name="weather.get",
    description="The weather",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
START = {
    "type": "message_start",
    "message": {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 30,
            "cache_creation_input_tokens": 20,
            "cache_read_input_tokens": 60,
            "cache_creation": {"ephemeral_5m_input_tokens": 12, "ephemeral_1h_input_tokens": 8},
            "output_tokens": 1,
            "service_tier": "standard",
        },
    },
}
PING = {"type": "ping"}
STOP = {"type": "message_stop"}


def began(index: int, block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def more(index: int, kind: str, **fields: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def ended(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def because(reason: str | None, **fields: Any) -> dict[str, Any]:
    usage = fields.pop("usage", {"output_tokens": 25})
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None, **fields}, "usage": usage}


TEXT = [
    START,
    began(0, {"type": "text", "text": ""}),
    PING,
    more(0, "text_delta", text="Grüß "),
    more(0, "text_delta", text="Gott 🌍"),
    ended(0),
    because("end_turn"),
    STOP,
]
EVERYTHING = [
    START,
    began(0, {"type": "thinking", "thinking": "", "signature": ""}),
    more(0, "thinking_delta", thinking="The user wants "),
    more(0, "thinking_delta", thinking="two cities."),
    more(0, "signature_delta", signature="EqQB/sig=="),
    ended(0),
    began(1, {"type": "redacted_thinking", "data": "EmwKAhgB"}),
    ended(1),
    {"type": "brand_new_event", "index": 1, "future": None},
    began(2, {"type": "text", "text": "", "citations": None}),
    more(2, "text_delta", text="Let me look."),
    ended(2),
    began(3, {"type": "tool_use", "id": "toolu_1", "name": "weather_get", "input": {}, "caller": {"type": "direct"}}),
    more(3, "input_json_delta", partial_json=""),
    more(3, "input_json_delta", partial_json='{"city": "Par'),
    more(3, "input_json_delta", partial_json='is"}'),
    ended(3),
    began(4, {"type": "tool_use", "id": "toolu_2", "name": "weather_get", "input": {}}),
    more(4, "input_json_delta", partial_json='{"city": "Wien \\ud83c\\udf0d"}'),
    ended(4),
    because("tool_use", usage={"output_tokens": 89, "output_tokens_details": {"thinking_tokens": 40}, "unknown": None}),
    STOP,
]
FULL_USAGE = Usage(
    input_tokens=30,
    cache_read_tokens=60,
    cache_write_tokens=20,
    cache_write_1h_tokens=8,
    output_tokens=89,
    reasoning_tokens=40,
)


def message(*content: dict[str, Any], reason: str | None = "end_turn", **fields: Any) -> dict[str, Any]:
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-5",
        "content": list(content),
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2},
        **fields,
    }
