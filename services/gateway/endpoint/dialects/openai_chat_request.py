"""OpenAI's Chat Completions, as clients ask: https://platform.openai.com/docs/api-reference/chat/create, read strictly."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from agentos.contracts.base import Json
from agentos.contracts.model import (
    JsonSchemaFormat,
    Message,
    Part,
    TextPart,
    Thinking,
    ThinkingPart,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)
from services.gateway.endpoint import carried
from services.gateway.endpoint.asked import (
    Asked,
    Defaults,
    Strict,
    allowed_of,
    arguments_of,
    checked_tools,
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
from services.gateway.endpoint.dialects.shared import (
    NAMELESS,
    Cached,
    Marked,
    OwnTool,
    Ttl,
    is_the_usual,
    late,
    marked,
)

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Text(Marked):
    type: Literal["text"]
    text: str


class Refusal(Strict):
    type: Literal["refusal"]
    refusal: str


class ImageUrl(Strict):
    url: str
    detail: str | None = None


class Image(Marked):
    type: Literal["image_url"]
    image_url: ImageUrl


UserPart = Annotated[Text | Image, Field(discriminator="type")]
AssistantPart = Annotated[Text | Refusal, Field(discriminator="type")]


class FunctionCall(Strict):
    name: str
    arguments: str


class ToolCall(Strict):
    id: str
    type: Literal["function"] = "function"
    function: FunctionCall
    index: int | None = None
    """SDKs leave it in what they gather from a stream."""


class System(Strict):
    role: Literal["system", "developer"]
    content: str | tuple[Text, ...]
    name: str | None = None


class User(Strict):
    role: Literal["user"]
    content: str | tuple[UserPart, ...]
    name: str | None = None


class Assistant(Strict):
    role: Literal["assistant"]
    content: str | tuple[AssistantPart, ...] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    """The same, as vLLM, OpenRouter and Cerebras call it."""
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] | None = None
    # What SDKs repeat of an answer; the model is told nothing by it.
    annotations: tuple[Any, ...] | None = None


class Tool(Strict):
    role: Literal["tool"]
    tool_call_id: str
    content: str | tuple[Text, ...]
    name: str | None = None
    """Of the tool: that of its call holds."""


def _role(value: Any) -> str:
    role = value.get("role") if isinstance(value, dict) else getattr(value, "role", None)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON
    return "system" if role == "developer" else str(role)  # pyright: ignore[reportUnknownArgumentType] - JSON


Turn = Annotated[
    Annotated[System, Tag("system")] | Annotated[User, Tag("user")] | Annotated[Assistant, Tag("assistant")] | Annotated[Tool, Tag("tool")],
    Discriminator(_role),
]  # fmt: skip


class Function(Strict):
    name: str
    description: str | None = None
    parameters: Json = None
    strict: bool | None = None


class ToolOffered(Cached, OwnTool):
    type: Literal["function"]
    function: Function


class Named(Strict):
    name: str


class NamedTool(Strict):
    type: Literal["function"]
    function: Named


class Allowed(Strict):
    mode: Literal["auto", "required"]
    tools: tuple[NamedTool, ...]


class AllowedTools(Strict):
    type: Literal["allowed_tools"]
    allowed_tools: Allowed


class JsonSchema(Strict):
    name: str
    description: str | None = None
    schema_: dict[str, Json] | None = Field(default=None, alias="schema")
    strict: bool | None = None


class AnyText(Strict):
    type: Literal["text"]


class AnyJson(Strict):
    type: Literal["json_object"]


class SchemaJson(Strict):
    type: Literal["json_schema"]
    json_schema: JsonSchema


class StreamOptions(Strict):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatRequest(Strict):
    model: Annotated[str, Field(min_length=1, max_length=200)]
    messages: tuple[Turn, ...]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: str | tuple[str, ...] | None = None
    tools: tuple[ToolOffered, ...] | None = None
    tool_choice: (
        Literal["auto", "none", "required"] | Annotated[NamedTool | AllowedTools, Field(discriminator="type")] | None
    ) = None
    parallel_tool_calls: bool | None = None
    response_format: Annotated[AnyText | AnyJson | SchemaJson, Field(discriminator="type")] | None = None
    reasoning_effort: Effort | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    metadata: dict[str, str] | None = None
    """For the provider's own store of answers, which is not used."""
    # What only has one meaning here; see _HARMLESS.
    n: Any = None
    store: Any = None
    service_tier: Any = None
    logprobs: Any = None
    top_logprobs: Any = None
    logit_bias: Any = None
    modalities: Any = None
    audio: Any = None
    prediction: Any = None
    verbosity: Any = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    web_search_options: Any = None
    functions: Any = None
    function_call: Any = None


