"""The pipe between a service and its pack host: 4 bytes of length (big endian), then one JSON object. Bytes in, bytes out.

The host runs a pack's code, so what comes from it is checked like any input from outside.
"""

import json
from collections.abc import Iterator
from typing import Any

MAX_FRAME_BYTES = 16 * 1024 * 1024


class BadFrame(Exception):
    """The other end does not keep to the protocol; only its end helps."""


def encode(frame: dict[str, Any]) -> bytes:
    """One frame. Raises BadFrame when it is too large."""
    body = json.dumps(frame, separators=(",", ":")).encode()
    if len(body) > MAX_FRAME_BYTES:
        raise BadFrame(f"a frame of {len(body)} bytes; {MAX_FRAME_BYTES} are allowed")
    return len(body).to_bytes(4, "big") + body


class Decoder:
    """Cuts a byte stream into frames, however it was chopped on the way."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The frames that ``data`` completes. Raises BadFrame."""
        self._pending += data
        while len(self._pending) >= 4:
            size = int.from_bytes(self._pending[:4], "big")
            if size > MAX_FRAME_BYTES:
                raise BadFrame(f"announces a frame of {size} bytes; {MAX_FRAME_BYTES} are allowed")
            if len(self._pending) < 4 + size:
                return
            body = bytes(self._pending[4 : 4 + size])
            del self._pending[: 4 + size]
            try:
                frame = json.loads(body)
            except (ValueError, RecursionError) as bad:
                raise BadFrame(f"not JSON: {bad}") from None
            if not isinstance(frame, dict):
                raise BadFrame("not a JSON object")
            yield frame
