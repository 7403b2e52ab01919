"""Sessions: opened by a sign-in, prolonged by the exchange of the refresh token, closed once and for ever.

A refresh token that comes a second time after its exchange shows that somebody has a copy. Which of the two is the owner cannot be
told, so the session is closed for both (RFC 9700 §4.14).
"""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

import structlog
from pydantic import BaseModel, ConfigDict

from agentos.bus import Bus
from agentos.contracts.base import Principal, Token, Utc
from agentos.contracts.errors import Conflict, NotFound
from agentos.contracts.events.identity import SessionClosed, SessionOpened, SignInMethod
from agentos.contracts.ids import new_id
from services.gateway.identity.records import SealedTable
from services.gateway.identity.tokens import RefreshTokens, refresh_refused

Reason = Literal["logout", "revoked", "reused", "password", "disabled", "deleted"]

log = structlog.get_logger(__name__)


class SessionRecord(BaseModel):
    """What is kept of a session; never its token."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Token
    user: Token
    tenant: Token
    method: SignInMethod
    seed: str
    generation: int = 0
    """How often its refresh token was exchanged."""
    created_at: Utc
    used_at: Utc
    """When it was exchanged last."""
    expires_at: Utc
    closed_at: Utc | None = None
    closed_for: Reason | None = None
    address: str
    agent: str

    def open(self, now: datetime, idle: timedelta) -> bool:
        """Whether it still opens something."""
        return self.closed_at is None and now < self.ends_at(idle)

    def ends_at(self, idle: timedelta) -> datetime:
        """When it is over unless it is exchanged."""
        return min(self.expires_at, self.used_at + idle)


class Sessions:
    """Run ``table.follow`` as a task."""

    def __init__(
        self, bus: Bus, key: bytes, tokens: RefreshTokens, *, longest: timedelta, idle: timedelta, again_within: timedelta
    ) -> None:
        self._bus = bus
        self._tokens = tokens
        self._longest = longest
        self.idle = idle
        self._again_within = again_within
        self.table = SealedTable(bus, "sessions", "", key, SessionRecord)

    async def open(
        self, user: str, tenant: str, method: SignInMethod, by: Principal, address: str, agent: str
    ) -> SessionRecord:
        """A new session, told of first."""
        now = datetime.now(UTC)
        record = SessionRecord(
            id=new_id(), user=user, tenant=tenant, method=method, seed=secrets.token_urlsafe(24), created_at=now, used_at=now,
            expires_at=now + self._longest, address=address, agent=agent[:200],
        )  # fmt: skip
        fact = SessionOpened(user=user, method=method, expires_at=record.expires_at, by=by)
        await self._bus.append("session.opened", record.id, fact, tenant=tenant, correlation_id=record.id)
        return await self.table.create(record.id, record)

    def refresh_token(self, record: SessionRecord) -> str:
        """The token that the session is prolonged with next."""
        return self._tokens.make(record.id, record.generation, record.seed)

    async def exchange(self, token: str) -> SessionRecord:
        """Take a refresh token for the next one. Raises a 401 problem; closes the session when the token was exchanged before."""
        session, generation = self._tokens.parse(token)
        now = datetime.now(UTC)
        copied = False

        def rotate(record: SessionRecord) -> SessionRecord:
            nonlocal copied
            copied = False
            genuine = self._tokens.fits(token, session, generation, record.seed)
            if not genuine or generation > record.generation or not record.open(now, self.idle):
                raise refresh_refused()
            if generation == record.generation:
                return record.model_copy(update={"generation": generation + 1, "used_at": now})
            # The same exchange again: its answer was lost, or two tabs of one browser asked at once.
            copied = not (generation == record.generation - 1 and now - record.used_at < self._again_within)
            return record

        try:
            record = await self.table.update(session, rotate)
        except NotFound:
            raise refresh_refused() from None
        if copied:
            log.warning("a refresh token came again: the session is closed", session=session)
            await self.close(session, "reused", Principal(kind="service", id="gateway"))
            raise refresh_refused()
        return record

    def recognise(self, token: str) -> SessionRecord | None:
        """The session of a refresh token that is or was genuine."""
        session, generation = self._tokens.parse(token)
        record = self.table.get(session)
        if record is None or not self._tokens.fits(token, session, generation, record.seed):
            return None
        return record

    async def close(self, id_: str, reason: Reason, by: Principal) -> SessionRecord:
        """Close a session; again is the same. It opens nothing from now on, and then the log says so. Raises NotFound."""
        now = datetime.now(UTC)

        def closed(record: SessionRecord) -> SessionRecord:
            if record.closed_at is not None:
                return record
            return record.model_copy(update={"closed_at": now, "closed_for": reason})

        record = await self.table.update(id_, closed)
        fact = SessionClosed(user=record.user, reason=record.closed_for or reason, by=by)
        try:
            await self._bus.append("session.closed", id_, fact, tenant=record.tenant, correlation_id=id_)
        except Conflict:
            log.info("the end of this session was told before", session=id_)
        return record

    async def close_all(self, user: str, reason: Reason, by: Principal, *, but: str | None = None) -> int:
        """Close every open session of a person; how many there were."""
        found = [each.id for each in self.of(user) if each.id != but]
        for id_ in found:
            await self.close(id_, reason, by)
        return len(found)

    def of(self, user: str) -> list[SessionRecord]:
        """The open sessions of a person, the last used first."""
        return self._open(lambda each: each.user == user)

    def list(self, tenant: str) -> list[SessionRecord]:
        """The open sessions of a tenant, the last used first."""
        return self._open(lambda each: each.tenant == tenant)

    def _open(self, wanted: Callable[[SessionRecord], bool]) -> "list[SessionRecord]":
        now = datetime.now(UTC)
        found = [each for each in self.table.all() if wanted(each) and each.open(now, self.idle)]
        return sorted(found, key=lambda each: each.used_at, reverse=True)


__all__ = ["SessionRecord", "Sessions"]
