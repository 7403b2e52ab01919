"""Signing in at an identity provider. A browser walks through these, so that what fails ends on the console's sign-in page."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.gateway.edge import GuardedRoute, anyone
from services.gateway.http.auth import bring_cookie, whence_of
from services.gateway.identity.oidc import ProviderRefused
from services.gateway.problems import Problem, documented
from services.gateway.state import Gateway, Parts

router = APIRouter(prefix="/auth/oidc", tags=["auth"], route_class=GuardedRoute)
log = structlog.get_logger(__name__)

COOKIE, COOKIE_PATH = "agentos_oidc", "/api/v1/auth/oidc"
_SEE_OTHER = {303: {"description": "To the provider, or back to the console; `/login?error=<code>` where it failed"}}


@router.get("/start", status_code=303, response_class=RedirectResponse, responses={**_SEE_OTHER, **documented(404)})
@anyone()
async def start(
    request: Request,
    gateway: Parts,
    return_to: Annotated[str, Query(max_length=500, description="A path of the console.")] = "/",
) -> Response:
    """To the provider."""
    provider = gateway.identity.provider
    if provider is None:
        raise Problem(404, "not_found", "no identity provider is configured: sign in with a password")
    try:
        url, begun = await provider.begin(_redirect_uri(gateway, request), _own_path(return_to))
    except ProviderRefused as refused:
        return await _failed(gateway, request, refused)
    response = RedirectResponse(url, status_code=303)
    # Lax: the provider's answer is a navigation from its site.
    response.headers["Set-Cookie"] = _cookie(gateway, request, begun, 600)
    response.headers["Cache-Control"] = "no-store"
    return response


@router.get("/callback", status_code=303, response_class=RedirectResponse, responses={**_SEE_OTHER, **documented(404)})
@anyone()
async def callback(
    request: Request,
    gateway: Parts,
    state: Annotated[str | None, Query(max_length=500)] = None,
    code: Annotated[str | None, Query(max_length=4_000)] = None,
    error: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """Back from the provider."""
    provider = gateway.identity.provider
    if provider is None:
        raise Problem(404, "not_found", "no identity provider is configured: sign in with a password")
    try:
        begun = provider.taken_up(request.cookies.get(COOKIE), state)
        if code is None:
            raise ProviderRefused("oidc_denied", f"the provider says {(error or 'nothing')[:60]!r}")
        vouched = await provider.finish(begun, code, _redirect_uri(gateway, request))
        made = await gateway.identity.sign_in.vouched_for(provider.settings.issuer, vouched, whence_of(gateway, request))
    except ProviderRefused as refused:
        return await _failed(gateway, request, refused)
    response = RedirectResponse(begun.return_to, status_code=303)
    bring_cookie(gateway, request, response, made)
    response.headers.append("Set-Cookie", _cookie(gateway, request, "", 0))
    response.headers["Cache-Control"] = "no-store"
    return response


async def _failed(gateway: Gateway, request: Request, refused: ProviderRefused) -> Response:
    log.warning("a sign-in at the identity provider failed", code=refused.code, detail=refused.detail)
    await gateway.identity.sign_in.tell_refused(None, "provider", 1, whence_of(gateway, request))
    response = RedirectResponse(f"/login?error={refused.code}", status_code=303)
    response.headers["Set-Cookie"] = _cookie(gateway, request, "", 0)
    response.headers["Cache-Control"] = "no-store"
    return response


def _redirect_uri(gateway: Gateway, request: Request) -> str:
    return gateway.identity.peers.origin(request) + f"{COOKIE_PATH}/callback"


def _own_path(path: str) -> str:
    """``path`` where it is one of ours; nobody is sent elsewhere after signing in."""
    plain = path.isprintable() and "\\" not in path
    return path if plain and path.startswith("/") and not path.startswith("//") else "/"


def _cookie(gateway: Gateway, request: Request, value: str, max_age_s: int) -> str:
    secure = "; Secure" if gateway.identity.peers.secure(request) else ""
    return f"{COOKIE}={value}; Max-Age={max_age_s}; Path={COOKIE_PATH}; HttpOnly; SameSite=Lax{secure}"
