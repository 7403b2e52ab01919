"""The rights of the people whose data pass through: erasure and access."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from agentos.contracts.base import Json, Token, Utc
from agentos.contracts.errors import NotFound
from agentos.contracts.events.privacy import ErasureCertified, ErasureRequested
from agentos.contracts.ids import new_id
from services.gateway import access, erasure
from services.gateway.edge import GuardedRoute, needs
from services.gateway.erasure import Erasure
from services.gateway.http.models import Erase, PrivacyExport
from services.gateway.problems import documented
from services.gateway.state import Parts, Scope, Sender

router = APIRouter(prefix="/privacy", tags=["privacy"], route_class=GuardedRoute)


class AskedErasure(ErasureRequested):
    """The request as the log has it."""

    event: str
    at: Utc


class Certificate(ErasureCertified):
    """The certificate as the log has it."""

    event: str
    at: Utc


class ErasureItem(BaseModel):
    """An erasure; one that is `requested` only was cut off: ask for it again."""

    id: str
    n: int
    state: Literal["requested", "certified"]
    request: AskedErasure
    certificate: Certificate | None


class ExportedCall(BaseModel):
    """A model or tool call: what was asked, what left the house and to whom, what came back."""

    id: str
    kind: str | None
    outcome: str | None
    effect: str | None = None
    recipient: dict[str, Json] | None
    requested_at: str | None = None
    asked: Any = None
    decided_at: str | None = None
    verdict: str | None = None
    redacted: Any = None
    settled_at: str | None = None
    answered: Any = None


class ExportedApproval(BaseModel):
    """What a person was asked about it."""

    id: str | None
    kind: str | None
    summary: str | None
    preview: dict[str, Json] | None
    state: str | None
    requested_at: str | None
    resolved_at: str | None
    resolved_by: str | None


class ExportedLog(BaseModel):
    """What its agent logged in an attempt."""

    attempt: int
    lines: Any


class ExportedTask(BaseModel):
    """A task with all that was done for it, in clear."""

    id: str | None
    family: str | None
    type: str | None
    pack: str | None
    purpose: str | None
    requester: str | None
    submitted_at: str | None
    settled_at: str | None
    erased_at: str | None
    input: Any
    result: Any
    logs: list[ExportedLog]
    calls: list[ExportedCall]
    approvals: list[ExportedApproval]


class Exported(BaseModel):
    """All that is held, in clear."""

    format: str
    version: int
    id: str
    made_at: Utc
    families: list[str]
    tasks: list[ExportedTask]
    calls: list[ExportedCall] = Field(description="Of clients of the governed endpoint, which belong to no task.")


@router.post("/erasures", status_code=201, response_model=ErasureItem, responses=documented(404, 409, 413, 415))
@needs("privacy.erase", kept=False)
async def erase(body: Erase, gateway: Parts, caller: Sender, response: Response) -> Any:
    """Destroy the keys of a task's family, or of all that holds a person's identifier. Asked again it answers the same certificate."""
    wanted = await erasure.target(gateway, caller.tenant, body.task, body.subject)
    done, before = await erasure.erase(gateway, caller, wanted, body.reason, cancel=body.cancel)
    response.status_code = 200 if before else 201
    return _shown(done)


@router.get("/erasures/{erasure}", response_model=ErasureItem, responses=documented(404))
@needs("privacy.erase")
async def show(
    erasure_id: Annotated[Token, Path(alias="erasure", description="The erasure's id.")], gateway: Parts, caller: Sender
) -> Any:
    """An erasure and its certificate. One without a certificate was cut off: ask for it again."""
    found = await erasure.find(gateway, caller.tenant, erasure_id)
    if found is None:
        raise NotFound("there is no such erasure")
    return _shown(found)


@router.post("/exports", response_model=Exported, response_model_exclude_unset=True, responses=documented(404, 413, 415))
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
