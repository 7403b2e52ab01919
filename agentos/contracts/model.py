"""The neutral model request and response: what packs write, policy reads, adapters translate.

Text and images in, text and tool calls out. Provider-specific options that have no neutral name do not exist here: an adapter
that cannot carry a field refuses the request before sending it.
"""

from typing import Annotated, Literal

from pydantic import Field

from agentos.contracts.base import Contract, Json, Usd


class TextPart(Contract):
    """Plain text."""

    type: Literal["text"] = "text"
    text: str


class ToolCallPart(Contract):
    """The model asks for a tool. ``arguments`` is the parsed JSON object; ``id`` ties the result to it."""

    type: Literal["tool_call"] = "tool_call"
    id: str
    name: str
    arguments: dict[str, Json]


class ToolResultPart(Contract):
    """What a tool answered, as text, for the model to read."""

    type: Literal["tool_result"] = "tool_result"
    id: str
    name: str
    content: str
    is_error: bool = False


Part = Annotated[TextPart | ToolCallPart | ToolResultPart, Field(discriminator="type")]


class Message(Contract):
    """One turn. Tool results stand in ``user`` turns. The system prompt is a field of the request, not a turn."""

    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]


class ToolSpec(Contract):
    """A tool that the model may ask for; ``parameters`` is a JSON Schema of type object."""

    name: str
    description: str
    parameters: dict[str, Json]


class JsonSchemaFormat(Contract):
    """Ask for an answer that is one JSON value of this schema."""

    name: str
    json_schema: dict[str, Json]


class ModelRequest(Contract):
    """What a pack asks of a model. ``model`` is an alias ("default") or "provider/model" ("openai/gpt-5-mini")."""

    model: str = "default"
    system: str | None = None
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    response_format: JsonSchemaFormat | None = None
    max_output_tokens: int = Field(default=1024, ge=1, le=200_000)
    temperature: float | None = Field(default=None, ge=0, le=2)
    stop: tuple[str, ...] = ()


class Usage(Contract):
    """Tokens of one attempt, in disjoint classes: ``input_tokens`` excludes both cache classes, on every provider."""

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    """Part of ``output_tokens`` that was spent on thinking; 0 where the provider does not say."""


FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "other"]


class ModelResponse(Contract):
    """What the model answered. ``simulated`` is true only for the stand-in that answers when there is no provider key."""

    provider: str
    model: str
    parts: tuple[TextPart | ToolCallPart, ...]
    finish_reason: FinishReason
    usage: Usage
    provider_request_id: str | None = None
    simulated: bool = False

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


class Cost(Contract):
    """Price of one attempt. ``priced`` is false where the price table lacks the model; then ``usd`` is 0 and says nothing."""

    usd: Usd
    priced: bool


def user(text: str) -> Message:
    """A user turn of one text."""
    return Message(role="user", parts=(TextPart(text=text),))


def texts(request: ModelRequest) -> list[str]:
    """Every text of the request that a provider would see, in order: system, then each part, tool descriptions excluded."""
    found = [request.system] if request.system else []
    for message in request.messages:
        for part in message.parts:
            match part:
                case TextPart():
                    found.append(part.text)
                case ToolResultPart():
                    found.append(part.content)
                case ToolCallPart():
                    pass
    return found
