"""Chat completions, written and read (https://platform.openai.com/docs/api-reference/chat). Pure.

Written as OpenAI's reference says, with each server's departures in its ``Dialect``. Read as the servers of this format really answer:
reasoning under either of its two names, usage wherever it stands, tool calls with or without index and id.
"""

import base64
import hashlib
import json
import re
from typing import Any

from adapters import failures
from adapters.assembly import Assembly
from adapters.openai_connection import error_in_stream
from adapters.openai_dialect import Dialect
from adapters.outgoing import Effort, ToolNames, effort_of, joined_text, json_text, need_object_schema
from adapters.port import ProviderError, UnsupportedRequest
from adapters.reading import count, entries, fields, text
from agentos.contracts.model import (
    Delta,
    FinishReason,
    ImagePart,
    JsonSchemaFormat,
    Message,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
    Usage,
)

__all__ = [
    "ChatReader",
    "cache_key",
    "effort_word",
    "format_name",
    "has_cache_marks",
    "image_url",
    "is_strict",
    "note",
    "schema_words",
    "write_chat",
]

_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "refusal": "content_filter",
}
# What strict mode of structured outputs understands. A schema with anything else is still sent, as a request not a promise.
_STRICT_KEYWORDS = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "description", "title"}
)
_LONGEST_CACHE_KEY = 64
_NOT_NAME = re.compile(r"[^A-Za-z0-9_-]")


# --- written ----------------------------------------------------------------------------------------------------------------


def write_chat(
    dialect: Dialect, request: ModelRequest, names: ToolNames, *, model: str, stream: bool, notes: list[str]
) -> dict[str, Any]:
    """The body. What is left out goes to ``notes``; raises ``UnsupportedRequest`` for what cannot be left out."""
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
    for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty"):
        if (value := getattr(request, name)) is not None:
            body[name] = value
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
    if has_cache_marks(request):
        notes.append(note("cache", target, "keeps prefixes by itself, without marks"))
    if dialect.private:
        body["store"] = False
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return body


def note(field: str, target: str, why: str = "takes none") -> str:
    """What of a request was not carried: names and reasons, never values."""
    return f"{field}: {target} {why}"


def cache_key(key: str) -> str:
    """The key as OpenAI takes it: a digest where it is too long."""
    return key if len(key) <= _LONGEST_CACHE_KEY else hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def effort_word(dialect: Dialect, effort: Effort) -> str:
    """The effort in the provider's word."""
    return dict(dialect.efforts).get(effort, effort)


def _think(dialect: Dialect, request: ModelRequest, body: dict[str, Any], target: str, notes: list[str]) -> None:
    thinking = request.thinking
    if thinking is None:
        if body["messages"][-1].get("prefix"):
            # What it thought before it was broken off is not there to go on from.
            body["thinking"] = {"type": "disabled"}
        return
    effort = effort_of(thinking)
    if dialect.thinking == "switch":
        if effort is not None or thinking.show:
            body["thinking"] = {"type": "disabled" if effort == "none" else "enabled"}
        if effort not in (None, "none"):
            body["reasoning_effort"] = effort_word(dialect, effort)
        return
    if effort is not None:
        body["reasoning_effort"] = effort_word(dialect, effort)
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


def schema_words(wanted: JsonSchemaFormat) -> str:
    """A schema told in words."""
    if not wanted.json_schema:
        return "Answer with one JSON object and nothing else."
    schema = json.dumps(wanted.json_schema, ensure_ascii=False)
    return f"Answer with one JSON object and nothing else. It must be valid against this JSON Schema:\n{schema}"


def _messages(dialect: Dialect, request: ModelRequest, names: ToolNames, target: str, notes: list[str]) -> list[dict[str, Any]]:
    """The turns as chat messages. Tool results come before the rest of their turn, right after the calls they answer."""
    written: list[dict[str, Any]] = []
    system, wanted = request.system, request.response_format
    if wanted is not None and (dialect.schema == "json_object" or not wanted.json_schema):
        # OpenAI, too, wants to be told so in words where there is no schema.
        words = schema_words(wanted)
        system = f"{system}\n\n{words}" if system else words
    if system:
        written.append({"role": "system", "content": system})
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
    if carried:
        turn["reasoning_content"] = carried
    if calls:
        turn["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": names.to_wire(call.name), "arguments": json_text(dialect.provider, call.arguments)},
            }
            for call in calls
        ]
    written.append(turn)


