"""Who sends a request, whether they may, and how often."""

import structlog
from fastapi import Request

from services.gateway.authorizer import Access
from services.gateway.identity.callers import Caller
from services.gateway.problems import Problem
from services.gateway.state import Gateway


async def admit(gateway: Gateway, request: Request, access: Access) -> Caller:
    """Who sends this, once they may. Raises 401, 403 and 429 problems."""
    try:
        caller = gateway.identity.standing.authenticate(request.headers.get("authorization"))
    except Problem as problem:
        if problem.status == 401:
            gateway.identity.unknown_rates.take(gateway.identity.peers.address(request))
        raise
    gateway.identity.rates.take(caller.principal.id)
    request.state.caller = caller
    structlog.contextvars.bind_contextvars(tenant=caller.tenant, caller=caller.principal.id)
    if access in ("anyone", "signed-in"):
        return caller
    if caller.must_change:
        raise Problem(403, "password_change_required", "choose a password of your own first: POST /api/v1/auth/password")
    if not await gateway.authorizer.allowed(caller, access):
        roles = ", ".join(caller.principal.roles)
        bounds = "" if caller.covers(access) else " within this key's scopes"
        raise Problem(403, "forbidden", f"your roles ({roles}) do not include {access}{bounds}: ask an admin for more")
    return caller
