"""Chat completions, the wire format that OpenAI, DeepSeek and ollama share, on OpenAI's SDK.

Reference: https://platform.openai.com/docs/api-reference/chat. What differs between the three is in ``Dialect``.
"""

import asyncio
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal

import openai
from openai import omit
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from openai.types.chat.completion_create_params import ResponseFormat
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import from_json

from adapters import failures
from adapters.outgoing import ToolNames, check, joined_text, need_object_schema
from adapters.port import ProviderError, UnsupportedRequest
from agentos.contracts.model import (
    FinishReason,
    JsonSchemaFormat,
    Message,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
)

__all__ = ["Dialect", "OpenAICompatibleAdapter", "read_completion", "write_messages"]

_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
# What strict mode of structured outputs understands. A schema with anything else is still sent, as a request not a promise.
_STRICT_KEYWORDS = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "description", "title"}
)


@dataclass(frozen=True)
class Dialect:
    """How a provider departs from the shared format."""

    provider: str
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"]
    schema: Literal["json_schema", "json_object"]
    """``json_object``: the provider only promises JSON, so the schema is told to the model in words."""
    most_stops: int


class OpenAICompatibleAdapter:
    """One provider that speaks chat completions."""

    def __init__(self, dialect: Dialect, *, api_key: str, base_url: str) -> None:
        self.provider = dialect.provider
        self._dialect = dialect
        self._client = openai.AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,
            # Redirects are not followed: a prompt goes where the operator sent it and nowhere else.
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False),
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
        names = ToolNames(request)
        body, request_id = await self._send(request, names, model, timeout.total_seconds(), idempotency_key)
        return read_completion(self.provider, body, model=model, names=names, request_id=request_id)

    async def _send(
        self, request: ModelRequest, names: ToolNames, model: str, seconds: float, idempotency_key: str
    ) -> tuple[bytes, str | None]:
        dialect = self._dialect
        if len(request.stop) > dialect.most_stops:
            raise UnsupportedRequest(
                f"{self.provider} takes at most {dialect.most_stops} stop sequences",
                provider=self.provider,
                code="too_many_stops",
            )
        if dialect.schema == "json_object":
            need_object_schema(self.provider, request)
        completion_tokens = dialect.max_tokens_field == "max_completion_tokens"
        tools = [_tool(tool.name, tool.description, tool.parameters, names) for tool in request.tools]
        try:
            async with asyncio.timeout(seconds):
                raw = await self._client.chat.completions.with_raw_response.create(
                    model=model,
                    messages=write_messages(request, names, schema_in_words=dialect.schema == "json_object"),
                    tools=tools or omit,
                    response_format=_response_format(request.response_format, dialect) or omit,
                    max_completion_tokens=request.max_output_tokens if completion_tokens else omit,
                    max_tokens=omit if completion_tokens else request.max_output_tokens,
                    temperature=omit if request.temperature is None else request.temperature,
                    stop=list(request.stop) or omit,
                    extra_headers={"Idempotency-Key": idempotency_key},
                    timeout=seconds,
                )
                return raw.content, raw.headers.get("x-request-id")
        except (TimeoutError, openai.APITimeoutError):
            failure = failures.timed_out(self.provider, seconds)
        except openai.APIStatusError as error:
            failure = failures.from_status(self.provider, error.status_code, error.response.headers, (error.code, error.type))
        except openai.APIConnectionError:
            failure = failures.unreachable(self.provider)
        except openai.OpenAIError:
            failure = failures.bad_answer(self.provider, "the SDK could not read it", status=None)
        # Raised out here so that the SDK's exception, which holds the prompt and the key, is not its context.
        raise failure

    async def close(self) -> None:
        """See ``ModelAdapter.close``."""
        await self._client.close()


def write_messages(request: ModelRequest, names: ToolNames, *, schema_in_words: bool) -> list[ChatCompletionMessageParam]:
    """The turns as chat messages. Tool results come before the text of their turn, right after the calls they answer."""
    written: list[ChatCompletionMessageParam] = []
    system = request.system
    if schema_in_words and request.response_format is not None:
        schema = json.dumps(request.response_format.json_schema, ensure_ascii=False)
        words = f"Answer with one JSON object and nothing else. It must be valid against this JSON Schema:\n{schema}"
        system = f"{system}\n\n{words}" if system else words
    if system:
        written.append({"role": "system", "content": system})
    for message in request.messages:
        written.extend(_assistant(message, names) if message.role == "assistant" else _user(message))
    return written


def _assistant(message: Message, names: ToolNames) -> list[ChatCompletionMessageParam]:
    text = joined_text(message)
    calls = [part for part in message.parts if isinstance(part, ToolCallPart)]
    if not calls:
        return [{"role": "assistant", "content": text}]
    return [
        {
            "role": "assistant",
            "content": text or None,
            "tool_calls": [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {
                        "name": names.to_wire(call.name),
                        "arguments": json.dumps(call.arguments, ensure_ascii=False),
                    },
                }
                for call in calls
            ],
        }
    ]


