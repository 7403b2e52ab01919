"""What chat completions and Responses are written with alike. Pure functions."""

import base64
import hashlib
import json
import re
from typing import Any

from adapters.openai_dialect import Dialect
from adapters.outgoing import Effort
from adapters.port import UnsupportedRequest
from agentos.contracts.model import ImagePart, JsonSchemaFormat, ModelRequest, ThinkingPart

__all__ = ["cache_key", "effort_word", "format_name", "has_cache_marks", "image_url", "is_strict", "note", "schema_words"]

# What strict mode of structured outputs understands. A schema with anything else is still sent, as a request not a promise.
_STRICT_KEYWORDS = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "description", "title"}
)
_LONGEST_CACHE_KEY = 64
_NOT_NAME = re.compile(r"[^A-Za-z0-9_-]")


def note(field: str, target: str, why: str = "takes none") -> str:
    """What of a request was not carried: names and reasons, never values."""
    return f"{field}: {target} {why}"


def cache_key(key: str) -> str:
    """The key as OpenAI takes it: a digest where it is too long."""
    return key if len(key) <= _LONGEST_CACHE_KEY else hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def effort_word(dialect: Dialect, effort: Effort) -> str:
    """The effort in the provider's word."""
    return dict(dialect.efforts).get(effort, effort)


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
