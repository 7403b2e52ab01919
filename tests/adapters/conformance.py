"""What the conformance tests of the providers share: asking through an adapter, and what its stream must add up to."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from adapters.port import Answer, ModelAdapter
from agentos.contracts.model import (
    AnswerPart,
    Delta,
    ModelRequest,
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
from agentos.contracts.model import user as user_turn

__all__ = ["HELLO", "ask", "ask_streaming", "check_sum", "events", "kinds"]

HELLO = ModelRequest(messages=(user_turn("Hello."),))
_TIMEOUT = timedelta(seconds=20)


async def ask(adapter: ModelAdapter, request: ModelRequest = HELLO, *, model: str = "model-1") -> Answer:
    """One attempt without streaming."""
    return await adapter.complete(request, model=model, timeout=_TIMEOUT, idempotency_key="call-1-a1")


async def ask_streaming(
    adapter: ModelAdapter, request: ModelRequest = HELLO, *, model: str = "model-1", timeout: timedelta = _TIMEOUT
) -> tuple[list[Delta], list[Usage], Answer]:
    """One attempt with streaming; what came, once it is checked that it adds up."""
    deltas: list[Delta] = []
    usages: list[Usage] = []
    answer: Answer | None = None
    async for item in adapter.stream(request, model=model, timeout=timeout, idempotency_key="call-1-a1"):
        assert answer is None, "the answer is the last that comes"
        if isinstance(item, Answer):
            answer = item
        elif isinstance(item, Usage):
            usages.append(item)
        else:
            deltas.append(item)
    assert answer is not None
    check_sum(deltas, answer.response)
    return deltas, usages, answer


def check_sum(deltas: Sequence[Delta], response: ModelResponse) -> None:
    """The parts of an answer are the sum of its deltas."""
    parts = response.parts
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)) == response.text
    thought = "".join(part.text for part in parts if isinstance(part, ThinkingPart))
    assert "".join(delta.text for delta in deltas if isinstance(delta, ThinkingDelta)) == thought
    sealed = [delta for delta in deltas if isinstance(delta, ThinkingSealed)]
    seals = [
        (ThinkingSealed(provider=part.provider, signature=part.signature, encrypted=part.encrypted, id=part.id), part.text)
        for part in parts
        if isinstance(part, ThinkingPart) and (part.signature or part.encrypted)
    ]
    assert sealed == [seal for seal, _ in seals[: len(sealed)]]
    assert not any(text for _, text in seals[len(sealed) :]), (
        "what is shown is sealed at once; what is not, with what comes next"
    )
    started = [(delta.id, delta.name, delta.signature) for delta in deltas if isinstance(delta, ToolCallStarted)]
    calls = [part for part in parts if isinstance(part, ToolCallPart)]
    assert [delta.index for delta in deltas if isinstance(delta, ToolCallStarted)] == list(range(len(started)))
    assert started[: len(calls)] == [(call.id, call.name, call.signature) for call in calls]
    for index, call in enumerate(calls):
        written = "".join(delta.json_text for delta in deltas if isinstance(delta, ToolCallDelta) and delta.index == index)
        assert (
            ToolCallPart.model_validate_json(f'{{"id": "x", "name": "x", "arguments": {written or "{}"}}}').arguments
            == call.arguments
        )
    assert all(not isinstance(part, TextPart) or part.text for part in parts), "no empty texts"


def kinds(parts: Sequence[AnswerPart]) -> list[str]:
    """The types of the parts, in order."""
    return [part.type for part in parts]


def events(*values: Any, newline: str = "\n", named: bool = True) -> bytes:
    """Values as server-sent events, named by their type as Anthropic does; texts are written as they are."""
    written: list[str] = []
    for value in values:
        if isinstance(value, str):
            written.append(value + newline)
            continue
        name = f"event: {value['type']}{newline}" if named and "type" in value else ""
        written.append(f"{name}data: {json.dumps(value, ensure_ascii=False)}{newline}{newline}")
    return "".join(written).encode()
