"""Who a request comes from, and whether that still stands: for every request anew, and for what stays open by being told."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime

from agentos.contracts.base import Principal
from services.gateway.auth import ApiKeys
from services.gateway.identity.callers import Caller
from services.gateway.identity.sessions import Sessions
from services.gateway.identity.tokens import AccessTokens
from services.gateway.identity.users import Users
from services.gateway.problems import unauthorized, unavailable


class Standing:
    """The senders that are known here: API keys, and people with an open session."""

    def __init__(self, api_keys: ApiKeys, users: Users, sessions: Sessions, tokens: AccessTokens) -> None:
        self._api_keys = api_keys
        self._users = users
        self._sessions = sessions
        self._tokens = tokens
        self._watched: dict[asyncio.Event, Caller] = {}
        self._timers: dict[asyncio.Event, asyncio.TimerHandle] = {}
        api_keys.on_change(self._look)
        users.table.on_change(self._look)
        sessions.table.on_change(self._look)

    @property
    def loaded(self) -> bool:
        """Whether every key, person and session is known."""
        return self._api_keys.loaded and self._users.table.loaded and self._sessions.table.loaded

    def authenticate(self, authorization: str | None) -> Caller:
        """The sender of a request with this Authorization header. Raises a 401 or 503 problem."""
        if not authorization:
            detail = "send 'Authorization: Bearer ' and an API key or an access token; sign in, or ask an admin for a key"
            raise unauthorized("key_missing", detail)
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer":
            detail = "the Authorization header must be 'Bearer ' and an API key or an access token"
            raise unauthorized("key_malformed", detail)
        return self.recognise(given.strip())

    def recognise(self, given: str) -> Caller:
        """Whose API key or access token this is. Raises a 401 or 503 problem."""
        if not self.loaded:
            raise unavailable("keys and sessions are not loaded yet")
        if given.count(".") != 2:
            return self._api_keys.authenticate(given)
        claims = self._tokens.read(given)
        caller = self._person(claims.session)
        if caller is None or caller.principal.id != claims.user:
            raise unauthorized("session_over", "this session is over: sign in again")
        if caller.tenant != claims.tenant:
            raise unauthorized("token_foreign", "this access token is for another tenant: sign in again")
        return caller

    def current(self, caller: Caller) -> Caller | None:
        """The same sender as things are now; None when they may not come in any more."""
        if caller.session is not None:
            return self._person(caller.session)
        return self._api_keys.current(caller.principal.id)

    @contextmanager
    def watched(self, caller: Caller) -> Generator[asyncio.Event]:
        """An event that is set as soon as ``caller`` is not who they were: signed out, revoked, over, or with other roles."""
        changed = asyncio.Event()
        self._watched[changed] = caller
        try:
            self._recheck(changed)
            self._look_at_the_end(changed)
            yield changed
        finally:
            del self._watched[changed]
            if (timer := self._timers.pop(changed, None)) is not None:
                timer.cancel()

    def _look_at_the_end(self, changed: asyncio.Event) -> None:
        """Set a timer for when the caller is over as things are now; a session may be prolonged until then, and is looked at again."""
        now = self.current(self._watched[changed])
        if changed.is_set() or now is None or now.ends_at is None:
            return
        # Timers go by another clock than ends do, and may be early by a little.
        left = max(0.0, (now.ends_at - datetime.now(UTC)).total_seconds()) + 0.01
        self._timers[changed] = asyncio.get_running_loop().call_later(left, self._ended, changed)

    def _ended(self, changed: asyncio.Event) -> None:
        self._recheck(changed)
        self._look_at_the_end(changed)

    def _look(self, _id: str) -> None:
        for changed in self._watched:
            self._recheck(changed)

    def _recheck(self, changed: asyncio.Event) -> None:
        before = self._watched[changed]
        now = self.current(before)
        if now is None or (now.principal, now.tenant, now.scopes, now.must_change) != (
            before.principal, before.tenant, before.scopes, before.must_change,
        ):  # fmt: skip
            changed.set()

    def _person(self, session: str) -> Caller | None:
        record = self._sessions.table.get(session)
        if record is None or not record.open(datetime.now(UTC), self._sessions.idle):
            return None
        user = self._users.table.get(record.user)
        if user is None or user.disabled_at is not None or user.tenant != record.tenant:
            return None
        principal: Principal = user.principal()
        return Caller(
            principal, user.tenant, user.name, session=session, ends_at=record.ends_at(self._sessions.idle),
            must_change=user.must_change,
        )  # fmt: skip


__all__ = ["Standing"]
