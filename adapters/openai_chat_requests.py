"""Requests as chat completions (https://platform.openai.com/docs/api-reference/chat), each server's departures in its ``Dialect``. Pure."""

from typing import Any

from adapters.openai_dialect import Dialect
from adapters.openai_models import for_model
from adapters.openai_writing import (
    cache_key,
    call_mark_back,
    effort_word,
    format_name,
    image_url,
    is_strict,
    mark,
    note,
    note_cache_marks,
    sampling,
    schema_words,
)
from adapters.outgoing import ToolNames, effort_of, joined_text, json_text, need_object_schema
from adapters.port import UnsupportedRequest
from agentos.contracts.model import (
    ImagePart,
    JsonSchemaFormat,
    Message,
    ModelRequest,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)

__all__ = ["write_chat"]


def write_chat(
    dialect: Dialect, request: ModelRequest, names: ToolNames, *, model: str, stream: bool, notes: list[str]
) -> dict[str, Any]:
    """The body. What is left out goes to ``notes``; raises ``UnsupportedRequest`` for what cannot be left out."""
    dialect = for_model(dialect, model)
    if len(request.stop) > dialect.most_stops:
        raise UnsupportedRequest(
            f"{dialect.provider} takes at most {dialect.most_stops} stop sequences",
            provider=dialect.provider,
            code="too_many_stops",
        )
    if dialect.object_schema:
        need_object_schema(dialect.provider, request)
    target = f"{dialect.provider}/{model}"
    body: dict[str, Any] = {"model": model, "messages": _messages(dialect, request, names, target, notes)}
    if request.tools:
        body["tools"] = [
            _tool(names.to_wire(tool.name), tool.description, tool.parameters, tool.strict) for tool in request.tools
        ]
        _choose(dialect, request.tool_choice, names, body, target, notes)
    if request.response_format is not None:
        body["response_format"] = _response_format(request.response_format, dialect)
    body[dialect.max_tokens_field] = request.max_output_tokens
    body |= sampling(dialect, request, target, ("temperature", "top_p", "presence_penalty", "frequency_penalty"))
    if request.stop:
        body["stop"] = list(request.stop)
    if request.seed is not None:
        if dialect.seed:
            body["seed"] = request.seed
        else:
            notes.append(note("seed", target))
    if request.top_k is not None:
        notes.append(note("top_k", target))
    _think(dialect, request, body, target, notes)
    if request.cache_key is not None and dialect.cache_key:
        body["prompt_cache_key"] = cache_key(request.cache_key)
    note_cache_marks(dialect, request, target, notes)
    if dialect.private:
        body["store"] = False
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return body


def _think(dialect: Dialect, request: ModelRequest, body: dict[str, Any], target: str, notes: list[str]) -> None:
    thinking = request.thinking
    if thinking is None:
        if body["messages"][-1].get("prefix"):
            # What it thought before it was broken off is not there to go on from.
            body["thinking"] = {"type": "disabled"}
        return
    effort = effort_of(thinking)
    if dialect.thinking == "none":
        return
    if dialect.thinking == "switch":
        if effort is not None or thinking.show:
            body["thinking"] = {"type": "disabled" if effort == "none" else "enabled"}
        if effort not in (None, "none"):
            body["reasoning_effort"] = effort_word(dialect, effort, target, notes)
        return
    if effort is not None:
        body["reasoning_effort"] = effort_word(dialect, effort, target, notes)
    if thinking.show and dialect.private:
        notes.append(note("thinking.show", target, "shows none by chat completions"))


def _choose(
    dialect: Dialect, choice: ToolChoice | None, names: ToolNames, body: dict[str, Any], target: str, notes: list[str]
) -> None:
    if choice is None:
        return
    if choice.mode == "tool":
        body["tool_choice"] = {"type": "function", "function": {"name": names.to_wire(choice.name or "")}}
    elif choice.mode != "auto":
        body["tool_choice"] = choice.mode
    if choice.parallel is not None:
        if dialect.parallel_choice:
            body["parallel_tool_calls"] = choice.parallel
        else:
            notes.append(note("tool_choice.parallel", target))


