"""Text that is JSON: its strings and numbers changed in place, everything else left as it was written.

An answer that has to be JSON, a tool's result, a string of JSON that holds JSON: a value that is put into such a text has to be escaped,
and one that is found in it has to be read without its escapes.
"""

import json
import re
from collections.abc import Callable

from agentos.contracts.base import Json

_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|-?[0-9][0-9.eE+-]*+|[{}\[\],:]', re.DOTALL)


def is_json_text(text: str) -> bool:
    """Whether the whole of ``text`` is one JSON object or array. False for what is too deep for the parser."""
    first, last = text[:64].lstrip()[:1], text[-64:].rstrip()[-1:]
    if (first, last) not in {("{", "}"), ("[", "]")}:
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def map_json_text(
    text: str,
    string: Callable[[str, str], Json],
    key: Callable[[str], str],
    number: Callable[[str, str], Json] | None = None,
) -> str:
    """``text``, which ``is_json_text``, with its strings, keys and numbers replaced by what the functions make of them.

    ``string`` gets the string and the key that it stands under (through lists), ``number`` the number as written and that key.
    What they return as it was stays as it was written, to the byte.
    """
    parts: list[str] = []
    position = 0
    # The key that the values of each open object or list stand under, and whether the next string in it is a key.
    hints: list[str] = [""]
    objects: list[bool] = [False]
    expects_key = False
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token[0] == '"':
            decoded: str = json.loads(token, strict=False)
            if expects_key:
                hints[-1] = decoded
                mapped: Json = key(decoded)
            else:
                mapped = string(decoded, hints[-1])
            if mapped is decoded or mapped == decoded:
                continue
            written = json.dumps(mapped, ensure_ascii="\\u" in token and token.isascii())
        elif token in "{[":
            hints.append("" if token == "{" else hints[-1])
            objects.append(token == "{")
            expects_key = objects[-1]
            continue
        elif token in "}]":
            hints.pop()
            objects.pop()
            continue
        elif token == ",":
            expects_key = objects[-1]
            continue
        elif token == ":":
            expects_key = False
            continue
        else:
            if number is None:
                continue
            kept = number(token, hints[-1])
            if kept == token:
                continue
            written = json.dumps(kept)
        parts += (text[position : match.start()], written)
        position = match.end()
    parts.append(text[position:])
    return "".join(parts)


__all__ = ["is_json_text", "map_json_text"]
