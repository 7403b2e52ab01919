"""Held calls, to be found by a retry of the request that made them (bucket ``held``).

A client that was told to come back sends the same request again. With an ``Idempotency-Key`` the call's id is derived from it and the
log itself refuses a second one. Without, the request's keyed digest leads to the call, for as long as it is held and a while after.
"""

import hmac
from datetime import UTC, datetime

import structlog

from agentos.bus import Bus, Entry, LiveCopy
from agentos.contracts.base import Contract, Token, Utc
from agentos.contracts.errors import Conflict

log = structlog.get_logger(__name__)


class HeldCall(Contract):
    """An entry."""

    call: Token
    at: Utc


class HeldCalls:
    """Run ``follow`` as a task. A copy in memory answers, so that asking costs a call nothing."""

    def __init__(self, bus: Bus, secret: bytes) -> None:
        self._bucket = bus.bucket("held")
        self._copy = LiveCopy(self._bucket, self._take)
        self._secret = secret
        self._entries: dict[str, HeldCall] = {}

    async def follow(self) -> None:
        """Follow the bucket for ever."""
        await self._copy.follow()

    async def ready(self) -> None:
        """Wait until every entry is known."""
        await self._copy.ready()

    def _take(self, entry: Entry) -> None:
        if entry.value is None:
            self._entries.pop(entry.key, None)
        else:
            self._entries[entry.key] = HeldCall.model_validate_json(entry.value)

    def place(self, tenant: str, key: str, path: str, body: bytes) -> str:
        """Where the call of this request would stand."""
        said = b"\0".join((tenant.encode(), key.encode(), path.encode(), body))
        return f"{tenant}.{hmac.digest(self._secret, said, 'sha256').hex()}"

    def find(self, place: str) -> str | None:
        """The id of the call that stands there."""
        entry = self._entries.get(place)
        return None if entry is None else entry.call

    async def note(self, place: str, call: str) -> None:
        """The call is held. The first one counts, where several like it are. Raises RetryLater."""
        if (standing := self._entries.get(place)) is not None and standing.call == call:
            return
        entry = HeldCall(call=call, at=datetime.now(UTC))
        try:
            await self._bucket.create(place, entry.model_dump_json().encode())
        except Conflict:
            log.info("held_already", call=call)
            return
        self._entries[place] = entry

    async def forget(self, place: str) -> None:
        """Its answer was given: the next request like it is a new one. Raises RetryLater."""
        if self._entries.pop(place, None) is not None:
            await self._bucket.delete(place)
