"""The neutral model request and response: what packs write, policy reads, adapters translate.

Text, images, tools and thinking in; text, tool calls, thinking or vectors out. A field that a provider has no name for is refused by its
adapter before anything is sent, or left out and said so in ``ModelResponse.notes``; it is never dropped silently.
"""

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from agentos.contracts.base import Contract, Json, Usd


class TextPart(Contract):
    """Plain text. ``cache`` marks the end of a prefix that the provider may keep (prompt caching), for so long."""

    type: Literal["text"] = "text"
    text: str
    cache: Literal["5m", "1h"] | None = None


class ImagePart(Contract):
    """An image: its bytes (base64 in JSON), or an https address that the provider fetches itself."""

    type: Literal["image"] = "image"
    media_type: Literal["image/png", "image/jpeg", "image/gif", "image/webp"] | None = None
    """Required with ``data``."""
    data: bytes | None = None
    url: Annotated[str, Field(pattern=r"^https://", max_length=8_192)] | None = None
    detail: Literal["auto", "low", "high"] | None = None
    cache: Literal["5m", "1h"] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.data is None) == (self.url is None):
            raise ValueError("an image has either data or a url")
        if self.data is not None and self.media_type is None:
            raise ValueError("the data of an image needs its media_type, such as image/png")
        return self


class ThinkingPart(Contract):
    """What a model thought before its answer. ``signature`` and ``encrypted`` are its provider's, and mean something to it alone.

    Sent back unchanged, it lets a model go on thinking between tool calls; another provider's thinking is left out, with a note.
    """

    type: Literal["thinking"] = "thinking"
    provider: str
    text: str = ""
    signature: str | None = None
    encrypted: str | None = None
    """Thinking that the provider shows to nobody (Anthropic's redacted blocks, OpenAI's encrypted content)."""
    id: str | None = None


class ToolCallPart(Contract):
    """The model asks for a tool. ``arguments`` is the parsed JSON object; ``id`` ties the result to it."""

    type: Literal["tool_call"] = "tool_call"
    id: str
    name: str
    arguments: dict[str, Json]
    signature: str | None = None
    """The provider's own mark of the thinking that led here; sent back unchanged (Gemini demands it)."""
    cache: Literal["5m", "1h"] | None = None


class ToolResultPart(Contract):
    """What a tool answered, as text and images, for the model to read."""

    type: Literal["tool_result"] = "tool_result"
    id: str
    name: str
    content: str
    images: tuple[ImagePart, ...] = ()
    is_error: bool = False
    cache: Literal["5m", "1h"] | None = None


Part = Annotated[TextPart | ImagePart | ThinkingPart | ToolCallPart | ToolResultPart, Field(discriminator="type")]
AnswerPart = Annotated[TextPart | ThinkingPart | ToolCallPart, Field(discriminator="type")]


class Message(Contract):
    """One turn. Tool results and images stand in ``user`` turns. The system prompt is a field of the request, not a turn."""

    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]


class ToolSpec(Contract):
    """A tool that the model may ask for; ``parameters`` is a JSON Schema of type object."""

    name: str
    description: str
    parameters: dict[str, Json]
    strict: bool | None = None
    """Whether the provider must hold the arguments to the schema; None leaves it to the provider."""
    cache: Literal["5m", "1h"] | None = None


class ToolChoice(Contract):
    """``auto``: the model decides; ``required``: some tool; ``none``: no tool; ``tool``: the one called ``name``."""

    mode: Literal["auto", "required", "none", "tool"] = "auto"
    name: str | None = None
    parallel: bool | None = None
    """Whether several tools may be asked for at once; None leaves it to the provider."""

    @model_validator(mode="after")
    def _named(self) -> Self:
        if (self.mode == "tool") != (self.name is not None):
            raise ValueError("mode tool names its tool; the other modes name none")
        return self


class Thinking(Contract):
    """How much to think: in words or in tokens. Adapters translate one into the other where the provider knows only that."""

    effort: Literal["none", "minimal", "low", "medium", "high", "max"] | None = None
    budget_tokens: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    show: bool = False
    """Ask for what was thought, or its summary, as thinking parts."""


class JsonSchemaFormat(Contract):
    """Ask for an answer that is one JSON value of this schema; without a schema, any JSON object."""

    name: str
    json_schema: dict[str, Json]
    strict: bool | None = None


class ModelRequest(Contract):
    """What is asked of a model. ``model`` is an alias ("default") or "provider/model" ("openai/gpt-5-mini").

    ``embed`` asks for one vector for each text part of the one user message, in order.
    """

    kind: Literal["generate", "embed"] = "generate"
    model: str = "default"
    system: str | None = None
    system_cache: Literal["5m", "1h"] | None = None
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice | None = None
    response_format: JsonSchemaFormat | None = None
    thinking: Thinking | None = None
    max_output_tokens: int = Field(default=1024, ge=1, le=1_000_000)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=1)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    seed: int | None = None
    stop: tuple[str, ...] = ()
    dimensions: int | None = Field(default=None, ge=1, le=65_536)
    """Of the vectors, for ``embed``."""
    cache_key: str | None = Field(default=None, max_length=256)
    """Requests with the same key share a prefix: the router keeps them on one target, and OpenAI is told."""
    reuse: bool = True
    """Whether an earlier answer to exactly this request may be given, where the router is set up to keep answers."""


