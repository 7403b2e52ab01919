"""Gemini's wire format in pieces: answers, and the parts of them that a stream brings."""

import base64
from typing import Any

from agentos.contracts.model import (
    ModelRequest,
    ToolSpec,
    Usage,
)
from tests.adapters.conformance import HELLO

__all__ = ["EVERYTHING", "FULL_USAGE", "PNG", "STAND_IN", "TEXT", "WEATHER", "asked", "piece", "used"]

PNG = b"\x89PNG\r\n"
WEATHER = ToolSpec(
    name="weather.get",
    description="The weather",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
STAND_IN = base64.b64encode(b"skip_thought_signature_validator").decode()


def piece(*parts: dict[str, Any], reason: str | None = None, **fields: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if reason is not None:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], "modelVersion": "gemini-3.5-flash", "responseId": "resp-1", **fields}


def used(**counts: int) -> dict[str, Any]:
    return {"usageMetadata": {"promptTokenCount": 100, "totalTokenCount": 999, **counts}}


TEXT = [
    piece({"text": "Grüß "}, **used()),
    piece({"text": "Gott 🌍"}, **used(candidatesTokenCount=4)),
    piece({"text": ""}, reason="STOP", **used(candidatesTokenCount=7)),
]
EVERYTHING = [
    piece({"text": "**Planning**", "thought": True}, **used(thoughtsTokenCount=20)),
    piece({"text": " two cities.", "thought": True}, **used(thoughtsTokenCount=40)),
    piece({"text": "Let me look."}, **used(thoughtsTokenCount=40, candidatesTokenCount=3)),
    {"futureField": None, "candidates": None, "promptFeedback": {"safetyRatings": []}},
    piece(
        {
            "functionCall": {"id": "fc-1", "name": "weather_get", "args": {"city": "Wien 🌍"}},
            "thoughtSignature": "CiQB+/sig==",
        },
        {"functionCall": {"name": "weather_get", "args": {"city": "Paris"}}},
        {"functionCall": {"name": "weather_get"}},
    ),
    piece(
        {"text": "", "thoughtSignature": "dGFpbA=="},
        reason="STOP",
        **used(thoughtsTokenCount=40, candidatesTokenCount=49, cachedContentTokenCount=60, toolUsePromptTokenCount=5),
    ),
]
FULL_USAGE = Usage(input_tokens=45, cache_read_tokens=60, output_tokens=89, reasoning_tokens=40)


def asked(**fields: Any) -> ModelRequest:
    return HELLO.model_copy(update=fields)
