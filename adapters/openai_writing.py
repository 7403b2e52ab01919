"""What chat completions and Responses are written with alike. Pure functions."""

import base64
import hashlib
import json
import re
from typing import Any

from adapters.openai_dialect import Dialect
from adapters.outgoing import Effort, effort_of
from adapters.port import UnsupportedRequest
from adapters.reading import fields, text
from agentos.contracts.model import ImagePart, JsonSchemaFormat, ModelRequest, ThinkingPart, ToolCallPart

__all__ = [
    "cache_key",
    "call_mark",
    "call_mark_back",
    "effort_word",
    "format_name",
    "image_url",
    "is_strict",
    "mark",
    "note",
    "note_cache_marks",
    "sampling",
    "schema_words",
]

# What strict mode of structured outputs understands. A schema with anything else is still sent, as a request not a promise.
_STRICT_KEYWORDS = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "description", "title"}
)
_LONGEST_CACHE_KEY = 64
_MARK = "extra_content:"
_SAMPLING_UNSAID = {"temperature": 1.0, "top_p": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}
_NOT_NAME = re.compile(r"[^A-Za-z0-9_-]")


def note(field: str, target: str, why: str = "takes none") -> str:
    """What of a request was not carried: names and reasons, never values."""
    return f"{field}: {target} {why}"


def call_mark(provider: str, extra_content: Any) -> str | None:
    """Gemini's mark of the thinking that led to a tool call, as its servers of this format give it: in the field of one of its houses.

    With the provider's name before it, since no other knows it, by whichever format.
    """
    for house in ("google", "vertex"):
        if signature := text(fields(fields(extra_content).get(house)).get("thought_signature")):
            return f"{_MARK}{provider}:{house}:{signature}"
    return None


def call_mark_back(provider: str, mark: str | None) -> dict[str, Any] | None:
    """The field that ``call_mark`` was made of; None where it is none, or another provider's."""
    begun = f"{_MARK}{provider}:"
    if mark is None or not mark.startswith(begun):
        return None
    house, _, signature = mark.removeprefix(begun).partition(":")
    return {house: {"thought_signature": signature}}


def cache_key(key: str) -> str:
    """The key as OpenAI takes it: a digest where it is too long."""
    return key if len(key) <= _LONGEST_CACHE_KEY else hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def effort_word(dialect: Dialect, effort: Effort, target: str, notes: list[str]) -> str:
    """The effort in the provider's word."""
    word = dict(dialect.efforts).get(effort, effort)
    if effort == "none" and word != "none":
        notes.append(note("thinking", target, "cannot be told not to think: it is told to think little"))
    return word


def sampling(dialect: Dialect, request: ModelRequest, target: str, names: tuple[str, ...]) -> dict[str, float]:
    """What is asked for of these. Refuses what a model that thinks does not take, unless it is what it does anyway."""
    asked = {name: value for name in names if (value := getattr(request, name)) is not None}
    thinking = request.thinking
    told_to = thinking is not None and effort_of(thinking) not in (None, "none")
    if dialect.sampling == "always" or (dialect.sampling == "unthinking" and not told_to):
        return asked
    for name, value in asked.items():
        if value != _SAMPLING_UNSAID[name]:
            why = f"{target} takes no {name} when it thinks: leave it out, or use another provider"
            raise UnsupportedRequest(why, provider=dialect.provider, code=f"{name}_unsupported")
    return {}


def schema_words(wanted: JsonSchemaFormat) -> str:
    """A schema told in words."""
    if not wanted.json_schema:
        return "Answer with one JSON object and nothing else."
    schema = json.dumps(wanted.json_schema, ensure_ascii=False)
    return f"Answer with one JSON object and nothing else. It must be valid against this JSON Schema:\n{schema}"


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


def mark(dialect: Dialect, part: dict[str, Any], cache: str | None) -> dict[str, Any]:
    """The part, marked as the end of a prefix that is worth keeping, where it is to be."""
    return {**part, "prompt_cache_breakpoint": {"mode": "explicit"}} if cache is not None and dialect.cache_marks else part


def note_cache_marks(dialect: Dialect, request: ModelRequest, target: str, notes: list[str]) -> None:
    """Says what of the marks is not carried."""
    parts = [part for message in request.messages for part in message.parts if not isinstance(part, ThinkingPart)]
    on_tools = [tool.cache for tool in request.tools] + [part.cache for part in parts if isinstance(part, ToolCallPart)]
    marks = {request.system_cache, *on_tools, *(part.cache for part in parts)} - {None}
    if not marks:
        return
    if not dialect.cache_marks:
        notes.append(note("cache", target, "keeps prefixes by itself, without marks"))
        return
    if any(on_tools):
        notes.append(note("cache", target, "takes no marks on tools and their calls"))
    if "1h" in marks:
        notes.append(note("cache", target, "keeps what is marked for half an hour at least"))
