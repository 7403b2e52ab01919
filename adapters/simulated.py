"""The stand-in that answers when there is no provider key: it reads its input and says so in every answer.

No network, no randomness, no clock: the same request gives the same answer, everywhere and for ever. It extracts, it does not
think; ``ModelResponse.simulated`` is true, and free text begins with "[simulated]". Vectors are of the words of a text, so that texts
with the same words lie close together.
"""

import asyncio
import hashlib
import json
import math
import re
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from adapters import failures
from adapters.extraction import Reading
from adapters.outgoing import check, effort_of
from adapters.port import Answer, Features, ProviderError, UnsupportedRequest
from adapters.schema_filling import CannotFill, fill
from agentos.contracts.model import (
    AnswerPart,
    Delta,
    FinishReason,
    ImagePart,
    Message,
    ModelRequest,
    ModelResponse,
    TextDelta,
    TextPart,
    ThinkingDelta,
    ThinkingPart,
    ToolCallDelta,
    ToolCallPart,
    ToolCallStarted,
    ToolResultPart,
    ToolSpec,
    Usage,
    images,
    texts,
)

__all__ = ["DEFAULT_MODEL", "Fault", "SimulatedAdapter", "answer", "estimated_tokens"]

DEFAULT_MODEL = "reader-1"

_WORD = re.compile(r"\S+\s*|\s+")
_TERM = re.compile(r"\w+")
_DIMENSIONS = 256
_JSON_PIECE = 24


@dataclass(frozen=True)
class Fault:
    """What one attempt runs into, once ``after`` deltas have come: an error of this status and code, or silence."""

    after: int = 0
    status: int = 503
    code: str = "overloaded"
    retry_after: timedelta | None = None
    silent: bool = False


class SimulatedAdapter:
    """``latency`` is slept before each answer and ``pace`` between the words of a stream, so that cancellation and load can be tried
    without a provider. Each attempt meets the next of the ``faults``; where that is None, or there are no more, none.
    """

    provider = "simulated"

    def __init__(
        self,
        *,
        latency: timedelta = timedelta(0),
        pace: timedelta = timedelta(0),
        faults: Iterable[Fault | None] = (),
    ) -> None:
        self._latency = latency
        self._pace = pace
        self._faults = iter(faults)

    def features(self, model: str) -> Features:  # noqa: ARG002 -- part of the port; all models are the same
        """See ``ModelAdapter.features``."""
        return Features(embeddings=True, continues=True)

    async def complete(
        self,
        request: ModelRequest,
        *,
        model: str,
        timeout: timedelta,  # noqa: ASYNC109 -- part of the port: the caller's budget, not its mechanism
        idempotency_key: str,
    ) -> Answer:
        """See ``ModelAdapter.complete``. With a response schema ``max_output_tokens`` and ``stop`` are not applied."""
        fault = next(self._faults, None)
        await self._wait(self._latency, timeout)
        if fault is not None:
            await self._meet(fault, timeout, begun=False, usage=None)
        if request.kind == "embed":
            check(self.provider, request, model=model, idempotency_key=idempotency_key)
        return Answer(answer(request, model=model))

    async def stream(
        self,
        request: ModelRequest,
        *,
        model: str,
        timeout: timedelta,  # noqa: ASYNC109 -- part of the port: the caller's budget, not its mechanism
        idempotency_key: str,
    ) -> AsyncGenerator[Delta | Usage | Answer]:
        """See ``ModelAdapter.stream``: word by word."""
        fault = next(self._faults, None)
        await self._wait(self._latency, timeout)
        if request.kind == "embed":
            check(self.provider, request, model=model, idempotency_key=idempotency_key)
        response = answer(request, model=model)
        so_far = Usage(input_tokens=response.usage.input_tokens)
        deltas = [] if response.embeddings else list(_deltas(response))
        for number, delta in enumerate(deltas):
            if fault is not None and number >= fault.after:
                await self._meet(fault, timeout, begun=number > 0, usage=so_far)
            if number == 0:
                yield so_far
            else:
                await self._wait(self._pace, timeout, begun=True)
            yield delta
        if fault is not None:
            await self._meet(fault, timeout, begun=bool(deltas), usage=response.usage)
        yield Answer(response)

    async def _wait(self, pause: timedelta, timeout: timedelta, *, begun: bool = False) -> None:  # noqa: ASYNC109 -- as above
        if pause > timeout:
            await asyncio.sleep(timeout.total_seconds())
            raise self._late(timeout, begun=begun, usage=None)
        # A pause of nothing still lets others run.
        await asyncio.sleep(pause.total_seconds())

    async def _meet(self, fault: Fault, timeout: timedelta, *, begun: bool, usage: Usage | None) -> None:  # noqa: ASYNC109 -- as above
        if fault.silent:
            await asyncio.sleep(timeout.total_seconds())
            raise self._late(timeout, begun=begun, usage=usage)
        if begun:
            raise failures.in_stream(self.provider, (fault.code, fault.status), wait=fault.retry_after, usage=usage)
        raise failures.from_status(self.provider, fault.status, {}, (fault.code,), wait=fault.retry_after)

    def _late(self, timeout: timedelta, *, begun: bool, usage: Usage | None) -> ProviderError:
        if begun:
            return failures.stalled(self.provider, timeout.total_seconds(), usage=usage)
        return failures.timed_out(self.provider, timeout.total_seconds())

    async def close(self) -> None:
        """Nothing is open."""


