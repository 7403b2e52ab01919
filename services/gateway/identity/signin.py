"""Signing in and out. What is refused says the same whether a name is unknown, its password wrong or its account disabled."""

from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from agentos.bus import Bus
from agentos.contracts.base import Principal
from agentos.contracts.errors import Conflict
from agentos.contracts.events.identity import SignInMethod, SignInRefused
from agentos.contracts.ids import derived_id, new_id
from agentos.keyring import KeyRing
from services.gateway.identity.lockouts import Locked, Lockouts, Terms
from services.gateway.identity.oidc import ProviderRefused, Vouched
from services.gateway.identity.passwords import Passwords, weakness
from services.gateway.identity.sessions import SessionRecord, Sessions
from services.gateway.identity.tokens import AccessTokens, refresh_refused
from services.gateway.identity.users import UserRecord, Users, normal
from services.gateway.problems import FieldError, Problem, unauthorized

KEY, PURPOSE = "sign-ins", "signin.address"
"""Name and purpose of the data key that seals where refused sign-ins came from, one a tenant."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What the page gets: the access token in the answer, the refresh token in a cookie."""

    access_token: str
    refresh_token: str
    session: SessionRecord
    user: UserRecord


@dataclass(frozen=True, slots=True)
class Whence:
    """Where an attempt comes from."""

    address: str
    agent: str


