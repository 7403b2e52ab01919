"""The port that the router calls models through, and the one error type that comes back out of it.

Everything behind the port is a translation: the neutral request of ``agentos.contracts.model`` into a provider's wire
format, the provider's answer back, its refusals into ``ProviderError``. Adapters never retry, never choose, never count:
the router owns attempts.
"""

from datetime import timedelta
from typing import Literal, Protocol

from agentos.contracts.model import ModelRequest, ModelResponse

__all__ = ["ErrorKind", "ModelAdapter", "ProviderError", "UnsupportedRequest"]

ErrorKind = Literal["retry", "wait", "other_provider", "never", "needs_operator"]
"""What the router may do next: try here again, wait and try here again, try elsewhere, give up, or give up and tell a person."""


class ProviderError(Exception):
    """A call that brought no answer.

    ``code`` is the provider's own code or type where it gave one, else one of ours (``timeout``, ``unreachable``,
    ``bad_answer`` …). ``message`` is for people: it is written here, never copied from the provider, because providers
    quote prompts and parts of keys in theirs. ``retry_after`` is set from error answers only.
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
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind: ErrorKind = kind
        self.provider = provider
        self.code = code
        self.status = status
        self.retry_after = retry_after


class UnsupportedRequest(ProviderError):
    """Refused before a byte was sent: ``other_provider`` where another one could carry it, ``never`` where none could."""

    def __init__(
        self, message: str, *, provider: str, code: str, kind: Literal["other_provider", "never"] = "other_provider"
    ) -> None:
        super().__init__(message, kind=kind, provider=provider, code=code)


class ModelAdapter(Protocol):
    """One provider. Safe to call concurrently; one instance holds one connection pool."""

    provider: str

    async def complete(
        self,
        request: ModelRequest,
        *,
        model: str,
        timeout: timedelta,  # noqa: ASYNC109 -- part of the port: the caller's budget, not its mechanism
        idempotency_key: str,
    ) -> ModelResponse:
        """One attempt at one model, without streaming.

        ``model`` is the provider's own name, without "provider/"; ``request.model`` is not read. ``timeout`` bounds the
        whole attempt. ``idempotency_key`` travels as a header: it names the attempt to gateways that honour it, and promises
        nothing where they do not. Cancelling the awaiting task closes the connection, so that the provider stops too.
        Raises ``ProviderError`` and nothing else.
        """
        ...

    async def close(self) -> None:
        """Closes the connections. Calls in flight fail. Idempotent."""
        ...
