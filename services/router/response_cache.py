"""Answers that are given again to exactly the same redacted request of the same tenant.

What is kept of an answer is sealed with the data key of the task that paid for it, so that it dies with that task's data: outside stand
digests, money and names of models. Two tasks about different people may ask the same in the end, for their redacted requests hold
placeholders: the answer holds them too, and each task restores them from its own vault. Nothing of a vault is kept here.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from pydantic import ValidationError

from agentos.bus import Bus
from agentos.contracts.base import Contract, Sealed, Utc
from agentos.contracts.envelope import encode_body
from agentos.contracts.errors import AgentOSError, Conflict, NeverRetry
from agentos.contracts.events.call import CallDecided
from agentos.contracts.model import Cost, ModelRequest, ModelResponse, ToolCallPart, Usage
from agentos.contracts.routing import CacheHit
from agentos.keyring import KeyRing
from agentos.telemetry import counter
from services.router.attempts import utc_now
from services.router.choosing import Plan
from services.router.configuration import CacheSettings
from services.router.execution import Ending
from services.router.settling import key_of

log = structlog.get_logger(__name__)

__all__ = ["Hit", "ResponseCache", "Reuse"]

PURPOSE = "call.cached"
"""What a kept answer is sealed for."""
LARGEST_BYTES = 512 * 1024
"""Larger answers are not kept: an entry is one message of the broker."""


class Kept(Contract):
    """An answer as bucket ``responses`` holds it. ``response`` seals the ModelResponse with the key of the task that paid for it."""

    call: str
    at: Utc
    target: str
    response: Sealed
    saved: Cost
    saved_usage: Usage


@dataclass(frozen=True, slots=True)
class Hit:
    """An answer that was given before."""

    response: ModelResponse
    target: str
    cached: CacheHit


@dataclass(frozen=True, slots=True)
class Reuse:
    """That and how an answer to a request may be given again. ``name`` is its key in the bucket."""

    name: str
    settings: CacheSettings


class ResponseCache:
    """One per router instance. Whatever goes wrong with it, a call goes on as if there were none."""

    def __init__(self, bus: Bus, keys: KeyRing, now: Callable[[], datetime] = utc_now) -> None:
        self._bucket = bus.bucket("responses")
        self._keys, self._now = keys, now
        self._leading: dict[str, asyncio.Future[None]] = {}
        self._looks = counter("agentos_response_cache_total", "Calls whose answer could have been kept.", ("result",))

    def reuse(self, tenant: str, decided: CallDecided, request: ModelRequest, plan: Plan) -> Reuse | None:
        """None where an earlier answer may not be given, or none is kept: by configuration, by the request, by policy."""
        if plan.cache is None or not request.reuse or decided.obligations.get("cache", True) is not True:
            return None
        # Of the alias what counts is what it stands for: another order of the same targets gives the same answers.
        digest = hashlib.sha256("\n".join(sorted(one.target for one in plan.routing.candidates)).encode())
        digest.update(b"\0" + encode_body(request))
        return Reuse(f"{tenant}.{digest.hexdigest()}", plan.cache)

    @asynccontextmanager
    async def turn(self, reuse: Reuse) -> AsyncGenerator[None]:
        """Of equal requests at the same time one goes first, and the others wait until its answer is kept, or it has none.

        Those that waited go on together: where the first has failed they do not line up behind each other.
        """
        if (first := self._leading.get(reuse.name)) is not None:
            await asyncio.wait({first})
            yield
            return
        mine = self._leading[reuse.name] = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            del self._leading[reuse.name]
            mine.set_result(None)

    async def get(self, tenant: str, reuse: Reuse, plan: Plan) -> Hit | None:
        """The kept answer, if it is young enough and of a target that may serve this call too."""
        try:
            hit = await self._look(tenant, reuse, plan)
        except AgentOSError as fault:
            log.info("cached_answer_not_read", code=fault.code)
            hit = None
        self._looks.labels("miss" if hit is None else "hit").inc()
        return hit

    async def keep(self, tenant: str, call: str, decided: CallDecided, reuse: Reuse, ending: Ending) -> None:
        """Keep the answer of a call that was settled, if it is a whole one."""
        last, response = ending.last, ending.response
        if last is None or response is None or not _whole(ending, reuse.settings):
            return
        plain = encode_body(response)
        if len(plain) > LARGEST_BYTES:
            return
        try:
            kept = Kept(
                call=call,
                at=self._now(),
                target=last.target,
                response=await self._keys.seal(tenant, key_of(decided), _purpose(reuse), plain),
                saved=last.cost or Cost(usd=Decimal(0), priced=False),
                saved_usage=last.usage,
            )
            await self._bucket.put(reuse.name, encode_body(kept))
        except AgentOSError as fault:
            log.info("answer_not_kept", call=call, code=fault.code)

    async def _look(self, tenant: str, reuse: Reuse, plan: Plan) -> Hit | None:
        entry = await self._bucket.get(reuse.name)
        if entry is None:
            return None
        try:
            kept = Kept.model_validate_json(entry.value or b"")
        except ValidationError:
            log.warning("cached_answer_unreadable", key=reuse.name)
            return None
        age = self._now() - kept.at
        may_serve = {one.target for one in plan.routing.candidates if not one.rejected}
        if age >= timedelta(seconds=reuse.settings.ttl_s) or kept.target not in may_serve:
            return None
        try:
            response = await self._keys.open_model(tenant, _purpose(reuse), kept.response, ModelResponse)
        except NeverRetry as gone:
            # Its task was erased, or the entry is not what was written here: of no use to anyone any more.
            log.info("cached_answer_gone", code=gone.code)
            try:
                await self._bucket.delete(reuse.name, entry.revision)
            except Conflict:
                log.debug("cached_answer_replaced", key=reuse.name)
            return None
        if not reuse.settings.tool_calls and _asks_for_tools(response):
            return None
        hit = CacheHit(call=kept.call, age_s=max(0, int(age.total_seconds())), saved=kept.saved, saved_usage=kept.saved_usage)
        return Hit(response, kept.target, hit)


def _purpose(reuse: Reuse) -> str:
    """Bound to the request, so that no entry can be passed off as the answer to another one."""
    return f"{PURPOSE} {reuse.name}"


def _whole(ending: Ending, settings: CacheSettings) -> bool:
    """Whether an answer came to its own end, in one piece."""
    last, response = ending.last, ending.response
    if ending.outcome != "completed" or ending.fault is not None or last is None or response is None:
        return False
    if last.outcome != "completed" or last.continues or response.finish_reason not in ("stop", "length", "tool_calls"):
        return False
    return settings.tool_calls or not _asks_for_tools(response)


def _asks_for_tools(response: ModelResponse) -> bool:
    return any(isinstance(part, ToolCallPart) for part in response.parts)
