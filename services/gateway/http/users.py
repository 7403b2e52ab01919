"""People: their names for everybody who works with them, their accounts for administrators."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from agentos.contracts.base import Token
from services.gateway.authorizer import Role
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.auth import GivenPassword, PersonName, Username
from services.gateway.http.models import Request as Body
from services.gateway.identity.callers import Caller
from services.gateway.identity.users import UserRecord
from services.gateway.problems import Problem, documented
from services.gateway.state import Gateway, Parts, Sender

router = APIRouter(prefix="/users", tags=["users"], route_class=GuardedRoute)

Roles = Annotated[tuple[Role, ...], Field(min_length=1, max_length=5)]
UserId = Annotated[Token, Path(description="The person's id.")]


class NewUser(Body):
    """An account to be made."""

    username: Username
    name: PersonName
    roles: Roles
    password: GivenPassword
    must_change: bool = Field(default=True, description="Whether they choose a password of their own at the first sign-in.")


class UserChange(Body):
    """What is to be different; what is left out stays."""

    name: PersonName | None = None
    roles: Roles | None = None
    disabled: bool | None = None


class SetPassword(Body):
    """Somebody else's password."""

    password: GivenPassword
    must_change: bool = True


class UserItem(BaseModel):
    """A person's account as administrators see it."""

    id: str
    username: str
    name: str
    roles: list[str]
    tenant: str
    disabled_at: datetime | None
    must_change: bool
    provider: str | None = Field(description="The identity provider that vouches for them; null for who has a password here.")
    created_at: datetime
    created_by: str
    password_at: datetime | None
    sessions: int = Field(description="How many are open.")


class Users(BaseModel):
    """The people of the tenant, by username."""

    items: list[UserItem]


class Gone(BaseModel):
    """An account that is no more."""

    id: str


class KnownPerson(BaseModel):
    """Who or what an id in the log stands for: a person, or an API key."""

    id: str
    kind: Literal["user", "api_key"]
    username: str | None = Field(description="A person's; a key has none.")
    name: str


class People(BaseModel):
    """The people of the tenant, by username, and then its keys."""

    items: list[KnownPerson]


@router.get("", response_model=Users, responses=documented())
@needs("users.manage")
async def list_users(gateway: Parts, caller: Sender) -> Users:
    """The accounts of your tenant."""
    return Users(items=[shown(gateway, user) for user in gateway.identity.users.list(caller.tenant)])


@router.get("/names", response_model=People, responses=documented())
@needs("users.read")
async def names(gateway: Parts, caller: Sender) -> People:
    """Who the ids in events, approvals and switches stand for."""
    users = gateway.identity.users.list(caller.tenant)
    people = [KnownPerson(id=user.id, kind="user", username=user.username, name=user.name) for user in users]
    records = (*gateway.api_keys.list(caller.tenant), *gateway.endpoint.virtual_keys.list(caller.tenant))
    return People(items=[*people, *(KnownPerson(id=key.id, kind="api_key", username=None, name=key.name) for key in records)])


@router.post("", status_code=201, response_model=UserItem, responses=documented(409, 413, 415))
@needs("users.manage", kept=False)
async def create(body: NewUser, gateway: Parts, caller: Sender) -> UserItem:
    """Make an account in your tenant."""
    await _require_giveable(gateway, caller, body.roles)
    kept = await gateway.identity.sign_in.kept("password", body.password, body.username, body.name)
    user = await gateway.identity.users.create(
        body.username, body.name, caller.tenant, body.roles, kept, caller.principal, must_change=body.must_change
    )
    return shown(gateway, user)


@router.get("/{user}", response_model=UserItem, responses=documented(404))
@needs("users.manage")
async def get(user: UserId, gateway: Parts, caller: Sender) -> UserItem:
    """One account."""
    return shown(gateway, gateway.identity.users.find(user, caller.tenant))


@router.patch("/{user}", response_model=UserItem, responses=documented(404, 409, 413, 415))
@needs("users.manage", kept=False)
async def update(user: UserId, body: UserChange, gateway: Parts, caller: Sender) -> UserItem:
    """Change an account; it holds at once. One that is disabled loses its sessions. The last administrator stays one."""
    users, by = gateway.identity.users, caller.principal
    standing = users.find(user, caller.tenant)
    # Nobody changes who has more than themselves.
    await _require_giveable(gateway, caller, standing.roles)
    if body.roles is not None:
        await _require_giveable(gateway, caller, body.roles)
    plain = {name: value for name, value in (("name", body.name), ("roles", body.roles)) if value is not None}
    if plain:
        await users.change(user, caller.tenant, "updated", by, lambda now: now.model_copy(update=plain))
    if body.disabled is not None and body.disabled != (standing.disabled_at is not None):
        at = datetime.now(UTC) if body.disabled else None
        what = "disabled" if body.disabled else "enabled"
        await users.change(user, caller.tenant, what, by, lambda now: now.model_copy(update={"disabled_at": at}))
    if body.disabled:
        await gateway.identity.sessions.close_all(user, "disabled", by)
    return shown(gateway, users.find(user, caller.tenant))


@router.delete("/{user}", response_model=Gone, responses=documented(404, 409))
@needs("users.manage")
async def delete(user: UserId, gateway: Parts, caller: Sender) -> Gone:
    """Delete an account: their sessions end, their name is forgotten, and what they did stays in the log under their id."""
    users, by = gateway.identity.users, caller.principal
    await _require_giveable(gateway, caller, users.find(user, caller.tenant).roles)
    gone = await users.delete(user, caller.tenant, by)
    await gateway.identity.sessions.close_all(user, "deleted", by)
    return Gone(id=gone.id)


@router.post("/{user}/password", response_model=UserItem, responses=documented(404, 409, 413, 415))
@needs("users.manage", kept=False)
async def set_password(user: UserId, body: SetPassword, gateway: Parts, caller: Sender) -> UserItem:
    """Set somebody's password; all their sessions end, and a lock with them."""
    standing = gateway.identity.users.find(user, caller.tenant)
    await _require_giveable(gateway, caller, standing.roles)
    if standing.provider is not None:
        raise Problem(409, "no_password", "this person signs in at an identity provider: their password is set there")
    sign_in = gateway.identity.sign_in
    return shown(gateway, await sign_in.set_password(standing, body.password, caller.principal, must_change=body.must_change))


async def _require_giveable(gateway: Gateway, caller: Caller, roles: tuple[Role, ...]) -> None:
    if not await gateway.authorizer.within(caller, roles, None):
        raise Problem(403, "more_than_yours", f"{', '.join(roles)} may do what you may not: ask somebody who may")


def shown(gateway: Gateway, user: UserRecord) -> UserItem:
    """A record without what a password is checked with."""
    fields: dict[str, Any] = user.model_dump(exclude={"password"})
    return UserItem(**fields, sessions=len(gateway.identity.sessions.of(user.id)))
