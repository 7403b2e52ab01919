"""Approvals: what waits for a person, and what persons do about it."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query

from agentos.contracts.base import Token
from agentos.contracts.commands import CommentApproval, EditApproval, ResolveApproval
from agentos.contracts.ids import new_id
from services.gateway import approvals, ledger
from services.gateway.authorizer import Role
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.answers import done
from services.gateway.http.approval_models import (
    ApprovalItem,
    ApprovalPage,
    BulkDone,
    Comment,
    Commented,
    Edit,
    Edited,
    Resolve,
    Resolved,
    ResolveMany,
)
from services.gateway.http.models import IdPrefix, Ids
from services.gateway.problems import FieldError, Problem, documented
from services.gateway.state import Parts, Scope, Sender

router = APIRouter(prefix="/approvals", tags=["approvals"], route_class=GuardedRoute)

ApprovalId = Annotated[Token, Path(description="The approval's id: that of the call it is for.")]


@router.get("", response_model=ApprovalPage, response_model_exclude_unset=True, responses=documented(404))
@needs("approvals.read")
async def list_approvals(
    gateway: Parts,
    caller: Sender,
    state: Literal["pending", "approved", "rejected", "expired", "cancelled"] | None = None,
    task: Annotated[Token | None, Query()] = None,
    role: Annotated[Role | None, Query(description="Only those that this role may answer.")] = None,
    mine: Annotated[bool, Query(description="Only those that you may answer and have not answered.")] = False,
    like: Annotated[Token | None, Query(description="Only those that ask for the same as this approval.")] = None,
    id_prefix: IdPrefix = None,
    id: Ids = None,  # noqa: A002 - the field's name
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$")] = None,
) -> Any:
    """Approvals, newest first, with how far each quorum is and how often the same was answered how before."""
    roles = [role] if role is not None else list(caller.principal.roles) if mine else None
    data = await ledger.ask(
        gateway.bus, gateway.answers, caller.tenant, "approvals.list",
        state=state, task=task, roles=roles, for_person=caller.principal.id if mine else None, like=like,
        id_prefix=id_prefix, ids=id.split(",") if id else None, limit=limit, cursor=cursor,
    )  # fmt: skip
    return ledger.page(data, "approvals")


@router.get("/{approval}", response_model=ApprovalItem, response_model_exclude_unset=True, responses=documented(404))
@needs("approvals.read")
async def show(approval: ApprovalId, gateway: Parts, caller: Sender) -> Any:
    """One approval: the redacted preview of what will be done, what was edited, who voted, and what people remarked."""
    data = await ledger.ask(gateway.bus, gateway.answers, caller.tenant, "approvals.get", id=approval)
    return data["approval"] | {"remarks": await approvals.remarks(gateway, caller, approval)}


@router.post("/bulk", response_model=BulkDone, response_model_exclude_unset=True, responses=documented(404, 413, 415))
@needs("approvals.resolve")
async def resolve_many(body: ResolveMany, gateway: Parts, caller: Sender, scope: Scope) -> Any:
    """The same answer to each of up to 100 approvals; the items say what became of each. None stops another."""
    only: frozenset[str] | None = None
    if body.like is not None:
        data = await ledger.ask(
            gateway.bus, gateway.answers, caller.tenant, "approvals.list", state="pending", like=body.like, limit=200
        )
        only = frozenset(str(row["id"]) for row in data["approvals"])
    items = await approvals.resolve_many(
        gateway, caller, scope, body.outcome, dict(body.digests), body.comment, body.delegation, only
    )
    return {"items": items}


@router.post(
    "/{approval}/resolve",
    response_model=Resolved,
    response_model_exclude_unset=True,
    responses=documented(404, 409, 410, 413, 415),
)
@needs("approvals.resolve")
async def resolve(approval: ApprovalId, body: Resolve, gateway: Parts, caller: Sender, scope: Scope) -> Any:
    """Approve or reject what you looked at, once. `state` says whether that decided it, or more approvals are needed."""
    comment = None
    if body.comment is not None:
        comment = await approvals.sealed_comment(gateway, caller.tenant, approval, body.comment)
    made = ResolveApproval(
        tenant=caller.tenant, approval=approval, outcome=body.outcome, digest=body.digest, comment=comment,
        delegation=body.delegation, by=caller.principal,
    )  # fmt: skip
    answer = await approvals.resolve(gateway, caller, scope or new_id(), made)
    return done(approval, body.outcome, answer)


@router.post(
    "/{approval}/comment",
    status_code=201,
    response_model=Commented,
    response_model_exclude_unset=True,
    responses=documented(404, 409, 410, 413, 415),
)
@needs("approvals.resolve")
async def comment(approval: ApprovalId, body: Comment, gateway: Parts, caller: Sender, scope: Scope) -> Any:
    """Remark on it, without a vote. The text is stored sealed."""
    text = await approvals.sealed_comment(gateway, caller.tenant, approval, body.text)
    made = CommentApproval(tenant=caller.tenant, approval=approval, text=text, length=len(body.text), by=caller.principal)
    request = scope or new_id()

    async def send() -> None:
        await gateway.bus.send("gates.comment", (request,), made, tenant=caller.tenant, correlation_id=approval)

    answer = await gateway.answers.need(request, send, late="Your comment is kept and will be added.")
    return done(approval, "commented", answer)


@router.post(
    "/{approval}/edit", response_model=Edited, response_model_exclude_unset=True, responses=documented(404, 409, 410, 413, 415)
)
@needs("approvals.resolve")
async def edit(approval: ApprovalId, body: Edit, gateway: Parts, caller: Sender, scope: Scope) -> Any:
    """Change what will be done. Policy rules on it anew; `diff` shows what changed, `digest` is what is to be approved now."""
    requested, _ = await approvals.key_of(gateway, caller.tenant, approval)
    field = "arguments" if requested.kind == "tool" else "request"
    content = body.arguments if field == "arguments" else body.request and body.request.model_dump(mode="json")
    if content is None:
        mend = f"this is about a {requested.kind}: send {field}"
        raise Problem(422, "invalid_request", f"{field}: {mend}", errors=[FieldError(field=field, detail=mend)])
    made = EditApproval(
        tenant=caller.tenant, approval=approval, base_digest=body.digest,
        content=await approvals.sealed_edit(gateway, caller.tenant, approval, content), by=caller.principal,
    )  # fmt: skip
    request = scope or new_id()

    async def send() -> None:
        await gateway.bus.send("gates.edit", (request,), made, tenant=caller.tenant, correlation_id=approval)

    answer = await gateway.answers.need(request, send, late="Your edit is kept and will be ruled on.")
    return done(approval, "edited", answer)
