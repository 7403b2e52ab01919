"""Whether a JSON value is valid against a JSON Schema, for the keywords that ``schema_filling`` supports. Pure functions."""

import math
import re
from typing import Any, cast

__all__ = ["CannotFill", "Schema", "is_valid", "resolve", "same", "search"]

_ANNOTATIONS = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "format", "$schema", "$id", "$comment",
     "$defs", "definitions", "propertyOrdering"}
)  # fmt: skip
_SUPPORTED = _ANNOTATIONS | frozenset(
    {"type", "enum", "const", "properties", "required", "additionalProperties", "minProperties", "items", "prefixItems", "minItems",
     "maxItems", "uniqueItems", "minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
     "multipleOf", "anyOf", "oneOf", "allOf", "$ref"}
)  # fmt: skip
_MOST_STEPS = 50
Schema = dict[str, Any]


class CannotFill(Exception):
    """The schema uses what is not supported, or no candidate value is valid against it."""


def is_valid(value: Any, schema: Any, root: Any) -> bool:
    """Whether ``value`` is valid against ``schema``, for the supported keywords. ``root`` is the document of its $refs."""
    return _Checker(root).ok(value, schema, 0)


def resolve(root: Any, ref: Any) -> Any:
    if not isinstance(ref, str) or not ref.startswith("#"):
        raise CannotFill("a $ref that leaves the document")
    node: Any = root
    for raw in ref[1:].split("/")[1:]:
        step = raw.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, dict) or step not in node:
            raise CannotFill("a $ref that leads nowhere")
        node = cast("Schema", node)[step]
    return node


def same(left: Any, right: Any) -> bool:
    """Equality of JSON values: 1 and 1.0 are equal, 1 and true are not."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        a, b = cast("list[Any]", left), cast("list[Any]", right)
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(left, dict) and isinstance(right, dict):
        c, d = cast("Schema", left), cast("Schema", right)
        return c.keys() == d.keys() and all(same(c[key], d[key]) for key in c)
    return bool(left == right)


def _is_type(value: Any, name: Any) -> bool:
    match name:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            return whole and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "string":
            return isinstance(value, str)
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
        case _:
            raise CannotFill("an unknown type")


class _Checker:
    def __init__(self, root: Any) -> None:
        self._root = root

    def ok(self, value: Any, schema: Any, depth: int) -> bool:
        if depth > _MOST_STEPS:
            raise CannotFill("a schema that refers to itself without end")
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            raise CannotFill("a schema that is neither an object nor a boolean")
        node = cast("Schema", schema)
        if not node.keys() <= _SUPPORTED:
            raise CannotFill(f"keywords that are not supported: {', '.join(sorted(node.keys() - _SUPPORTED))[:200]}")
        return all(self._keyword(value, node, keyword, wanted, depth + 1) for keyword, wanted in node.items())

    def _keyword(self, value: Any, node: Schema, keyword: str, wanted: Any, depth: int) -> bool:
        match keyword:
            case "type":
                return any(
                    _is_type(value, name) for name in (cast("list[Any]", wanted) if isinstance(wanted, list) else [wanted])
                )
            case "enum":
                return any(same(value, option) for option in wanted)
            case "const":
                return same(value, wanted)
            case "$ref":
                return self.ok(value, resolve(self._root, wanted), depth)
            case "anyOf":
                return any(self.ok(value, branch, depth) for branch in wanted)
            case "oneOf":
                return sum(self.ok(value, branch, depth) for branch in wanted) == 1
            case "allOf":
                return all(self.ok(value, branch, depth) for branch in wanted)
            case _ if isinstance(value, str):
                return _string_ok(value, keyword, wanted)
            case _ if isinstance(value, int | float) and not isinstance(value, bool):
                return _number_ok(value, keyword, wanted)
            case _ if isinstance(value, dict):
                return self._object_ok(cast("Schema", value), node, keyword, wanted, depth)
            case _ if isinstance(value, list):
                return self._array_ok(cast("list[Any]", value), node, keyword, wanted, depth)
            case _:
                return True

    def _object_ok(self, value: Schema, node: Schema, keyword: str, wanted: Any, depth: int) -> bool:
        match keyword:
            case "properties":
                return all(self.ok(value[name], child, depth) for name, child in wanted.items() if name in value)
            case "required":
                return all(name in value for name in wanted)
            case "additionalProperties":
                others = value.keys() - cast("Schema", node.get("properties") or {}).keys()
                return all(self.ok(value[name], wanted, depth) for name in others)
            case "minProperties":
                return len(value) >= wanted
            case _:
                return True

    def _array_ok(self, value: list[Any], node: Schema, keyword: str, wanted: Any, depth: int) -> bool:
        match keyword:
            case "items":
                rest = value[len(node.get("prefixItems") or ()) :]
                return all(self.ok(item, wanted, depth) for item in rest)
            case "prefixItems":
                return all(self.ok(item, child, depth) for item, child in zip(value, wanted, strict=False))
            case "minItems":
                return len(value) >= wanted
            case "maxItems":
                return len(value) <= wanted
            case "uniqueItems":
                return not wanted or all(not same(a, b) for i, a in enumerate(value) for b in value[:i])
            case _:
                return True


def _string_ok(value: str, keyword: str, wanted: Any) -> bool:
    match keyword:
        case "minLength":
            return len(value) >= wanted
        case "maxLength":
            return len(value) <= wanted
        case "pattern":
            return search(wanted, value) is not None
        case _:
            return True


def search(pattern: Any, text: str) -> re.Match[str] | None:
    try:
        return re.search(pattern, text)
    except (re.error, TypeError):
        raise CannotFill("a pattern that is no regular expression here") from None


def _number_ok(value: float, keyword: str, wanted: Any) -> bool:
    match keyword:
        case "minimum":
            return value >= wanted
        case "maximum":
            return value <= wanted
        case "exclusiveMinimum":
            return value > wanted
        case "exclusiveMaximum":
            return value < wanted
        case "multipleOf":
            quotient = value / wanted
            return math.isfinite(quotient) and quotient == int(quotient)
        case _:
            return True
