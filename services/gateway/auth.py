"""API keys: made here, kept as digests in bucket ``apikeys``, held in memory by a watch so that a revocation holds at once.

A key is ``aos_<id>_<secret>`` with 256 random bits of secret. A plain SHA-256 of it is therefore enough at rest: a slow hash
protects what can be guessed, and costs every request what it costs an attacker.
"""

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from agentos import private_files
from agentos.bus import Bus
from agentos.contracts.base import Principal, Token, Utc
from agentos.contracts.errors import Conflict, NotFound, RetryLater
from agentos.contracts.events.governance import ApiKeyChanged
from agentos.private_files import UnsafeSecret
from services.gateway.authorizer import Action, Role
from services.gateway.identity.callers import Caller
from services.gateway.problems import unauthorized, unavailable

FIRST_ADMIN = "admin"
"""The id of the key that is made at the first start. Its record stays when it is revoked, so that it is made once."""

_USE_TOLD_EVERY = timedelta(minutes=1)
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
    scopes: tuple[Action, ...] | None = None
    """The actions of its roles that it is limited to; None for all of them."""
    expires_at: Utc | None = None
    used_at: Utc | None = None
    """When it was used last, give or take a minute."""

    def holds(self, now: datetime) -> bool:
        """Whether the key opens anything at ``now``."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def principal(self) -> Principal:
        """Who comes with this key."""
        return Principal(kind="api_key", id=self.id, roles=self.roles)

    def caller(self) -> Caller:
        """The sender of a request with this key."""
        scopes = None if self.scopes is None else frozenset[str](self.scopes)
        return Caller(self.principal(), self.tenant, self.name, scopes=scopes, ends_at=self.expires_at)


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
        self._listeners: list[Callable[[str], None]] = []
        self._told: dict[str, datetime] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Have ``listener`` called, on the loop, with the id of each key that changes from now on."""
        self._listeners.append(listener)

    async def watch(self) -> None:
        """Follow the bucket for ever; run it as a task."""
        async with aclosing(self._bucket.watch()) as entries:
            async for entry in entries:
                if entry is None:
                    self._complete.set()
                else:
                    self._take(entry.key, entry.value)

    def _take(self, key: str, value: bytes | None) -> None:
        try:
            record = None if value is None else KeyRecord.model_validate_json(value)
        except ValidationError:
            # Fail closed: a record that cannot be read opens nothing.
            log.warning("an API key record is unreadable: the key is refused", key=key)
            record = None
        if record is None:
            self._records.pop(key, None)
        else:
            self._records[key] = record
        for listener in self._listeners:
            listener(key)

    @property
    def loaded(self) -> bool:
        """Whether every key that exists is known."""
        return self._complete.is_set()

    async def ready(self) -> None:
        """Wait until every key that exists is known."""
        await self._complete.wait()

    def authenticate(self, given: str) -> Caller:
        """Whose key this is. Raises a 401 or 503 problem; takes the same time for any wrong key."""
        if not self._complete.is_set():
            raise unavailable("the API keys are not loaded yet")
        form = _KEY.fullmatch(given)
        if form is None:
            raise unauthorized(
                "key_malformed", "the Authorization header must be 'Bearer ' and a key of the form aos_<id>_<secret>"
            )
        record = self._records.get(form[1])
        fits = hmac.compare_digest(digest_of(given), record.digest if record else _NOBODY)
        if record is None or not fits:
            raise unauthorized(
                "key_unknown", "this key is not known here: check that it is whole and meant for this installation"
            )
        if record.revoked_at is not None:
            raise unauthorized("key_revoked", "this key was revoked: ask an admin for another")
        now = datetime.now(UTC)
        if not record.holds(now):
            raise unauthorized("key_expired", "this key has expired: ask an admin for another")
        self._note_use(record, now)
        return record.caller()

    def current(self, id_: str) -> Caller | None:
        """Who comes with the key of this id now; None when it opens nothing (any more)."""
        record = self._records.get(id_)
        return record.caller() if record is not None and record.holds(datetime.now(UTC)) else None

    def _note_use(self, record: KeyRecord, now: datetime) -> None:
        if now - max(self._told.get(record.id, record.created_at), record.used_at or record.created_at) < _USE_TOLD_EVERY:
            return
        self._told[record.id] = now
        telling = asyncio.create_task(self._tell_use(record.id, now), name="gateway-key-used")
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)

    async def _tell_use(self, id_: str, now: datetime) -> None:
        """Best effort: a lost one is made good with the next use."""
        try:
            entry = await self._bucket.get(id_)
            if entry is not None and entry.value is not None:
                record = KeyRecord.model_validate_json(entry.value).model_copy(update={"used_at": now})
                await self._bucket.update(id_, record.model_dump_json().encode(), entry.revision)
        except (Conflict, RetryLater) as missed:
            log.info("the last use of an API key was not written down", key=id_, code=missed.code)

    async def settle(self) -> None:
        """Wait for what is being written down."""
        await asyncio.gather(*self._telling)

    def list(self, tenant: str) -> list[KeyRecord]:
        """The keys of a tenant, oldest first."""
        return sorted((r for r in self._records.values() if r.tenant == tenant), key=lambda r: r.created_at)

    async def create(
        self, id_: str, name: str, roles: tuple[Role, ...], tenant: str, by: Principal, *, key: str | None = None,
        scopes: tuple[Action, ...] | None = None, expires_at: datetime | None = None,
    ) -> tuple[KeyRecord, str]:  # fmt: skip
        """Make a key and say so in an event first: a key that nobody can see being made must not exist. Raises Conflict on a taken id."""
        key = key or make_key(id_)
        record = KeyRecord(
            id=id_, name=name, tenant=tenant, roles=roles, digest=digest_of(key), created_at=datetime.now(UTC), created_by=by.id,
            scopes=scopes, expires_at=expires_at,
        )  # fmt: skip
        await self._announce(record, "created", by)
        await self._bucket.create(id_, record.model_dump_json().encode())
        self._records[id_] = record
        return record, key

    async def revoke(self, id_: str, tenant: str, by: Principal) -> KeyRecord:
        """Make a key worthless, once and for ever; again is the same. Raises NotFound, Conflict."""
        while True:
            entry = await self._bucket.get(id_)
            record = KeyRecord.model_validate_json(entry.value) if entry is not None and entry.value is not None else None
            if entry is None or record is None or record.tenant != tenant:
                raise NotFound("no API key has this id")
            if record.revoked_at is not None:
                return record
            value = record.model_copy(update={"revoked_at": datetime.now(UTC)}).model_dump_json().encode()
            try:
                await self._bucket.update(id_, value, entry.revision)
            except Conflict:
                continue  # its last use was written down in between
            self._take(id_, value)
            await self._announce(self._records[id_], "revoked", by)
            return self._records[id_]

    async def _announce(self, record: KeyRecord, change: str, by: Principal) -> None:
        event = ApiKeyChanged(
            change="created" if change == "created" else "revoked", name=record.name, roles=record.roles, by=by,
            scopes=record.scopes, expires_at=record.expires_at,
        )  # fmt: skip
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
