"""The rights of the people whose data pass through: erasure and access."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from agentos.contracts.base import Token
from agentos.contracts.errors import NotFound
from agentos.contracts.ids import new_id
from services.gateway import access, erasure
from services.gateway.edge import GuardedRoute, needs
from services.gateway.erasure import Erasure
from services.gateway.http.answers import Item
from services.gateway.http.models import Erase, PrivacyExport
from services.gateway.problems import documented
from services.gateway.state import Parts, Scope, Sender

router = APIRouter(prefix="/privacy", tags=["privacy"], route_class=GuardedRoute)


@router.post("/erasures", status_code=201, response_model=Item, responses=documented(404, 409, 413, 415))
@needs("privacy.erase", kept=False)
async def erase(body: Erase, gateway: Parts, caller: Sender, response: Response) -> Any:
    """Destroy the keys of a task's family, or of all that holds a person's identifier. Asked again it answers the same certificate."""
    wanted = await erasure.target(gateway, caller.tenant, body.task, body.subject)
    done, before = await erasure.erase(gateway, caller, wanted, body.reason, cancel=body.cancel)
    response.status_code = 200 if before else 201
    return _shown(done)


@router.get("/erasures/{erasure}", response_model=Item, responses=documented(404))
@needs("privacy.erase")
async def show(
    erasure_id: Annotated[Token, Path(alias="erasure", description="The erasure's id.")], gateway: Parts, caller: Sender
) -> Any:
    """An erasure and its certificate. One without a certificate was cut off: ask for it again."""
    found = await erasure.find(gateway, caller.tenant, erasure_id)
    if found is None:
        raise NotFound("there is no such erasure")
    return _shown(found)


@router.post("/exports", response_model=Item, responses=documented(404, 413, 415))
@needs("privacy.export", kept=False)
async def export(body: PrivacyExport, gateway: Parts, caller: Sender, scope: Scope, response: Response) -> Any:
    """All that is held about a task's family or a person, in clear. The log says who asked and why before it is given out."""
    response.headers["Cache-Control"] = "no-store"
    wanted = await erasure.target(gateway, caller.tenant, body.task, body.subject)
    return await access.export(gateway, caller, scope or new_id(), wanted, body.reason)


def _shown(found: Erasure) -> dict[str, Any]:
    certified = found.certified
    return {
        "id": found.id,
        "n": found.n,
        "state": "requested" if certified is None else "certified",
        "request": {"event": found.request.subject, "at": found.request.meta.time, **found.requested.model_dump(mode="json")},
        "certificate": None
        if certified is None or found.certificate is None
        else {"event": found.certificate.subject, "at": found.certificate.meta.time, **certified.model_dump(mode="json")},
    }
