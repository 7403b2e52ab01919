"""Sealed payloads, shown to whoever may see them and says why."""

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel

from agentos.contracts.ids import new_id
from services.gateway import disclosure
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.models import Reveal
from services.gateway.problems import documented
from services.gateway.state import Parts, Scope, Sender

router = APIRouter(prefix="/payloads", tags=["payloads"], route_class=GuardedRoute)


class Revealed(BaseModel):
    """A sealed value in clear. `restored`: with the personal data in place of its placeholders, where there are any."""

    id: str
    event: str
    type: str
    field: str
    purpose: str
    value: Any
    restored: Any = None


@router.post("/reveal", response_model=Revealed, response_model_exclude_unset=True, responses=documented(404, 410, 413, 415))
@needs("payloads.reveal", kept=False)
async def reveal(body: Reveal, gateway: Parts, caller: Sender, scope: Scope, response: Response) -> Any:
    """One sealed field of one event, in clear. The log says who, what and why before it is shown."""
    response.headers["Cache-Control"] = "no-store"
    return await disclosure.reveal(gateway, caller, scope or new_id(), body.event, body.field, body.reason)
