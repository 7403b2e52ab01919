"""What every provider needs done to a request before it is translated: checks, tool names, joined texts, efforts. Pure functions."""

import hashlib
import json
import re
from typing import Any, Literal

from adapters.port import UnsupportedRequest
from agentos.contracts.model import (
    ImagePart,
    Message,
    ModelRequest,
    TextPart,
    Thinking,
    ToolCallPart,
    ToolResultPart,
)

__all__ = [
    "Effort",
    "ToolNames",
    "as_json",
    "budget_of",
    "check",
    "check_json",
    "effort_of",
    "joined_text",
    "json_text",
    "need_object_schema",
]

Effort = Literal["none", "minimal", "low", "medium", "high", "max"]

_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")
_MODEL = re.compile(r"[A-Za-z0-9_.:/@-]{1,200}")
_KEY = re.compile(r"[!-~]{1,255}")
_LONGEST_NAME = 64
_BUDGETS: dict[Effort, int] = {"none": 0, "minimal": 1_024, "low": 4_096, "medium": 12_288, "high": 24_576, "max": 65_536}
"""What an effort is in tokens, where a provider counts: our own scale."""


def check(provider: str, request: ModelRequest, *, model: str, idempotency_key: str) -> None:
    """Refuses what no provider takes, so that it does not come back as the provider's 400 or the SDK's exception.

    That the request is JSON at all is for ``as_json`` or ``check_json`` to see.
    """

    def refuse(code: str, why: str) -> UnsupportedRequest:
        return UnsupportedRequest(f"the request cannot be sent: {why}", provider=provider, code=code, kind="never")

    if not _MODEL.fullmatch(model) or ".." in model:
        raise refuse("invalid_model_name", "a model name is 1 to 200 of A-Z a-z 0-9 _ . : / @ -")
    if not _KEY.fullmatch(idempotency_key):
        raise refuse("invalid_idempotency_key", "an idempotency key is 1 to 255 visible ASCII characters")
    if not request.messages:
        raise refuse("no_messages", "it has no messages")
    for message in request.messages:
        empty = True
        for part in message.parts:
            if isinstance(part, TextPart):
                empty = empty and not part.text
                continue
            empty = False
            if isinstance(part, ToolCallPart) and message.role != "assistant":
                raise refuse("misplaced_part", "a tool call stands in a user turn")
            if isinstance(part, ToolResultPart | ImagePart) and message.role != "user":
                raise refuse("misplaced_part", "a tool result or an image stands in an assistant turn")
        if empty:
            raise refuse("empty_message", "a message has no content")
    if request.kind == "embed":
        parts = request.messages[0].parts
        if len(request.messages) > 1 or not all(isinstance(part, TextPart) and part.text for part in parts):
            raise refuse("not_embeddable", "embeddings are of the texts of one user turn, none of them empty")
    _check_tools(request, refuse)


def _check_tools(request: ModelRequest, refuse: Any) -> None:
    names = {tool.name for tool in request.tools}
    if len(names) < len(request.tools):
        raise refuse("duplicate_tool", "two tools have the same name")
    if any(tool.parameters.get("type", "object") != "object" for tool in request.tools):
        raise refuse("invalid_tool_schema", "the parameters of a tool are a JSON Schema of type object")
    choice = request.tool_choice
    if choice is None:
        return
    if choice.mode in ("required", "tool") and not names:
        raise refuse("contradictory_tool_choice", "it demands a tool and offers none")
    if choice.mode == "tool" and choice.name not in names:
        raise refuse("contradictory_tool_choice", "it demands a tool that it does not offer")


def as_json(provider: str, body: Any) -> bytes:
    """The body as it is sent: JSON in UTF-8. Refuses what JSON cannot carry: lone surrogates, NaN, cycles, depth."""
    try:
        return json_text(provider, body).encode()
    except UnicodeEncodeError:
        pass
    # Raised out here so that the encoder's exception, which holds the text, is not its context.
    raise _not_json(provider)


def json_text(provider: str, value: Any) -> str:
    """JSON that stands as a text within the body, such as a tool call's arguments. Refuses the same, but for lone surrogates."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        pass
    raise _not_json(provider)


def _not_json(provider: str) -> UnsupportedRequest:
    return UnsupportedRequest(
        "the request cannot be sent: it holds a value that JSON in UTF-8 cannot carry, such as a lone surrogate or NaN",
        provider=provider,
        code="not_json",
        kind="never",
    )


def check_json(provider: str, request: ModelRequest) -> None:
    """The same check for adapters whose SDK writes the JSON itself."""
    as_json(provider, request.model_dump(exclude={"messages": {"__all__": {"parts": {"__all__": {"data", "images"}}}}}))


def need_object_schema(provider: str, request: ModelRequest) -> None:
    """For providers whose structured answers are always one object. No schema at all means any object."""
    wanted = request.response_format
    if wanted is not None and wanted.json_schema and wanted.json_schema.get("type") != "object":
        raise UnsupportedRequest(
            f"{provider} answers with JSON objects only: give response_format a schema of type object",
            provider=provider,
            code="schema_not_object",
        )


def joined_text(message: Message) -> str:
    """The text parts of a turn as one text; several parts become paragraphs."""
    return "\n\n".join(part.text for part in message.parts if isinstance(part, TextPart) and part.text)


def effort_of(thinking: Thinking) -> Effort | None:
    """How much to think in words, for providers that do not count; None where the request leaves it open."""
    if thinking.effort is not None or thinking.budget_tokens is None:
        return thinking.effort
    if thinking.budget_tokens <= 0:
        return "none"
    if thinking.budget_tokens <= _BUDGETS["low"]:
        return "low"
    # "max" is for those who ask for it in words.
    return "medium" if thinking.budget_tokens <= _BUDGETS["medium"] else "high"


def budget_of(thinking: Thinking) -> int | None:
    """How much to think in tokens, for providers that count; None where the request leaves it open."""
    if thinking.budget_tokens is not None or thinking.effort is None:
        return thinking.budget_tokens
    return _BUDGETS[thinking.effort]


class ToolNames:
    """Our tool names ("github.comment") as providers accept them (``A-Z a-z 0-9 _ -``, 64 long), and back.

    The same request gives the same names, so that a replayed request has the same bytes. Names of earlier calls in the
    history are mapped too, also where the tool is no longer offered.
    """

    __slots__ = ("_ours", "_wire")

    def __init__(self, request: ModelRequest) -> None:
        self._wire: dict[str, str] = {}
        self._ours: dict[str, str] = {}
        for tool in request.tools:
            self._add(tool.name)
        for message in request.messages:
            for part in message.parts:
                if isinstance(part, ToolCallPart | ToolResultPart):
                    self._add(part.name)

    def _add(self, name: str) -> None:
        if name in self._wire:
            return
        wire = _ILLEGAL.sub("_", name)[:_LONGEST_NAME] or "_"
        # Gemini wants a letter or an underscore first.
        if not (wire[0].isalpha() or wire[0] == "_"):
            wire = f"_{wire}"[:_LONGEST_NAME]
        if wire in self._ours:
            wire = f"{wire[: _LONGEST_NAME - 9]}_{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
        self._wire[name] = wire
        self._ours[wire] = name

    def to_wire(self, name: str) -> str:
        """The name that the provider sees."""
        return self._wire[name]

    def from_wire(self, name: str) -> str:
        """Our name; a name that the model made up comes back as it is."""
        return self._ours.get(name, name)
