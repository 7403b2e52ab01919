"""The port between what clients speak and what is asked: one object a route."""

from typing import Any, Protocol

from agentos.contracts.model import Delta, ModelResponse
from services.gateway.endpoint.asked import Asked, Defaults
from services.gateway.endpoint.errors import EndpointError


class StreamWriter(Protocol):
    """Writes one stream. Bytes out, nothing else."""

    def begin(self) -> bytes:
        """What comes before the first delta."""
        ...

    def delta(self, delta: Delta) -> bytes:
        """A piece of the answer, restored."""
        ...

    def end(self, response: ModelResponse) -> bytes:
        """The rest, once the whole answer is known."""
        ...

    def error(self, error: EndpointError) -> bytes:
        """Ends a stream that cannot go on."""
        ...

    def ping(self) -> bytes:
        """A sign of life."""
        ...


class Dialect(Protocol):
    """A wire format."""

    def read(self, body: bytes, defaults: Defaults, /) -> Asked:
        """The request in neutral terms. Raises EndpointError."""
        ...

    def answer(self, asked: Asked, call: str, response: ModelResponse, /) -> dict[str, Any]:
        """The whole answer, as JSON."""
        ...

    def writer(self, asked: Asked, call: str, /) -> StreamWriter | None:
        """Writes the stream of one answer; None where the format has none."""
        ...

    def error(self, error: EndpointError, /) -> dict[str, Any]:
        """An error, as JSON."""
        ...
