"""The pack author's API. Needs pydantic and pyyaml only; a pack imports nothing else of AgentOS.

An agent is a coroutine ``async def triage(ctx: Context, input: dict) -> dict`` (or a pydantic model). Whatever it asks of
``ctx`` is governed and recorded; run again after a crash or a wait of days, it gets the recorded answers.
"""

from agentos.contracts.model import Message, ModelRequest, ModelResponse, TextPart, ToolCallPart, ToolResultPart, ToolSpec, user
from agentos.sdk.context import Approval, Context, TaskInfo
from agentos.sdk.errors import (
    ApprovalRejected,
    CallRefused,
    ManifestError,
    ModelError,
    NonDeterminismError,
    PackError,
    SubtaskError,
    ToolError,
)
from agentos.sdk.manifest import AgentEntry, Manifest, Pack, ToolEntry, discover
from agentos.sdk.tools import ToolCall, ToolFailure, ToolResult

__all__ = [
    "AgentEntry",
    "Approval",
    "ApprovalRejected",
    "CallRefused",
    "Context",
    "Manifest",
    "ManifestError",
    "Message",
    "ModelError",
    "ModelRequest",
    "ModelResponse",
    "NonDeterminismError",
    "Pack",
    "PackError",
    "SubtaskError",
    "TaskInfo",
    "TextPart",
    "ToolCall",
    "ToolCallPart",
    "ToolEntry",
    "ToolError",
    "ToolFailure",
    "ToolResult",
    "ToolResultPart",
    "ToolSpec",
    "discover",
    "user",
]