def _user(message: Message) -> list[ChatCompletionMessageParam]:
    written: list[ChatCompletionMessageParam] = []
    for part in message.parts:
        if isinstance(part, ToolResultPart):
            # The format has no error flag, so the model is told in words.
            content = f"The tool failed: {part.content}" if part.is_error else part.content
            written.append({"role": "tool", "tool_call_id": part.id, "content": content})
    text = joined_text(message)
    if text:
        written.append({"role": "user", "content": text})
    return written


def _tool(name: str, description: str, parameters: dict[str, Any], names: ToolNames) -> ChatCompletionToolParam:
    return {
        "type": "function",
        "function": {"name": names.to_wire(name), "description": description, "parameters": parameters},
    }


def _response_format(wanted: JsonSchemaFormat | None, dialect: Dialect) -> ResponseFormat | None:
    if wanted is None:
        return None
    if dialect.schema == "json_object":
        return {"type": "json_object"}
    name = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in wanted.name)[:64] or "answer"
    return {
        "type": "json_schema",
        "json_schema": {"name": name, "schema": wanted.json_schema, "strict": _is_strict(wanted.json_schema)},
    }


def _is_strict(schema: Any) -> bool:
    """Whether strict mode takes the schema: every object closed, every property required, no keyword it refuses."""
    if not isinstance(schema, dict):
        return False
    node: dict[str, Any] = schema  # pyright: ignore[reportUnknownVariableType] -- JSON: keys are strings
    if not node.keys() <= _STRICT_KEYWORDS:
        return False
    properties: dict[str, Any] = node.get("properties") or {}
    if "object" in (node.get("type"), *(node["type"] if isinstance(node.get("type"), list) else ())) and (
        node.get("additionalProperties") is not False or set(node.get("required") or ()) != set(properties)
    ):
        return False
    inner = [*properties.values(), *(node.get("anyOf") or ()), *([node["items"]] if "items" in node else [])]
    return all(_is_strict(child) for child in inner)


class _Function(BaseModel):
    name: str
    arguments: str = ""


class _ToolCall(BaseModel):
    id: str
    function: _Function


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _PromptDetails(BaseModel):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _CompletionDetails(BaseModel):
    reasoning_tokens: int | None = None


class _Usage(BaseModel):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    """DeepSeek's name for cached prompt tokens; ``prompt_tokens`` is hits plus misses."""

    def neutral(self) -> Usage:
        details = self.prompt_tokens_details or _PromptDetails()
        hits = details.cached_tokens if self.prompt_cache_hit_tokens is None else self.prompt_cache_hit_tokens
        read = min(max(hits or 0, 0), self.prompt_tokens)
        written = min(max(details.cache_write_tokens or 0, 0), self.prompt_tokens - read)
        reasoning = (self.completion_tokens_details or _CompletionDetails()).reasoning_tokens or 0
        return Usage(
            input_tokens=self.prompt_tokens - read - written,
            cache_read_tokens=read,
            cache_write_tokens=written,
            output_tokens=self.completion_tokens,
            reasoning_tokens=min(max(reasoning, 0), self.completion_tokens),
        )


class _Completion(BaseModel):
    id: str | None = None
    model: str | None = None
    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: _Usage
    """Required: an answer without counts could not be paid for from a budget."""


def read_completion(provider: str, body: bytes, *, model: str, names: ToolNames, request_id: str | None) -> ModelResponse:
    """The neutral answer from the bytes of a chat completion; ``ProviderError`` where they are no such thing."""
    try:
        completion = _Completion.model_validate_json(body)
    except ValidationError as error:
        completion, unreadable = None, failures.shape(error)
    else:
        unreadable = ""
    if completion is None:
        # Raised out here so that pydantic's error, which quotes the answer, is not its context.
        raise failures.bad_answer(provider, unreadable)
    choice = completion.choices[0]
    if choice.finish_reason == "insufficient_system_resource":
        raise ProviderError(
            f"{provider} ran out of capacity in the middle of its answer: try again",
            kind="retry",
            provider=provider,
            code="insufficient_system_resource",
            status=200,
        )
    parts: list[TextPart | ToolCallPart] = []
    text = choice.message.content or choice.message.refusal
    if text:
        parts.append(TextPart(text=text))
    for call in choice.message.tool_calls or ():
        arguments = _arguments(provider, call.function.arguments)
        parts.append(ToolCallPart(id=call.id, name=names.from_wire(call.function.name), arguments=arguments))
    finish = _FINISH.get(choice.finish_reason or "", "other")
    if choice.message.refusal and not choice.message.content:
        finish = "content_filter"
    elif choice.message.tool_calls and finish == "stop":
        # Some servers of this format (ollama among them) say "stop" beside tool calls.
        finish = "tool_calls"
    return ModelResponse(
        provider=provider,
        model=completion.model or model,
        parts=tuple(parts),
        finish_reason=finish,
        usage=completion.usage.neutral(),
        provider_request_id=request_id or completion.id,
    )


def _arguments(provider: str, raw: str) -> dict[str, Any]:
    # Some models send nothing at all for a tool without parameters.
    try:
        value: Any = from_json(raw, allow_inf_nan=False) if raw.strip() else {}
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise failures.bad_answer(provider, "tool arguments that are not a JSON object")
    return value  # pyright: ignore[reportUnknownVariableType] -- JSON: keys are strings
