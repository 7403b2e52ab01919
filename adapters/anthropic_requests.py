"""A request as Anthropic's Messages API takes it (https://platform.claude.com/docs/en/api/messages). Pure functions."""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any, Literal

import anthropic

from adapters.anthropic_models import Takes, takes
from adapters.outgoing import ToolNames, budget_of, effort_of, need_object_schema
from adapters.port import UnsupportedRequest
from agentos.contracts.model import (
    ImagePart,
    JsonSchemaFormat,
    Message,
    ModelRequest,
    Part,
    TextPart,
    Thinking,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    ToolSpec,
)

__all__ = ["Written", "write_request"]

_PROVIDER = "anthropic"
# The version that the SDK speaks has no temperature, top_p and top_k; the one before it has them, for the models that take them.
_VERSION_WITH_SAMPLING = "2023-06-01"
_LEAST_BUDGET = 1_024
_MOST_CACHE_MARKS = 4
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_COMBINATORS = ("anyOf", "oneOf", "allOf")


@dataclass(slots=True)
class Written:
    """The body, and what goes with it."""

    body: dict[str, Any]
    notes: list[str]
    headers: dict[str, str] = field(default_factory=dict[str, str])
    begun_blank: str = ""
    """The blanks at the end of an answer to go on with: the API refuses them there, so they are left out of what is sent."""


def write_request(request: ModelRequest, names: ToolNames, *, model: str, stream: bool) -> Written:
    """The body. What is left out goes to the notes; raises ``UnsupportedRequest`` for what cannot be left out."""
    if request.kind == "embed":
        raise _unsupported("embeddings_unsupported", "anthropic makes no embeddings")
    takes_ = takes(model)
    writer = _Writer(request, names, model, takes_)
    written = Written(body=writer.body, notes=writer.notes)
    writer.write(written)
    if stream:
        written.body["stream"] = True
    return written


def _unsupported(code: str, why: str) -> UnsupportedRequest:
    return UnsupportedRequest(why, provider=_PROVIDER, code=code)