def _user(dialect: Dialect, message: Message, written: list[dict[str, Any]], target: str, notes: list[str]) -> None:
    images: list[ImagePart] = []
    for part in message.parts:
        if isinstance(part, ToolResultPart):
            # The format has no error flag, so the model is told in words.
            said = f"The tool failed: {part.content}" if part.is_error else part.content
            written.append({"role": "tool", "tool_call_id": part.id, "content": said})
            images.extend(part.images)
    if images:
        notes.append(note("images of tool results", target, "takes them in a user turn alone: they follow in one"))
    content: list[dict[str, Any]] = [_image(dialect, image, target, notes) for image in images]
    with_images = bool(images)
    for part in message.parts:
        match part:
            case TextPart():
                if part.text:
                    content.append({"type": "text", "text": part.text})
            case ImagePart():
                content.append(_image(dialect, part, target, notes))
                with_images = True
            case ThinkingPart():
                notes.append(note("thinking", target, "takes none in a user turn"))
            case _:
                pass
    if with_images:
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
    return {"type": "image_url", "image_url": url}


def image_url(dialect: Dialect, image: ImagePart) -> str:
    """The image's address, or its bytes as one."""
    if dialect.images == "none":
        raise UnsupportedRequest(f"{dialect.provider} takes no images", provider=dialect.provider, code="no_vision")
    if image.data is not None:
        return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"
    if dialect.images == "data":
        raise UnsupportedRequest(
            f"{dialect.provider} fetches no images: send their bytes", provider=dialect.provider, code="image_url_unsupported"
        )
    return image.url or ""


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


def format_name(name: str) -> str:
    """The name of a schema as OpenAI takes it."""
    return _NOT_NAME.sub("_", name)[:64] or "answer"


def is_strict(schema: Any) -> bool:
    """Whether strict mode takes the schema: every object closed, every property required, no keyword it refuses."""
    if not isinstance(schema, dict):
        return False
    node: dict[str, Any] = schema  # pyright: ignore[reportUnknownVariableType] -- JSON: keys are strings
    if not node.keys() <= _STRICT_KEYWORDS:
        return False
    properties: dict[str, Any] = node.get("properties") or {}
    if "object" in (node.get("type"), *(node["type"] if isinstance(node.get("type"), list) else ())) and (
        node.get("additionalProperties") is not False or set(node.get("required") or ()) != set(properties)
    ):
        return False
    inner = [*properties.values(), *(node.get("anyOf") or ()), *([node["items"]] if "items" in node else [])]
    return all(is_strict(child) for child in inner)


def has_cache_marks(request: ModelRequest) -> bool:
    """Whether any prefix is marked to be kept."""
    return (
        request.system_cache is not None
        or any(tool.cache is not None for tool in request.tools)
        or any(
            not isinstance(part, ThinkingPart) and part.cache is not None
            for message in request.messages
            for part in message.parts
        )
    )


# --- read -------------------------------------------------------------------------------------------------------------------


