"""The kill switch."""

from typing import Annotated, Any

from fastapi import APIRouter, Path

from agentos.contracts.base import Token
from agentos.contracts.commands import EngageKill, ReleaseKill
from agentos.contracts.ids import new_id
from agentos.killswitch import KillEntry
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
        switch = KillEntry.model_validate_json(entry.value or b"{}")
        if switch.tenant == caller.tenant or switch.scope == "global":
            items.append({"id": switch.switch, "since": entry.created.isoformat(), **switch.model_dump(mode="json")})
    return {"items": items, "next": None}


@router.post("", status_code=201, response_model=Done, responses=documented(409, 413, 415))
@needs("kill.engage")
async def engage(body: Engage, gateway: Parts, caller: Sender, scope: Scope) -> Any:
    """Stop everything in scope at once: nothing new starts, what is in flight is cancelled."""
    target = _target(body, caller.tenant)
    request = scope or new_id()
    made = EngageKill(tenant=caller.tenant, scope=body.scope, target=target, reason=body.reason, by=caller.principal)

    async def send() -> None:
        await gateway.bus.send("gates.engage", (request,), made, tenant=caller.tenant, correlation_id=request)

    answer = await gateway.answers.need(request, send, late="The command is kept: the switch engages as soon as gates is back.")
    return done(request, "engaged", answer)


def _target(body: Engage, tenant: str) -> str:
    """The target as gates reads it. Raises a 422 problem where it does not fit the scope."""
    match body.scope:
        case "global" if body.target == "*":
            return "*"
        case "tenant" if body.target in ("*", tenant):
            return tenant
        case "pack" | "provider" | "task" if body.target != "*":
            return body.target
        case "global" | "tenant":
            mend = f"scope {body.scope} takes no target: leave it out"
        case _:
            mend = f"name the {body.scope} to stop"
    raise Problem(422, "invalid_request", f"target: {mend}", errors=[FieldError(field="target", detail=mend)])


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
