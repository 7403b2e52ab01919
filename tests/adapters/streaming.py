"""What the tests of streams have in common: one stream is run to its end, and held to what the port says of every stream."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from adapters.port import Answer, ModelAdapter
from agentos.contracts.model import (
    Delta,
    ModelRequest,
    ModelResponse,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from tests.adapters.conformance import HELLO, check_sum

__all__ = ["HELLO", "Streamed", "run", "sse"]


@dataclass
class Streamed:
    """Everything that came, in order."""

    deltas: list[Delta] = field(default_factory=list[Delta])
    usages: list[Usage] = field(default_factory=list[Usage])
    answers: list[Answer] = field(default_factory=list[Answer])

    @property
    def answer(self) -> ModelResponse:
        """The end of the stream."""
        [answer] = self.answers
        return answer.response

    @property
    def text(self) -> str:
        """The text of the deltas."""
        return "".join(delta.text for delta in self.deltas if isinstance(delta, TextDelta))

    @property
    def thinking(self) -> str:
        """The thinking of the deltas."""
        return "".join(delta.text for delta in self.deltas if isinstance(delta, ThinkingDelta))


async def run(
    adapter: ModelAdapter,
    request: ModelRequest = HELLO,
    *,
    model: str = "model-1",
    timeout_s: float = 20,
    into: Streamed | None = None,
) -> Streamed:
    """The stream, run to its end; what had come before a failure is in ``into``."""
    found = into if into is not None else Streamed()
    stream = adapter.stream(request, model=model, timeout=timedelta(seconds=timeout_s), idempotency_key="call-1-a1")
    async for item in stream:
        assert not found.answers, "nothing follows the answer"
        if isinstance(item, Answer):
            found.answers.append(item)
        elif isinstance(item, Usage):
            found.usages.append(item)
        else:
            found.deltas.append(item)
    check_sum(found.deltas, found.answer)
    return found


def sse(*values: Any, done: bool = True, named: bool = False) -> bytes:
    """Events as OpenAI frames them. ``named`` gives each the name of its type."""
    events = [
        (f"event: {value['type']}\n" if named else "") + f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
        for value in values
    ]
    return ("".join(events) + ("data: [DONE]\n\n" if done else "")).encode()