class SignIn:
    """The ways in."""

    def __init__(
        self, bus: Bus, keyring: KeyRing, users: Users, sessions: Sessions, tokens: AccessTokens, passwords: Passwords,
        lockouts: Lockouts, *, of_account: Terms, of_address: Terms, tenant: str,
    ) -> None:  # fmt: skip
        self._bus = bus
        self._keyring = keyring
        self._users = users
        self._sessions = sessions
        self._tokens = tokens
        self._passwords = passwords
        self._lockouts = lockouts
        self._of_account = of_account
        self._of_address = of_address
        self._tenant = tenant

    async def with_password(self, username: str, password: str, whence: Whence) -> SignedIn:
        """Open a session. Raises a 401 problem, or a 429 one while the account or the address is locked."""
        user = self._users.named(username)
        account = normal(username)
        try:
            await self._lockouts.strike("address", whence.address, self._of_address)
            struck = await self._lockouts.strike("account", account, self._of_account)
        except Locked as locked:
            await self.tell_refused(user, "locked", locked.failures, whence, locked.until)
            raise
        fits = await self._passwords.verify(password, user.password if user is not None else None)
        if user is None or not fits or user.disabled_at is not None:
            await self.tell_refused(user, "credentials", struck.failures, whence, struck.until)
            raise unauthorized("wrong_credentials", "the username or the password is wrong")
        await self._lockouts.forgive("account", account)
        await self._lockouts.take_back("address", whence.address)
        if user.password is not None and self._passwords.outdated(user.password):
            fresh = await self._passwords.hash(password)
            user = await self._users.table.update(user.id, lambda now: now.model_copy(update={"password": fresh}))
        return await self.let_in(user, "password", whence)

    async def let_in(self, user: UserRecord, method: SignInMethod, whence: Whence) -> SignedIn:
        """Open a session for somebody who has shown who they are."""
        session = await self._sessions.open(user.id, user.tenant, method, user.principal(), whence.address, whence.agent)
        log.info("signed in", user=user.id, session=session.id, method=method)
        return self._signed_in(session, user)

    async def vouched_for(self, issuer: str, vouched: Vouched, whence: Whence) -> SignedIn:
        """Somebody whom the provider vouches for; their account here is made, or becomes what the provider says. Raises ProviderRefused."""
        id_ = self._users.id_of("oidc", issuer, vouched.subject)
        by = Principal(kind="service", id="gateway")
        user = self._users.table.get(id_)
        if user is None:
            user = await self._users.create(
                vouched.username, vouched.name, vouched.tenant, vouched.roles, None, by, provider=issuer, id_=id_
            )
        elif user.disabled_at is not None:
            raise ProviderRefused("oidc_disabled", f"the account {id_} is disabled here")
        else:
            said = {"username": vouched.username, "name": vouched.name, "tenant": vouched.tenant, "roles": vouched.roles}
            user = await self._users.change(
                id_, user.tenant, "signed_in_elsewhere", by, lambda now: now.model_copy(update=said)
            )
        return await self.let_in(user, "oidc", whence)

    async def again(self, refresh_token: str) -> SignedIn:
        """Prolong a session. Raises a 401 problem."""
        session = await self._sessions.exchange(refresh_token)
        user = self._users.table.get(session.user)
        if user is None or user.disabled_at is not None or user.tenant != session.tenant:
            raise refresh_refused()
        return self._signed_in(session, user)

    async def out(self, refresh_token: str) -> None:
        """Close the session of a refresh token; one that opens nothing is let pass."""
        try:
            session = self._sessions.recognise(refresh_token)
        except Problem:
            return
        if session is not None:
            await self._sessions.close(session.id, "logout", Principal(kind="user", id=session.user))

    async def set_up(self, username: str, name: str, password: str, by: Principal, whence: Whence) -> SignedIn:
        """Make the first administrator and let them in. Raises a 409 problem when there is one, or one is being made."""
        self.require_strong("password", password, username, name)
        try:
            give_back = await self._users.claim_setup()
        except Conflict:
            raise Problem(
                409, "setup_in_flight", "somebody sets up this installation right now: look again in a minute"
            ) from None
        try:
            if not self._users.setup_needed:
                raise Problem(409, "setup_done", "this installation has an administrator: sign in, or ask them for an account")
            kept = await self._passwords.hash(password)
            user = await self._users.create(username, name, self._tenant, ("admin",), kept, by)
        finally:
            await give_back()
        return await self.let_in(user, "setup", whence)

    async def change_password(self, user: UserRecord, old: str, new: str, session: str, whence: Whence) -> UserRecord:
        """Their own, by who knows the old one; every other session of theirs is closed. Raises 401, 422 and 429 problems."""
        struck = await self._lockouts.strike("account", user.username, self._of_account)
        if not await self._passwords.verify(old, user.password):
            await self.tell_refused(user, "credentials", struck.failures, whence, struck.until)
            raise Problem(403, "wrong_password", "the present password is wrong")
        await self._lockouts.forgive("account", user.username)
        if old == new:
            detail = "is the present one: take another"
            raise Problem(
                422, "weak_password", f"new_password: {detail}", errors=[FieldError(field="new_password", detail=detail)]
            )
        self.require_strong("new_password", new, user.username, user.name)
        by = user.principal()
        changed = await self._put_password(user, new, by, must_change=False)
        await self._sessions.close_all(user.id, "password", by, but=session)
        return changed

    async def set_password(self, user: UserRecord, new: str, by: Principal, *, must_change: bool) -> UserRecord:
        """Somebody else's; all their sessions are closed. Raises a 422 problem."""
        self.require_strong("password", new, user.username, user.name)
        changed = await self._put_password(user, new, by, must_change=must_change)
        await self._lockouts.forgive("account", user.username)
        await self._sessions.close_all(user.id, "password", by)
        return changed

    async def _put_password(self, user: UserRecord, new: str, by: Principal, *, must_change: bool) -> UserRecord:
        update = {"password": await self._passwords.hash(new), "must_change": must_change, "password_at": datetime.now(UTC)}
        what = "password_changed" if by.id == user.id else "password_set"
        return await self._users.change(user.id, user.tenant, what, by, lambda now: now.model_copy(update=update))

    async def kept(self, field: str, password: str, *names: str) -> str:
        """What is kept of a new account's password. Raises a 422 problem."""
        self.require_strong(field, password, *names)
        return await self._passwords.hash(password)

    def require_strong(self, field: str, password: str, *names: str) -> None:
        """Raises a 422 problem that says what is wrong with a password."""
        detail = weakness(password, *names)
        if detail is not None:
            raise Problem(422, "weak_password", f"{field}: {detail}", errors=[FieldError(field=field, detail=detail)])

    async def tell_refused(
        self, user: UserRecord | None, reason: str, failures: int, whence: Whence, until: datetime | None = None
    ) -> None:
        """Into the log: once a minute for each address and account, however often it is tried; and each lock."""
        tenant = user.tenant if user is not None else self._tenant
        minute = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M")
        once = derived_id("signin", tenant, whence.address, user.id if user is not None else "", reason, minute)
        id_ = new_id() if until is not None and reason == "credentials" else once
        await self._keyring.create(tenant, KEY)
        address = await self._keyring.seal(tenant, KEY, PURPOSE, whence.address.encode())
        fact = SignInRefused.model_validate(
            {"user": user.id if user is not None else None, "reason": reason, "failures": failures, "locked_until": until,
             "address": address}
        )  # fmt: skip
        try:
            await self._bus.append("signin.refused", id_, fact, tenant=tenant, correlation_id=id_)
        except Conflict:
            log.info("a refused sign-in was told of this minute", failures=failures)

    def _signed_in(self, session: SessionRecord, user: UserRecord) -> SignedIn:
        access = self._tokens.make(user.principal(), session.id, user.tenant, datetime.now(UTC), new_id())
        return SignedIn(access, self._sessions.refresh_token(session), session, user)


__all__ = ["SignIn", "SignedIn", "Whence"]