def _messages(dialect: Dialect, request: ModelRequest, names: ToolNames, target: str, notes: list[str]) -> list[dict[str, Any]]:
    """The turns as chat messages. Tool results come before the rest of their turn, right after the calls they answer."""
    written: list[dict[str, Any]] = []
    system, wanted = request.system, request.response_format
    if wanted is not None and (dialect.schema == "json_object" or not wanted.json_schema):
        # OpenAI, too, wants to be told so in words where there is no schema.
        words = schema_words(wanted)
        system = f"{system}\n\n{words}" if system else words
    if system:
        marked = request.system_cache is not None and dialect.cache_marks
        content: Any = [mark(dialect, {"type": "text", "text": system}, request.system_cache)] if marked else system
        written.append({"role": "system", "content": content})
    for message in request.messages:
        if message.role == "assistant":
            _assistant(dialect, message, names, written, target, notes)
        else:
            _user(dialect, message, written, target, notes)
    if request.messages[-1].role == "assistant" and written and written[-1]["role"] == "assistant":
        if dialect.continues == "prefix" and "tool_calls" not in written[-1]:
            written[-1]["prefix"] = True
        else:
            notes.append(note("last turn", target, "answers an answer that was begun, and does not go on with it"))
    return written


def _assistant(
    dialect: Dialect, message: Message, names: ToolNames, written: list[dict[str, Any]], target: str, notes: list[str]
) -> None:
    content = joined_text(message)
    calls = [part for part in message.parts if isinstance(part, ToolCallPart)]
    thoughts = [part for part in message.parts if isinstance(part, ThinkingPart)]
    carried = (
        "".join(part.text for part in thoughts if part.provider == dialect.provider) if dialect.thinking_back and calls else ""
    )
    if thoughts and not carried:
        notes.append(note("thinking", target, "takes none back by chat completions, or not another provider's"))
    if not calls and not content:
        return
    turn: dict[str, Any] = {"role": "assistant", "content": content or None}
    texts = [part for part in message.parts if isinstance(part, TextPart) and part.text]
    if dialect.cache_marks and any(part.cache for part in texts):
        turn["content"] = [mark(dialect, {"type": "text", "text": part.text}, part.cache) for part in texts]
    if carried:
        turn["reasoning_content"] = carried
    if calls:
        turn["tool_calls"] = [_call(dialect, call, names) for call in calls]
    written.append(turn)


def _call(dialect: Dialect, call: ToolCallPart, names: ToolNames) -> dict[str, Any]:
    function = {"name": names.to_wire(call.name), "arguments": json_text(dialect.provider, call.arguments)}
    extra = call_mark_back(dialect.provider, call.signature)
    marked = {} if extra is None else {"extra_content": extra}
    return {"id": call.id, "type": "function", "function": function, **marked}


def _user(dialect: Dialect, message: Message, written: list[dict[str, Any]], target: str, notes: list[str]) -> None:
    images: list[ImagePart] = []
    for part in message.parts:
        if isinstance(part, ToolResultPart):
            # The format has no error flag, so the model is told in words.
            said = f"The tool failed: {part.content}" if part.is_error else part.content
            marked = part.cache is not None and dialect.cache_marks
            told: Any = [mark(dialect, {"type": "text", "text": said}, part.cache)] if marked else said
            written.append({"role": "tool", "tool_call_id": part.id, "content": told})
            images.extend(part.images)
    if images:
        notes.append(note("images of tool results", target, "takes them in a user turn alone: they follow in one"))
    content: list[dict[str, Any]] = [_image(dialect, image, target, notes) for image in images]
    in_parts = bool(images)
    for part in message.parts:
        match part:
            case TextPart():
                if part.text:
                    content.append(mark(dialect, {"type": "text", "text": part.text}, part.cache))
                    in_parts = in_parts or (part.cache is not None and dialect.cache_marks)
            case ImagePart():
                content.append(_image(dialect, part, target, notes))
                in_parts = True
            case ThinkingPart():
                notes.append(note("thinking", target, "takes none in a user turn"))
            case _:
                pass
    if in_parts:
        written.append({"role": "user", "content": content})
    elif content:
        written.append({"role": "user", "content": joined_text(message)})


def _image(dialect: Dialect, image: ImagePart, target: str, notes: list[str]) -> dict[str, Any]:
    url: dict[str, Any] = {"url": image_url(dialect, image)}
    if image.detail is not None:
        if dialect.image_detail:
            url["detail"] = image.detail
        else:
            notes.append(note("image.detail", target))
    return mark(dialect, {"type": "image_url", "image_url": url}, image.cache)


def _tool(name: str, description: str, parameters: dict[str, Any], strict: bool | None) -> dict[str, Any]:
    function: dict[str, Any] = {"name": name, "description": description, "parameters": parameters}
    if strict is not None:
        function["strict"] = strict
    return {"type": "function", "function": function}


def _response_format(wanted: JsonSchemaFormat, dialect: Dialect) -> dict[str, Any]:
    if dialect.schema == "json_object" or not wanted.json_schema:
        return {"type": "json_object"}
    strict = is_strict(wanted.json_schema) if wanted.strict is None else wanted.strict
    return {
        "type": "json_schema",
        "json_schema": {"name": format_name(wanted.name), "schema": wanted.json_schema, "strict": strict},
    }
