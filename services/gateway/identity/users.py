"""People's accounts. A person's id is a keyed digest of their username, or of what their identity provider calls them: one account
each by construction, and it tells nothing where it stands in the log.
"""

import hmac
import unicodedata
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Literal

import structlog
from pydantic import BaseModel, ConfigDict

from agentos.bus import Bus
from agentos.contracts.base import Principal, Token, Utc
from agentos.contracts.errors import Conflict, NotFound, Refused
from agentos.contracts.events.identity import UserChanged
from agentos.contracts.ids import new_id
from services.gateway.authorizer import Role
from services.gateway.identity.records import SealedTable

Change = Literal[
    "created", "updated", "disabled", "enabled", "password_set", "password_changed", "signed_in_elsewhere", "deleted"
]

_SETUP = "setup"
_SETUP_HOLDS_S = 60
"""How long a first set-up that a crash cut off keeps others from trying."""

log = structlog.get_logger(__name__)


class UserRecord(BaseModel):
    """What is kept of a person."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Token
    username: str
    name: str
    tenant: Token
    roles: tuple[Role, ...]
    password: str | None = None
    """Argon2id, with its parameters. None for who signs in at a provider only."""
    must_change: bool = False
    disabled_at: Utc | None = None
    provider: str | None = None
    """The issuer that vouches for them."""
    created_at: Utc
    created_by: str
    password_at: Utc | None = None

    def principal(self) -> Principal:
        """Who comes with a session of this person's."""
        return Principal(kind="user", id=self.id, roles=self.roles)


def normal(username: str) -> str:
    """The one writing of a username: compatibility characters and case make no other person."""
    return unicodedata.normalize("NFKC", username).casefold().strip()


class Users:
    """The accounts, as of the last change that the broker told us. Run ``table.follow`` as a task."""

    def __init__(self, bus: Bus, key: bytes) -> None:
        self._bus = bus
        self._key = key
        self._bucket = bus.bucket("users")
        self.table = SealedTable(bus, "users", "user.", key, UserRecord)

    def id_of(self, *called: str) -> str:
        """The id of whoever is called so."""
        said = b"\0".join(part.encode("utf-8", "surrogatepass") for part in called)
        return "u" + hmac.digest(self._key, b"user id\0" + said, "sha256").hex()[:31]

    def named(self, username: str) -> UserRecord | None:
        """The account that signs in with ``username`` here."""
        return self.table.get(self.id_of(normal(username)))

    def find(self, id_: str, tenant: str) -> UserRecord:
        """A person of ``tenant``. Raises NotFound."""
        found = self.table.get(id_)
        if found is None or found.tenant != tenant:
            raise NotFound("nobody here has this id")
        return found

    def list(self, tenant: str) -> list[UserRecord]:
        """The people of a tenant, by username."""
        return sorted((user for user in self.table.all() if user.tenant == tenant), key=lambda user: user.username)

    @property
    def setup_needed(self) -> bool:
        """Whether nobody can sign in as administrator."""
        return not any("admin" in user.roles and user.disabled_at is None for user in self.table.all())

    async def create(
        self, username: str, name: str, tenant: str, roles: tuple[Role, ...], password: str | None, by: Principal, *,
        must_change: bool = False, provider: str | None = None, id_: str | None = None,
    ) -> UserRecord:  # fmt: skip
        """Make an account and say so first: one that nobody can see being made must not exist. Raises Conflict on a taken name."""
        now = datetime.now(UTC)
        record = UserRecord(
            id=id_ or self.id_of(normal(username)), username=username if id_ else normal(username), name=name, tenant=tenant,
            roles=roles, password=password, must_change=must_change, provider=provider, created_at=now, created_by=by.id,
            password_at=now if password else None,
        )  # fmt: skip
        if self.table.get(record.id) is not None:
            raise Conflict("somebody has this username already: take another", code="username_taken")
        await self._announce(record, "created", by)
        try:
            return await self.table.create(record.id, record)
        except Conflict:
            raise Conflict("somebody has this username already: take another", code="username_taken") from None

    async def change(
        self, id_: str, tenant: str, what: Change, by: Principal, change: Callable[[UserRecord], UserRecord]
    ) -> UserRecord:
        """Change an account. What takes something away holds first and is said then; what gives is said first. Raises NotFound."""
        standing = self.find(id_, tenant)
        changed = change(standing)
        if changed == standing:
            return standing
        takes = what == "disabled" or not set(changed.roles) > set(standing.roles)
        if not takes:
            await self._announce(changed, what, by)
        # What a provider says of its people holds, whoever is left.
        guarded = what != "signed_in_elsewhere"

        def applied(record: UserRecord) -> UserRecord:
            after = change(record)
            return self._still_someone(record, after) if guarded else after

        made = await self.table.update(id_, applied)
        if takes:
            await self._announce(made, what, by)
        return made

    async def delete(self, id_: str, tenant: str, by: Principal) -> UserRecord:
        """Take an account away, and with it what is kept of the person; their id stays in the log. Raises NotFound and Refused."""
        self.find(id_, tenant)
        now = datetime.now(UTC)

        def shut(record: UserRecord) -> UserRecord:
            return self._still_someone(record, record.model_copy(update={"disabled_at": record.disabled_at or now}))

        gone = await self.table.update(id_, shut)
        await self.table.delete(id_)
        await self._announce(gone, "deleted", by)
        return gone

    def _still_someone(self, before: UserRecord, after: UserRecord) -> UserRecord:
        """Raises Refused where ``after`` would leave the tenant without an administrator."""
        loses = _administers(before) and not _administers(after)
        if loses and not any(_administers(user) for user in self.list(before.tenant) if user.id != before.id):
            raise Refused("this is the last administrator who can sign in: make another one first", code="last_admin")
        return after

    async def _announce(self, record: UserRecord, change: Change, by: Principal) -> None:
        fact = UserChanged(change=change, roles=record.roles, disabled=record.disabled_at is not None, by=by)
        await self._bus.append(
            "user.changed", record.id, fact, tenant=record.tenant, ordinal=new_id(), correlation_id=record.id
        )

    async def claim_setup(self) -> Callable[[], Awaitable[None]]:
        """Take the right to make the first administrator. Raises Conflict while somebody else has it. Call the result to give it back."""
        now = datetime.now(UTC)
        value = now.isoformat().encode()
        try:
            revision = await self._bucket.create(_SETUP, value)
        except Conflict:
            entry = await self._bucket.get(_SETUP)
            held = entry is not None and entry.value is not None
            if entry is None or not held or (now - entry.created).total_seconds() < _SETUP_HOLDS_S:
                raise
            revision = await self._bucket.update(_SETUP, value, entry.revision)
        return lambda: self._bucket.delete(_SETUP, revision)


def _administers(user: UserRecord) -> bool:
    return "admin" in user.roles and user.disabled_at is None


__all__ = ["UserRecord", "Users", "normal"]
