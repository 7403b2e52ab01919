"""Requests as Responses (https://platform.openai.com/docs/api-reference/responses). Pure.

The form in which OpenAI's models show what they think and take it back; stateless: nothing is stored there, and the whole conversation
is sent each time, encrypted thinking included.
"""

from typing import Any

from adapters.openai_dialect import Dialect
from adapters.openai_models import for_model
from adapters.openai_writing import (
    cache_key,
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
    ToolResultPart,
)

__all__ = ["FEWEST_OUTPUT_TOKENS", "write_responses"]

FEWEST_OUTPUT_TOKENS = 16
"""OpenAI refuses to be asked for fewer."""


def write_responses(
    dialect: Dialect, request: ModelRequest, names: ToolNames, *, model: str, stream: bool, notes: list[str]
) -> dict[str, Any]:
    """The body. What is left out goes to ``notes``; raises ``UnsupportedRequest`` for what cannot be left out."""
    dialect = for_model(dialect, model)
    if request.stop or request.max_output_tokens < FEWEST_OUTPUT_TOKENS:
        what = "stop sequences" if request.stop else f"limits below {FEWEST_OUTPUT_TOKENS} tokens"
        code = "too_many_stops" if request.stop else "limit_too_low"
        raise UnsupportedRequest(f"{dialect.provider} takes no {what} by Responses", provider=dialect.provider, code=code)
    if dialect.object_schema:
        need_object_schema(dialect.provider, request)
    target = f"{dialect.provider}/{model}"
    body: dict[str, Any] = {"model": model, "input": _input(dialect, request, names, target, notes)}
    instructions, wanted = request.system, request.response_format
    if wanted is not None and not wanted.json_schema:
        words = schema_words(wanted)
        instructions = f"{instructions}\n\n{words}" if instructions else words
    if instructions and request.system_cache is not None and dialect.cache_marks:
        # Instructions take no mark; a turn of the developer's at the beginning says the same.
        told = mark(dialect, {"type": "input_text", "text": instructions}, request.system_cache)
        body["input"].insert(0, {"role": "developer", "content": [told]})
    elif instructions:
        body["instructions"] = instructions
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "name": names.to_wire(tool.name),
                "description": tool.description,
                "parameters": tool.parameters,
                # Here the default is strict, by changing the schema; by chat completions it is not.
                "strict": bool(tool.strict),
            }
            for tool in request.tools
        ]
        choice = request.tool_choice
        if choice is not None and choice.mode == "tool":
            body["tool_choice"] = {"type": "function", "name": names.to_wire(choice.name or "")}
        elif choice is not None and choice.mode != "auto":
            body["tool_choice"] = choice.mode
        if choice is not None and choice.parallel is not None:
            body["parallel_tool_calls"] = choice.parallel
    if wanted is not None:
        body["text"] = {"format": _format(wanted)}
    body["max_output_tokens"] = request.max_output_tokens
    body |= sampling(dialect, request, target, ("temperature", "top_p"))
    left_out = ("top_k", "seed", "presence_penalty", "frequency_penalty")
    notes.extend(note(name, target, "takes none by Responses") for name in left_out if getattr(request, name) is not None)
    _think(dialect, request, body, target, notes)
    if request.cache_key is not None:
        body["prompt_cache_key"] = cache_key(request.cache_key)
    note_cache_marks(dialect, request, target, notes)
    body["store"] = False
    if dialect.thinking != "none":
        body["include"] = ["reasoning.encrypted_content"]
    if stream:
        body["stream"] = True
    return body


def _think(dialect: Dialect, request: ModelRequest, body: dict[str, Any], target: str, notes: list[str]) -> None:
    thinking = request.thinking
    if thinking is None or dialect.thinking == "none":
        return
    reasoning: dict[str, Any] = {}
    if (effort := effort_of(thinking)) is not None:
        reasoning["effort"] = effort_word(dialect, effort, target, notes)
    if thinking.show:
        reasoning["summary"] = "auto"
    if reasoning:
        body["reasoning"] = reasoning


def _format(wanted: JsonSchemaFormat) -> dict[str, Any]:
    if not wanted.json_schema:
        return {"type": "json_object"}
    strict = is_strict(wanted.json_schema) if wanted.strict is None else wanted.strict
    return {"type": "json_schema", "name": format_name(wanted.name), "schema": wanted.json_schema, "strict": strict}


def _input(dialect: Dialect, request: ModelRequest, names: ToolNames, target: str, notes: list[str]) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = []
    for message in request.messages:
        if message.role == "assistant":
            _assistant(dialect, message, names, written, target, notes)
        else:
            _user(dialect, message, written, target, notes)
    if request.messages[-1].role == "assistant":
        notes.append(note("last turn", target, "answers an answer that was begun, and does not go on with it"))
    return written


def _assistant(
    dialect: Dialect, message: Message, names: ToolNames, written: list[dict[str, Any]], target: str, notes: list[str]
) -> None:
    """Thinking stands right before what it led to, or it is refused: without a successor it is left out."""
    last = max((at for at, part in enumerate(message.parts) if not isinstance(part, ThinkingPart)), default=-1)
    for at, part in enumerate(message.parts):
        match part:
            case TextPart():
                if part.text:
                    written.append({"role": "assistant", "content": part.text})
            case ThinkingPart():
                if part.provider != dialect.provider or not part.encrypted or at > last or dialect.thinking == "none":
                    notes.append(note("thinking", target, "takes back its own alone, encrypted and with what it led to"))
                    continue
                item: dict[str, Any] = {"type": "reasoning"}
                if part.id:
                    item["id"] = part.id
                item["summary"] = [{"type": "summary_text", "text": part.text}] if part.text else []
                item["encrypted_content"] = part.encrypted
                written.append(item)
            case ToolCallPart():
                arguments = json_text(dialect.provider, part.arguments)
                name = names.to_wire(part.name)
                written.append({"type": "function_call", "call_id": part.id, "name": name, "arguments": arguments})
            case _:
                pass


def _user(dialect: Dialect, message: Message, written: list[dict[str, Any]], target: str, notes: list[str]) -> None:
    content: list[dict[str, Any]] = []
    in_parts = False
    for part in message.parts:
        match part:
            case ToolResultPart():
                # The format has no error flag, so the model is told in words.
                said = f"The tool failed: {part.content}" if part.is_error else part.content
                output: Any = said
                if part.images or (part.cache is not None and dialect.cache_marks):
                    output = [
                        mark(dialect, {"type": "input_text", "text": said}, part.cache),
                        *(_image(dialect, image) for image in part.images),
                    ]
                written.append({"type": "function_call_output", "call_id": part.id, "output": output})
            case TextPart():
                if part.text:
                    content.append(mark(dialect, {"type": "input_text", "text": part.text}, part.cache))
                    in_parts = in_parts or (part.cache is not None and dialect.cache_marks)
            case ImagePart():
                content.append(_image(dialect, part))
                in_parts = True
            case ThinkingPart():
                notes.append(note("thinking", target, "takes none in a user turn"))
            case _:
                pass
    if content:
        written.append({"role": "user", "content": content if in_parts else joined_text(message)})


def _image(dialect: Dialect, image: ImagePart) -> dict[str, Any]:
    # The detail is required here; "auto" is what leaving it out means elsewhere.
    written = {"type": "input_image", "image_url": image_url(dialect, image), "detail": image.detail or "auto"}
    return mark(dialect, written, image.cache)
