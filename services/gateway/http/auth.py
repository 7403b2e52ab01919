"""Signing in and out, the first administrator, and one's own password.

The refresh token travels in a cookie that scripts cannot read and that is sent to these paths alone; whoever uses it says so in a
header that no other site's page can set (OWASP, custom request headers).
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, Field

from agentos.contracts.base import Principal
from services.gateway.edge import GuardedRoute, anyone, signed_in
from services.gateway.http.models import Request as Body
from services.gateway.identity.signin import SignedIn, Whence
from services.gateway.identity.users import UserRecord
from services.gateway.problems import Problem, documented, unauthorized
from services.gateway.state import Gateway, Parts, Sender

router = APIRouter(prefix="/auth", tags=["auth"], route_class=GuardedRoute)

COOKIE, COOKIE_PATH = "agentos_refresh", "/api/v1/auth"
CSRF = "x-agentos-csrf"

Username = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\s\x00-\x1f]+$")]
GivenPassword = Annotated[str, Field(min_length=1, max_length=1_000)]
PersonName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")]


class Login(Body):
    """Who signs in."""

    username: Annotated[str, Field(min_length=1, max_length=1_000)]
    password: GivenPassword


class Setup(Body):
    """The first administrator."""

    username: Username
    name: PersonName
    password: GivenPassword
    token: str | None = Field(
        default=None,
        max_length=200,
        description="The first admin key; needed unless the browser runs on the gateway's machine.",
    )


class NewPassword(Body):
    """One's own password."""

    password: GivenPassword = Field(description="The present one.")
    new_password: GivenPassword


class Person(BaseModel):
    """Who is signed in."""

    id: str
    username: str
    name: str
    roles: list[str]
    tenant: str
    must_change: bool = Field(description="Nothing is open but POST /api/v1/auth/password.")


class Access(BaseModel):
    """An access token, for the Authorization header."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int = Field(description="Seconds.")
    user: Person


class SetupState(BaseModel):
    """What a page that nobody has signed in to shows."""

    needed: bool = Field(description="There is no administrator yet.")
    proof: Literal["none", "key"] = Field(description="Whether POST /auth/setup needs the first admin key as `token`.")
    provider: str | None = Field(description="The name of the identity provider to sign in at: GET /api/v1/auth/oidc/start.")
    returning: bool = Field(description="The browser brings a session's cookie: POST /auth/refresh may go on with it.")


class Me(BaseModel):
    """Who sends this request."""

    kind: str
    id: str
    name: str
    roles: list[str]
    tenant: str
    actions: list[str] = Field(description="What the active rules let the caller do.")
    session: str | None
    username: str | None = None
    must_change: bool = False


class SignedOut(BaseModel):
    """The session is over."""

    signed_out: bool = True


@router.post("/login", response_model=Access, responses=documented(413, 415))
@anyone()
async def login(body: Login, request: Request, gateway: Parts, response: Response) -> Access:
    """Sign in with a password. The refresh token comes as a cookie."""
    require_same_origin(gateway, request)
    whence = whence_of(gateway, request)
    return answer(
        gateway, request, response, await gateway.identity.sign_in.with_password(body.username, body.password, whence)
    )


@router.post("/refresh", response_model=Access, responses=documented(413, 415))
@anyone()
async def refresh(
    request: Request, gateway: Parts, response: Response, x_agentos_csrf: Annotated[str | None, Header(max_length=10)] = None
) -> Access:
    """A new access token for the cookie's session, and a new cookie. The old cookie opens nothing any more."""
    require_own_page(gateway, request, x_agentos_csrf)
    token = request.cookies.get(COOKIE)
    if token is None:
        raise unauthorized("session_missing", "nobody is signed in here: sign in")
    try:
        return answer(gateway, request, response, await gateway.identity.sign_in.again(token))
    except Problem as problem:
        if problem.status == 401:
            problem.headers["Set-Cookie"] = _cookie(gateway, request, "", 0)
        raise


@router.post("/logout", response_model=SignedOut, responses=documented(413, 415))
@anyone()
async def logout(
    request: Request, gateway: Parts, response: Response, x_agentos_csrf: Annotated[str | None, Header(max_length=10)] = None
) -> SignedOut:
    """End the cookie's session, at once and everywhere. Again is the same."""
    require_own_page(gateway, request, x_agentos_csrf)
    if (token := request.cookies.get(COOKIE)) is not None:
        await gateway.identity.sign_in.out(token)
    response.headers["Set-Cookie"] = _cookie(gateway, request, "", 0)
    return SignedOut()


@router.get("/me", response_model=Me, responses=documented())
@signed_in()
async def me(gateway: Parts, caller: Sender) -> Me:
    """Who you are here, and what you may do."""
    user = gateway.identity.users.table.get(caller.principal.id) if caller.session is not None else None
    return Me(
        kind=caller.principal.kind, id=caller.principal.id, name=caller.name, roles=list(caller.principal.roles),
        tenant=caller.tenant, actions=sorted(await gateway.authorizer.actions(caller)), session=caller.session,
        username=user.username if user is not None else None, must_change=caller.must_change,
    )  # fmt: skip


