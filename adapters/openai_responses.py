"""Responses, written and read (https://platform.openai.com/docs/api-reference/responses). Pure.

The form in which OpenAI's models show what they think and take it back; stateless: nothing is stored there, and the whole conversation
is sent each time, encrypted thinking included.
"""

from collections.abc import Hashable
from typing import Any

from adapters import failures
from adapters.assembly import Assembly
from adapters.openai_chat import (
    cache_key,
    effort_word,
    format_name,
    has_cache_marks,
    image_url,
    is_strict,
    note,
    schema_words,
)
from adapters.openai_connection import error_in_stream
from adapters.openai_dialect import Dialect
from adapters.outgoing import ToolNames, effort_of, joined_text, json_text, need_object_schema
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
    ToolResultPart,
    Usage,
)

__all__ = ["FEWEST_OUTPUT_TOKENS", "ResponsesReader", "write_responses"]

FEWEST_OUTPUT_TOKENS = 16
"""OpenAI refuses to be asked for fewer."""


# --- written ----------------------------------------------------------------------------------------------------------------


def write_responses(
    dialect: Dialect, request: ModelRequest, names: ToolNames, *, model: str, stream: bool, notes: list[str]
) -> dict[str, Any]:
    """The body. What is left out goes to ``notes``; raises ``UnsupportedRequest`` for what cannot be left out."""
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
    if instructions:
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
    for name in ("temperature", "top_p"):
        if (value := getattr(request, name)) is not None:
            body[name] = value
    left_out = ("top_k", "seed", "presence_penalty", "frequency_penalty")
    notes.extend(note(name, target, "takes none by Responses") for name in left_out if getattr(request, name) is not None)
    _think(dialect, request, body)
    if request.cache_key is not None:
        body["prompt_cache_key"] = cache_key(request.cache_key)
    if has_cache_marks(request):
        notes.append(note("cache", target, "keeps prefixes by itself, without marks"))
    body["store"] = False
    body["include"] = ["reasoning.encrypted_content"]
    if stream:
        body["stream"] = True
    return body


def _think(dialect: Dialect, request: ModelRequest, body: dict[str, Any]) -> None:
    thinking = request.thinking
    if thinking is None:
        return
    reasoning: dict[str, Any] = {}
    if (effort := effort_of(thinking)) is not None:
        reasoning["effort"] = effort_word(dialect, effort)
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
                if part.provider != dialect.provider or not part.encrypted or at > last:
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
    with_images = False
    for part in message.parts:
        match part:
            case ToolResultPart():
                # The format has no error flag, so the model is told in words.
                said = f"The tool failed: {part.content}" if part.is_error else part.content
                output: Any = said
                if part.images:
                    output = [{"type": "input_text", "text": said}, *(_image(dialect, image) for image in part.images)]
                written.append({"type": "function_call_output", "call_id": part.id, "output": output})
            case TextPart():
                if part.text:
                    content.append({"type": "input_text", "text": part.text})
            case ImagePart():
                content.append(_image(dialect, part))
                with_images = True
            case ThinkingPart():
                notes.append(note("thinking", target, "takes none in a user turn"))
            case _:
                pass
    if content:
        written.append({"role": "user", "content": content if with_images else joined_text(message)})


def _image(dialect: Dialect, image: ImagePart) -> dict[str, Any]:
    # The detail is required here; "auto" is what leaving it out means elsewhere.
    return {"type": "input_image", "image_url": image_url(dialect, image), "detail": image.detail or "auto"}


# --- read -------------------------------------------------------------------------------------------------------------------


