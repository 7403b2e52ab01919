"""Anthropic's Messages, as clients ask: https://docs.anthropic.com/en/api/messages, read strictly."""

from typing import Annotated, Any, Literal

from pydantic import Field

from agentos.contracts.base import Json
from agentos.contracts.model import (
    ImagePart,
    JsonSchemaFormat,
    Message,
    Part,
    TextPart,
    Thinking,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
    ToolSpec,
)
from services.gateway.endpoint import carried
from services.gateway.endpoint.asked import (
    Asked,
    Strict,
    checked_tools,
    image_of_data,
    image_of_url,
    neutral,
    never,
    no_messages,
    one_of,
    read,
    refused_field,
    tool_of,
    uncarried,
)
from services.gateway.endpoint.dialects.shared import CacheControl, Cached, Direct, OwnTool, Ttl, late, marked


class Text(Cached):
    type: Literal["text"]
    text: str
    citations: tuple[Any, ...] | None = None
    """Of an answer that is sent back; the model is told nothing by them."""


class Base64Source(Strict):
    type: Literal["base64"]
    media_type: str
    data: str


class UrlSource(Strict):
    type: Literal["url"]
    url: str


class Image(Cached):
    type: Literal["image"]
    source: Annotated[Base64Source | UrlSource, Field(discriminator="type")]


class ToolUse(Cached):
    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, Json]
    caller: Direct | None = None


class NoCitations(Strict):
    enabled: Literal[False] = False


class PlainSource(Strict):
    type: Literal["text"]
    media_type: Literal["text/plain"] = "text/plain"
    data: str


class ContentSource(Strict):
    type: Literal["content"]
    content: str | tuple[Text, ...]


class Document(Cached):
    type: Literal["document"]
    source: Annotated[PlainSource | ContentSource, Field(discriminator="type")]
    title: str | None = None
    context: str | None = None
    citations: NoCitations | None = None


class SearchResult(Cached):
    type: Literal["search_result"]
    source: str
    title: str
    content: tuple[Text, ...]
    citations: NoCitations | None = None


class ToolResult(Cached):
    type: Literal["tool_result"]
    tool_use_id: str
    content: str | tuple[Annotated[Text | Image | Document | SearchResult, Field(discriminator="type")], ...] = ""
    is_error: bool | None = None


class ThoughtOf(Strict):
    type: Literal["thinking"]
    thinking: str
    signature: str | None = None


class RedactedThinking(Strict):
    type: Literal["redacted_thinking"]
    data: str


Block = Annotated[
    Text | Image | Document | SearchResult | ToolUse | ToolResult | ThoughtOf | RedactedThinking, Field(discriminator="type")
]


class Turn(Strict):
    role: Literal["user", "assistant", "system"]
    content: str | tuple[Block, ...]


class ToolOffered(Cached, OwnTool):
    name: str
    description: str | None = None
    input_schema: Json
    type: Literal["custom"] | None = None
    strict: bool | None = None
    eager_input_streaming: bool | None = None
    """Arguments are streamed as they come anyway."""


