"""Pausing all that a pack has at once."""

from fastapi import APIRouter
from pydantic import BaseModel

from agentos.contracts.commands import ControlPack
from agentos.contracts.ids import new_id
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.agents import LATE, Control, PackName
from services.gateway.problems import documented
from services.gateway.state import Parts, Scope, Sender

router = APIRouter(prefix="/packs", tags=["agents"], route_class=GuardedRoute)


class PackControlled(BaseModel):
    """Which of the pack's agents were changed; the others stood so already."""

    pack: str
    changed: list[str]


@router.post("/{pack}/control", response_model=PackControlled, responses=documented(404, 409, 413, 415))
@needs("agents.control")
async def control(pack: PackName, body: Control, gateway: Parts, caller: Sender, scope: Scope) -> PackControlled:
    """Pause all agents of a pack, or let all go on: one command, kept until each of them is changed."""
    request = scope or new_id()
    made = ControlPack(tenant=caller.tenant, pack=pack, action=body.action, reason=body.reason, by=caller.principal)

    async def send() -> None:
        await gateway.bus.send("router.control-pack", (request,), made, tenant=caller.tenant, correlation_id=request)

    answer = await gateway.answers.need(request, send, late=LATE)
    return PackControlled.model_validate({"pack": pack, "changed": answer.data["changed"]})