_HARMLESS = {
    "n": (one_of(1), "only one answer is given: send several requests"),
    "store": (one_of(False), "answers are not kept to be fetched later: leave it out"),
    "service_tier": (one_of("auto", "default"), "tiers are the router's choice: leave it out"),
    "logprobs": (one_of(False), "log probabilities are not carried: leave it out"),
    "top_logprobs": (one_of(0), "log probabilities are not carried: leave it out"),
    "logit_bias": (one_of({}), "token ids mean something else at each provider: leave it out"),
    "modalities": (one_of(["text"]), "only text is answered"),
    "audio": (never, "only text is answered"),
    "prediction": (never, "predicted outputs are not carried: leave it out"),
    "verbosity": (one_of("medium"), "is not carried: say in the prompt how long the answer is to be"),
    "prompt_cache_options": (is_the_usual, "is not carried: mark what is worth keeping with prompt_cache_breakpoint"),
    "prompt_cache_retention": (one_of("in_memory", "in-memory"), "is not carried: leave it out"),
    "web_search_options": (never, "tools that the provider runs itself are not governed: offer a function"),
    "functions": (never, "was replaced by tools"),
    "function_call": (never, "was replaced by tool_choice"),
}


def read_chat(body: bytes, defaults: Defaults) -> Asked:
    """A request, in neutral terms. Raises EndpointError naming the field that cannot be carried."""
    given = read(ChatRequest, body)
    uncarried(given, _HARMLESS)
    if given.stream_options is not None and not given.stream:
        raise refused_field("stream_options", "is for streams: set stream to true, or leave it out")
    if None not in (given.max_tokens, given.max_completion_tokens) and given.max_tokens != given.max_completion_tokens:
        raise refused_field("max_tokens", "contradicts max_completion_tokens: send one of them")
    notes: dict[str, None] = {}
    system, system_cache, messages = _conversation(given, notes)
    tools = tuple(
        tool_of(
            tool.function.name,
            tool.function.description,
            tool.function.parameters,
            tool.function.strict,
            f"tools.{index}",
            cache=tool.cache,
        )
        for index, tool in enumerate(given.tools or ())
    )
    if isinstance(given.tool_choice, AllowedTools):
        tools = allowed_of(tools, [tool.function.name for tool in given.tool_choice.allowed_tools.tools])
    request = neutral(
        model=given.model,
        system=system,
        system_cache=system_cache,
        messages=messages,
        tools=tools,
        tool_choice=checked_tools(tools, _choice(given)),
        response_format=_format(given),
        thinking=thinking_of(given.reasoning_effort),
        max_output_tokens=given.max_completion_tokens or given.max_tokens or defaults.max_output_tokens,
        temperature=given.temperature,
        top_p=given.top_p,
        presence_penalty=given.presence_penalty,
        frequency_penalty=given.frequency_penalty,
        seed=given.seed,
        stop=(given.stop,) if isinstance(given.stop, str) else given.stop,
        cache_key=given.prompt_cache_key,
    )
    usage = given.stream_options is not None and given.stream_options.include_usage is True
    return Asked(request, bool(given.stream), given.safety_identifier or given.user, {"include_usage": usage}, tuple(notes))


def thinking_of(effort: Effort | None, *, show: bool = False) -> Thinking | None:
    """OpenAI's effort in neutral words."""
    if effort is None:
        return Thinking(show=True) if show else None
    return Thinking(effort="max" if effort == "xhigh" else effort, show=show)


def _choice(given: ChatRequest) -> ToolChoice | None:
    match given.tool_choice:
        case None:
            return None if given.parallel_tool_calls is None else ToolChoice(parallel=given.parallel_tool_calls)
        case NamedTool():
            return ToolChoice(mode="tool", name=given.tool_choice.function.name, parallel=given.parallel_tool_calls)
        case AllowedTools():
            return ToolChoice(mode=given.tool_choice.allowed_tools.mode, parallel=given.parallel_tool_calls)
        case mode:
            return ToolChoice(mode=mode, parallel=given.parallel_tool_calls)


