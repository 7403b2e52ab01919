"""Server-sent events, as they are written: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

import json
from typing import Any


def to_json(value: Any) -> bytes:
    """JSON as UTF-8; a lone surrogate, which UTF-8 cannot hold, as an escape."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def data_frame(value: Any) -> bytes:
    """An event without a name, as OpenAI's Chat Completions have it."""
    return b"data: " + to_json(value) + b"\n\n"


def event_frame(name: str, value: Any) -> bytes:
    """An event with a name."""
    return b"event: " + name.encode() + b"\ndata: " + to_json(value) + b"\n\n"