@router.post("/password", response_model=Person, responses=documented(409, 413, 415))
@signed_in()
async def change_password(body: NewPassword, request: Request, gateway: Parts, caller: Sender) -> Person:
    """Change your own password. Your other sessions end."""
    user = gateway.identity.users.table.get(caller.principal.id)
    if caller.session is None or user is None:
        raise Problem(409, "no_password", "an API key has no password: sign in as a person")
    if user.password is None:
        raise Problem(409, "no_password", "you sign in at your identity provider: change your password there")
    whence = whence_of(gateway, request)
    sign_in = gateway.identity.sign_in
    return person(await sign_in.change_password(user, body.password, body.new_password, caller.session, whence))


@router.get("/setup", response_model=SetupState, responses=documented())
@anyone()
async def setup_state(request: Request, gateway: Parts) -> SetupState:
    """Whether the first administrator is still to be made, and how people sign in."""
    needed = gateway.identity.users.setup_needed
    return SetupState(
        needed=needed, proof="none" if needed and _at_home(gateway, request) else "key",
        provider=_provider(gateway), returning=COOKIE in request.cookies,
    )  # fmt: skip


@router.post("/setup", status_code=201, response_model=Access, responses=documented(409, 413, 415))
@anyone()
async def setup(body: Setup, request: Request, gateway: Parts, response: Response) -> Access:
    """Make the first administrator and sign them in, while there is none. Shows possession: from this machine, or with the first admin key."""
    require_same_origin(gateway, request)
    if not gateway.identity.users.setup_needed:
        raise Problem(409, "setup_done", "this installation has an administrator: sign in, or ask them for an account")
    whence = whence_of(gateway, request)
    if body.token is not None:
        try:
            caller = gateway.identity.standing.recognise(body.token)
        except Problem as problem:
            if problem.status == 401:
                await gateway.identity.sign_in.tell_refused(None, "setup", 1, whence)
            raise
        if "admin" not in caller.principal.roles or caller.scopes is not None or caller.tenant != gateway.settings.tenant:
            raise Problem(403, "forbidden", "this key is not an administrator's")
        by = caller.principal
    elif _at_home(gateway, request):
        by = Principal(kind="service", id="gateway")
    else:
        detail = "send the first admin key as token (secrets/admin.key in the data folder), or open the page on the gateway's machine"
        raise unauthorized("setup_proof_missing", detail)
    made = await gateway.identity.sign_in.set_up(body.username, body.name, body.password, by, whence)
    return answer(gateway, request, response, made)


# --- the cookie and its guards -----------------------------------------------------------------------------------------


def require_same_origin(gateway: Gateway, request: Request) -> None:
    """Raises a 403 problem for what another site's page sends."""
    if not gateway.identity.peers.same_origin(request):
        raise Problem(403, "cross_site", "this came from another site's page: open the console itself")


def require_own_page(gateway: Gateway, request: Request, said: str | None) -> None:
    """Raises a 403 problem unless a page of ours, or a program, sends this on purpose."""
    require_same_origin(gateway, request)
    if said != "1":
        raise Problem(403, "csrf_header_missing", "send the header X-Agentos-CSRF: 1")


def whence_of(gateway: Gateway, request: Request) -> Whence:
    """Where a request comes from, as it is kept of a session."""
    return Whence(gateway.identity.peers.address(request), request.headers.get("user-agent", ""))


def answer(gateway: Gateway, request: Request, response: Response, made: SignedIn) -> Access:
    """The body; the cookie goes into ``response``."""
    bring_cookie(gateway, request, response, made)
    response.headers["Cache-Control"] = "no-store"
    seconds = int(gateway.identity.tokens.lifetime.total_seconds())
    return Access(access_token=made.access_token, expires_in=seconds, user=person(made.user))


def bring_cookie(gateway: Gateway, request: Request, response: Response, made: SignedIn) -> None:
    """The refresh token, for as long as the session lasts."""
    left = int((made.session.ends_at(gateway.identity.sessions.idle) - made.session.used_at).total_seconds())
    response.headers["Set-Cookie"] = _cookie(gateway, request, made.refresh_token, left)


def person(user: UserRecord) -> Person:
    """A user as they see themselves."""
    return Person(
        id=user.id,
        username=user.username,
        name=user.name,
        roles=list(user.roles),
        tenant=user.tenant,
        must_change=user.must_change,
    )


def _provider(gateway: Gateway) -> str | None:
    return gateway.identity.provider.settings.name if gateway.identity.provider is not None else None


def _at_home(gateway: Gateway, request: Request) -> bool:
    return gateway.settings.setup_from_loopback and gateway.identity.peers.on_this_machine(request)


def _cookie(gateway: Gateway, request: Request, value: str, max_age_s: int) -> str:
    secure = "; Secure" if gateway.identity.peers.secure(request) else ""
    return f"{COOKIE}={value}; Max-Age={max_age_s}; Path={COOKIE_PATH}; HttpOnly; SameSite=Strict{secure}"
