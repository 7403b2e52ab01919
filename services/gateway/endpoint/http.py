"""The routes of the governed endpoint: plain ASGI, for each call counts its milliseconds.

Connection by connection: read the request, begin the call, wait, answer in the client's dialect. See ``calls`` for what is waited for.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from agentos.contracts.errors import AgentOSError
from agentos.ending import end
from services.gateway.endpoint import models
from services.gateway.endpoint.calls import Call, Gone, Posted
from services.gateway.endpoint.dialect import Dialect
from services.gateway.endpoint.dialects.anthropic_messages import Messages
from services.gateway.endpoint.dialects.anthropic_request import read_count
from services.gateway.endpoint.dialects.embeddings import Embeddings
from services.gateway.endpoint.dialects.openai_chat import ChatCompletions
from services.gateway.endpoint.dialects.openai_responses import Responses
from services.gateway.endpoint.errors import EndpointError, anthropic_object, openai_object, unavailable
from services.gateway.endpoint.live import restored
from services.gateway.endpoint.parts import Endpoint
from services.gateway.endpoint.sse import to_json
from services.gateway.endpoint.streaming import SlowReader, stream

log = structlog.get_logger(__name__)

_BODY_TIMEOUT_S = 60.0
_HEADER = frozenset(range(0x21, 0x7F))


class EndpointRoute(Route):
    """A route whose template stands in the metrics, as FastAPI's own do."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        return match, {**child, "route": self}


@dataclass(frozen=True, slots=True)
class _Connection:
    """One request and its answer."""

    scope: Scope
    headers: Mapping[bytes, bytes]
    receive: Receive
    send: Send

    @property
    def anthropic(self) -> bool:
        """Whether its client speaks Anthropic's dialect, where the path does not say."""
        return b"anthropic-version" in self.headers


