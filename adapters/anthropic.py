"""Anthropic, by the Messages API (https://platform.claude.com/docs/en/api/messages), on its SDK.

Structured answers go through ``output_config.format``. Sampling parameters do not exist on current models (the SDK has
dropped them, the API answers 400), so a request with a temperature is refused here and can go to another provider.
"""

import asyncio
from datetime import timedelta
from typing import Annotated, Any, Literal, cast

import anthropic
from anthropic import omit
from anthropic.types import MessageParam, OutputConfigParam, ToolParam
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from adapters import failures
from adapters.outgoing import ToolNames, check, check_json, need_object_schema
from adapters.port import UnsupportedRequest
from agentos.contracts.model import (
    FinishReason,
    Message,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
)

__all__ = ["AnthropicAdapter", "read_message", "write_messages"]

_FINISH: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class AnthropicAdapter:
    """``base_url`` is without the version, as ANTHROPIC_BASE_URL is."""

    provider = "anthropic"

    def __init__(self, *, api_key: str, base_url: str | None = None) -> None:
        self._client = anthropic.AsyncAnthropic(
            api_key=api_key,
            base_url=base_url or "https://api.anthropic.com",
            max_retries=0,
            # The router traces attempts itself; trace ids of this installation are no business of the provider.
            open_telemetry=False,
            # Redirects are not followed: a prompt goes where the operator sent it and nowhere else.
            http_client=anthropic.DefaultAsyncHttpxClient(follow_redirects=False),
        )

    async def complete(
        self,
        request: ModelRequest,
        *,
        model: str,
        timeout: timedelta,  # noqa: ASYNC109 -- part of the port: the caller's budget, not its mechanism
        idempotency_key: str,
    ) -> ModelResponse:
        """See ``ModelAdapter.complete``."""
        check(self.provider, request, model=model, idempotency_key=idempotency_key)
        check_json(self.provider, request)
        names = ToolNames(request)
        body, request_id = await self._send(request, names, model, timeout.total_seconds(), idempotency_key)
        return read_message(body, model=model, names=names, request_id=request_id)

    async def _send(
        self, request: ModelRequest, names: ToolNames, model: str, seconds: float, idempotency_key: str
    ) -> tuple[bytes, str | None]:
        if request.temperature is not None:
            raise UnsupportedRequest(
                "anthropic takes no temperature: leave it out, or use another provider",
                provider=self.provider,
                code="temperature_unsupported",
            )
        output_config = _output_config(request)
        tools: list[ToolParam] = [
            {"name": names.to_wire(tool.name), "description": tool.description, "input_schema": tool.parameters}
            for tool in request.tools
        ]
        try:
            async with asyncio.timeout(seconds):
                raw = await self._client.messages.with_raw_response.create(
                    model=model,
                    max_tokens=request.max_output_tokens,
                    messages=write_messages(request, names),
                    system=request.system or omit,
                    tools=tools or omit,
                    output_config=output_config or omit,
                    stop_sequences=list(request.stop) or omit,
                    extra_headers={"Idempotency-Key": idempotency_key},
                    timeout=seconds,
                )
                return await raw.read(), raw.headers.get("request-id")
        except (TimeoutError, anthropic.APITimeoutError):
            failure = failures.timed_out(self.provider, seconds)
        except anthropic.APIStatusError as error:
            codes = (error.error_code, error.type)
            failure = failures.from_status(self.provider, error.status_code, error.response.headers, codes)
        except anthropic.APIConnectionError:
            failure = failures.unreachable(self.provider)
        except anthropic.AnthropicError:
            failure = failures.bad_answer(self.provider, "the SDK could not read it", status=None)
        # Raised out here so that the SDK's exception, which holds the prompt and the key, is not its context.
        raise failure

    async def close(self) -> None:
        """See ``ModelAdapter.close``."""
        await self._client.close()


