"""``Idempotency-Key``: the first answer to a key is every answer to it (draft-ietf-httpapi-idempotency-key-header).

The reservation is a bucket's create(), so that of any number of gateways one works and the others say 409. Ids of tasks,
commands and keys are derived from principal, path and key: work that a crash cut off is done again as the same work.
Stored answers are sealed, for one may hold a new API key.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

import structlog
from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict

from agentos.bus import Bus
from agentos.contracts.base import Sealed, Utc
from agentos.contracts.envelope import digest
from agentos.contracts.errors import AgentOSError, Conflict
from agentos.contracts.ids import derived_id
from agentos.keyring import KeyRing
from services.gateway.identity.callers import Caller
from services.gateway.problems import Problem, respond

HEADER = "idempotency-key"
REPLAYED = "Idempotent-Replayed"
KEY, PURPOSE = "idempotency", "idempotency.answer"
"""Name and purpose of the data key that seals stored answers, one a tenant."""
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_KEPT_HEADERS = ("location", "content-type", "etag")

log = structlog.get_logger(__name__)


class Stored(BaseModel):
    """A bucket entry: a reservation, or an answer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: Literal["working", "done"]
    body_digest: str
    at: Utc
    status: int = 0
    headers: dict[str, str] = {}
    answer: Sealed | None = None


def scope(caller: Caller, path: str, key: str) -> str:
    """The id that everything made under this key derives from."""
    return derived_id("idempotency", caller.tenant, caller.principal.id, path, key)


def check_key(key: str) -> None:
    """Raises a 400 problem for an Idempotency-Key that is none."""
    if _KEY.fullmatch(key) is None:
        raise Problem(
            400, "idempotency_key_malformed", "Idempotency-Key must be 1 to 255 printable ASCII characters without spaces"
        )


class Idempotency:
    """Runs a request once per key."""

    def __init__(self, bus: Bus, keys: KeyRing, *, abandoned_after: timedelta) -> None:
        self._bucket = bus.bucket("idempotency")
        self._keys = keys
        self._abandoned_after = abandoned_after

    async def once(
        self, request: Request, caller: Caller, key: str, body: bytes, work: Callable[[], Awaitable[Response]]
    ) -> Response:
        """The first answer to ``key``. A fault of ours (5xx, an exception) is not kept: the same key may try again."""
        check_key(key)
        id_ = scope(caller, request.url.path, key)
        fresh = Stored(state="working", body_digest=digest(body), at=datetime.now(UTC))
        try:
            revision = await self._bucket.create(id_, fresh.model_dump_json().encode())
        except Conflict:
            found = await self._replay(id_, caller.tenant, fresh)
            if isinstance(found, Response):
                return found
            revision = found
        # A sender that hangs up must not leave the key reserved.
        return await asyncio.shield(self._work(request, caller.tenant, id_, revision, fresh, work))

    async def _work(
        self, request: Request, tenant: str, id_: str, revision: int, fresh: Stored, work: Callable[[], Awaitable[Response]]
    ) -> Response:
        try:
            response = await work()
        except Problem as problem:
            if not problem.settled:
                await self._release(id_)
                raise
            response = respond(problem, request)
        except BaseException:
            await self._release(id_)
            raise
        kept = {name: value for name, value in response.headers.items() if name in _KEPT_HEADERS}
        await self._keys.create(tenant, KEY)
        answer = await self._keys.seal(tenant, KEY, PURPOSE, bytes(response.body))
        done = fresh.model_copy(update={"state": "done", "status": response.status_code, "headers": kept, "answer": answer})
        try:
            await self._bucket.update(id_, done.model_dump_json().encode(), revision)
        except Conflict:
            log.warning("another request took over this Idempotency-Key while we worked", scope=id_)
        return response

    async def _release(self, id_: str) -> None:
        try:
            await self._bucket.delete(id_)
        except AgentOSError as away:
            log.warning("the Idempotency-Key stays reserved until it counts as abandoned", scope=id_, code=away.code)

    async def _replay(self, id_: str, tenant: str, fresh: Stored) -> Response | int:
        """The stored answer; or the revision of a reservation that we took over from a gateway that crashed."""
        entry = await self._bucket.get(id_)
        if entry is None or entry.value is None:
            raise _in_flight()
        stored = Stored.model_validate_json(entry.value)
        if stored.body_digest != fresh.body_digest:
            raise Problem(
                422,
                "idempotency_key_reused",
                "this Idempotency-Key was used with another body: send a new key with a new request",
            )
        if stored.state == "done" and stored.answer is not None:
            body = await self._keys.open(tenant, PURPOSE, stored.answer)
            return Response(body, status_code=stored.status, headers={**stored.headers, REPLAYED: "true"})
        if fresh.at - stored.at < self._abandoned_after:
            raise _in_flight()
        try:
            return await self._bucket.update(id_, fresh.model_dump_json().encode(), entry.revision)
        except Conflict:
            raise _in_flight() from None


def _in_flight() -> Problem:
    return Problem(
        409,
        "idempotency_key_in_flight",
        "the first request with this Idempotency-Key is still being worked on",
        headers={"Retry-After": "1"},
    )