def estimated_tokens(text: str) -> int:
    """A stated estimate, not a tokenizer: one token for every four bytes of UTF-8, rounded up."""
    return math.ceil(len(text.encode("utf-8", "surrogatepass")) / 4)


def answer(request: ModelRequest, *, model: str) -> ModelResponse:
    """The answer as a pure function of the request."""
    if request.kind == "embed":
        return _embedded(request, model)
    reading = Reading(_last_user_text(request))
    parts: list[AnswerPart] = []
    finish: FinishReason = "stop"
    stopped_by: str | None = None
    if (thought := _thought(request, reading)) is not None:
        parts.append(thought)
    tools = _wanted_tools(request, reading)
    if request.response_format is not None:
        said = _rest(request, _json(_filled(request.response_format.json_schema, reading)))
    elif tools:
        said, finish = "", "tool_calls"
        calls = _calls_so_far(request)
        for number, tool in enumerate(tools, calls + 1):
            parts.append(ToolCallPart(id=f"call_{number}", name=tool.name, arguments=_arguments(tool, reading)))
    else:
        said, finish, stopped_by = _bounded(request, _rest(request, f"[simulated] {_seen(request)}{reading.summary()}"))
    if said:
        parts.append(TextPart(text=said))
    return ModelResponse(
        provider="simulated",
        model=model,
        parts=tuple(parts),
        finish_reason=finish,
        stop_sequence=stopped_by,
        usage=_usage(request, parts),
        simulated=True,
        notes=_notes(request, model),
    )


def _usage(request: ModelRequest, parts: Iterable[AnswerPart]) -> Usage:
    thought = sum(estimated_tokens(part.text) for part in parts if isinstance(part, ThinkingPart))
    written = sum(
        estimated_tokens(part.text if isinstance(part, TextPart) else _json(part.arguments))
        for part in parts
        if not isinstance(part, ThinkingPart)
    )
    return Usage(
        input_tokens=sum(estimated_tokens(text) for text in [*texts(request), *_described(request)]),
        output_tokens=written + thought,
        reasoning_tokens=thought,
    )


def _notes(request: ModelRequest, model: str) -> tuple[str, ...]:
    names = ("temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty", "seed")
    return tuple(f"{name}: simulated/{model} takes none" for name in names if getattr(request, name) is not None)


def _bounded(request: ModelRequest, text: str) -> tuple[str, FinishReason, str | None]:
    """The text up to the first stop sequence and the most tokens, why it ended, and which sequence ended it."""
    found = min(((at, stop) for stop in request.stop if stop and (at := text.find(stop)) >= 0), default=None)
    if found is not None:
        text = text[: found[0]]
    most_bytes = request.max_output_tokens * 4
    if len(text.encode()) > most_bytes:
        return text.encode()[:most_bytes].decode("utf-8", "ignore"), "length", None
    return text, "stop", found[1] if found is not None else None


