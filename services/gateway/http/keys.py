"""API keys."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from agentos.contracts.base import Token
from agentos.contracts.budgets import Budget
from agentos.contracts.errors import Conflict
from agentos.contracts.ids import derived_id, new_id
from agentos.contracts.virtualkeys import VirtualKey, VirtualKeyTerms
from services.gateway.auth import KeyRecord
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.answers import KeyItem, KeyMade
from services.gateway.http.models import NewKey, NewVirtualKey
from services.gateway.problems import FieldError, Problem, documented
from services.gateway.state import Parts, Scope, Sender

router = APIRouter(prefix="/keys", tags=["keys"], route_class=GuardedRoute)


class Keys(BaseModel):
    """Every key of the tenant, revoked ones too."""

    items: list[KeyItem]


@router.get("", response_model=Keys, responses=documented())
@needs("keys.manage")
async def list_keys(gateway: Parts, caller: Sender) -> Any:
    """The keys of your tenant; their secrets are nowhere."""
    virtual = gateway.endpoint.virtual_keys.list(caller.tenant)
    return {"items": [shown(record) for record in (*gateway.api_keys.list(caller.tenant), *virtual)]}


@router.post("", status_code=201, response_model=KeyMade, responses=documented(409, 413, 415))
@needs("keys.manage")
async def create(new: NewKey, gateway: Parts, caller: Sender, scope: Scope) -> Response:
    """Make a key. The answer is the only place where it is ever shown."""
    if new.tenant not in (None, caller.tenant):
        detail = "keys are made for one's own tenant only: leave the field out"
        raise Problem(422, "invalid_request", f"tenant: {detail}", errors=[FieldError(field="tenant", detail=detail)])
    id_ = (derived_id("apikey", scope) if scope is not None else new_id()).replace("-", "")
    try:
        if new.virtual is not None:
            terms = _terms(new.virtual, caller.tenant, id_)
            record, key = await gateway.endpoint.virtual_keys.create(id_, new.name, caller.tenant, terms, caller.principal)
        else:
            if not await gateway.authorizer.within(caller, new.roles, new.scopes):
                raise Problem(403, "more_than_yours", "this key could do what you may not: give it fewer roles, or scopes")
            record, key = await gateway.api_keys.create(
                id_, new.name, new.roles, caller.tenant, caller.principal, scopes=new.scopes, expires_at=new.expires_at
            )
    except Conflict:
        raise Problem(
            409,
            "key_answer_lost",
            "a crash lost the answer that held this key: send a new Idempotency-Key, and revoke the key of that name",
        ) from None
    return JSONResponse(shown(record) | {"key": key}, status_code=201, headers={"Cache-Control": "no-store"})


@router.delete("/{key}", response_model=KeyItem, responses=documented(404, 409))
@needs("keys.manage")
async def revoke(key: Annotated[Token, Path(description="The key's id.")], gateway: Parts, caller: Sender) -> Any:
    """Make a key worthless for ever; calls that run with a virtual one are stopped. The last admin key that works cannot be revoked."""
    if gateway.endpoint.virtual_keys.table.known(key) is not None:
        return shown(await gateway.endpoint.virtual_keys.revoke(key, caller.tenant, caller.principal))
    admins = [
        r
        for r in gateway.api_keys.list(caller.tenant)
        if r.holds(datetime.now(UTC)) and "admin" in r.roles and r.scopes is None
    ]
    if [r.id for r in admins] == [key]:
        raise Problem(409, "last_admin", "this is the last admin key: make another one first")
    return shown(await gateway.api_keys.revoke(key, caller.tenant, caller.principal))


def _terms(new: NewVirtualKey, tenant: str, key: str) -> VirtualKeyTerms:
    budgets = tuple(
        Budget(
            id=f"key-{budget.metric}-{budget.window}",
            key={"tenant": tenant, "api_key": key},
            metric=budget.metric,
            limit=budget.limit,
            window=budget.window,
            mode=budget.mode,
            # A client waits on an open connection: it is told at once, and when to come back.
            wait_s=0,
        )
        for budget in new.budgets
    )
    if len({budget.id for budget in budgets}) != len(budgets):
        detail = "there are two of the same metric and window: leave one out"
        raise Problem(
            422, "invalid_request", f"virtual.budgets: {detail}", errors=[FieldError(field="virtual.budgets", detail=detail)]
        )
    if new.expires_at is not None and new.expires_at <= datetime.now(UTC):
        detail = "is in the past"
        raise Problem(
            422,
            "invalid_request",
            f"virtual.expires_at: {detail}",
            errors=[FieldError(field="virtual.expires_at", detail=detail)],
        )
    fields = {name: getattr(new, name) for name in ("pack", "agent", "task_type", "models", "untrusted", "expires_at")}
    return VirtualKeyTerms(**fields, budgets=budgets)


def shown(record: KeyRecord | VirtualKey) -> dict[str, Any]:
    """A record without its digest."""
    if isinstance(record, KeyRecord):
        return record.model_dump(mode="json", exclude={"digest"})
    told = record.model_dump(mode="json", include={"id", "name", "tenant", "created_at", "created_by", "revoked_at"})
    return told | {"roles": [], "virtual": record.model_dump(mode="json", include=set(VirtualKeyTerms.model_fields))}
