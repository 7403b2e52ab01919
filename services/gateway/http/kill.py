"""The kill switch."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Path

from agentos.contracts.base import Token
from agentos.contracts.commands import EngageKill, ReleaseKill
from agentos.contracts.ids import new_id
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.answers import Done, Page, done
from services.gateway.http.models import Engage, Release
from services.gateway.problems import FieldError, Problem, documented
from services.gateway.state import Parts, Scope, Sender

router = APIRouter(prefix="/kill", tags=["kill switch"], route_class=GuardedRoute)


@router.get("", response_model=Page, responses=documented())
@needs("kill.read")
async def status(gateway: Parts, caller: Sender) -> Any:
    """The switches that are engaged right now, from the bucket that those who start work watch too."""
    items: list[dict[str, Any]] = []
    for entry in await gateway.bus.bucket("kill").entries():
        said: Any = json.loads(entry.value or b"{}")
        if said.get("tenant", caller.tenant) == caller.tenant or said.get("scope") == "global":
            items.append({"id": entry.key.rpartition(".")[2], "since": entry.created.isoformat(), **said})
    return {"items": items, "next": None}


@router.post("", status_code=201, response_model=Done, responses=documented(409, 413, 415))
@needs("kill.engage")
async def engage(body: Engage, gateway: Parts, caller: Sender, scope: Scope) -> Any:
    """Stop everything in scope at once: nothing new starts, what is in flight is cancelled."""
    if (body.scope in ("global", "tenant")) != (body.target == "*"):
        mend = "leave it out" if body.scope in ("global", "tenant") else f"name the {body.scope}"
        raise Problem(
            422, "invalid_request", f"target: {mend} for scope {body.scope}", errors=[FieldError(field="target", detail=mend)]
        )
    request = scope or new_id()
    made = EngageKill(tenant=caller.tenant, scope=body.scope, target=body.target, reason=body.reason, by=caller.principal)

    async def send() -> None:
        await gateway.bus.send("gates.engage", (request,), made, tenant=caller.tenant, correlation_id=request)

    answer = await gateway.answers.need(request, send, late="The command is kept: the switch engages as soon as gates is back.")
    return done(request, "engaged", answer)


@router.post("/{switch}/release", response_model=Done, responses=documented(404, 409, 413, 415))
@needs("kill.release")
async def release(
    switch: Annotated[Token, Path(description="The switch's id.")], body: Release, gateway: Parts, caller: Sender, scope: Scope
) -> Any:
    """Take a switch back."""
    request = scope or new_id()
    made = ReleaseKill(tenant=caller.tenant, switch=switch, reason=body.reason, by=caller.principal)

    async def send() -> None:
        await gateway.bus.send("gates.release", (request,), made, tenant=caller.tenant, correlation_id=switch)

    answer = await gateway.answers.need(request, send, late="The command is kept and will be done.")
    return done(switch, "released", answer)