class Usage(Contract):
    """Tokens of one attempt, in disjoint classes: ``input_tokens`` excludes both cache classes, on every provider."""

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    """Part of ``cache_write_tokens`` that is kept for an hour and costs more."""
    output_tokens: int = 0
    reasoning_tokens: int = 0
    """Part of ``output_tokens`` that was spent on thinking; 0 where the provider does not say."""

    def plus(self, other: "Usage") -> "Usage":
        """The sum, class by class."""
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in Usage.model_fields})


FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "cut_off", "other"]
"""``cut_off``: the router ended the answer because its budget was used up."""


class ModelResponse(Contract):
    """What the model answered. ``simulated`` is true only for the stand-in that answers when there is no provider key."""

    provider: str
    model: str
    parts: tuple[AnswerPart, ...] = ()
    embeddings: tuple[tuple[float, ...], ...] = ()
    finish_reason: FinishReason
    provider_finish_reason: str | None = None
    """In the provider's own words."""
    stop_sequence: str | None = None
    """Which of the stop sequences ended it, where the provider says."""
    usage: Usage
    provider_request_id: str | None = None
    simulated: bool = False
    notes: tuple[str, ...] = ()
    """What of the request was not carried, such as ``seed: gemini/… takes none``: names and reasons, never values."""

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


class Cost(Contract):
    """Price of one attempt, or of all attempts of a call. ``priced`` is false where the price table lacks a model; then ``usd``
    holds what is known, and is no sum."""

    usd: Usd
    priced: bool


# --- an answer as it comes in: what a stream is made of ---------------------------------------------------------------------


class TextDelta(Contract):
    """More text."""

    type: Literal["text"] = "text"
    text: str


class ThinkingDelta(Contract):
    """More of what is being thought."""

    type: Literal["thinking"] = "thinking"
    text: str


class ThinkingSealed(Contract):
    """A part of thinking is whole, and this is what its provider adds to it: see ``ThinkingPart``. On its own, a part that nobody is shown.

    Only of thinking that can be sent back; other thinking ends where something else begins.
    """

    type: Literal["sealed"] = "sealed"
    provider: str
    signature: str | None = None
    encrypted: str | None = None
    id: str | None = None


class ToolCallStarted(Contract):
    """The model begins to ask for a tool; ``index`` counts the calls of this answer from 0."""

    type: Literal["tool_call"] = "tool_call"
    index: int
    id: str
    name: str
    signature: str | None = None
    """Where it is known by now: see ``ToolCallPart``."""


class ToolCallDelta(Contract):
    """More of the JSON text of the arguments of call ``index``."""

    type: Literal["arguments"] = "arguments"
    index: int
    json_text: str


Delta = Annotated[TextDelta | ThinkingDelta | ThinkingSealed | ToolCallStarted | ToolCallDelta, Field(discriminator="type")]


def user(text: str) -> Message:
    """A user turn of one text."""
    return Message(role="user", parts=(TextPart(text=text),))


def texts(request: ModelRequest) -> list[str]:
    """Every text of the request that a provider would see, in order: system, then each part, tool descriptions excluded."""
    found = [request.system] if request.system else []
    for message in request.messages:
        for part in message.parts:
            match part:
                case TextPart() | ThinkingPart():
                    found.append(part.text)
                case ToolResultPart():
                    found.append(part.content)
                case ToolCallPart() | ImagePart():
                    pass
    return found


BYTES_PER_TOKEN = 4
"""Of text: a rough figure, by which what nobody has counted yet is estimated."""
IMAGE_TOKENS = 1_000
"""A rough figure: providers count 85 to 1,600, by size."""
MESSAGE_TOKENS = 4
"""What stands around each turn."""


def estimated_input_tokens(request: ModelRequest) -> int:
    """About as many tokens the request takes: its texts and tools at four bytes each, round figures for turns and images.

    One estimate for all: what a budget holds back is what the router later measures an answer by.
    """
    found = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts(request)) // BYTES_PER_TOKEN
    found += sum(len(tool.description) + len(str(tool.parameters)) for tool in request.tools) // BYTES_PER_TOKEN
    return found + MESSAGE_TOKENS * len(request.messages) + IMAGE_TOKENS * sum(1 for _ in images(request))


def images(request: ModelRequest) -> Iterable[ImagePart]:
    """Every image of the request, those in tool results included."""
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ImagePart):
                yield part
            elif isinstance(part, ToolResultPart):
                yield from part.images
