"""OpenAI's SDK, which builds the request of each path once. Those that follow differ by body, length, idempotency key and cookies.

To build a request takes it as long as to send it: it reads the address three times and merges the headers four times, to the same end each
time.
"""

from typing import Any

import httpx2
import openai

__all__ = ["Client"]

_OF_ONE = (b"idempotency-key", b"content-length", b"cookie")
"""Headers that are those of one request."""
_KEPT = 64
"""Paths with their time-outs; of others each request is built anew."""


class Client(openai.AsyncOpenAI):
    """For a key that does not change, and posts of ``content`` whose options differ in nothing but that and their ``Idempotency-Key``."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._built: dict[tuple[str, object], httpx2.Request] = {}

    def _build_request(self, options: Any, *, retries_taken: int = 0) -> httpx2.Request:
        place = (options.url, options.timeout)
        built = self._built.get(place)
        if built is None:
            first = super()._build_request(options, retries_taken=retries_taken)
            if len(self._built) < _KEPT:
                self._built[place] = _without_its_own(first)
            return first
        return httpx2.Request(
            built.method,
            built.url,
            headers=[*built.headers.raw, (b"Idempotency-Key", options.headers["Idempotency-Key"].encode())],
            cookies=self._client.cookies,
            content=options.content,
            extensions=built.extensions,
        )


def _without_its_own(request: httpx2.Request) -> httpx2.Request:
    headers = [(name, value) for name, value in request.headers.raw if name.lower() not in _OF_ONE]
    # A stream is taken as it is: for content a length would be written down.
    return httpx2.Request(
        request.method, request.url, headers=headers, stream=httpx2.ByteStream(b""), extensions=request.extensions
    )
