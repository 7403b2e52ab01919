"""JSON in exactly one spelling, so that no byte can change unnoticed: what exports, anchors and proofs are written in."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Malformed(Exception):
    """A line that is not what it should be, in this exact spelling."""


def line(fields: Mapping[str, Any]) -> bytes:
    """The one line that stands for ``fields``."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def exact(value: T, canonical: bytes, given: bytes) -> T:
    """``value``, if ``given`` is the line that stands for it."""
    if canonical != given:
        raise Malformed("the line is not spelled as the ledger writes it")
    return value


def fields(given: bytes, wanted: Mapping[str, type]) -> dict[str, Any]:
    """The fields of a line, which are those of ``wanted``, each of its type. Raises Malformed."""
    try:
        parsed: Any = json.loads(given)
    except (ValueError, RecursionError) as bad:
        raise Malformed(f"no JSON: {type(bad).__name__}") from None
    return typed(parsed, wanted)


def typed(parsed: Any, wanted: Mapping[str, type]) -> dict[str, Any]:
    """``parsed`` as an object with the fields of ``wanted``. Raises Malformed."""
    if not isinstance(parsed, dict):
        raise Malformed("no JSON object")
    found = cast("dict[str, Any]", parsed)
    if {name: type(value) for name, value in found.items()} != wanted:
        raise Malformed(f"its fields are not {', '.join(wanted)}, each of its type")
    return found


def texts(values: Any) -> list[str]:
    """A list of strings. Raises Malformed."""
    if not isinstance(values, list) or not all(type(value) is str for value in cast("list[Any]", values)):
        raise Malformed("a list holds something else than text")
    return cast("list[str]", values)


def b64(data: bytes) -> str:
    """Bytes as text."""
    return base64.b64encode(data).decode()


def unb64(text: str) -> bytes:
    """The inverse of ``b64``. Raises Malformed."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("a field is no base64") from None


def unhex(text: str) -> bytes:
    """Bytes from hexadecimal digits. Raises Malformed."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Malformed("a hash is no hexadecimal number") from None