def _rest(request: ModelRequest, whole: str) -> str:
    """What is left to say of an answer that was begun."""
    last = request.messages[-1] if request.messages else None
    if last is None or last.role != "assistant":
        return whole
    return whole.removeprefix("".join(part.text for part in last.parts if isinstance(part, TextPart)))


def _seen(request: ModelRequest) -> str:
    """The images of the last turn, by what is known of them without looking."""
    last = _last_user(request)
    if last is None:
        return ""
    shown = [
        f"{image.media_type} of {len(image.data)} bytes" if image.data is not None else "an image by its address"
        for image in images(request.model_copy(update={"messages": (last,)}))
    ]
    return f"I was shown {', '.join(shown)}. " if shown else ""


def _thought(request: ModelRequest, reading: Reading) -> ThinkingPart | None:
    """Thinking, where it is asked for and is to be shown."""
    wanted = request.thinking
    if wanted is None or not wanted.show or effort_of(wanted) == "none":
        return None
    return ThinkingPart(
        provider="simulated", text=f"[simulated] I read {estimated_tokens(reading.text)} tokens about {reading.area}."
    )


def _embedded(request: ModelRequest, model: str) -> ModelResponse:
    found = [part.text for message in request.messages for part in message.parts if isinstance(part, TextPart)]
    return ModelResponse(
        provider="simulated",
        model=model,
        embeddings=tuple(_vector(text, request.dimensions or _DIMENSIONS) for text in found),
        finish_reason="stop",
        usage=Usage(input_tokens=sum(map(estimated_tokens, found))),
        simulated=True,
        notes=_notes(request, model),
    )


def _vector(text: str, dimensions: int) -> tuple[float, ...]:
    """Of length 1: each word counts in a place and with a sign that its digest says."""
    counts = [0.0] * dimensions
    for term in _TERM.findall(text.lower()) or [text]:
        digest = int.from_bytes(hashlib.blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest())
        counts[(digest >> 1) % dimensions] += 1.0 if digest & 1 else -1.0
    length = math.sqrt(sum(value * value for value in counts))
    if length == 0.0:
        # Words that cancel each other out.
        counts[0], length = 1.0, 1.0
    return tuple(value / length for value in counts)


def _deltas(response: ModelResponse) -> Iterable[Delta]:
    calls = 0
    for part in response.parts:
        match part:
            case TextPart():
                yield from (TextDelta(text=word) for word in _words(part.text))
            case ThinkingPart():
                yield from (ThinkingDelta(text=word) for word in _words(part.text))
            case ToolCallPart():
                yield ToolCallStarted(index=calls, id=part.id, name=part.name, signature=part.signature)
                written = _json(part.arguments)
                for at in range(0, len(written), _JSON_PIECE):
                    yield ToolCallDelta(index=calls, json_text=written[at : at + _JSON_PIECE])
                calls += 1


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


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
        part.content if isinstance(part, ToolResultPart) else part.text
        for part in last.parts
        if not isinstance(part, ToolCallPart | ImagePart)
    ]
    return "\n\n".join(found)


def _last_user(request: ModelRequest) -> Message | None:
    return next((message for message in reversed(request.messages) if message.role == "user"), None)


def _wanted_tools(request: ModelRequest, reading: Reading) -> list[ToolSpec]:
    """The first offered tool that the last user turn names, or all of them where parallel calls are asked for, or the one demanded.

    Without a demand none once that turn brings tool results, or it would never end.
    """
    choice, last = request.tool_choice, _last_user(request)
    mode = choice.mode if choice is not None else "auto"
    named = [tool for tool in request.tools if tool.name and tool.name in reading.text]
    if mode == "tool" and choice is not None:
        return [tool for tool in request.tools if tool.name == choice.name]
    if mode == "required":
        named = named or list(request.tools[:1])
    elif mode == "none" or last is None or any(isinstance(part, ToolResultPart) for part in last.parts):
        return []
    return named if choice is not None and choice.parallel else named[:1]


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
