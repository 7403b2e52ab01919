"""JSON from outside, read strictly: what one reader would take differently from another is refused, naming the place.

RFC 8259 leaves duplicate names, lone surrogates and huge numbers to the reader; Python's own reader also takes NaN and
recurses on nesting. Each of these would mean one thing to the signature, the policy or the log, and another to the pack.
"""

import json
import math
import re
from typing import Any, cast

MAX_DEPTH = 64

# Linear on every input: possessive, and an unterminated string still matches (so that it is not scanned again from each quote).
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?|[\[{]|[\]}]', re.DOTALL)
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class BadJson(ValueError):
    """The text is refused. ``detail`` says where and how to mend it, and repeats no value."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def parse(body: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """The value in ``body``. Raises BadJson; never RecursionError, whatever the nesting."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as bad:
        raise BadJson("not_utf8", f"the body is not UTF-8 (at byte {bad.start}): encode it as UTF-8") from None
    if not text.strip(" \t\r\n"):
        raise BadJson("empty_body", "the body is empty: send a JSON value")
    if text.startswith("\ufeff"):
        raise BadJson("byte_order_mark", "the body begins with a byte order mark: leave it out")
    if body.count(b"[") + body.count(b"{") > max_depth:
        _check_depth(body, max_depth)
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite, parse_int=_integer
        )
    except json.JSONDecodeError as bad:
        raise BadJson("not_json", f"the body is not JSON: {bad.msg}, line {bad.lineno}, column {bad.colno}") from None
    if "\\u" in text:
        _check_characters(value)
    return value


def _check_depth(body: bytes, max_depth: int) -> None:
    depth = 0
    for token in _TOKENS.finditer(body):
        first = token[0][:1]
        if first in b"[{":
            depth += 1
            if depth > max_depth:
                raise BadJson(
                    "too_deep", f"the body nests deeper than {max_depth} levels (at byte {token.start()}): flatten it"
                )
        elif first in b"]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                shown = name[:60].encode("ascii", "backslashreplace").decode()
                raise BadJson("duplicate_name", f"an object has the name {shown!r} twice: send each name once")
            seen.add(name)
    return found


def _no_constant(name: str) -> Any:
    raise BadJson("not_a_number", f"{name} is not JSON: send null or a string instead")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise BadJson("number_too_large", "a number is too large for a 64-bit float: send it as a string")
    return value


def _integer(text: str) -> int:
    # Longer ones cost quadratic time to read, and nothing downstream keeps them exactly.
    if len(text) > 100:
        raise BadJson("number_too_large", "an integer has more than 100 digits: send it as a string")
    return int(text)


def _check_characters(root: Any) -> None:
    """NUL and lone surrogates can only come from escapes. A stack, not recursion."""
    stack: list[tuple[str, Any]] = [("", root)]
    while stack:
        path, value = stack.pop()
        match value:
            case str():
                _check_text(path, value)
            case dict():
                for name, inner in cast("dict[str, Any]", value).items():
                    _check_text(f"{path} (a name)", name)
                    stack.append((f"{path}/{name}", inner))
            case list():
                stack.extend((f"{path}/{index}", inner) for index, inner in enumerate(cast("list[Any]", value)))
            case _:
                pass


def _check_text(path: str, text: str) -> None:
    where = f"at {(path or '/')[:120]}"
    if "\x00" in text:
        raise BadJson("nul_character", f"a string holds a NUL character {where}: remove it")
    if _SURROGATE.search(text):
        raise BadJson("lone_surrogate", f"a string holds half of a surrogate pair {where}: send whole characters")