class ChatReader:
    """Reads one answer: a whole completion, or its chunks one by one."""

    __slots__ = (
        "_assembly",
        "_choices",
        "_finish",
        "_id",
        "_keys",
        "_model",
        "_provider",
        "_refused",
        "_stop",
        "_whole",
        "usage",
    )

    def __init__(self, provider: str, request: ModelRequest, names: ToolNames, *, model: str) -> None:
        self._provider, self._model = provider, model
        self._assembly = Assembly(provider, names, request)
        self._keys: list[str] = []
        self._id: str | None = None
        self._finish: str | None = None
        self._stop: str | None = None
        self._refused = False
        self._choices = False
        self._whole = False
        self.usage: Usage | None = None

    @property
    def size(self) -> int:
        """Of what came, in characters."""
        return self._assembly.size

    @property
    def done(self) -> bool:
        """Whether it was said why the answer ended."""
        return self._finish is not None

    def read(self, value: Any, *, event: str = "") -> list[Delta | Usage]:
        """One chunk, or the whole completion; anything else says nothing. Raises ``ProviderError`` where it is an error."""
        chunk = fields(value)
        if event == "error" or chunk.get("error") or ("choices" not in chunk and _is_error(value)):
            raise self._failed(error_in_stream(self._provider, value))
        self._id = self._id or text(chunk.get("id")) or None
        self._model = text(chunk.get("model")) or self._model
        found: list[Delta | Usage] = []
        choices = entries(chunk.get("choices"))
        for each in choices:
            choice = fields(each)
            # One answer was asked for; a server that gives more of them numbers them.
            if not choice.get("index"):
                self._choice(choice, found)
        self._count(chunk, choices, found)
        return found

    def _choice(self, choice: dict[str, Any], found: list[Delta | Usage]) -> None:
        self._choices = True
        message = choice.get("delta")
        if not isinstance(message, dict):
            message = choice.get("message")
            self._whole = isinstance(message, dict)
        self._message(fields(message), found)
        reason = choice.get("finish_reason")
        if choice.get("error") or reason == "error":
            raise self._failed(error_in_stream(self._provider, choice))
        if isinstance(reason, str) and reason:
            self._finish = reason
            stopped_by = choice.get("stop_reason")
            self._stop = stopped_by if isinstance(stopped_by, str) else None

    def _message(self, message: dict[str, Any], found: list[Delta | Usage]) -> None:
        thought = text(message.get("reasoning_content")) or text(message.get("reasoning"))
        if thought:
            found += self._assembly.thinking(thought)
        content = message.get("content")
        if isinstance(content, str):
            if content:
                found += self._assembly.text(content)
        elif isinstance(content, list):
            self._blocks(entries(content), found)
        elif content is not None:
            raise failures.bad_answer(self._provider, "content that is neither text nor parts", usage=self.usage)
        refusal = text(message.get("refusal"))
        if refusal:
            self._refused = True
            found += self._assembly.text(refusal)
        for call in entries(message.get("tool_calls")):
            self._call(fields(call), found)
        if isinstance(message.get("function_call"), dict):
            self._function(0, "", fields(message["function_call"]), found)

    def _blocks(self, blocks: list[Any], found: list[Delta | Usage]) -> None:
        """Content in parts, as Mistral answers."""
        for each in blocks:
            block = fields(each)
            if block.get("type") == "thinking":
                thought = block.get("thinking")
                pieces = [text(fields(piece).get("text")) for piece in entries(thought)] or [text(thought)]
                found += self._assembly.thinking("".join(pieces))
            elif block.get("type") == "refusal":
                self._refused = True
                found += self._assembly.text(text(block.get("refusal")))
            else:
                found += self._assembly.text(text(block.get("text")))

    def _call(self, call: dict[str, Any], found: list[Delta | Usage]) -> None:
        id_ = text(call.get("id"))
        index = count(call.get("index"))
        slot = self._slot(id_, index)
        self._function(slot, id_, fields(call.get("function")), found)

    def _slot(self, id_: str, index: int | None) -> int:
        """Which call a piece belongs to. Ids come with the first piece alone; some servers give every call the index 0, some none."""
        keys = self._keys
        if index is None:
            # Whole calls, told apart by their ids or their places; a piece without an id goes on with the last one.
            if id_ and id_ in keys:
                return keys.index(id_)
            index = len(keys) if id_ or self._whole or not keys else len(keys) - 1
        elif index < len(keys) and id_ and keys[index] and keys[index] != id_:
            index = keys.index(id_) if id_ in keys else len(keys)
        while len(keys) <= index:
            if len(keys) > 4_096:
                raise failures.bad_answer(self._provider, "too many tool calls", usage=self.usage)
            keys.append("")
        keys[index] = keys[index] or id_
        return index

    def _function(self, slot: int, id_: str, function: dict[str, Any], found: list[Delta | Usage]) -> None:
        arguments = function.get("arguments")
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments, ensure_ascii=False)
        found += self._assembly.call(slot, call_id=id_, name=text(function.get("name")), json_text=text(arguments))

    def _count(self, chunk: dict[str, Any], choices: list[Any], found: list[Delta | Usage]) -> None:
        raw = chunk.get("usage") or fields(chunk.get("x_groq")).get("usage")
        if not raw and choices:
            # Moonshot counts in the choice.
            raw = fields(choices[0]).get("usage")
        usage = _usage(raw) if raw else None
        if usage is not None and usage != self.usage:
            self.usage = usage
            if not self._whole:
                found.append(usage)

    def _failed(self, failure: ProviderError) -> ProviderError:
        failure.usage = self.usage
        return failure

    def response(self, *, estimate: Usage | None, request_id: str | None, notes: list[str]) -> tuple[ModelResponse, bool]:
        """The answer, and whether its usage is ``estimate`` because the server gave none.

        Raises ``ProviderError`` where it is none: nothing came, or nobody said that it is whole, or a whole completion has no counts.
        """
        provider = self._provider
        if not self._choices:
            raise failures.bad_answer(provider, "no choices", usage=self.usage)
        if self._finish is None and not self._whole:
            raise failures.incomplete(provider, usage=self.usage)
        if self._finish == "insufficient_system_resource":
            raise ProviderError(
                f"{provider} ran out of capacity in the middle of its answer: try again",
                kind="retry",
                provider=provider,
                code="insufficient_system_resource",
                status=200,
                usage=self.usage,
            )
        estimated = self.usage is None
        usage = self.usage if self.usage is not None else estimate
        if usage is None or (estimated and self._whole):
            raise failures.bad_answer(provider, "no token counts")
        finish = _FINISH.get((self._finish or "").lower(), "other")
        if self._refused:
            finish = "content_filter"
        parts = self._assembly.parts(cut=finish in ("length", "content_filter"), notes=notes)
        if finish == "stop" and any(isinstance(part, ToolCallPart) for part in parts):
            # Some servers of this format (ollama among them) say "stop" beside tool calls.
            finish = "tool_calls"
        if estimated:
            notes.append(note("usage", f"{provider}/{self._model}", "gave no token counts: they are estimated from lengths"))
        return (
            ModelResponse(
                provider=provider,
                model=self._model,
                parts=parts,
                finish_reason=finish,
                provider_finish_reason=self._finish,
                stop_sequence=self._stop,
                usage=usage,
                provider_request_id=request_id or self._id,
                notes=tuple(dict.fromkeys(notes)),
            ),
            estimated,
        )