class ToolChosen(Strict):
    type: Literal["auto", "any", "none", "tool"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class ThinkingWanted(Strict):
    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: int | None = None
    display: Literal["summarized", "omitted"] | None = None


class OutputFormat(Strict):
    type: Literal["json_schema"]
    schema_: dict[str, Json] = Field(alias="schema")


class OutputConfig(Strict):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: OutputFormat | None = None


class Metadata(Strict):
    user_id: str | None = None


class CountRequest(Strict):
    """What counting tokens and a message have in common."""

    model: Annotated[str, Field(min_length=1, max_length=200)]
    messages: tuple[Turn, ...]
    system: str | tuple[Text, ...] | None = None
    tools: tuple[ToolOffered, ...] | None = None
    tool_choice: ToolChosen | None = None
    thinking: ThinkingWanted | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    """As it was called before ``output_config``."""
    cache_control: CacheControl | None = None
    # What only has one meaning here; see _HARMLESS.
    mcp_servers: Any = None
    context_management: Any = None


class MessagesRequest(CountRequest):
    max_tokens: int
    stream: bool | None = None
    stop_sequences: tuple[str, ...] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    metadata: Metadata | None = None
    # As above.
    container: Any = None
    inference_geo: Any = None
    service_tier: Any = None
    speed: Any = None


_HARMLESS = {
    "mcp_servers": (one_of([]), "tools that the provider runs itself are not governed: offer tools of your own"),
    "context_management": (never, "is not carried: send the messages that are to be read"),
    "container": (never, "tools that the provider runs itself are not governed: leave it out"),
    "inference_geo": (never, "where a model runs is policy's choice: leave it out"),
    "service_tier": (one_of("auto", "standard_only"), "tiers are the router's choice: leave it out"),
    "speed": (one_of("standard"), "is not carried: leave it out"),
}


def read_messages(body: bytes, _: object) -> Asked:
    """A request, in neutral terms. Raises EndpointError naming the field that cannot be carried."""
    given = read(MessagesRequest, body)
    return _asked(
        given,
        max_output_tokens=given.max_tokens,
        stop=given.stop_sequences,
        temperature=given.temperature,
        top_p=given.top_p,
        top_k=given.top_k,
        stream=bool(given.stream),
        user=None if given.metadata is None else given.metadata.user_id,
    )


def read_count(body: bytes) -> Asked:
    """A request whose tokens are to be counted."""
    return _asked(read(CountRequest, body))


def _asked(given: CountRequest, *, stream: bool = False, user: str | None = None, **more: Any) -> Asked:
    uncarried(given, {name: rule for name, rule in _HARMLESS.items() if name in type(given).model_fields})
    system, system_cache = _system(given)
    notes: list[str] = []
    messages, late_ones = _conversation(given, notes)
    tools = tuple(_tool(tool, f"tools.{index}") for index, tool in enumerate(given.tools or ()))
    request = neutral(
        model=given.model,
        system="\n\n".join([*([system] if system else []), *late_ones]) or None,
        system_cache=system_cache,
        messages=messages,
        tools=tools,
        tool_choice=checked_tools(tools, _choice(given.tool_choice)),
        response_format=_format(given),
        thinking=_thinking(given),
        **more,
    )
    return Asked(request, stream, user, notes=tuple(notes), documents=_has_documents(given))


def _has_documents(given: CountRequest) -> bool:
    return any(
        isinstance(block, Document | SearchResult)
        for turn in given.messages
        if not isinstance(turn.content, str)
        for block in turn.content
    )


def _system(given: CountRequest) -> tuple[str | None, Ttl | None]:
    top: Ttl | None = None if given.cache_control is None else given.cache_control.ttl
    match given.system:
        case None:
            return None, top
        case str():
            return given.system or None, top
        case blocks:
            # One text: where a mark stands within it, the whole is what is kept.
            for block in blocks:
                top = block.cache or top
            return "\n\n".join(block.text for block in blocks) or None, top


def _tool(tool: ToolOffered, param: str) -> ToolSpec:
    return tool_of(tool.name, tool.description, tool.input_schema, tool.strict, f"{param}.input_schema", cache=tool.cache)


def _choice(given: ToolChosen | None) -> ToolChoice | None:
    if given is None:
        return None
    if (given.type == "tool") != (given.name is not None):
        raise refused_field("tool_choice.name", "is for type tool, and needed there")
    parallel = None if given.disable_parallel_tool_use is None else not given.disable_parallel_tool_use
    return ToolChoice(mode="required" if given.type == "any" else given.type, name=given.name, parallel=parallel)


def _format(given: CountRequest) -> JsonSchemaFormat | None:
    config = None if given.output_config is None else given.output_config.format
    if config is not None and given.output_format is not None and config != given.output_format:
        raise refused_field("output_format", "contradicts output_config.format: send the latter")
    wanted = config or given.output_format
    return None if wanted is None else JsonSchemaFormat(name="answer", json_schema=wanted.schema_, strict=True)


def _thinking(given: CountRequest) -> Thinking | None:
    effort = None if given.output_config is None else given.output_config.effort
    words = "max" if effort == "xhigh" else effort
    wanted = given.thinking
    if wanted is None:
        return None if words is None else Thinking(effort=words)
    if (wanted.type == "enabled") != (wanted.budget_tokens is not None):
        raise refused_field("thinking.budget_tokens", "is for type enabled, and needed there")
    if wanted.type == "disabled":
        return Thinking(effort="none")
    return Thinking(effort=words, budget_tokens=wanted.budget_tokens, show=wanted.display != "omitted")


def _conversation(given: CountRequest, notes: list[str]) -> tuple[tuple[Message, ...], list[str]]:
    """The turns, and the instructions among them."""
    names: dict[str, str] = {}
    found: list[Message] = []
    instructions: list[str] = []
    for index, turn in enumerate(given.messages):
        param = f"messages.{index}"
        content = (Text(type="text", text=turn.content),) if isinstance(turn.content, str) else turn.content
        parts = tuple(_part(block, names, turn.role, f"{param}.content.{at}") for at, block in enumerate(content))
        names |= {part.id: part.name for part in parts if isinstance(part, ToolCallPart)}
        if turn.role == "system":
            notes.append(late(param))
            instructions += [part.text for part in parts if isinstance(part, TextPart)]
            continue
        found.append(Message(role=turn.role, parts=parts))
    if not found:
        raise no_messages("messages")
    return tuple(found), instructions


def _part(block: Block, names: dict[str, str], role: str, param: str) -> Part:
    match block:
        case Text():
            return TextPart(text=block.text, cache=block.cache)
        case Image() if role != "system":
            return _image(block, param)
        case Document() | SearchResult() if role == "user":
            return TextPart(text=_text(block), cache=block.cache)
        case ToolUse() if role == "assistant":
            return carried.tool_call(block.id, block.name, block.input, f"{param}.id", cache=block.cache)
        case ToolResult() if role == "user":
            return _result(block, names, param)
        case ThoughtOf() if role == "assistant":
            return carried.thinking_of(block.thinking, block.signature, f"{param}.signature")
        case RedactedThinking() if role == "assistant":
            if block.data.startswith("aos1."):
                return carried.thinking_of("", block.data, f"{param}.data")
            return carried.hidden_thinking(block.data)
        case _:
            raise refused_field(param, f"a block of type {block.type} does not belong into a message of the {role}")


def _image(block: Image, param: str) -> ImagePart:
    match block.source:
        case Base64Source(media_type=media_type, data=data):
            image = image_of_data(media_type, data, f"{param}.source")
        case UrlSource(url=url):
            image = image_of_url(url, f"{param}.source.url")
    return marked(image, block.cache)


def _text(block: Text | Document | SearchResult) -> str:
    """A document in words of its own, for those to whom it is none."""
    if isinstance(block, Text):
        return block.text
    if isinstance(block, SearchResult):
        return _told(block.title, block.source, *(each.text for each in block.content))
    source = block.source
    if isinstance(source, PlainSource):
        return _told(block.title, block.context, source.data)
    words = (source.content,) if isinstance(source.content, str) else (each.text for each in source.content)
    return _told(block.title, block.context, *words)


def _told(*parts: str | None) -> str:
    return "\n\n".join(part for part in parts if part)


def _result(block: ToolResult, names: dict[str, str], param: str) -> ToolResultPart:
    id_ = carried.plain_id(block.tool_use_id)
    if id_ not in names:
        raise refused_field(f"{param}.tool_use_id", "answers no tool_use of an earlier message")
    if isinstance(block.content, str):
        content, images = block.content, ()
    else:
        content = "\n\n".join(_text(each) for each in block.content if not isinstance(each, Image))
        images = tuple(
            _image(each, f"{param}.content.{at}") for at, each in enumerate(block.content) if isinstance(each, Image)
        )
    return ToolResultPart(
        id=id_, name=names[id_], content=content, images=images, is_error=bool(block.is_error), cache=block.cache
    )
