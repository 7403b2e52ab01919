"""What every provider needs done to a request before it is translated: checks, tool names, joined texts. Pure functions."""

import hashlib
import json
import re

from adapters.port import UnsupportedRequest
from agentos.contracts.model import Message, ModelRequest, TextPart, ToolCallPart, ToolResultPart

__all__ = ["ToolNames", "check", "joined_text", "need_object_schema"]

_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME = 64


def check(provider: str, request: ModelRequest, *, model: str, idempotency_key: str) -> None:
    """Refuses what no provider takes, so that it does not come back as the provider's 400 or the SDK's exception."""

    def refuse(code: str, why: str) -> UnsupportedRequest:
        return UnsupportedRequest(f"the request cannot be sent: {why}", provider=provider, code=code, kind="never")

    if not re.fullmatch(r"[A-Za-z0-9_.:/@-]{1,200}", model) or ".." in model:
        raise refuse("invalid_model_name", "a model name is 1 to 200 of A-Z a-z 0-9 _ . : / @ -")
    if not re.fullmatch(r"[!-~]{1,255}", idempotency_key):
        raise refuse("invalid_idempotency_key", "an idempotency key is 1 to 255 visible ASCII characters")
    if not request.messages:
        raise refuse("no_messages", "it has no messages")
    for message in request.messages:
        if not any(not isinstance(part, TextPart) or part.text for part in message.parts):
            raise refuse("empty_message", "a message has no content")
        for part in message.parts:
            if isinstance(part, ToolCallPart) and message.role != "assistant":
                raise refuse("misplaced_part", "a tool call stands in a user turn")
            if isinstance(part, ToolResultPart) and message.role != "user":
                raise refuse("misplaced_part", "a tool result stands in an assistant turn")
    try:
        json.dumps(request.model_dump(), ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        # Lone surrogates, NaN, cycles and depth: none of them has a place in JSON text.
        raise refuse("not_json", "it holds a value that JSON in UTF-8 cannot carry, such as a lone surrogate or NaN") from None


def need_object_schema(provider: str, request: ModelRequest) -> None:
    """For providers whose structured answers are always one object."""
    if request.response_format is not None and request.response_format.json_schema.get("type") != "object":
        raise UnsupportedRequest(
            f"{provider} answers with JSON objects only: give response_format a schema of type object",
            provider=provider,
            code="schema_not_object",
        )


def joined_text(message: Message) -> str:
    """The text parts of a turn as one text; several parts become paragraphs."""
    return "\n\n".join(part.text for part in message.parts if isinstance(part, TextPart) and part.text)


class ToolNames:
    """Our tool names ("github.comment") as providers accept them (``A-Z a-z 0-9 _ -``, 64 long), and back.

    The same request gives the same names, so that a replayed request has the same bytes. Names of earlier calls in the
    history are mapped too, also where the tool is no longer offered.
    """

    def __init__(self, request: ModelRequest) -> None:
        self._wire: dict[str, str] = {}
        self._ours: dict[str, str] = {}
        for tool in request.tools:
            self._add(tool.name)
        for message in request.messages:
            for part in message.parts:
                if not isinstance(part, TextPart):
                    self._add(part.name)

    def _add(self, name: str) -> None:
        if name in self._wire:
            return
        wire = _ILLEGAL.sub("_", name)[:_LONGEST_NAME] or "_"
        # Gemini wants a letter or an underscore first.
        if not (wire[0].isalpha() or wire[0] == "_"):
            wire = f"_{wire}"[:_LONGEST_NAME]
        if wire in self._ours:
            wire = f"{wire[: _LONGEST_NAME - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        self._wire[name] = wire
        self._ours[wire] = name

    def to_wire(self, name: str) -> str:
        """The name that the provider sees."""
        return self._wire[name]

    def from_wire(self, name: str) -> str:
        """Our name; a name that the model made up comes back as it is."""
        return self._ours.get(name, name)
