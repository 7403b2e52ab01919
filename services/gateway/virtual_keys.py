"""Virtual keys at the edge: made, revoked, and recognised. They open the governed endpoint and nothing else.

``aosv_<id>_<secret>`` with 256 random bits of secret; what is kept is its digest, as of the other keys (see ``auth``).
"""

import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime

import structlog

from agentos.bus import Bus
from agentos.contracts.base import Principal
from agentos.contracts.errors import Conflict, NotFound
from agentos.contracts.events.governance import ApiKeyChanged
from agentos.contracts.virtualkeys import VirtualKey, VirtualKeyTerms
from agentos.virtualkeys import VirtualKeyTable
from services.gateway.auth import digest_of
from services.gateway.endpoint.errors import EndpointError, unavailable

_KEY = re.compile(r"aosv_([A-Za-z0-9-]{1,40})_([A-Za-z0-9_-]{43})")
_NOBODY = digest_of("aosv_nobody")

log = structlog.get_logger(__name__)


class VirtualKeys:
    """The keys, as of the last change that the broker told us."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._bucket = bus.bucket("virtualkeys")
        self.table = VirtualKeyTable(bus)

    def authenticate(self, headers: Mapping[bytes, bytes]) -> VirtualKey:
        """Whose request this is. Raises EndpointError; takes the same time for any wrong key."""
        if not self.table.loaded:
            raise unavailable("keys_not_loaded", "the keys are not loaded yet: try again")
        given = _given(headers)
        form = _KEY.fullmatch(given)
        if form is None:
            if given.startswith("aos_"):
                raise _refused("this key opens the API, not the governed endpoint: use a virtual key")
            said = "this is no virtual key" if given else "send a virtual key, as Authorization: Bearer or x-api-key"
            raise _refused(f"{said}; an admin makes one with `agentos key create --virtual`")
        record = self.table.known(form[1])
        fits = hmac.compare_digest(digest_of(given), record.digest if record else _NOBODY)
        if record is None or not fits:
            raise _refused("this key is not known here: check that it is whole and meant for this installation")
        if not record.holds(datetime.now(UTC)):
            raise _refused("this key was revoked or has expired: ask for another one")
        return record

    def list(self, tenant: str) -> list[VirtualKey]:
        """The keys of a tenant, oldest first."""
        return sorted((key for key in self.table.all() if key.tenant == tenant), key=lambda key: key.created_at)

    async def create(self, id_: str, name: str, tenant: str, terms: VirtualKeyTerms, by: Principal) -> tuple[VirtualKey, str]:
        """Make a key and say so in an event first: a key that nobody can see being made must not exist. Raises Conflict on a taken id."""
        key = f"aosv_{id_}_{secrets.token_urlsafe(32)}"
        record = VirtualKey(
            **{field: getattr(terms, field) for field in VirtualKeyTerms.model_fields},
            id=id_, name=name, tenant=tenant, digest=digest_of(key), created_at=datetime.now(UTC), created_by=by.id,
        )  # fmt: skip
        await self._announce(record, 1, terms, by)
        await self._bucket.create(id_, record.model_dump_json().encode())
        return record, key

    async def revoke(self, id_: str, tenant: str, by: Principal) -> VirtualKey:
        """Make a key worthless, once and for ever; what runs with it is stopped. Again is the same. Raises NotFound, Conflict."""
        entry = await self._bucket.get(id_)
        record = VirtualKey.model_validate_json(entry.value) if entry is not None and entry.value is not None else None
        if entry is None or record is None or record.tenant != tenant:
            raise NotFound("no key has this id")
        if record.revoked_at is not None:
            return record
        revoked = record.model_copy(update={"revoked_at": datetime.now(UTC)})
        await self._bucket.update(id_, revoked.model_dump_json().encode(), entry.revision)
        await self._announce(revoked, 2, None, by)
        return revoked

    async def _announce(self, record: VirtualKey, ordinal: int, terms: VirtualKeyTerms | None, by: Principal) -> None:
        event = ApiKeyChanged(change="created" if ordinal == 1 else "revoked", name=record.name, roles=(), by=by, virtual=terms)
        try:
            await self._bus.append(
                "apikey.changed", record.id, event, tenant=record.tenant, ordinal=ordinal, correlation_id=record.id
            )
        except Conflict:
            # Said before, by a run that crashed between event and record.
            log.info("the change of a key was announced before", key=record.id, change=event.change)


def _given(headers: Mapping[bytes, bytes]) -> str:
    scheme, _, bearer = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() == "bearer":
        return bearer.strip()
    return headers.get(b"x-api-key", b"").decode("latin-1").strip()


def _refused(message: str) -> EndpointError:
    return EndpointError(401, "authentication", "invalid_api_key", message)
