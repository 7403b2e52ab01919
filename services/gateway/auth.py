"""API keys: made here, kept as digests in bucket ``apikeys``, held in memory by a watch so that a revocation holds at once.

A key is ``aos_<id>_<secret>`` with 256 random bits of secret. A plain SHA-256 of it is therefore enough at rest: a slow hash
protects what can be guessed, and costs every request what it costs an attacker.
"""

import asyncio
import hashlib
import hmac
import re
import secrets
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from agentos import private_files
from agentos.bus import Bus
from agentos.contracts.base import Principal, Token, Utc
from agentos.contracts.errors import Conflict, NotFound
from agentos.contracts.events.governance import ApiKeyChanged
from agentos.private_files import UnsafeSecret
from services.gateway.authorizer import Role
from services.gateway.problems import unauthorized, unavailable

FIRST_ADMIN = "admin"
"""The id of the key that is made at the first start. Its record stays when it is revoked, so that it is made once."""

_KEY = re.compile(r"aos_([A-Za-z0-9-]{1,40})_([A-Za-z0-9_-]{43})")

log = structlog.get_logger(__name__)


class KeyRecord(BaseModel):
    """What is kept of a key."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Token
    name: str
    tenant: Token
    roles: tuple[Role, ...]
    digest: str
    """Hex SHA-256 of the whole key."""
    created_at: Utc
    created_by: str
    revoked_at: Utc | None = None

    def principal(self) -> Principal:
        """Who comes with this key."""
        return Principal(kind="api_key", id=self.id, roles=self.roles)


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated request's sender."""

    principal: Principal
    tenant: str
    name: str


def digest_of(key: str) -> str:
    """What is stored of ``key``."""
    return hashlib.sha256(key.encode()).hexdigest()


def make_key(id_: str) -> str:
    """A fresh key of this id."""
    return f"aos_{id_}_{secrets.token_urlsafe(32)}"


_NOBODY = digest_of("aos_nobody")


class ApiKeys:
    """The keys, as of the last change that the broker told us."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._bucket = bus.bucket("apikeys")
        self._records: dict[str, KeyRecord] = {}
        self._complete = asyncio.Event()
        self.changed = asyncio.Event()
        """Set at the next change of any key, and then replaced: for what stays open as long as its key holds."""

    async def watch(self) -> None:
        """Follow the bucket for ever; run it as a task."""
        async with aclosing(self._bucket.watch()) as entries:
            async for entry in entries:
                if entry is None:
                    self._complete.set()
                elif entry.value is None:
                    self._records.pop(entry.key, None)
                    self._note_change()
                else:
                    self._take(entry.key, entry.value)
                    self._note_change()

    def _note_change(self) -> None:
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    def _take(self, key: str, value: bytes) -> None:
        try:
            record = KeyRecord.model_validate_json(value)
        except ValidationError:
            # Fail closed: a record that cannot be read opens nothing.
            self._records.pop(key, None)
            log.warning("an API key record is unreadable: the key is refused", key=key)
            return
        self._records[key] = record

    @property
    def loaded(self) -> bool:
        """Whether every key that exists is known."""
        return self._complete.is_set()

    async def ready(self) -> None:
        """Wait until every key that exists is known."""
        await self._complete.wait()

    def authenticate(self, authorization: str | None) -> Caller:
        """The sender of a request with this Authorization header. Raises a 401 or 503 problem; takes the same time for any wrong key."""
        if not self._complete.is_set():
            raise unavailable("the API keys are not loaded yet")
        if not authorization:
            raise unauthorized(
                "key_missing", "send 'Authorization: Bearer aos_…'; an admin makes keys with `agentos key create`"
            )
        scheme, _, given = authorization.partition(" ")
        form = _KEY.fullmatch(given.strip())
        if scheme.lower() != "bearer" or form is None:
            raise unauthorized(
                "key_malformed", "the Authorization header must be 'Bearer ' and a key of the form aos_<id>_<secret>"
            )
        record = self._records.get(form[1])
        fits = hmac.compare_digest(digest_of(given.strip()), record.digest if record else _NOBODY)
        if record is None or not fits:
            raise unauthorized(
                "key_unknown", "this key is not known here: check that it is whole and meant for this installation"
            )
        if record.revoked_at is not None:
            raise unauthorized("key_revoked", "this key was revoked: ask an admin for another")
        return Caller(record.principal(), record.tenant, record.name)

    def list(self, tenant: str) -> list[KeyRecord]:
        """The keys of a tenant, oldest first."""
        return sorted((r for r in self._records.values() if r.tenant == tenant), key=lambda r: r.created_at)

    async def create(
        self, id_: str, name: str, roles: tuple[Role, ...], tenant: str, by: Principal, *, key: str | None = None
    ) -> tuple[KeyRecord, str]:
        """Make a key and say so in an event first: a key that nobody can see being made must not exist. Raises Conflict on a taken id."""
        key = key or make_key(id_)
        record = KeyRecord(
            id=id_, name=name, tenant=tenant, roles=roles, digest=digest_of(key), created_at=datetime.now(UTC), created_by=by.id
        )
        await self._announce(record, "created", by)
        await self._bucket.create(id_, record.model_dump_json().encode())
        self._records[id_] = record
        return record, key

    async def revoke(self, id_: str, tenant: str, by: Principal) -> KeyRecord:
        """Make a key worthless, once and for ever; again is the same. Raises NotFound, Conflict."""
        entry = await self._bucket.get(id_)
        record = KeyRecord.model_validate_json(entry.value) if entry is not None and entry.value is not None else None
        if entry is None or record is None or record.tenant != tenant:
            raise NotFound("no API key has this id")
        if record.revoked_at is not None:
            return record
        revoked = record.model_copy(update={"revoked_at": datetime.now(UTC)})
        await self._bucket.update(id_, revoked.model_dump_json().encode(), entry.revision)
        self._records[id_] = revoked
        await self._announce(revoked, "revoked", by)
        return revoked

    async def _announce(self, record: KeyRecord, change: str, by: Principal) -> None:
        event = ApiKeyChanged(
            change="created" if change == "created" else "revoked", name=record.name, roles=record.roles, by=by
        )
        try:
            await self._bus.append(
                "apikey.changed",
                record.id,
                event,
                tenant=record.tenant,
                ordinal=1 if change == "created" else 2,
                correlation_id=record.id,
            )
        except Conflict:
            # Said before, by a run that crashed between event and record.
            log.info("the change of an API key was announced before", key=record.id, change=change)

    async def ensure_first_admin(self, path: Path, tenant: str) -> None:
        """At the first start, make an admin key and leave it in ``path`` (mode 0600). Needs the watch to be complete.

        Where the broker's store is new but the file is there, the key in the file is registered again.
        """
        if FIRST_ADMIN in self._records:
            return
        key = await asyncio.to_thread(_key_in, path)
        by = Principal(kind="service", id="gateway")
        try:
            await self.create(FIRST_ADMIN, "first admin", ("admin",), tenant, by, key=key)
        except Conflict:
            log.warning("another gateway made the first admin key: the key in the local file is not valid", path=str(path))
            return
        log.info("the first admin key is in place", path=str(path))


def _key_in(path: Path) -> str:
    """The key in ``path``, made where there is none. Blocking. Raises UnsafeSecret."""
    kept = private_files.read_or_create(path, lambda: f"{make_key(FIRST_ADMIN)}\n".encode())
    key = kept.decode("ascii", "replace").strip()
    if _KEY.fullmatch(key) is None:
        raise UnsafeSecret(f"{path} does not hold an API key: move it away and start again")
    return key
