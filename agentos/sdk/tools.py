"""What a tool gets and gives. A tool is ``async def tool(call: ToolCall) -> ToolResult``, executed by the worker."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One governed tool call.

    ``id`` is the same in every attempt, also after a crash: a tool that changes the world uses it as its idempotency key.
    ``secrets`` holds the declared secrets that are set, by value; nothing else is reachable. ``outbox`` is the folder where a
    tool without its secrets may leave what it would have sent.
    """

    id: str
    name: str
    arguments: Mapping[str, Any]
    outbox: Path
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class ToolResult:
    """``value`` is JSON for the agent; ``simulated`` says that nothing was sent."""

    value: Any
    simulated: bool = False


class ToolFailure(Exception):
    """Raised by a tool: it did not work. ``retryable`` lets the worker try again; the message must hold no secret."""

    def __init__(self, detail: str, *, code: str = "tool_failed", retryable: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.retryable = retryable
