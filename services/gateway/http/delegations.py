"""Delegations: for a while somebody else may answer approvals with your powers."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path

from agentos.contracts.base import Token
from agentos.contracts.commands import DelegateApprovals, RevokeDelegation
from agentos.contracts.ids import derived_id, new_id
from services.gateway import approvals
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.answers import done
from services.gateway.http.approval_models import Delegate, Delegated, DelegationList, Undelegate, Undelegated
from services.gateway.problems import FieldError, Problem, documented
from services.gateway.state import Parts, Scope, Sender

router = APIRouter(prefix="/delegations", tags=["approvals"], route_class=GuardedRoute)


@router.get("", response_model=DelegationList, responses=documented())
@needs("approvals.read")
async def list_delegations(gateway: Parts, caller: Sender) -> Any:
    """The delegations that hold, or will."""
    return {"items": await approvals.delegations(gateway, caller.tenant), "next_cursor": None}


@router.post(
    "", status_code=201, response_model=Delegated, response_model_exclude_unset=True, responses=documented(409, 413, 415)
)
@needs("approvals.delegate")
async def delegate(body: Delegate, gateway: Parts, caller: Sender, scope: Scope) -> Any:
    """Lend another person your powers to approve, for 90 days at most. What is lent cannot be lent on."""
    if not approvals.is_live(gateway, caller.tenant, body.to):
        mend = "no live API key or account has this id"
        raise Problem(422, "invalid_request", f"to: {mend}", errors=[FieldError(field="to", detail=mend)])
    id_ = derived_id("delegation", scope) if scope is not None else new_id()
    made = DelegateApprovals(
        tenant=caller.tenant, to=body.to, roles=body.roles, since=body.since or datetime.now(UTC), until=body.until,
        reason=body.reason, by=caller.principal,
    )  # fmt: skip

    async def send() -> None:
        await gateway.bus.send("gates.delegate", (id_,), made, tenant=caller.tenant, correlation_id=id_)

    answer = await gateway.answers.need(id_, send, late="The command is kept and will be done.")
    return done(id_, "granted", answer)


@router.post("/{delegation}/revoke", response_model=Undelegated, responses=documented(404, 409, 413, 415))
@needs("approvals.delegate")
async def revoke(
    delegation: Annotated[Token, Path(description="The delegation's id.")],
    body: Undelegate,
    gateway: Parts,
    caller: Sender,
    scope: Scope,
) -> Any:
    """Take a delegation back, at once."""
    request = scope or new_id()
    made = RevokeDelegation(tenant=caller.tenant, delegation=delegation, reason=body.reason, by=caller.principal)

    async def send() -> None:
        await gateway.bus.send("gates.undelegate", (request,), made, tenant=caller.tenant, correlation_id=delegation)

    answer = await gateway.answers.need(request, send, late="The command is kept and will be done.")
    return done(delegation, "revoked", answer)