def _is_error(value: Any) -> bool:
    outer = fields(entries(value)[0] if entries(value) else value)
    return bool(outer.get("error") or outer.get("message") or outer.get("detail"))


def _usage(raw: Any) -> Usage | None:
    """The counts in disjoint classes; None where they are no counts."""
    usage = fields(raw)
    prompt = count(usage.get("prompt_tokens"))
    completion = count(usage.get("completion_tokens", 0) or 0)
    if prompt is None or completion is None:
        return None
    details = fields(usage.get("prompt_tokens_details"))
    hits = next(
        (
            found
            # DeepSeek's name, OpenAI's, Moonshot's.
            for value in (usage.get("prompt_cache_hit_tokens"), details.get("cached_tokens"), usage.get("cached_tokens"))
            if (found := count(value)) is not None
        ),
        0,
    )
    read = min(hits, prompt)
    written = min(count(details.get("cache_write_tokens")) or 0, prompt - read)
    reasoning = (
        count(fields(usage.get("completion_tokens_details")).get("reasoning_tokens"))
        or count(usage.get("reasoning_tokens"))
        or 0
    )
    # xAI and Gemini leave thinking out of the completion's count, and have it in the total.
    apart = max((count(usage.get("total_tokens")) or 0) - prompt - completion, 0)
    return Usage(
        input_tokens=prompt - read - written,
        cache_read_tokens=read,
        cache_write_tokens=written,
        output_tokens=completion + apart,
        reasoning_tokens=min(max(reasoning, apart), completion + apart),
    )