def _format(given: ChatRequest) -> JsonSchemaFormat | None:
    match given.response_format:
        case None | AnyText():
            return None
        case AnyJson():
            return JsonSchemaFormat(name="json", json_schema={})
        case SchemaJson(json_schema=wanted):
            return format_of(wanted.name, wanted.description, wanted.schema_, wanted.strict)


def format_of(name: str, description: str | None, schema: dict[str, Json] | None, strict: bool | None) -> JsonSchemaFormat:
    """A JSON answer; what it is described as stands in its schema."""
    found = dict(schema or {})
    if description and "description" not in found:
        found["description"] = description
    return JsonSchemaFormat(name=name, json_schema=found, strict=strict)


def _conversation(given: ChatRequest, notes: dict[str, None]) -> tuple[str | None, Ttl | None, tuple[Message, ...]]:
    system: list[str] = []
    system_cache: Ttl | None = None
    turns: list[tuple[Literal["user", "assistant"], list[Part]]] = []
    names: dict[str, str] = {}
    for index, turn in enumerate(given.messages):
        param = f"messages.{index}"
        role: Literal["user", "assistant"] = "user"
        parts: list[Part]
        if turn.name and not isinstance(turn, Tool):
            notes[NAMELESS] = None
        match turn:
            case System():
                if turns:
                    notes[late(param)] = None
                system.append(_joined(turn.content))
                system_cache = _mark(turn.content) or system_cache
                continue
            case User():
                parts = _user_parts(turn, param)
            case Assistant():
                role, parts = "assistant", _assistant_parts(turn, param)
                names |= {part.id: part.name for part in parts if isinstance(part, ToolCallPart)}
            case Tool():
                id_ = carried.plain_id(turn.tool_call_id)
                if id_ not in names:
                    raise refused_field(f"{param}.tool_call_id", "answers no tool call of an earlier assistant message")
                parts = [ToolResultPart(id=id_, name=names[id_], content=_joined(turn.content), cache=_mark(turn.content))]
        # Results of parallel calls come one by one, and are one turn.
        if turns and turns[-1][0] == role and isinstance(turn, Tool) and isinstance(given.messages[index - 1], Tool):
            turns[-1][1].extend(parts)
        else:
            turns.append((role, parts))
    if not turns:
        raise no_messages("messages")
    return "\n\n".join(system) or None, system_cache, tuple(Message(role=role, parts=tuple(parts)) for role, parts in turns)


def _joined(content: str | tuple[Text, ...]) -> str:
    return content if isinstance(content, str) else "\n\n".join(part.text for part in content)


def _mark(content: str | tuple[Text, ...]) -> Ttl | None:
    """One text: where a mark stands within it, the whole is what is kept."""
    if isinstance(content, str):
        return None
    return next((part.cache for part in reversed(content) if part.cache is not None), None)


def _user_parts(turn: User, param: str) -> list[Part]:
    if isinstance(turn.content, str):
        return [TextPart(text=turn.content)]
    return [
        TextPart(text=part.text, cache=part.cache)
        if isinstance(part, Text)
        else marked(image_of_url(part.image_url.url, f"{param}.content.{number}.image_url", part.image_url.detail), part.cache)
        for number, part in enumerate(turn.content)
    ]


def _assistant_parts(turn: Assistant, param: str) -> list[Part]:
    parts: list[Part] = []
    if thought := turn.reasoning_content or turn.reasoning:
        # Whose thinking it was, this format does not say: adapters leave it out, and say so.
        parts.append(ThinkingPart(provider="unknown", text=thought))
    content = (Text(type="text", text=turn.content),) if isinstance(turn.content, str) else turn.content or ()
    parts += [
        TextPart(text=part.text, cache=part.cache) if isinstance(part, Text) else TextPart(text=part.refusal)
        for part in content
    ]
    if turn.refusal:
        parts.append(TextPart(text=turn.refusal))
    for number, call in enumerate(turn.tool_calls or ()):
        where = f"{param}.tool_calls.{number}"
        arguments = arguments_of(call.function.arguments, f"{where}.function.arguments")
        parts.append(carried.tool_call(call.id, call.function.name, arguments, f"{where}.id"))
    return parts
