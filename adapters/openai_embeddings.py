"""Embeddings, written and read (https://platform.openai.com/docs/api-reference/embeddings). Pure."""

import array
import base64
import binascii
import sys
from typing import Any

from adapters import failures
from adapters.openai_connection import error_in_stream
from adapters.openai_dialect import Dialect
from adapters.openai_writing import note
from adapters.port import UnsupportedRequest
from adapters.reading import count, entries, fields, text
from agentos.contracts.model import ModelRequest, ModelResponse, TextPart, Usage

__all__ = ["read_embeddings", "write_embeddings"]


def write_embeddings(dialect: Dialect, request: ModelRequest, *, model: str, notes: list[str]) -> dict[str, Any]:
    """The body, for the texts of the one user turn."""
    if not dialect.embeddings:
        raise UnsupportedRequest(f"{dialect.provider} makes no embeddings", provider=dialect.provider, code="no_embeddings")
    if request.system:
        notes.append(note("system", f"{dialect.provider}/{model}", "takes none for embeddings"))
    body: dict[str, Any] = {
        "model": model,
        "input": [part.text for part in request.messages[0].parts if isinstance(part, TextPart)],
        "encoding_format": "float",
    }
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    return body


def read_embeddings(
    provider: str, value: Any, *, model: str, wanted: int, request_id: str | None, notes: list[str]
) -> ModelResponse:
    """The vectors, in the order of their texts; ``ProviderError`` where there is not one for each."""
    body = fields(value)
    if body.get("error"):
        raise error_in_stream(provider, value, request_id=request_id)
    placed: dict[int, tuple[float, ...]] = {}
    for position, each in enumerate(entries(body.get("data"))):
        item = fields(each)
        index = count(item.get("index"))
        vector = _vector(item.get("embedding"))
        if vector is None:
            raise failures.bad_answer(provider, "an embedding that is no vector")
        placed[position if index is None else index] = vector
    if sorted(placed) != list(range(wanted)):
        raise failures.bad_answer(provider, "not one embedding for each text")
    usage = fields(body.get("usage"))
    used = count(usage.get("prompt_tokens"))
    used = count(usage.get("total_tokens")) if used is None else used
    if used is None:
        raise failures.bad_answer(provider, "no token counts")
    return ModelResponse(
        provider=provider,
        model=text(body.get("model")) or model,
        embeddings=tuple(placed[index] for index in range(wanted)),
        finish_reason="stop",
        usage=Usage(input_tokens=used),
        provider_request_id=request_id or text(body.get("id")) or None,
        notes=tuple(notes),
    )


def _vector(raw: Any) -> tuple[float, ...] | None:
    """A list of numbers, or as some servers answer whatever was asked for, 32-bit floats in base64."""
    if isinstance(raw, str):
        try:
            floats = array.array("f", base64.b64decode(raw, validate=True))
        except (ValueError, binascii.Error):
            return None
        if sys.byteorder == "big":
            floats.byteswap()
        return tuple(floats) or None
    numbers = entries(raw)
    if not numbers or not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
        return None
    return tuple(float(number) for number in numbers)