def _output_config(request: ModelRequest) -> OutputConfigParam | None:
    if request.response_format is None:
        return None
    need_object_schema("anthropic", request)
    try:
        # Closes objects, and moves keywords that the API refuses into descriptions.
        schema = anthropic.transform_schema(request.response_format.json_schema)
    except (TypeError, ValueError, AttributeError, AssertionError):
        schema = None
    if schema is None:
        raise UnsupportedRequest(
            "anthropic cannot carry this response schema: every node needs a type, an enum, a const, a $ref or an anyOf",
            provider="anthropic",
            code="unsupported_schema",
        )
    return {"format": {"type": "json_schema", "schema": schema}}


def write_messages(request: ModelRequest, names: ToolNames) -> list[MessageParam]:
    """The turns with their parts in order, but tool results first, as the API demands."""
    return [cast("MessageParam", {"role": message.role, "content": _blocks(message, names)}) for message in request.messages]


def _blocks(message: Message, names: ToolNames) -> list[Any]:
    results: list[Any] = []
    others: list[Any] = []
    for part in message.parts:
        match part:
            case TextPart():
                # Empty text blocks are refused by the API and say nothing.
                if part.text:
                    others.append({"type": "text", "text": part.text})
            case ToolCallPart():
                others.append({"type": "tool_use", "id": part.id, "name": names.to_wire(part.name), "input": part.arguments})
            case ToolResultPart():
                block = {"type": "tool_result", "tool_use_id": part.id, "content": part.content}
                results.append({**block, "is_error": True} if part.is_error else block)
    return results + others


class _Text(BaseModel):
    text: str


class _ToolUse(BaseModel):
    id: str
    name: str
    input: dict[str, Any]


class _Other(BaseModel):
    """Thinking and server tools: not part of the neutral answer."""

    model_config = ConfigDict(extra="ignore")


def _block_kind(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] -- unread JSON
    return kind if kind in ("text", "tool_use") else "other"  # pyright: ignore[reportUnknownVariableType] -- unread JSON


_Block = Annotated[
    Annotated[_Text, Tag("text")] | Annotated[_ToolUse, Tag("tool_use")] | Annotated[_Other, Tag("other")],
    Discriminator(_block_kind),
]


class _OutputDetails(BaseModel):
    thinking_tokens: int = 0


class _Usage(BaseModel):
    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)
    cache_read_input_tokens: int | None = Field(default=None, ge=0)
    cache_creation_input_tokens: int | None = Field(default=None, ge=0)
    output_tokens_details: _OutputDetails | None = None

    def neutral(self) -> Usage:
        # input_tokens excludes both cache classes already.
        thinking = self.output_tokens_details.thinking_tokens if self.output_tokens_details else 0
        return Usage(
            input_tokens=self.input_tokens,
            cache_read_tokens=self.cache_read_input_tokens or 0,
            cache_write_tokens=self.cache_creation_input_tokens or 0,
            output_tokens=self.output_tokens,
            reasoning_tokens=min(max(thinking, 0), self.output_tokens),
        )


class _Answer(BaseModel):
    id: str | None = None
    type: Literal["message"]
    model: str | None = None
    content: list[_Block]
    stop_reason: str | None = None
    usage: _Usage


def read_message(body: bytes, *, model: str, names: ToolNames, request_id: str | None) -> ModelResponse:
    """The neutral answer from the bytes of a message; ``ProviderError`` where they are no such thing."""
    try:
        answer = _Answer.model_validate_json(body)
    except ValidationError as error:
        answer, unreadable = None, failures.shape(error)
    else:
        unreadable = ""
    if answer is None:
        # Raised out here so that pydantic's error, which quotes the answer, is not its context.
        raise failures.bad_answer("anthropic", unreadable)
    parts: list[TextPart | ToolCallPart] = []
    for block in answer.content:
        match block:
            case _Text():
                parts.append(TextPart(text=block.text))
            case _ToolUse():
                parts.append(ToolCallPart(id=block.id, name=names.from_wire(block.name), arguments=block.input))
            case _Other():
                pass
    return ModelResponse(
        provider="anthropic",
        model=answer.model or model,
        parts=tuple(parts),
        finish_reason=_FINISH.get(answer.stop_reason or "", "other"),
        usage=answer.usage.neutral(),
        provider_request_id=request_id or answer.id,
    )
