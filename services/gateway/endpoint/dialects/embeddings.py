"""OpenAI's embeddings: https://platform.openai.com/docs/api-reference/embeddings/create."""

import base64
from array import array
from typing import Annotated, Any, Literal

from pydantic import Field

from agentos.contracts.model import Message, ModelResponse, TextPart
from services.gateway.endpoint.asked import Asked, Strict, neutral, read, refused_field
from services.gateway.endpoint.dialects.openai_chat import told_of
from services.gateway.endpoint.errors import openai_object

MOST_TEXTS = 2_048


class EmbeddingRequest(Strict):
    model: Annotated[str, Field(min_length=1, max_length=200)]
    input: str | Annotated[tuple[str, ...], Field(max_length=MOST_TEXTS)] | tuple[int, ...] | tuple[tuple[int, ...], ...]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    user: str | None = None


def read_embedding(body: bytes, _: object) -> Asked:
    """A request, in neutral terms. Raises EndpointError naming the field that cannot be carried."""
    given = read(EmbeddingRequest, body)
    texts = (given.input,) if isinstance(given.input, str) else given.input
    parts = tuple(TextPart(text=text) for text in texts if isinstance(text, str))
    if len(parts) != len(texts):
        raise refused_field("input", "token ids mean something else at each model: send the texts")
    if not parts or any(not part.text for part in parts):
        raise refused_field("input", "must hold at least one text, and no empty one")
    request = neutral(
        kind="embed", model=given.model, messages=(Message(role="user", parts=parts),), dimensions=given.dimensions, max_output_tokens=1
    )  # fmt: skip
    return Asked(request, user=given.user, echo={"base64": given.encoding_format == "base64"})


class Embeddings:
    """``POST /v1/embeddings``."""

    read = staticmethod(read_embedding)
    error = staticmethod(openai_object)

    def answer(self, asked: Asked, call: str, response: ModelResponse) -> dict[str, Any]:
        """The vectors, in the order of the texts."""
        used = response.usage.input_tokens + response.usage.cache_read_tokens + response.usage.cache_write_tokens
        packed = bool(asked.echo.get("base64"))
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": _packed(vector) if packed else list(vector)}
                for index, vector in enumerate(response.embeddings)
            ],
            "model": response.model,
            "usage": {"prompt_tokens": used, "total_tokens": used},
            "agentos": told_of(call, response),
        }

    def writer(self, *_: object) -> None:
        """Vectors are not streamed."""
        return


def _packed(vector: tuple[float, ...]) -> str:
    floats = array("f", vector)
    if floats.itemsize != 4 or array("H", [1]).tobytes() != b"\1\0":
        floats.byteswap()
    return base64.b64encode(floats.tobytes()).decode()