class ResponsesReader:
    """Reads one answer: a whole response, or its events one by one.

    What an event repeats of earlier ones (``….done``, ``response.completed``) is taken as far as it had not come yet, so that the answer
    is whole even where a server leaves the deltas out.
    """

    __slots__ = (
        "_assembly", "_final", "_id", "_ids", "_model", "_provider", "_refused", "_sent", "_whole", "usage"
    )  # fmt: skip

    def __init__(self, provider: str, request: ModelRequest, names: ToolNames, *, model: str) -> None:
        self._provider, self._model = provider, model
        self._assembly = Assembly(provider, names, request)
        self._id: str | None = None
        self._ids: dict[str, int] = {}
        self._sent: dict[Hashable, int] = {}
        self._refused = False
        self._final: dict[str, Any] | None = None
        self._whole = False
        self.usage: Usage | None = None

    @property
    def size(self) -> int:
        """Of what came, in characters."""
        return self._assembly.size

    @property
    def done(self) -> bool:
        """Whether it was said why the answer ended."""
        return self._final is not None

    def read(self, value: Any, *, event: str = "") -> list[Delta | Usage]:
        """One event, or the whole response; anything else says nothing. Raises ``ProviderError`` where it is an error."""
        item = fields(value)
        kind = text(item.get("type")) or event
        found: list[Delta | Usage] = []
        if item.get("object") == "response" or ("output" in item and "status" in item):
            self._whole = True
            self._finished(item, found)
            return []
        if kind == "error" or item.get("error"):
            raise self._failed(value)
        match kind:
            case "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled":
                self._finished(fields(item.get("response")), found)
            case "response.output_item.added" | "response.output_item.done":
                inner = fields(item.get("item"))
                self._item(inner, self._index(item, inner), whole=kind.endswith("done"), found=found)
            case "response.output_text.delta":
                self._piece(item, "text", text(item.get("delta")), found)
            case "response.output_text.done":
                self._rest(item, "text", text(item.get("text")), found)
            case "response.refusal.delta":
                self._piece(item, "refusal", text(item.get("delta")), found)
            case "response.refusal.done":
                self._rest(item, "refusal", text(item.get("refusal")), found)
            case "response.function_call_arguments.delta":
                self._piece(item, "arguments", text(item.get("delta")), found)
            case "response.function_call_arguments.done":
                self._rest(item, "arguments", text(item.get("arguments")), found)
            case "response.reasoning_summary_text.delta" | "response.reasoning_summary.delta":
                self._piece(item, "summary", text(item.get("delta")), found)
            case "response.reasoning_summary_text.done":
                self._rest(item, "summary", text(item.get("text")), found)
            case "response.reasoning_text.delta":
                self._piece(item, "thought", text(item.get("delta")), found)
            case "response.reasoning_text.done":
                self._rest(item, "thought", text(item.get("text")), found)
            case _:
                self._named(fields(item.get("response")))
        return found

    def _named(self, response: dict[str, Any]) -> None:
        self._id = self._id or text(response.get("id")) or None
        self._model = text(response.get("model")) or self._model

    def _index(self, event: dict[str, Any], item: dict[str, Any]) -> int:
        """The place of an item in the output. Events name it by place, by id, or by both."""
        id_ = text(item.get("id")) or text(event.get("item_id"))
        index = count(event.get("output_index"))
        if index is None:
            index = self._ids.get(id_, len(self._ids))
        if id_:
            self._ids.setdefault(id_, index)
        return index

    def _piece(self, event: dict[str, Any], what: str, piece: str, found: list[Delta | Usage]) -> None:
        index = self._index(event, {})
        part = count(event.get("summary_index" if what == "summary" else "content_index")) or 0
        self._add(index, part, what, piece, text(event.get("item_id")), found)

    def _rest(self, event: dict[str, Any], what: str, whole: str, found: list[Delta | Usage]) -> None:
        index = self._index(event, {})
        part = count(event.get("summary_index" if what == "summary" else "content_index")) or 0
        self._add(index, part, what, whole[self._sent.get((index, part, what), 0) :], text(event.get("item_id")), found)

    def _add(self, index: int, part: int, what: str, piece: str, id_: str, found: list[Delta | Usage]) -> None:
        if not piece:
            return
        key = (index, part, what)
        begun = key in self._sent
        self._sent[key] = self._sent.get(key, 0) + len(piece)
        match what:
            case "text":
                found += self._assembly.text(piece)
            case "refusal":
                self._refused = True
                found += self._assembly.text(piece)
            case "arguments":
                found += self._assembly.call(index, json_text=piece)
            case _:
                # The paragraphs of a summary come as parts of their own.
                earlier = part > 0 and not begun and any(each[0] == index and each[2] == what for each in self._keys_but(key))
                found += self._assembly.thinking(f"\n\n{piece}" if earlier else piece, part_id=id_ or f"{index}")

    def _keys_but(self, key: tuple[int, int, str]) -> list[tuple[int, int, str]]:
        return [each for each in self._sent if each != key]  # type: ignore[misc] -- every key is made in _add

    def _item(self, item: dict[str, Any], index: int, *, whole: bool, found: list[Delta | Usage]) -> None:
        id_ = text(item.get("id"))
        match item.get("type"):
            case "function_call":
                name = text(item.get("name"))
                found += self._assembly.call(index, call_id=text(item.get("call_id")) or id_, name=name)
                if whole:
                    self._remainder(index, 0, "arguments", text(item.get("arguments")), id_, found)
            case "message" if whole:
                for part, each in enumerate(entries(item.get("content"))):
                    block = fields(each)
                    if block.get("type") == "refusal":
                        self._remainder(index, part, "refusal", text(block.get("refusal")), id_, found)
                    elif block.get("type") in ("output_text", "text"):
                        self._remainder(index, part, "text", text(block.get("text")), id_, found)
            case "reasoning" if whole:
                for what, name in (("summary", "summary"), ("thought", "content")):
                    for part, each in enumerate(entries(item.get(name))):
                        self._remainder(index, part, what, text(fields(each).get("text")), id_, found)
                encrypted = text(item.get("encrypted_content"))
                if encrypted:
                    self._assembly.seal(part_id=id_ or f"{index}", encrypted=encrypted)
            case _:
                pass

    def _remainder(self, index: int, part: int, what: str, whole: str, id_: str, found: list[Delta | Usage]) -> None:
        self._add(index, part, what, whole[self._sent.get((index, part, what), 0) :], id_, found)

    def _finished(self, response: dict[str, Any], found: list[Delta | Usage]) -> None:
        self._named(response)
        for position, each in enumerate(entries(response.get("output"))):
            item = fields(each)
            index = self._ids.get(text(item.get("id")), position)
            self._item(item, index, whole=True, found=found)
        usage = _usage(response.get("usage"))
        if usage is not None:
            self.usage = usage
            found.append(usage)
        if response.get("error") or response.get("status") == "failed":
            raise self._failed(response)
        self._final = response

    def _failed(self, value: Any) -> ProviderError:
        failure = error_in_stream(self._provider, value, request_id=self._id)
        failure.usage = self.usage
        return failure

    def response(self, *, estimate: Usage | None, request_id: str | None, notes: list[str]) -> tuple[ModelResponse, bool]:
        """As ``ChatReader.response``."""
        provider = self._provider
        if self._final is None:
            if self._assembly.empty and self._id is None:
                raise failures.bad_answer(provider, "no output")
            raise failures.incomplete(provider, usage=self.usage)
        status = text(self._final.get("status")) or "completed"
        reason = text(fields(self._final.get("incomplete_details")).get("reason"))
        if status in ("queued", "in_progress", "cancelled"):
            raise failures.incomplete(provider, usage=self.usage)
        estimated = self.usage is None
        usage = self.usage if self.usage is not None else estimate
        if usage is None or (estimated and self._whole):
            raise failures.bad_answer(provider, "no token counts")
        finish: FinishReason = "stop"
        if self._refused or reason == "content_filter":
            finish = "content_filter"
        elif status == "incomplete":
            finish = "length" if reason in ("max_output_tokens", "max_tokens") else "other"
        parts = self._assembly.parts(cut=status == "incomplete", notes=notes)
        if finish == "stop" and any(isinstance(part, ToolCallPart) for part in parts):
            finish = "tool_calls"
        if estimated:
            notes.append(note("usage", f"{provider}/{self._model}", "gave no token counts: they are estimated from lengths"))
        return (
            ModelResponse(
                provider=provider,
                model=self._model,
                parts=parts,
                finish_reason=finish,
                provider_finish_reason=reason or status,
                usage=usage,
                provider_request_id=request_id or self._id,
                notes=tuple(dict.fromkeys(notes)),
            ),
            estimated,
        )


def _usage(raw: Any) -> Usage | None:
    """The counts in disjoint classes; None where they are no counts."""
    usage = fields(raw)
    given, made = count(usage.get("input_tokens")), count(usage.get("output_tokens"))
    if given is None or made is None:
        return None
    details = fields(usage.get("input_tokens_details"))
    read = min(count(details.get("cached_tokens")) or 0, given)
    written = min(count(details.get("cache_write_tokens")) or 0, given - read)
    long = count(fields(details.get("cache_write_tokens_details")).get("ttl_12h_tokens")) or 0
    reasoning = count(fields(usage.get("output_tokens_details")).get("reasoning_tokens")) or 0
    return Usage(
        input_tokens=given - read - written,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=min(long, written),
        output_tokens=made,
        reasoning_tokens=min(reasoning, made),
    )
