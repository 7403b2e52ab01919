"""JSON of strangers, read liberally: what is missing, null or of another type is as if it were not there. Pure functions."""

import json
from typing import Any, cast

from pydantic_core import from_json

__all__ = ["count", "entries", "fields", "parsed", "text"]

_MOST_TOKENS = 1 << 40


def parsed(raw: bytes | str) -> Any:
    """The value. Raises ``ValueError`` where there is none; NaN is none.

    Halves of surrogate pairs are kept: some servers cut a pair in two and send each half as a piece of its own.
    """
    try:
        return from_json(raw, allow_inf_nan=False)
    except ValueError:
        if b"\\ud" not in (raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass")).lower():
            raise
    try:
        return json.loads(raw, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_constant(_: str) -> None:
    raise ValueError("not a JSON value")


def fields(value: Any) -> dict[str, Any]:
    """An object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def entries(value: Any) -> list[Any]:
    """A list, else an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def text(value: Any) -> str:
    """A text, else an empty one."""
    return value if isinstance(value, str) else ""


def count(value: Any) -> int | None:
    """A count of tokens, also one that came as 12.0; None for anything that is no count."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_TOKENS:
        return value
    return None
