"""Around every request: an id, the log line, the metrics, the security headers. Plain ASGI, so that streams pass through."""

import re
import time
from functools import cache
from typing import Any

import structlog
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentos.contracts.ids import new_id
from agentos.telemetry import counter, histogram, message_span
from services.gateway.headers import security_headers
from services.gateway.identity.peers import Peers

log = structlog.get_logger(__name__)

_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Observed:
    """Gives the request its id (answered as X-Request-Id and as the ``instance`` of a problem) and says how it ended."""

    def __init__(self, app: ASGIApp, peers: Peers) -> None:
        self._app = app
        self._peers = peers
        self._requests = cache(
            counter("agentos_http_requests_total", "Requests answered.", ("route", "method", "status")).labels
        )
        self._seconds = cache(
            histogram(
                "agentos_http_request_seconds", "From the request's head to the answer's end.", ("route", "method")
            ).labels
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_id()
        scope.setdefault("state", {})["request_id"] = request_id
        headers = security_headers(str(scope["path"]), secure=self._peers.secure(HTTPConnection(scope)))
        status = 500
        began = time.monotonic()

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode()), *headers]
            await send(message)

        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id, correlation_id=request_id)
        try:
            # The root of the task's trace, unless the sender is in one already.
            with message_span(f"http {str(scope['method'])[:16]}", _traceparent(scope), request_id=request_id):
                await self._app(scope, receive, observed)
        finally:
            took = time.monotonic() - began
            route, method = _route(scope), str(scope["method"])
            if route == "(none)" or method not in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
                method = "(any)" if route == "(none)" else method
            self._requests(route, method, str(status)).inc()
            self._seconds(route, method).observe(took)
            log.info("request", route=route, method=scope["method"], status=status, took_ms=round(took * 1000, 1))


def _route(scope: Scope) -> str:
    """The route's template: paths hold ids, and would be a label value each."""
    route: Any = scope.get("route")
    return str(getattr(route, "path", "(none)"))


def _traceparent(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"traceparent" and _TRACEPARENT.fullmatch(value):
            return str(value, "ascii")
    return None
