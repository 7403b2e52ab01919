"""OpenAI's Responses, as clients ask: https://platform.openai.com/docs/api-reference/responses/create, read strictly.

Nothing is kept between two requests: a client sends the whole conversation, as it does with ``store=False``.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

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
from services.gateway.endpoint.dialects.openai_chat_request import Effort, format_of, thinking_of
from services.gateway.endpoint.dialects.shared import Direct, Marked, OwnTool, Ttl, is_the_usual, late, marked

ENCRYPTED = "reasoning.encrypted_content"


class InputText(Marked):
    type: Literal["input_text"]
    text: str


class InputImage(Marked):
    type: Literal["input_image"]
    image_url: str
    detail: str | None = None


class OutputText(Strict):
    type: Literal["output_text"]
    text: str
    # What SDKs repeat of an answer; the model is told nothing by it.
    annotations: tuple[Any, ...] | None = None
    logprobs: tuple[Any, ...] | None = None


class Refusal(Strict):
    type: Literal["refusal"]
    refusal: str


Content = Annotated[InputText | InputImage | OutputText | Refusal, Field(discriminator="type")]


class ItemMessage(Strict):
    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: str | tuple[Content, ...]
    id: str | None = None
    status: str | None = None
    phase: Literal["commentary", "final_answer"] | None = None


class FunctionCall(Strict):
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    id: str | None = None
    status: str | None = None
    caller: Direct | None = None


class FunctionOutput(Strict):
    type: Literal["function_call_output"]
    call_id: str
    output: str | tuple[Annotated[InputText | InputImage, Field(discriminator="type")], ...]
    id: str | None = None
    status: str | None = None
    caller: Direct | None = None
    name: str | None = None
    """Of the tool: that of its call holds."""


class Summary(Strict):
    type: Literal["summary_text", "reasoning_text"]
    text: str


class Reasoned(Strict):
    type: Literal["reasoning"]
    id: str | None = None
    summary: tuple[Summary, ...] = ()
    content: tuple[Summary, ...] | None = None
    encrypted_content: str | None = None
    status: str | None = None


def _type(value: Any) -> str:
    found = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON
    return "message" if found is None else str(found)  # pyright: ignore[reportUnknownArgumentType] - JSON


Item = Annotated[
    Annotated[ItemMessage, Tag("message")]
    | Annotated[FunctionCall, Tag("function_call")]
    | Annotated[FunctionOutput, Tag("function_call_output")]
    | Annotated[Reasoned, Tag("reasoning")],
    Discriminator(_type),
]


class ToolOffered(OwnTool):
    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: Json = None
    strict: bool | None = None


class NamedTool(Strict):
    type: Literal["function"]
    name: str


class AllowedTools(Strict):
    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: tuple[NamedTool, ...]


class AnyText(Strict):
    type: Literal["text"]


class AnyJson(Strict):
    type: Literal["json_object"]


class SchemaJson(Strict):
    type: Literal["json_schema"]
    name: str
    description: str | None = None
    schema_: dict[str, Json] = Field(alias="schema")
    strict: bool | None = None


class TextConfig(Strict):
    format: Annotated[AnyText | AnyJson | SchemaJson, Field(discriminator="type")] | None = None
    verbosity: Literal["medium"] | None = None


class Reasoning(Strict):
    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    context: Literal["auto", "current_turn", "all_turns"] | None = None


class StreamOptions(Strict):
    include_obfuscation: bool | None = None


Include = Literal[
    "reasoning.encrypted_content",
    # Of tools that a provider runs itself: there are none, and so nothing of theirs.
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "web_search_call.action.sources",
    "web_search_call.results",
]


class ResponsesRequest(Strict):
    model: Annotated[str, Field(min_length=1, max_length=200)]
    input: str | tuple[Item, ...]
    instructions: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    tools: tuple[ToolOffered, ...] | None = None
    tool_choice: (
        Literal["auto", "none", "required"] | Annotated[NamedTool | AllowedTools, Field(discriminator="type")] | None
    ) = None
    parallel_tool_calls: bool | None = None
    text: TextConfig | None = None
    reasoning: Reasoning | None = None
    include: tuple[Include, ...] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    metadata: dict[str, str] | None = None
    # What only has one meaning here; see _HARMLESS.
    store: Any = None
    background: Any = None
    conversation: Any = None
    context_management: Any = None
    max_tool_calls: Any = None
    previous_response_id: Any = None
    prompt: Any = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    service_tier: Any = None
    top_logprobs: Any = None
    truncation: Any = None


_KEPT = "nothing is kept between requests: send the whole input"
_HARMLESS = {
    "store": (one_of(False), "answers are not kept to be fetched later: send store=false"),
    "background": (one_of(False), "an answer is given on the connection that asks for it: leave it out"),
    "conversation": (never, _KEPT),
    "context_management": (never, _KEPT),
    "previous_response_id": (never, _KEPT),
    "prompt": (never, "prompts that the provider keeps are not governed: send the text"),
    "max_tool_calls": (never, "is for tools that the provider runs itself, and those are not governed: leave it out"),
    "prompt_cache_options": (is_the_usual, "is not carried: mark what is worth keeping with prompt_cache_breakpoint"),
    "prompt_cache_retention": (one_of("in_memory", "in-memory"), "is not carried: leave it out"),
    "service_tier": (one_of("auto", "default"), "tiers are the router's choice: leave it out"),
    "top_logprobs": (one_of(0), "log probabilities are not carried: leave it out"),
    "truncation": (one_of("disabled"), "nothing is left out silently: shorten the input yourself"),
}


def read_responses(body: bytes, defaults: Defaults) -> Asked:
    """A request, in neutral terms. Raises EndpointError naming the field that cannot be carried."""
    given = read(ResponsesRequest, body)
    uncarried(given, _HARMLESS)
    notes: dict[str, None] = {}
    system, system_cache, messages = _conversation(given, notes)
    if given.reasoning is not None and given.reasoning.context not in (None, "auto"):
        notes["reasoning.context: is the provider's choice"] = None
    tools = tuple(
        tool_of(tool.name, tool.description, tool.parameters, tool.strict, f"tools.{at}")
        for at, tool in enumerate(given.tools or ())
    )
    if isinstance(given.tool_choice, AllowedTools):
        tools = allowed_of(tools, [tool.name for tool in given.tool_choice.tools])
    request = neutral(
        model=given.model,
        system=system,
        system_cache=system_cache,
        messages=messages,
        tools=tools,
        tool_choice=checked_tools(tools, _choice(given)),
        response_format=_format(given),
        thinking=_thinking(given),
        max_output_tokens=given.max_output_tokens or defaults.max_output_tokens,
        temperature=given.temperature,
        top_p=given.top_p,
        cache_key=given.prompt_cache_key,
    )
    plain = given.model_dump(mode="json", by_alias=True, include={
        "instructions", "max_output_tokens", "metadata", "parallel_tool_calls", "reasoning", "temperature", "text", "tool_choice", "tools",
        "top_p",
    })  # fmt: skip
    echo = {**plain, "encrypted": ENCRYPTED in (given.include or ())}
    return Asked(request, bool(given.stream), given.safety_identifier or given.user, echo, tuple(notes))


def _thinking(given: ResponsesRequest) -> Thinking | None:
    if given.reasoning is None:
        return None
    show = (given.reasoning.summary or given.reasoning.generate_summary) is not None
    return thinking_of(given.reasoning.effort, show=show)


def _choice(given: ResponsesRequest) -> ToolChoice | None:
    match given.tool_choice:
        case None:
            return None if given.parallel_tool_calls is None else ToolChoice(parallel=given.parallel_tool_calls)
        case NamedTool():
            return ToolChoice(mode="tool", name=given.tool_choice.name, parallel=given.parallel_tool_calls)
        case AllowedTools():
            return ToolChoice(mode=given.tool_choice.mode, parallel=given.parallel_tool_calls)
        case mode:
            return ToolChoice(mode=mode, parallel=given.parallel_tool_calls)


def _format(given: ResponsesRequest) -> JsonSchemaFormat | None:
    match None if given.text is None else given.text.format:
        case None | AnyText():
            return None
        case AnyJson():
            return JsonSchemaFormat(name="json", json_schema={})
        case SchemaJson() as wanted:
            return format_of(wanted.name, wanted.description, wanted.schema_, wanted.strict)


def _conversation(given: ResponsesRequest, notes: dict[str, None]) -> tuple[str | None, Ttl | None, tuple[Message, ...]]:
    system = [given.instructions] if given.instructions else []
    system_cache: Ttl | None = None
    if isinstance(given.input, str):
        return "\n\n".join(system) or None, None, (Message(role="user", parts=(TextPart(text=given.input),)),)
    turns: list[tuple[Literal["user", "assistant"], list[Part]]] = []
    names: dict[str, str] = {}
    before: str | None = None
    for index, item in enumerate(given.input):
        param = f"input.{index}"
        if isinstance(item, ItemMessage) and item.role in ("system", "developer"):
            if turns:
                notes[late(param)] = None
            for part in _content(item, param):
                if isinstance(part, TextPart):
                    system.append(part.text)
                    system_cache = part.cache or system_cache
            continue
        role, parts = _item(item, names, param)
        names |= {part.id: part.name for part in parts if isinstance(part, ToolCallPart)}
        # Thinking, text and calls of one answer come as items of their own, and are one turn; so are the results of its calls.
        if turns and turns[-1][0] == role and (role == "assistant" or (before == item.type == "function_call_output")):
            turns[-1][1].extend(parts)
        else:
            turns.append((role, parts))
        before = item.type
    if not turns:
        raise no_messages("input")
    return "\n\n".join(system) or None, system_cache, tuple(Message(role=role, parts=tuple(parts)) for role, parts in turns)


def _item(item: Item, names: dict[str, str], param: str) -> tuple[Literal["user", "assistant"], list[Part]]:
    match item:
        case ItemMessage():
            return "assistant" if item.role == "assistant" else "user", _content(item, param)
        case FunctionCall():
            arguments = arguments_of(item.arguments, f"{param}.arguments")
            return "assistant", [carried.tool_call(item.call_id, item.name, arguments, f"{param}.call_id")]
        case FunctionOutput():
            return "user", [_output(item, names, param)]
        case Reasoned():
            text = "\n\n".join(part.text for part in item.summary)
            if item.encrypted_content is None and not text:
                return "assistant", []
            if item.encrypted_content is None or item.encrypted_content.startswith("aos1."):
                return "assistant", [carried.thinking_of(text, item.encrypted_content, f"{param}.encrypted_content")]
            return "assistant", [carried.reasoning_item(text, item.encrypted_content, item.id)]


def _content(item: ItemMessage, param: str) -> list[Part]:
    if isinstance(item.content, str):
        return [TextPart(text=item.content)]
    found: list[Part] = []
    for at, part in enumerate(item.content):
        match part:
            case InputText():
                found.append(TextPart(text=part.text, cache=part.cache))
            case OutputText():
                found.append(TextPart(text=part.text))
            case Refusal():
                found.append(TextPart(text=part.refusal))
            case InputImage():
                if item.role != "user":
                    raise refused_field(f"{param}.content.{at}", "an image stands in a message of the user")
                image = image_of_url(part.image_url, f"{param}.content.{at}.image_url", part.detail)
                found.append(marked(image, part.cache))
    return found


def _output(item: FunctionOutput, names: dict[str, str], param: str) -> ToolResultPart:
    id_ = carried.plain_id(item.call_id)
    if id_ not in names:
        raise refused_field(f"{param}.call_id", "answers no function_call of an earlier item")
    if isinstance(item.output, str):
        return ToolResultPart(id=id_, name=names[id_], content=item.output)
    images: tuple[ImagePart, ...] = tuple(
        image_of_url(part.image_url, f"{param}.output.{at}.image_url", part.detail)
        for at, part in enumerate(item.output)
        if isinstance(part, InputImage)
    )
    content = "\n\n".join(part.text for part in item.output if isinstance(part, InputText))
    return ToolResultPart(id=id_, name=names[id_], content=content, images=images)
