"""Approvals: what waits for a person, and the person's answer."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query

from agentos.contracts.base import Token
from agentos.contracts.commands import ResolveApproval
from agentos.contracts.ids import new_id
from services.gateway import ledger
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.answers import Done, Item, Page, done
from services.gateway.http.models import Resolve
from services.gateway.problems import documented
from services.gateway.state import Parts, Scope, Sender

router = APIRouter(prefix="/approvals", tags=["approvals"], route_class=GuardedRoute)

ApprovalId = Annotated[Token, Path(description="The approval's id: that of the call it is for.")]


@router.get("", response_model=Page, responses=documented())
@needs("approvals.read")
async def list_approvals(
    gateway: Parts,
    caller: Sender,
    state: Literal["pending", "approved", "rejected", "expired", "cancelled"] | None = None,
    task: Annotated[Token | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$")] = None,
) -> Any:
    """Approvals, newest first."""
    data = await ledger.ask(
        gateway.bus, gateway.answers, caller.tenant, "approvals.list", state=state, task=task, limit=limit, cursor=cursor
    )
    return ledger.page(data, "approvals")


@router.get("/{approval}", response_model=Item, responses=documented(404))
@needs("approvals.read")
async def show(approval: ApprovalId, gateway: Parts, caller: Sender) -> Any:
    """One approval, with the redacted preview of what will be done."""
    data = await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "approvals.get", id=approval)
    return data["approval"]


@router.post("/{approval}/resolve", response_model=Done, responses=documented(404, 409, 413, 415))
@needs("approvals.resolve")
async def resolve(approval: ApprovalId, body: Resolve, gateway: Parts, caller: Sender, scope: Scope) -> Any:
    """Approve or reject, once. Whether your role may is decided by the approval itself."""
    request = scope or new_id()
    made = ResolveApproval(
        tenant=caller.tenant, approval=approval, outcome=body.outcome, comment=body.comment, by=caller.principal
    )

    async def send() -> None:
        await gateway.bus.send("gates.resolve", (request,), made, tenant=caller.tenant, correlation_id=approval)

    answer = await gateway.answers.need(request, send, late="Your answer is kept and will be counted.")
    return done(approval, body.outcome, answer)
