"""What happens to every request before its endpoint: load, who, may they, how much, is it JSON, was it done before. In this order."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute

from services.gateway import positions, strict_json
from services.gateway.admission import admit
from services.gateway.authorizer import Access, Action
from services.gateway.idempotency import HEADER, check_key, scope
from services.gateway.problems import Problem, unavailable
from services.gateway.state import Gateway, gateway_of

_BODY_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
ACCESS = "x-agentos-access"
_GUARD = "__agentos_access__"
_UNKEPT = "__agentos_unkept__"
_DISCARD = 8
"""How many times the limit is read and thrown away before the connection is cut."""
BODY_TIMEOUT_S = 30.0

E = TypeVar("E", bound=Callable[..., Any])


def anyone() -> Callable[[E], E]:
    """Mark an endpoint that is open to senders who have not shown who they are."""
    return _marked("anyone", kept=False)


def signed_in() -> Callable[[E], E]:
    """Mark an endpoint that is about the caller alone, whatever their roles; also while their password has to be changed."""
    return _marked("signed-in", kept=False)


def needs(action: Action, *, kept: bool = True) -> Callable[[E], E]:
    """Mark an endpoint with the action that its callers must be allowed.

    Not ``kept``: its request or answer holds personal data, so that nothing of either is stored under an Idempotency-Key. The endpoint
    derives its ids from the key's scope and is repeatable by itself.
    """

    return _marked(action, kept=kept)


def _marked(access: Access, *, kept: bool) -> Callable[[E], E]:
    def mark(endpoint: E) -> E:
        setattr(endpoint, _GUARD, access)
        setattr(endpoint, _UNKEPT, not kept)
        return endpoint

    return mark


class LimitedRequest(Request):
    """A request whose body is read once and only up to a limit, whatever Content-Length says or leaves unsaid."""

    def __init__(self, request: Request, limit_bytes: int) -> None:
        super().__init__(request.scope, request.receive)
        self._limit_bytes = limit_bytes
        self._read: bytes | None = None

    async def body(self) -> bytes:
        """The raw body. Raises a 413 problem when it is larger than the limit, 408 when it does not arrive."""
        if self._read is None:
            declared = self.headers.get("content-length", "")
            if declared.isdigit() and (len(declared) > 18 or int(declared) > self._limit_bytes * _DISCARD):
                raise _too_large(self._limit_bytes)
            try:
                async with asyncio.timeout(BODY_TIMEOUT_S):
                    self._read = await self._collect()
            except TimeoutError:
                raise Problem(
                    408, "body_timeout", "the body did not arrive in time: send it again", headers={"Connection": "close"}
                ) from None
        return self._read

    async def _collect(self) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for chunk in self.stream():
            size += len(chunk)
            if size <= self._limit_bytes:
                parts.append(chunk)
            else:
                # Kept nowhere; but read, for a sender whose connection is cut while it sends never sees the answer.
                parts.clear()
                if size > self._limit_bytes * _DISCARD:
                    break
        if size > self._limit_bytes:
            raise _too_large(self._limit_bytes)
        return b"".join(parts)


def _too_large(limit_bytes: int) -> Problem:
    detail = f"the body is larger than {limit_bytes} bytes: send less, or a reference"
    return Problem(413, "too_large", detail, headers={"Connection": "close"})


class GuardedRoute(APIRoute):
    """A route of the API. An endpoint without a mark fails at start: none is open because somebody forgot."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
        access: Access | None = getattr(endpoint, _GUARD, None)
        if access is None:
            raise TypeError(f"{endpoint.__name__} has no @needs(<action>)")
        # Said in the OpenAPI document, from which the test of all roles and routes is made.
        given["openapi_extra"] = {**(given.get("openapi_extra") or {}), ACCESS: access}
        super().__init__(path, endpoint, **given)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler inside ours."""
        endpoint = super().get_route_handler()
        access: Access = getattr(self.endpoint, _GUARD)
        unkept: bool = getattr(self.endpoint, _UNKEPT)

        async def handle(request: Request) -> Response:
            gateway = gateway_of(request)
            with Admission(gateway):
                limited = LimitedRequest(request, gateway.settings.max_body_bytes)
                if access == "anyone":
                    gateway.identity.unknown_rates.take(gateway.identity.peers.address(request))
                    if request.method in _BODY_METHODS:
                        check_json(limited, await limited.body())
                    return await endpoint(limited)
                caller = await admit(gateway, request, access)
                if request.method in _BODY_METHODS:
                    check_json(limited, await limited.body())
                if request.method == "GET":
                    return await positions.as_told(limited, endpoint)
                key = request.headers.get(HEADER)
                if key is None or request.method not in ("POST", "PATCH"):
                    return await endpoint(limited)
                request.state.idempotency_scope = scope(caller, request.url.path, key)
                if unkept:
                    check_key(key)
                    return await endpoint(limited)
                return await gateway.idempotency.once(limited, caller, key, await limited.body(), lambda: endpoint(limited))

        return handle


class Admission:
    """A place among the requests in flight. Raises a 429 problem when there is none, a 503 without the broker."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def __enter__(self) -> None:
        if not self._gateway.bus.connected:
            # Fail closed: a revocation or a switch may have been missed, and nothing could be decided anyway.
            raise unavailable("the broker is not connected: nothing was done; try again")
        if self._gateway.load.requests >= self._gateway.settings.max_in_flight:
            raise Problem(429, "busy", "too many requests at once: slow down", headers={"Retry-After": "1"})
        self._gateway.load.requests += 1

    def __exit__(self, *_: object) -> None:
        self._gateway.load.requests -= 1


def check_json(request: Request, body: bytes) -> None:
    """Refuse what is not JSON in the strict sense, before any model sees it. An absent body passes."""
    if not body:
        return
    require_json(request)
    try:
        strict_json.parse(body)
    except strict_json.BadJson as bad:
        raise Problem(400, bad.code, bad.detail) from None


def require_json(request: Request) -> None:
    """Raises a 415 problem when the body does not claim to be JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Problem(415, "not_json_type", "send Content-Type: application/json", headers={"Accept-Post": "application/json"})