class Endpoints:
    """Everything under /v1, ahead of ``others``: its calls count their milliseconds."""

    def __init__(self, endpoint: Endpoint, others: ASGIApp) -> None:
        self._others = others
        self._own = ServerErrorMiddleware(Router(routes(endpoint), redirect_slashes=False), handler=_failed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        own = scope["type"] == "http" and scope["path"].startswith("/v1/")
        await (self._own if own else self._others)(scope, receive, send)


def _failed(request: Request, _: Exception) -> Response:
    """What nobody foresaw; the server logs it. In the client's dialect all the same."""
    error = EndpointError(
        500, "api", "internal_error", "something went wrong here that is not your request's fault", retry=True
    )
    written = anthropic_object if "anthropic-version" in request.headers else openai_object
    return Response(to_json(written(error)), 500, error.headers(), "application/json")


def routes(endpoint: Endpoint) -> list[Route]:
    """Everything under /v1."""
    return [
        EndpointRoute("/v1/chat/completions", _Post(endpoint, ChatCompletions(), "/v1/chat/completions"), methods=["POST"]),
        EndpointRoute("/v1/responses", _Post(endpoint, Responses(), "/v1/responses"), methods=["POST"]),
        EndpointRoute("/v1/embeddings", _Post(endpoint, Embeddings(), "/v1/embeddings"), methods=["POST"]),
        EndpointRoute("/v1/messages", _Post(endpoint, Messages(), "/v1/messages"), methods=["POST"]),
        EndpointRoute("/v1/messages/count_tokens", _Count(endpoint, anthropic_object), methods=["POST"]),
        EndpointRoute("/v1/models", _Models(endpoint), methods=["GET"]),
        EndpointRoute("/v1/models/{model:path}", _Models(endpoint), methods=["GET"]),
        EndpointRoute("/v1/{path:path}", _Nothing(endpoint), methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]


class _Handler(ABC):
    """What all routes do alike. ``error`` writes an error; by default as the headers say."""

    def __init__(self, endpoint: Endpoint, error: Callable[[EndpointError], dict[str, Any]] | None = None) -> None:
        self._endpoint = endpoint
        self._error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = _Connection(scope, dict(scope["headers"]), receive, send)
        try:
            await self._handle(connection)
        except EndpointError as error:
            await self._refuse(connection, error)
        except AgentOSError as fault:
            log.warning("endpoint_unavailable", code=fault.code, detail=fault.detail)
            await self._refuse(
                connection, unavailable("unavailable", "the broker does not answer: nothing was decided; try again")
            )

    @abstractmethod
    async def _handle(self, connection: _Connection) -> None: ...

    async def _refuse(self, connection: _Connection, error: EndpointError) -> None:
        written = self._error or (anthropic_object if connection.anthropic else openai_object)
        await _respond(connection.send, error.status, written(error), error.call, error.headers())

    def _ready(self) -> None:
        if not self._endpoint.bus.connected:
            # Fail closed: a revocation or a switch may have been missed, and nothing could be decided anyway.
            raise unavailable("unavailable", "the broker is not connected: nothing was done; try again")


class _Post(_Handler):
    """A call."""

    def __init__(self, endpoint: Endpoint, dialect: Dialect, path: str) -> None:
        super().__init__(endpoint, dialect.error)
        self._dialect = dialect
        self._path = path
        self._family: Any = "anthropic" if isinstance(dialect, Messages) else "openai"

    async def _handle(self, connection: _Connection) -> None:
        endpoint, settings = self._endpoint, self._endpoint.settings
        self._ready()
        key = endpoint.virtual_keys.authenticate(connection.headers)
        structlog.contextvars.bind_contextvars(tenant=key.tenant, caller=key.id)
        if len(endpoint.calls) >= settings.endpoint_max_calls:
            raise EndpointError(429, "rate_limit", "busy", "too many calls at once: slow down", retry=True, retry_after_s=1)
        body = await _body(connection, settings.endpoint_max_body_bytes)
        asked = self._dialect.read(body, endpoint.defaults)
        asked = asked.of_model(models.resolve(endpoint.catalogue.current, asked.request.model, self._family))
        posted = Posted(
            self._path, body, _token(connection.headers, b"idempotency-key"), _token(connection.headers, b"agentos-task")
        )
        call = await endpoint.calls.begin(key, asked, posted)
        gone = asyncio.create_task(_hang_up(connection.receive, call))
        try:
            await self._answer(call, connection.send)
        except (Gone, SlowReader):
            await endpoint.calls.abandon(call, "disconnected")
        except EndpointError as error:
            if error.code == "invalid_api_key":
                await endpoint.calls.abandon(call, "key_revoked")
            elif error.code == "call_timeout":
                await endpoint.calls.abandon(call, "timed_out")
            raise
        except asyncio.CancelledError:
            # The server stops before the call has ended: its client sees a broken connection, and nobody waits any more.
            await asyncio.shield(endpoint.calls.abandon(call, "disconnected"))
            raise
        finally:
            endpoint.calls.end(call)
            await end(gone)

    async def _answer(self, call: Call, send: Send) -> None:
        calls = self._endpoint.calls
        writer = self._dialect.writer(call.asked, call.id) if call.asked.stream else None
        if writer is not None:
            await stream(self._endpoint, call, writer, send)
            return
        async for _ in calls.progress(call, 60):
            continue
        response, vault = await calls.outcome(call)
        whole = restored(response, vault, is_json=call.asked.request.response_format is not None)
        await _respond(send, 200, self._dialect.answer(call.asked, call.id, whole), call.id)


class _Count(_Handler):
    """An estimate: four bytes of UTF-8 a token. What a provider counts is known when it has answered."""

    async def _handle(self, connection: _Connection) -> None:
        self._endpoint.virtual_keys.authenticate(connection.headers)
        asked = read_count(await _body(connection, self._endpoint.settings.endpoint_max_body_bytes))
        await _respond(connection.send, 200, {"input_tokens": asked.estimated_tokens()})


class _Models(_Handler):
    """What the key may ask for."""

    async def _handle(self, connection: _Connection) -> None:
        key = self._endpoint.virtual_keys.authenticate(connection.headers)
        anthropic, send = connection.anthropic, connection.send
        found = models.names(self._endpoint.catalogue.current, key)
        name = connection.scope["path_params"].get("model")
        if name is None:
            await _respond(send, 200, models.anthropic_list(found) if anthropic else models.openai_list(found))
        elif name in found:
            await _respond(send, 200, models.anthropic_model(name) if anthropic else models.openai_model(name))
        else:
            raise models.no_such_model(name)


class _Nothing(_Handler):
    """Any other path: said in the dialect of who asks."""

    async def _handle(self, connection: _Connection) -> None:
        self._endpoint.virtual_keys.authenticate(connection.headers)
        raise EndpointError(
            404, "not_found", "unknown_path", "there is no such path: this endpoint has /v1/chat/completions, /v1/responses, "
            "/v1/embeddings, /v1/messages, /v1/messages/count_tokens and /v1/models",
        )  # fmt: skip


async def _respond(
    send: Send, status: int, value: dict[str, Any], call: str | None = None, headers: Mapping[str, str] | None = None
) -> None:
    body = to_json(value)
    told = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if call is not None:
        told += [(b"agentos-call", call.encode()), (b"request-id", call.encode())]
    told += [(name.encode(), text.encode()) for name, text in (headers or {}).items()]
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": body})


async def _body(connection: _Connection, limit_bytes: int) -> bytes:
    """The whole body. Raises EndpointError when it is too large, encoded, or does not arrive; Gone when the client leaves."""
    if connection.headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise EndpointError(415, "invalid_request", "content_encoding", "send the body as it is, without Content-Encoding")
    declared = connection.headers.get(b"content-length", b"")
    if declared.isdigit() and (len(declared) > 18 or int(declared) > limit_bytes):
        raise _too_large(limit_bytes)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            while True:
                message = await connection.receive()
                if message["type"] == "http.disconnect":
                    raise _unfinished()
                part = message.get("body", b"")
                size += len(part)
                if size > limit_bytes:
                    raise _too_large(limit_bytes)
                parts.append(part)
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise _unfinished() from None


def _too_large(limit_bytes: int) -> EndpointError:
    return EndpointError(413, "too_large", "request_too_large", f"the body is larger than {limit_bytes} bytes: send less")


def _unfinished() -> EndpointError:
    return EndpointError(408, "timeout", "body_timeout", "the body did not arrive in time: send it again", retry=True)


def _token(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    """A header of printable ASCII. Raises EndpointError."""
    value = headers.get(name)
    if value is None:
        return None
    if not 1 <= len(value) <= 255 or not _HEADER.issuperset(value):
        raise EndpointError(
            400, "invalid_request", "bad_header", f"{name.decode()} must be 1 to 255 printable ASCII characters without spaces"
        )
    return value.decode("ascii")


async def _hang_up(receive: Receive, call: Call) -> None:
    """Tell the call when its client goes away."""
    while (await receive())["type"] != "http.disconnect":
        continue
    call.hang_up()
