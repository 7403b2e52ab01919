"""Gemini, by generateContent (https://ai.google.dev/api/generate-content), on the google-genai SDK."""

import asyncio
from datetime import timedelta
from typing import Annotated, Any, cast

import httpx2
from google import genai
from google.genai import errors, types
from pydantic import BaseModel, Field, ValidationError
from pydantic.alias_generators import to_camel

from adapters import failures
from adapters.outgoing import ToolNames, check, check_json
from adapters.port import ProviderError, UnsupportedRequest
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

__all__ = ["GeminiAdapter", "read_answer", "write_contents"]

_MOST_STOPS = 5
_FILTERED = frozenset(
    {"SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "ESCALATION", "MODEL_ARMOR"}
)
# Models from Gemini 3 on refuse a function call in the history that lacks the signature of the thought behind it. The neutral
# history has none; this value is the documented one for calls that come from elsewhere.
_NO_SIGNATURE = b"skip_thought_signature_validator"


class GeminiAdapter:
    """``base_url`` is without the version."""

    provider = "gemini"

    def __init__(self, *, api_key: str, base_url: str | None = None) -> None:
        # Its own transport: the SDK's default one (aiohttp) silently repeats a request after a connection error.
        # Redirects are not followed: a prompt, and the key beside it, go where the operator sent them and nowhere else.
        limits = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)
        # Error answers are taken before the SDK parses them, which it does unguarded.
        hooks = {"response": [_raise_for_status]}
        self._http = httpx2.AsyncClient(follow_redirects=False, limits=limits, event_hooks=hooks)
        self._client = genai.Client(
            # Explicit, so that GOOGLE_GENAI_USE_VERTEXAI in the environment cannot send prompts to another service.
            vertexai=False,
            api_key=api_key,
            http_options=types.HttpOptions(
                base_url=base_url or "https://generativelanguage.googleapis.com",
                # The SDK's default, v1, promises only part of what is sent here; v1beta documents all of it.
                api_version="v1beta",
                httpx_async_client=self._http,
            ),
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
        body = await self._send(request, names, model, timeout.total_seconds(), idempotency_key)
        earlier = sum(isinstance(part, ToolCallPart) for message in request.messages for part in message.parts)
        return read_answer(body, model=model, names=names, earlier_calls=earlier)

    async def _send(self, request: ModelRequest, names: ToolNames, model: str, seconds: float, idempotency_key: str) -> str:
        if len(request.stop) > _MOST_STOPS:
            raise UnsupportedRequest(
                f"gemini takes at most {_MOST_STOPS} stop sequences", provider=self.provider, code="too_many_stops"
            )
        config = _config(request, names, seconds, idempotency_key)
        contents = write_contents(request, names, signed=not model.startswith(("gemini-1", "gemini-2")))
        try:
            async with asyncio.timeout(seconds):
                response = await self._client.aio.models.generate_content(  # pyright: ignore[reportUnknownMemberType] -- the SDK's type names optional libraries
                    model=model, contents=cast("types.ContentListUnion", contents), config=config
                )
                raw = response.sdk_http_response
                return (raw.body if raw else None) or ""
        except (TimeoutError, httpx2.TimeoutException):
            failure = failures.timed_out(self.provider, seconds)
        except httpx2.HTTPStatusError as error:
            failure = _from_error_answer(error.response)
        except (httpx2.HTTPError, httpx2.StreamError):
            failure = failures.unreachable(self.provider)
        except (errors.APIError, ValueError):
            # A success without content, or with a body that is no text.
            failure = failures.bad_answer(self.provider, "the SDK could not read it", status=None)
        # Raised out here so that the SDK's exception, which holds the prompt and the key, is not its context.
        raise failure

    async def close(self) -> None:
        """See ``ModelAdapter.close``."""
        await self._http.aclose()
        await self._client.aio.aclose()
        self._client.close()


def _config(request: ModelRequest, names: ToolNames, seconds: float, idempotency_key: str) -> types.GenerateContentConfig:
    declarations = [
        types.FunctionDeclaration(
            name=names.to_wire(tool.name), description=tool.description, parameters_json_schema=tool.parameters
        )
        for tool in request.tools
    ]
    wanted = request.response_format
    return types.GenerateContentConfig(
        system_instruction=request.system,
        max_output_tokens=request.max_output_tokens,
        temperature=request.temperature,
        stop_sequences=list(request.stop) or None,
        tools=[types.Tool(function_declarations=declarations)] if declarations else None,
        response_mime_type="application/json" if wanted else None,
        response_json_schema=wanted.json_schema if wanted else None,
        # One attempt is one request: no hidden second one for a function or a continuation.
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        automatic_continuation=False,
        should_return_http_response=True,
        http_options=types.HttpOptions(
            timeout=max(1, round(seconds * 1000)),
            headers={"Idempotency-Key": idempotency_key},
            retry_options=types.HttpRetryOptions(attempts=1),
        ),
    )


def write_contents(request: ModelRequest, names: ToolNames, *, signed: bool) -> list[types.Content]:
    """The turns as contents. ``signed`` puts a stand-in thought signature on every function call of the history."""
    return [
        types.Content(role="model" if message.role == "assistant" else "user", parts=_parts(message, names, signed=signed))
        for message in request.messages
    ]


def _parts(message: Message, names: ToolNames, *, signed: bool) -> list[types.Part]:
    written: list[types.Part] = []
    for part in message.parts:
        match part:
            case TextPart():
                if part.text:
                    written.append(types.Part(text=part.text))
            case ToolCallPart():
                call = types.FunctionCall(id=part.id, name=names.to_wire(part.name), args=part.arguments)
                written.append(types.Part(function_call=call, thought_signature=_NO_SIGNATURE if signed else None))
            case ToolResultPart():
                answer = {"error" if part.is_error else "output": part.content}
                written.append(
                    types.Part(
                        function_response=types.FunctionResponse(id=part.id, name=names.to_wire(part.name), response=answer)
                    )
                )
    return written


async def _raise_for_status(response: httpx2.Response) -> None:
    if not response.is_success:
        await response.aread()
        response.raise_for_status()


def _from_error_answer(response: httpx2.Response) -> ProviderError:
    try:
        error = _ErrorAnswer.model_validate_json(response.content).error
    except ValidationError:
        error = _Error()
    # Typed messages of google.rpc: ErrorInfo names the reason, RetryInfo the wait ("34.5s").
    reason = next((detail.reason for detail in error.details if detail.reason), None)
    delay = next((detail.retry_delay for detail in error.details if detail.retry_delay), "")
    wait = failures.retry_after({"retry-after": delay.removesuffix("s")}) if delay else None
    return failures.from_status("gemini", response.status_code, response.headers, (reason, error.status), wait=wait)


class _Wire(BaseModel, alias_generator=to_camel, populate_by_name=True):
    pass


class _Detail(_Wire):
    reason: str | None = None
    retry_delay: str | None = None


class _Error(_Wire):
    status: str | None = None
    details: list[_Detail] = Field(default_factory=list[_Detail])


class _ErrorAnswer(_Wire):
    error: _Error


class _FunctionCall(_Wire):
    id: str | None = None
    name: str
    args: dict[str, Any] | None = None


class _Part(_Wire):
    text: str | None = None
    thought: bool = False
    function_call: _FunctionCall | None = None


class _Content(_Wire):
    parts: list[_Part] | None = None


class _Candidate(_Wire):
    content: _Content | None = None
    finish_reason: str | None = None


class _UsageMetadata(_Wire):
    prompt_token_count: int = Field(default=0, ge=0)
    tool_use_prompt_token_count: int = Field(default=0, ge=0)
    cached_content_token_count: int = Field(default=0, ge=0)
    candidates_token_count: int = Field(default=0, ge=0)
    thoughts_token_count: int = Field(default=0, ge=0)

    def neutral(self) -> Usage:
        # The prompt's count includes cached tokens; the candidates' count excludes thoughts.
        read = min(self.cached_content_token_count, self.prompt_token_count)
        return Usage(
            input_tokens=self.prompt_token_count - read + self.tool_use_prompt_token_count,
            cache_read_tokens=read,
            output_tokens=self.candidates_token_count + self.thoughts_token_count,
            reasoning_tokens=self.thoughts_token_count,
        )


class _Feedback(_Wire):
    block_reason: str | None = None


class _Answer(_Wire):
    candidates: Annotated[list[_Candidate], Field(default_factory=list[_Candidate])]
    prompt_feedback: _Feedback | None = None
    usage_metadata: _UsageMetadata
    model_version: str | None = None
    response_id: str | None = None


def read_answer(body: str, *, model: str, names: ToolNames, earlier_calls: int) -> ModelResponse:
    """The neutral answer from a generateContent body; ``ProviderError`` where it is no such thing.

    ``earlier_calls`` is the number of tool calls in the history: where Gemini gives a call no id, its ordinal becomes one.
    """
    try:
        answer = _Answer.model_validate_json(body)
    except (ValidationError, UnicodeEncodeError) as error:
        answer = None
        unreadable = failures.shape(error) if isinstance(error, ValidationError) else "not UTF-8"
    else:
        unreadable = "no candidates"
    blocked = answer is not None and answer.prompt_feedback is not None and answer.prompt_feedback.block_reason is not None
    if answer is None or (not answer.candidates and not blocked):
        # Raised out here so that pydantic's error, which quotes the answer, is not its context.
        raise failures.bad_answer("gemini", unreadable)
    candidate = answer.candidates[0] if answer.candidates else _Candidate()
    parts: list[TextPart | ToolCallPart] = []
    for part in (candidate.content.parts if candidate.content else None) or ():
        if part.function_call is not None:
            call = part.function_call
            earlier_calls += 1
            parts.append(
                ToolCallPart(id=call.id or f"call_{earlier_calls}", name=names.from_wire(call.name), arguments=call.args or {})
            )
        elif part.text and not part.thought:
            parts.append(TextPart(text=part.text))
    return ModelResponse(
        provider="gemini",
        model=answer.model_version or model,
        parts=tuple(parts),
        finish_reason="content_filter" if blocked else _finish(candidate.finish_reason, parts),
        usage=answer.usage_metadata.neutral(),
        provider_request_id=answer.response_id,
    )


def _finish(reason: str | None, parts: list[TextPart | ToolCallPart]) -> FinishReason:
    if reason == "STOP":
        # Gemini has no reason of its own for tool calls.
        return "tool_calls" if any(isinstance(part, ToolCallPart) for part in parts) else "stop"
    if reason == "MAX_TOKENS":
        return "length"
    return "content_filter" if reason in _FILTERED else "other"
