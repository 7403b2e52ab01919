"""Who is signed in, and ending that."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from agentos.contracts.base import Token
from agentos.contracts.errors import NotFound
from services.gateway.edge import GuardedRoute, signed_in
from services.gateway.identity.callers import Caller
from services.gateway.identity.sessions import SessionRecord
from services.gateway.problems import Problem, documented
from services.gateway.state import Gateway, Parts, Sender

router = APIRouter(prefix="/sessions", tags=["sessions"], route_class=GuardedRoute)


class SessionItem(BaseModel):
    """A session that is open."""

    id: str
    user: str
    username: str
    name: str
    method: str
    address: str
    agent: str = Field(description="What the browser calls itself.")
    created_at: datetime
    used_at: datetime
    ends_at: datetime = Field(description="Unless it is used meanwhile.")
    current: bool = Field(description="Whether this request came with it.")


class Sessions(BaseModel):
    """Open sessions, the last used first."""

    items: list[SessionItem]


class Ended(BaseModel):
    """A session that opens nothing any more."""

    id: str
    closed_at: datetime
    reason: str


@router.get("", response_model=Sessions, responses=documented())
@signed_in()
async def list_sessions(
    gateway: Parts,
    caller: Sender,
    everyone: Annotated[bool, Query(alias="all", description="Not yours alone; for administrators.")] = False,
) -> Sessions:
    """Your open sessions; with `all` everybody's of your tenant."""
    if everyone:
        if not await _manages(gateway, caller):
            raise Problem(403, "forbidden", "your roles do not include users.manage: leave out `all`")
        found = gateway.identity.sessions.list(caller.tenant)
    else:
        found = gateway.identity.sessions.of(caller.principal.id)
    return Sessions(items=[_shown(gateway, caller, record) for record in found])


@router.delete("/{session}", response_model=Ended, responses=documented(404))
@signed_in()
async def revoke(session: Annotated[Token, Path(description="The session's id.")], gateway: Parts, caller: Sender) -> Ended:
    """End a session of yours, or as administrator anybody's of your tenant; it holds at once, for what is open too. Again is the same."""
    record = gateway.identity.sessions.table.get(session)
    if record is None or record.tenant != caller.tenant:
        raise NotFound("there is no such session")
    if record.user != caller.principal.id and not await _manages(gateway, caller):
        raise NotFound("there is no such session of yours")
    ended = await gateway.identity.sessions.close(session, "revoked", caller.principal)
    if ended.closed_at is None or ended.closed_for is None:
        raise Problem(500, "internal", "the session was closed, and does not say when")
    return Ended(id=ended.id, closed_at=ended.closed_at, reason=ended.closed_for)


async def _manages(gateway: Gateway, caller: Caller) -> bool:
    return not caller.must_change and await gateway.authorizer.allowed(caller, "users.manage")


def _shown(gateway: Gateway, caller: Caller, record: SessionRecord) -> SessionItem:
    user = gateway.identity.users.table.get(record.user)
    return SessionItem(
        id=record.id, user=record.user, username=user.username if user else "", name=user.name if user else "",
        method=record.method, address=record.address, agent=record.agent, created_at=record.created_at, used_at=record.used_at,
        ends_at=record.ends_at(gateway.identity.sessions.idle), current=record.id == caller.session,
    )  # fmt: skip
