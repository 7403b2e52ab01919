"""The port that the router calls models through, and the one error type that comes back out of it.

Everything behind the port is a translation: the neutral request of ``agentos.contracts.model`` into a provider's wire
format, the provider's answer back, its refusals into ``ProviderError``. Adapters never retry, never choose, never count:
the router owns attempts.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol

from agentos.contracts.model import Delta, ModelRequest, ModelResponse, Usage

__all__ = ["Answer", "ErrorKind", "Features", "ModelAdapter", "ProviderError", "RateLimits", "UnsupportedRequest"]

ErrorKind = Literal["retry", "wait", "other_provider", "never", "needs_operator"]
"""What the router may do next: try here again, wait and try here again, try elsewhere, give up, or give up and tell a person."""


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What a provider's headers say of its limits, on answers and refusals alike. None where it says nothing."""

    requests_limit: int | None = None
    requests_left: int | None = None
    requests_reset: timedelta | None = None
    """Until the requests are all there again."""
    tokens_limit: int | None = None
    tokens_left: int | None = None
    tokens_reset: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Features:
    """What a model can be asked for, as far as its provider's format goes; the router's configuration may say less."""

    streaming: bool = True
    tools: bool = True
    json_schema: bool = True
    images: bool = True
    image_urls: bool = True
    thinking: bool = True
    embeddings: bool = False
    continues: bool = False
    """An answer that broke off can be gone on with: the request's last turn is the assistant's, and the answer begins after it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an attempt."""

    response: ModelResponse
    limits: RateLimits | None = None
    estimated: bool = False
    """The provider gave no token counts, as some servers do at the end of a stream: ``response.usage`` is our estimate."""


class ProviderError(Exception):
    """A call that brought no answer.

    ``code`` is the provider's own code or type where it gave one, else one of ours (``timeout``, ``unreachable``,
    ``bad_answer`` …). ``message`` is for people: it is written here, never copied from the provider, because providers
    quote prompts and parts of keys in theirs. ``retry_after`` is set from error answers only. ``usage`` is what the provider
    said was used before it failed, in the middle of a stream; None where it said nothing.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: ErrorKind,
        provider: str,
        code: str,
        status: int | None = None,
        retry_after: timedelta | None = None,
        usage: Usage | None = None,
        limits: RateLimits | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind: ErrorKind = kind
        self.provider = provider
        self.code = code
        self.status = status
        self.retry_after = retry_after
        self.usage = usage
        self.limits = limits
        self.request_id = request_id


class UnsupportedRequest(ProviderError):
    """Refused before a byte was sent: ``other_provider`` where another one could carry it, ``never`` where none could."""

    def __init__(
        self, message: str, *, provider: str, code: str, kind: Literal["other_provider", "never"] = "other_provider"
    ) -> None:
        super().__init__(message, kind=kind, provider=provider, code=code)


class ModelAdapter(Protocol):
    """One provider with one key. Safe to call concurrently; one instance holds one connection pool."""

    provider: str

    def features(self, model: str) -> Features:
        """What ``model`` can be asked for here."""
        ...

    async def complete(
        self,
        request: ModelRequest,
        *,
        model: str,
        timeout: timedelta,  # noqa: ASYNC109 -- part of the port: the caller's budget, not its mechanism
        idempotency_key: str,
    ) -> Answer:
        """One attempt at one model, without streaming; for ``request.kind`` "embed" as well.

        ``model`` is the provider's own name, without "provider/"; ``request.model`` is not read. ``timeout`` bounds the
        whole attempt. ``idempotency_key`` travels as a header: it names the attempt to gateways that honour it, and promises
        nothing where they do not. Cancelling the awaiting task closes the connection, so that the provider stops too.
        Raises ``ProviderError`` and nothing else.
        """
        ...

    def stream(
        self,
        request: ModelRequest,
        *,
        model: str,
        timeout: timedelta,
        idempotency_key: str,
    ) -> AsyncGenerator[Delta | Usage | Answer]:
        """One attempt, as it comes in: deltas, at times the usage so far (each one replaces the one before), at the end the ``Answer``.

        The answer's parts are the sum of the deltas, thinking parts with their signatures included; a stream that ends without
        saying why it ended is a failure. ``timeout`` bounds the silence before the first byte and between any two; a ping is no
        silence. Closing the generator, or cancelling the task that waits for it, closes the connection. Raises ``ProviderError``
        and nothing else; its ``usage`` is the last that was said.
        """
        ...

    async def close(self) -> None:
        """Closes the connections. Calls in flight fail. Idempotent."""
        ...
