"""The stand-in that answers when there is no provider key: it reads its input and says so in every answer.

No network, no randomness, no clock: the same request gives the same answer, everywhere and for ever. It extracts, it does not
think; ``ModelResponse.simulated`` is true, and free text begins with "[simulated]".
"""

import asyncio
import json
import math
from datetime import timedelta
from typing import Any

from adapters import failures
from adapters.extraction import Reading
from adapters.port import UnsupportedRequest
from adapters.schema_filling import CannotFill, fill
from agentos.contracts.model import (
    Message,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    ToolSpec,
    Usage,
    texts,
)

__all__ = ["DEFAULT_MODEL", "SimulatedAdapter", "estimated_tokens"]

DEFAULT_MODEL = "reader-1"


class SimulatedAdapter:
    """``latency`` is slept before each answer, so that cancellation and load can be tried without a provider."""

    provider = "simulated"

    def __init__(self, *, latency: timedelta = timedelta(0)) -> None:
        self._latency = latency

    async def complete(
        self,
        request: ModelRequest,
        *,
        model: str,
        timeout: timedelta,  # noqa: ASYNC109 -- part of the port: the caller's budget, not its mechanism
        idempotency_key: str,  # noqa: ARG002 -- part of the port; every call is idempotent already
    ) -> ModelResponse:
        """See ``ModelAdapter.complete``. With a response schema ``max_output_tokens`` and ``stop`` are not applied."""
        if self._latency > timeout:
            await asyncio.sleep(timeout.total_seconds())
            raise failures.timed_out(self.provider, timeout.total_seconds())
        if self._latency > timedelta(0):
            await asyncio.sleep(self._latency.total_seconds())
        return answer(request, model=model)

    async def close(self) -> None:
        """Nothing is open."""


def estimated_tokens(text: str) -> int:
    """A stated estimate, not a tokenizer: one token for every four bytes of UTF-8, rounded up."""
    return math.ceil(len(text.encode("utf-8", "surrogatepass")) / 4)


def answer(request: ModelRequest, *, model: str) -> ModelResponse:
    """The answer as a pure function of the request."""
    reading = Reading(_last_user_text(request))
    finish = "stop"
    part: TextPart | ToolCallPart
    tool = _named_tool(request, reading)
    if request.response_format is not None:
        part = TextPart(text=_json(_filled(request.response_format.json_schema, reading)))
    elif tool is not None:
        part = ToolCallPart(id=f"call_{_calls_so_far(request) + 1}", name=tool.name, arguments=_arguments(tool, reading))
        finish = "tool_calls"
    else:
        text = f"[simulated] {reading.summary()}"
        cut = min((at for at in (text.find(stop) for stop in request.stop if stop) if at >= 0), default=len(text))
        text = text[:cut]
        most_bytes = request.max_output_tokens * 4
        if len(text.encode()) > most_bytes:
            text = text.encode()[:most_bytes].decode("utf-8", "ignore")
            finish = "length"
        part = TextPart(text=text)
    written = part.text if isinstance(part, TextPart) else _json(part.arguments)
    return ModelResponse(
        provider="simulated",
        model=model,
        parts=(part,),
        finish_reason=finish,
        usage=Usage(
            input_tokens=sum(estimated_tokens(text) for text in [*texts(request), *_described(request)]),
            output_tokens=estimated_tokens(written),
        ),
        simulated=True,
    )


def _described(request: ModelRequest) -> list[str]:
    """Tools and schema count as input, as they do at real providers."""
    described = [f"{tool.name} {tool.description} {json.dumps(tool.parameters, default=str)}" for tool in request.tools]
    if request.response_format is not None:
        described.append(json.dumps(request.response_format.json_schema, default=str))
    return described


def _last_user_text(request: ModelRequest) -> str:
    """What the answer is about: the last user turn, tool results included. The system prompt only where there is no turn."""
    last = _last_user(request)
    if last is None:
        return request.system or ""
    found = [
        part.text if isinstance(part, TextPart) else part.content for part in last.parts if not isinstance(part, ToolCallPart)
    ]
    return "\n\n".join(found)


def _last_user(request: ModelRequest) -> Message | None:
    return next((message for message in reversed(request.messages) if message.role == "user"), None)


def _named_tool(request: ModelRequest, reading: Reading) -> ToolSpec | None:
    """The first offered tool that the last user turn names; none once that turn brings tool results, or it would never end."""
    last = _last_user(request)
    if last is None or any(isinstance(part, ToolResultPart) for part in last.parts):
        return None
    return next((tool for tool in request.tools if tool.name and tool.name in reading.text), None)


def _calls_so_far(request: ModelRequest) -> int:
    return sum(isinstance(part, ToolCallPart) for message in request.messages for part in message.parts)


def _arguments(tool: ToolSpec, reading: Reading) -> dict[str, Any]:
    value = _filled({"type": "object", **tool.parameters}, reading)
    if not isinstance(value, dict):
        raise UnsupportedRequest("tool parameters need a schema of type object", provider="simulated", code="schema_not_object")
    return value  # pyright: ignore[reportUnknownVariableType] -- JSON: keys are strings


def _filled(schema: dict[str, Any], reading: Reading) -> Any:
    try:
        return fill(schema, reading)
    except CannotFill as reason:
        raise UnsupportedRequest(
            f"the simulated provider cannot answer to this schema: {reason}", provider="simulated", code="unsupported_schema"
        ) from None


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        # A schema with lone surrogates in its names gets them back escaped, which JSON allows and UTF-8 does not forbid.
        return json.dumps(value)
    return text
