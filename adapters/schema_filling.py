"""From a JSON Schema and a text to a JSON value that is valid against the schema, filled from the text. Pure functions.

Supported: type, enum, const, properties, required, additionalProperties, minProperties, items, prefixItems, minItems,
maxItems, uniqueItems, minLength, maxLength, pattern, minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, anyOf,
oneOf, allOf, $ref within the document, boolean schemas, and annotations. Anything else raises ``CannotFill``: a value that
might be invalid is never returned, because every value is checked against the schema before it leaves.
"""

import json
import math
from collections.abc import Iterator
from typing import Any, cast

from adapters.extraction import Reading, words_of
from adapters.schema_check import CannotFill, Schema, is_valid, resolve, same, search

__all__ = ["CannotFill", "fill"]

_DEEPEST = 12
_LARGEST = 10_000
_MOST_VALUES = 20_000


def fill(schema: Any, reading: Reading) -> Any:
    """A value that is valid against ``schema``; the same schema and text give the same value."""
    return _Filler(schema, reading).value(schema, "", 0)


class _Filler:
    def __init__(self, root: Any, reading: Reading) -> None:
        self._root = root
        self._reading = reading
        self._entered: list[Any] = []
        self._left = _MOST_VALUES

    def value(self, schema: Any, name: str, depth: int) -> Any:
        """The first candidate that is valid. ``name`` is the property that the value is for."""
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            raise CannotFill("a schema that nests too deeply or asks for too much")
        try:
            for candidate in self._candidates(schema, name, depth):
                if is_valid(candidate, schema, self._root):
                    return candidate
        except (TypeError, ValueError, AttributeError, ArithmeticError, LookupError):
            # A keyword whose value has the wrong type, such as "required": 3: no valid schema, so no valid value.
            raise CannotFill("a malformed schema") from None
        raise CannotFill(f"no value for {name or 'the answer'} could be found that is valid against its schema")

    def _candidates(self, schema: Any, name: str, depth: int) -> Iterator[Any]:
        if schema is True:
            yield self._reading.summary()
            return
        if not isinstance(schema, dict):
            raise CannotFill("a schema that nothing is valid against")
        node = cast("Schema", schema)
        if "const" in node:
            yield node["const"]
            return
        if "enum" in node:
            yield from self._options(cast("list[Any]", node["enum"]), name)
            return
        if "allOf" in node:
            yield from self._branch(self._merged(node), name, depth)
            return
        if "$ref" in node:
            yield from self._branch({"$ref": node["$ref"]}, name, depth)
        for branch in (*node.get("anyOf", ()), *node.get("oneOf", ())):
            yield from self._branch(branch, name, depth)
        kinds: Any = node.get("type") or _implied_type(node)
        for kind in cast("list[Any]", kinds) if isinstance(kinds, list) else [kinds]:
            yield from self._of_type(kind, node, name, depth)

    def _branch(self, schema: Any, name: str, depth: int) -> Iterator[Any]:
        """The candidate of one alternative; one that cannot be filled leaves the others their turn.

        A definition is not entered again from inside itself: recursive structures end at their first level.
        """
        ref: Any = cast("Schema", schema).get("$ref") if isinstance(schema, dict) else None
        if ref in self._entered:
            return
        if ref is not None:
            schema = resolve(self._root, ref)
            self._entered.append(ref)
        try:
            found = [self.value(schema, name, depth + 1)]
        except CannotFill:
            found = []
        finally:
            if ref is not None:
                self._entered.remove(ref)
        yield from found

    def _merged(self, node: Schema) -> Schema:
        """``allOf`` laid together: properties and requirements add up, other keywords of later parts win."""
        merged: Schema = {key: value for key, value in node.items() if key != "allOf"}
        for part in node["allOf"]:
            target: Schema = resolve(self._root, part["$ref"]) if "$ref" in part else part
            for key, value in target.items():
                if key == "properties":
                    merged[key] = {**merged.get(key, {}), **value}
                elif key == "required":
                    merged[key] = [*merged.get(key, []), *value]
                else:
                    merged[key] = value
        return merged

    def _options(self, options: list[Any], name: str) -> Iterator[Any]:
        labels = [option if isinstance(option, str) else json.dumps(option) for option in options]
        if options:
            yield options[self._reading.choose(labels, about=name)]
        yield from options

    def _of_type(self, kind: Any, node: Schema, name: str, depth: int) -> Iterator[Any]:
        match kind:
            case "object":
                yield self._object(node, depth)
            case "array":
                yield self._array(node, name, depth)
            case "string":
                yield from self._strings(node, name)
            case "integer" | "number":
                yield from self._numbers(node, name, whole=kind == "integer")
            case "boolean":
                said = any(self._reading.mentions(word) for word in words_of(name) if len(word) > 3)
                yield from (said, not said)
            case "null":
                yield None
            case _:
                raise CannotFill("an unknown type")

    def _object(self, node: Schema, depth: int) -> Schema:
        properties: Schema = node.get("properties") or {}
        required: list[str] = node.get("required") or []
        filled: Schema = {}
        for key, child in properties.items():
            try:
                filled[key] = self.value(child, key, depth + 1)
            except CannotFill:
                if key in required:
                    raise
        extra: Any = node.get("additionalProperties", True)
        lacking = [key for key in required if key not in filled]
        lacking += [f"extra_{n}" for n in range(min(node.get("minProperties", 0), _LARGEST) - len(filled) - len(lacking))]
        for key in lacking:
            filled[key] = self.value(extra, key, depth + 1)
        return filled

    def _array(self, node: Schema, name: str, depth: int) -> list[Any]:
        filled: list[Any] = [self.value(child, name, depth + 1) for child in node.get("prefixItems") or ()]
        items: Any = node.get("items", True)
        least, most = node.get("minItems", 0), node.get("maxItems", _LARGEST)
        if least > _LARGEST:
            raise CannotFill("an array that is too long")
        if items is not False:
            for candidate in self._item_candidates(items, name):
                if len(filled) < most and is_valid(candidate, items, self._root) and candidate not in filled:
                    filled.append(candidate)
        for n in range(least - len(filled)):
            one = self.value(items, name, depth + 1)
            if node.get("uniqueItems") and any(same(one, other) for other in filled):
                one = next((v for v in _variants(one, n, items) if is_valid(v, items, self._root) and v not in filled), one)
            filled.append(one)
        return filled[:most]

    def _item_candidates(self, items: Any, name: str) -> list[Any]:
        node: Schema = cast("Schema", items) if isinstance(items, dict) else {}
        words = set(words_of(name))
        lacking = bool(words & {"missing", "lacking", "needed", "absent"})
        reading = self._reading
        if "enum" in node:
            options = [option for option in node["enum"] if isinstance(option, str)]
            return [o for o in options if bool(reading.mentions(" ".join(words_of(o)))) != lacking]
        if node.get("type") != "string":
            return []
        if lacking:
            return list(reading.missing_report_items)
        if words & {"placeholder", "placeholders", "contacts", "people"}:
            return list(reading.placeholders)
        if words & {"sentences", "steps", "points", "highlights", "findings", "reasons"}:
            return reading.sentences[:3]
        return list(reading.keywords(3))

    def _strings(self, node: Schema, name: str) -> Iterator[str]:
        words = set(words_of(name))
        reading = self._reading
        if words & {"reply", "answer", "response", "comment", "message"}:
            text = reading.reply()
        elif words & {"title", "subject", "headline"}:
            text = reading.title
        elif words & {"area", "component", "module", "service", "package"}:
            text = reading.area
        else:
            text = reading.field(" ".join(words_of(name))) or reading.summary()
        least, most = node.get("minLength", 0), node.get("maxLength", _LARGEST)
        if least > _LARGEST:
            raise CannotFill("a text that is too long")
        if "pattern" in node:
            found = search(node["pattern"], reading.text)
            if found:
                yield found.group()
            yield from (
                "",
                "a",
                "A",
                "0",
                "1",
                "true",
                "2000-01-01",
                "a@example.invalid",
                "https://example.invalid/",
                "0.0.0",
                "-",
                "_",
            )
        yield (text[:most]).ljust(least, ".")

    def _numbers(self, node: Schema, name: str, *, whole: bool) -> Iterator[float]:
        low: float | None = node.get("minimum")
        high: float | None = node.get("maximum")
        above: float | None = node.get("exclusiveMinimum")
        below: float | None = node.get("exclusiveMaximum")
        step = node.get("multipleOf", 1 if whole else None)
        found = self._reading.number(name)
        lower: float | None = low if low is not None else above
        upper: float | None = high if high is not None else below
        starts: list[float] = [] if found is None else [found]
        starts += [0, 1, *(edge for edge in (lower, upper) if edge is not None)]
        if lower is not None and upper is not None:
            starts.append((lower + upper) / 2)
        for start in starts:
            bounded = min(start, high) if high is not None else start
            bounded = max(bounded, low) if low is not None else bounded
            if step is None:
                yield from (bounded, bounded + 1, bounded - 1)
                continue
            base = math.floor(bounded / step)
            for count in (base, base + 1, base - 1):
                value = count * step
                yield int(value) if float(value).is_integer() else value
                if whole and not float(value).is_integer():
                    yield from (int(value), math.ceil(value))


def _variants(one: Any, n: int, items: Any) -> Iterator[Any]:
    """Values like ``one`` but different, for arrays whose items must be unique."""
    if isinstance(one, str):
        yield from (f"{one} {k}" for k in range(n + 2, n + 200))
        yield from (str(k) for k in range(200))
    elif isinstance(one, bool):
        yield not one
    elif isinstance(one, int | float):
        yield from (one + k for k in range(1, 200))
        yield from (one - k for k in range(1, 200))
    if isinstance(items, dict) and "enum" in items:
        yield from cast("Schema", items)["enum"]


def _implied_type(node: Schema) -> str:
    """The type that a schema without one speaks of."""
    if node.keys() & {"properties", "required", "additionalProperties", "minProperties"}:
        return "object"
    if node.keys() & {"items", "prefixItems", "minItems", "maxItems", "uniqueItems"}:
        return "array"
    if node.keys() & {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}:
        return "number"
    return "string"