class _Writer:
    def __init__(self, request: ModelRequest, names: ToolNames, model: str, takes_: Takes) -> None:
        self._request, self._names, self._takes = request, names, takes_
        self._model = f"{_PROVIDER}/{model}"
        self.body: dict[str, Any] = {"model": model, "max_tokens": request.max_output_tokens}
        self.notes: list[str] = []
        self._marks: list[tuple[dict[str, Any], Literal["5m", "1h"]]] = []

    def write(self, written: Written) -> None:
        request = self._request
        # In the order in which the API keeps prefixes: tools, system, messages.
        self._tools()
        if request.system:
            self.body["system"] = self._system(request.system)
        self.body["messages"] = self._messages()
        self._mark()
        output_config: dict[str, Any] = {}
        if request.response_format is not None:
            output_config["format"] = self._format(request.response_format)
        self._think(output_config)
        if output_config:
            self.body["output_config"] = output_config
        self._sample(written)
        self._stop()
        self._continue(written)
        for name in ("seed", "presence_penalty", "frequency_penalty"):
            if getattr(request, name) is not None:
                self._note(name, "takes none")

    def _note(self, name: str, why: str) -> None:
        said = f"{name}: {self._model} {why}"
        if said not in self.notes:
            self.notes.append(said)

    # --- tools

    def _tools(self) -> None:
        request = self._request
        if not request.tools:
            return
        self.body["tools"] = [self._tool(tool) for tool in request.tools]
        choice = request.tool_choice
        if choice is None:
            return
        forced = choice.mode in ("required", "tool")
        if forced and not self._takes.forced_tools:
            raise _unsupported("forced_tool_unsupported", f"{self._model} lets no tool be demanded")
        if forced and self._thinks():
            raise _unsupported("forced_tool_with_thinking", f"{self._model} cannot think and be made to use a tool")
        written: dict[str, Any] = {"type": "any" if choice.mode == "required" else choice.mode}
        if choice.mode == "tool":
            written["name"] = self._names.to_wire(choice.name or "")
        if choice.parallel is False and choice.mode != "none":
            written["disable_parallel_tool_use"] = True
        if written != {"type": "auto"}:
            self.body["tool_choice"] = written

    def _tool(self, tool: ToolSpec) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "object", **tool.parameters}
        if any(keyword in schema for keyword in _COMBINATORS):
            raise _unsupported(
                "unsupported_tool_schema", "anthropic takes no anyOf, oneOf or allOf at the top of a tool's schema"
            )
        written: dict[str, Any] = {"name": self._names.to_wire(tool.name), "input_schema": schema}
        if tool.description:
            written["description"] = tool.description
        if tool.strict:
            written["input_schema"] = _closed_schema(schema)
            written["strict"] = True
        return self._marked(written, tool.cache)

    # --- turns

    def _system(self, system: str) -> Any:
        cache = self._request.system_cache
        return [self._marked({"type": "text", "text": system}, cache)] if cache else system

    def _messages(self) -> list[dict[str, Any]]:
        written: list[dict[str, Any]] = []
        for message in self._request.messages:
            blocks = self._blocks(message)
            if blocks:
                written.append({"role": message.role, "content": blocks})
        if not written:
            raise _unsupported("empty_message", "nothing is left of the request that anthropic could read")
        return written

    def _blocks(self, message: Message) -> list[dict[str, Any]]:
        """The parts in order, but tool results first, as the API demands."""
        results: list[dict[str, Any]] = []
        others: list[dict[str, Any]] = []
        for part in message.parts:
            if isinstance(part, ToolResultPart):
                results.append(self._result(part))
            elif (block := self._block(part)) is not None:
                others.append(block)
        return results + others

    def _block(self, part: Part) -> dict[str, Any] | None:
        match part:
            case TextPart():
                # The API refuses blank text, which says nothing.
                blank = not part.text or part.text.isspace()
                return None if blank else self._marked({"type": "text", "text": part.text}, part.cache)
            case ImagePart():
                return self._image(part)
            case ThinkingPart():
                return self._thought(part)
            case ToolCallPart():
                block = {
                    "type": "tool_use",
                    "id": _wire_id(part.id),
                    "name": self._names.to_wire(part.name),
                    "input": part.arguments,
                }
                return self._marked(block, part.cache)
            case ToolResultPart():
                return self._result(part)

    def _thought(self, part: ThinkingPart) -> dict[str, Any] | None:
        if part.provider == _PROVIDER:
            if part.encrypted is not None:
                return {"type": "redacted_thinking", "data": part.encrypted}
            if part.signature is not None:
                return {"type": "thinking", "thinking": part.text, "signature": part.signature}
        self._note("thinking part", "takes its own signed thinking only")
        return None

    def _image(self, image: ImagePart) -> dict[str, Any]:
        if image.detail in ("low", "high"):
            self._note("image detail", "takes none")
        source: dict[str, Any] = {"type": "url", "url": image.url}
        if image.data is not None:
            source = {"type": "base64", "media_type": image.media_type, "data": base64.b64encode(image.data).decode()}
        return self._marked({"type": "image", "source": source}, image.cache)

    def _result(self, part: ToolResultPart) -> dict[str, Any]:
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": _wire_id(part.id), "content": part.content}
        if part.images:
            said = [] if not part.content or part.content.isspace() else [{"type": "text", "text": part.content}]
            block["content"] = [*said, *(self._image(image) for image in part.images)]
        if part.is_error:
            block["is_error"] = True
        return self._marked(block, part.cache)

    # --- prompt caching

    def _marked(self, block: dict[str, Any], cache: Literal["5m", "1h"] | None) -> dict[str, Any]:
        if cache is not None:
            self._marks.append((block, cache))
        return block

    def _mark(self) -> None:
        """The last four marks, the ones kept for an hour before the others: the API refuses more, and another order."""
        if len(self._marks) > _MOST_CACHE_MARKS:
            self._note("cache", f"takes {_MOST_CACHE_MARKS} marks: the last ones are set")
        brief = False
        for block, cache in self._marks[-_MOST_CACHE_MARKS:]:
            if cache == "1h" and brief:
                self._note("cache 1h", "takes none after a mark of 5m: it is kept for 5m")
            brief = brief or cache == "5m"
            block["cache_control"] = {"type": "ephemeral"} if brief else {"type": "ephemeral", "ttl": "1h"}

    # --- structured output

    def _format(self, wanted: JsonSchemaFormat) -> dict[str, Any]:
        need_object_schema(_PROVIDER, self._request)
        if not self._takes.schema:
            raise _unsupported("schema_unsupported", f"{self._model} takes no response schema")
        if _has_open_map(wanted.json_schema):
            self._note("response_format", "closes objects: properties that the schema does not name are left out")
        return {"type": "json_schema", "schema": _closed_schema(wanted.json_schema)}

    # --- thinking

    def _thinks(self) -> bool:
        """Whether thinking is asked for."""
        wanted = self._request.thinking
        if wanted is None:
            return False
        effort = effort_of(wanted)
        return effort != "none" if effort is not None else wanted.show and self._takes.thinking in ("either", "adaptive")

    def _think(self, output_config: dict[str, Any]) -> None:
        wanted, takes_ = self._request.thinking, self._takes
        if wanted is None:
            return
        if effort_of(wanted) == "none":
            self._think_not(output_config)
        elif takes_.thinking == "none":
            self._note("thinking", "does not think")
        elif takes_.thinking == "budget" or (takes_.thinking == "either" and wanted.budget_tokens is not None):
            self._think_for(wanted)
        else:
            self._think_adaptively(wanted, output_config)

    def _think_not(self, output_config: dict[str, Any]) -> None:
        off = self._takes.thinking_off
        if off == "never":
            output_config["effort"] = "low"
            self._note("thinking", "cannot be told not to think: it is told to think little")
        elif off != "unsaid":
            self.body["thinking"] = {"type": off}

    def _think_for(self, wanted: Thinking) -> None:
        budget = budget_of(wanted)
        most = self._request.max_output_tokens
        if budget is None:
            self._note("thinking", "thinks only when told how much")
        elif not self._thought_before():
            self._note("thinking", "goes on after a tool call only with the thinking that led to it, which is not there")
        elif most <= _LEAST_BUDGET:
            self._note("thinking", f"thinks from {_LEAST_BUDGET} tokens on, within max_output_tokens")
        else:
            # What is thought counts as output: a quarter is left for the answer.
            within = max(_LEAST_BUDGET, min(budget, most * 3 // 4))
            if within < budget:
                self._note("thinking", "thinks within max_output_tokens: the budget was cut")
            self.body["thinking"] = {"type": "enabled", "budget_tokens": within}

    def _thought_before(self) -> bool:
        """Whether the turns since the last question begin with thinking, where they call tools; the API refuses to think on otherwise."""
        for turn in reversed(self.body["messages"]):
            kinds = [block["type"] for block in turn["content"]]
            if turn["role"] == "assistant":
                return "tool_use" not in kinds or kinds[0] in ("thinking", "redacted_thinking")
            if "tool_result" not in kinds:
                return True
        return True

    def _think_adaptively(self, wanted: Thinking, output_config: dict[str, Any]) -> None:
        effort = effort_of(wanted)
        self.body["thinking"] = {"type": "adaptive", "display": "summarized"} if wanted.show else {"type": "adaptive"}
        if effort is not None:
            output_config["effort"] = "low" if effort == "minimal" else effort

    # --- sampling, stops, continuation

    def _sample(self, written: Written) -> None:
        request = self._request
        # 1 is what these are where nothing is said.
        asked = {
            "temperature": None if request.temperature == 1 else request.temperature,
            "top_p": None if request.top_p == 1 else request.top_p,
            "top_k": request.top_k,
        }
        sent = {name: value for name, value in asked.items() if value is not None}
        if not sent:
            return
        first = next(iter(sent))
        if not self._takes.sampling:
            raise _unsupported(f"{first}_unsupported", f"{self._model} takes no {first}: leave it out, or use another provider")
        if request.temperature is not None and request.temperature > 1:
            raise _unsupported("temperature_unsupported", "anthropic takes temperatures up to 1")
        if "temperature" in sent and "top_p" in sent and not self._takes.temperature_with_top_p:
            raise _unsupported("temperature_with_top_p", f"{self._model} takes temperature or top_p, not both")
        if self._thinks() and self._takes.thinking != "none":
            raise _unsupported(f"{first}_with_thinking", f"{self._model} takes no {first} when it thinks")
        self.body.update(sent)
        written.headers["anthropic-version"] = _VERSION_WITH_SAMPLING

    def _stop(self) -> None:
        if any(not stop or stop.isspace() for stop in self._request.stop):
            raise _unsupported("unsupported_stop", "anthropic takes no stop sequence that is blank")
        if self._request.stop:
            self.body["stop_sequences"] = list(self._request.stop)

    def _continue(self, written: Written) -> None:
        """An answer that was begun is gone on with, by models that can."""
        last = self.body["messages"][-1]
        end = last["content"][-1]
        if last["role"] != "assistant" or end["type"] != "text":
            return
        if not self._takes.prefill or self._thinks() or self._request.response_format is not None:
            raise _unsupported("prefill_unsupported", f"{self._model} cannot go on with an answer that was begun")
        kept = end["text"].rstrip()
        written.begun_blank = end["text"][len(kept) :]
        end["text"] = kept


def _wire_id(id_: str) -> str:
    """The id of a tool call as the API takes it; another provider's may have characters that it refuses."""
    if _ID.fullmatch(id_):
        return id_
    return f"call_{hashlib.sha256(id_.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def _closed_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """As the SDK writes it: objects closed, keywords that the API refuses moved into descriptions."""
    try:
        return anthropic.transform_schema(schema)
    except (TypeError, ValueError, AttributeError, AssertionError, RecursionError):
        pass
    raise _unsupported(
        "unsupported_schema",
        "anthropic cannot carry this schema: every node needs a type, an enum, a const, a $ref or an anyOf",
    )


def _has_open_map(schema: Any) -> bool:
    if isinstance(schema, list):
        return any(map(_has_open_map, schema))  # pyright: ignore[reportUnknownArgumentType] -- JSON of strangers
    if not isinstance(schema, dict):
        return False
    node: dict[str, Any] = schema  # pyright: ignore[reportUnknownVariableType] -- JSON: keys are strings
    return isinstance(node.get("additionalProperties"), dict) or any(map(_has_open_map, node.values()))
