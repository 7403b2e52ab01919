"""A client's call, from its request to its settlement: published once, waited for, found again when its client comes back.

What ends the wait without an answer is an EndpointError. A client that goes away stops its call, unless it may come back for it: it
named an ``Idempotency-Key``, or the call waits for a person.
"""

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Literal

import structlog

from agentos.bus import Bus, Raw
from agentos.contracts.base import Sealed
from agentos.contracts.envelope import Recorded, digest
from agentos.contracts.errors import Conflict, RetryLater
from agentos.contracts.events.call import (
    CallAbandoned,
    CallContext,
    CallDecided,
    Inspected,
    ModelCallRequested,
    ModelCallSettled,
)
from agentos.contracts.ids import derived_id, new_id
from agentos.contracts.model import ModelResponse
from agentos.contracts.virtualkeys import VirtualKey
from agentos.keyring import KeyRing
from agentos.sealing import KeyErased, PlaceholderVault
from services.gateway.endpoint import errors
from services.gateway.endpoint.asked import Asked
from services.gateway.endpoint.data_keys import DataKeys
from services.gateway.endpoint.ears import Ear, Ears
from services.gateway.endpoint.errors import EndpointError
from services.gateway.endpoint.held import HeldCalls
from services.gateway.settings import Settings

log = structlog.get_logger(__name__)

REQUEST, RESPONSE, PLACEHOLDERS = "call.request", "call.response", "placeholders"
"""What sealed values are for."""
_GROUPS = 10_000
_AT_ONCE = 256
"""So many are published at the same time: of a crowd that comes at once each waits for its turn, and none for the broker in vain."""


class Gone(Exception):
    """The client has hung up: there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A request as it came in."""

    path: str
    body: bytes
    idempotency: str | None = None
    group: str | None = None
    """What the client groups the call under: calls of one group and key share placeholders, labels and history."""


@dataclass(slots=True)
class Call:
    """One request's wait for a call."""

    key: VirtualKey
    id: str
    task: str
    asked: Asked
    ear: Ear
    place: str | None
    """Where a retry without an Idempotency-Key would look for it, should it be held."""
    grouped: bool
    lasting: bool
    """Whether the client may come back for it."""
    gone: bool = False
    held_since: float | None = None

    def hang_up(self) -> None:
        """The client is gone."""
        self.gone = True
        self.ear.changed.set()


class Calls:
    """Everything that clients wait for here."""

    def __init__(self, bus: Bus, keys: KeyRing, ears: Ears, held: HeldCalls, data_keys: DataKeys, settings: Settings) -> None:
        self._bus = bus
        self._keys = keys
        self._ears = ears
        self._held = held
        self._data_keys = data_keys
        self._settings = settings
        self._secret = keys.derive("endpoint.user")
        self._groups: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._open: dict[str, set[Ear]] = {}
        self._beginning = asyncio.Semaphore(_AT_ONCE)

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))

    def revoke(self, key: VirtualKey) -> None:
        """Stop what runs with this key."""
        for ear in self._open.get(key.id, ()):
            ear.revoked = True
            ear.changed.set()

    # --- the beginning ------------------------------------------------------------------------------------------------

    async def begin(self, key: VirtualKey, asked: Asked, posted: Posted) -> Call:
        """Publish the call, or find the one that this request is a retry of. ``end`` what this begins. Raises EndpointError."""
        place = None
        id_ = new_id()
        if posted.idempotency is not None:
            id_ = derived_id("endpoint.call", key.tenant, key.id, posted.path, posted.idempotency)
        else:
            place = self._held.place(key.tenant, key.id, posted.path, posted.body)
            standing = self._held.find(place)
            if standing is not None and (joined := await self._join(key, asked, standing, place)) is not None:
                return joined
        task = await self._task(key, posted.group)
        call = Call(
            key, id_, task, asked, self._ears.open(key.tenant, id_), place, posted.group is not None,
            lasting=posted.idempotency is not None,
        )  # fmt: skip
        self._open.setdefault(key.id, set()).add(call.ear)
        try:
            async with self._beginning:
                await self._publish(call)
        except BaseException:
            self.end(call)
            raise
        return call

    def end(self, call: Call) -> None:
        """Wait no more."""
        self._ears.close(call.ear)
        mine = self._open.get(call.key.id)
        if mine is not None:
            mine.discard(call.ear)
            if not mine:
                del self._open[call.key.id]

    async def _task(self, key: VirtualKey, group: str | None) -> str:
        if group is None:
            return await self._data_keys.take(key.tenant)
        # Bound to the key: no client gets into what another one's calls have in common.
        task = derived_id("endpoint.task", key.tenant, key.id, group)
        if (key.tenant, task) not in self._groups:
            await self._keys.create(key.tenant, task)
            self._groups[(key.tenant, task)] = None
            if len(self._groups) > _GROUPS:
                self._groups.popitem(last=False)
        return task

    async def _publish(self, call: Call) -> None:
        requested = await self._requested(call)
        try:
            await self._bus.append("call.received", call.id, requested, tenant=call.key.tenant, correlation_id=call.task)
        except Conflict as conflict:
            # The Idempotency-Key was used before.
            self._same(call, conflict.fields.get("existing"), requested)
            await self._ears.look(call.ear)

    async def _requested(self, call: Call) -> ModelCallRequested:
        key, asked = call.key, call.asked
        request = asked.request
        if request.cache_key is not None:
            # Providers are told; what the client calls it may say who it is for.
            request = request.model_copy(update={"cache_key": self._digest(key.tenant, request.cache_key)})
        plain = request.__pydantic_serializer__.to_json(request)
        context = CallContext(
            task=call.task,
            attempt=1,
            step=0,
            task_type=key.task_type,
            pack=key.pack,
            agent=key.agent,
            untrusted=key.untrusted or asked.reads_others,
            instance=self._bus.instance,
            api_key=key.id,
            user=None if asked.user is None else self._digest(key.tenant, asked.user),
            alone=not call.grouped,
            uninspected=self._ears.uninspected(key.tenant, call.task) if call.grouped else (),
        )
        return ModelCallRequested(
            context=context,
            model=request.model,
            request=await self._seal(call, plain),
            digest=digest(plain),
            max_output_tokens=request.max_output_tokens,
            stream=asked.stream,
        )

    async def _seal(self, call: Call, plain: bytes) -> Sealed:
        try:
            return await self._keys.seal(call.key.tenant, call.task, REQUEST, plain)
        except KeyErased:
            raise EndpointError(
                400, "invalid_request", "group_erased", "what this Agentos-Task named was erased: send another one"
            ) from None

    def _digest(self, tenant: str, value: str) -> str:
        return hmac.digest(self._secret, f"{tenant}\0{value}".encode("utf-8", "surrogatepass"), "sha256").hex()[:32]

    def _same(self, call: Call, existing: object, requested: ModelCallRequested) -> None:
        """Whether what stands under this Idempotency-Key is this request. Raises EndpointError when it is another."""
        standing = existing.data if isinstance(existing, Recorded) else None
        if not isinstance(standing, ModelCallRequested) or standing.digest != requested.digest:
            raise EndpointError(
                422, "invalid_request", "idempotency_key_reused", "this Idempotency-Key was used with another request: send a new one",
                call=call.id,
            )  # fmt: skip
        call.task = standing.context.task

    async def _join(self, key: VirtualKey, asked: Asked, id_: str, place: str) -> Call | None:
        """The call that was held when a request like this one was told to come back; None where that is over."""
        ear = self._ears.open(key.tenant, id_)
        call = Call(key, id_, "", asked, ear, place, grouped=False, lasting=True)
        self._open.setdefault(key.id, set()).add(ear)
        try:
            await self._ears.look(ear)
            received, settled = await ear.fact(self._bus, "call.received"), await ear.fact(self._bus, "call.settled")
        except BaseException:
            self.end(call)
            raise
        over = settled is not None and datetime.now(UTC) - settled.meta.time > self._settings.hold_kept
        if received is None or over:
            self.end(call)
            await self._held.forget(place)
            return None
        call.task = received.payload(ModelCallRequested).context.task
        return call

    # --- the wait -----------------------------------------------------------------------------------------------------

    async def progress(self, call: Call, tick_s: float) -> AsyncGenerator[list[Raw]]:
        """What comes of the answer before it is settled, as pieces; none of them each time that nothing has come for ``tick_s``.

        Ends with the settlement. Raises EndpointError when there is nothing to wait for any more, Gone when there is no one who waits.
        """
        ear, began = call.ear, monotonic()
        while not ear.has("call.settled"):
            if call.gone:
                raise Gone
            if ear.revoked:
                raise EndpointError(401, "authentication", "invalid_api_key", "the virtual key was revoked", call=call.id)
            now = monotonic()
            if ear.has("approval.requested") and not ear.has("approval.resolved"):
                if call.held_since is None:
                    call.held_since = began = now
                    call.lasting = True
                    if call.place is not None:
                        await self._held.note(call.place, call.id)
                left = self._settings.hold_wait.total_seconds() - (now - call.held_since)
                if left <= 0:
                    raise errors.held(call.id, max(1, round(self._settings.hold_retry_after.total_seconds())))
            else:
                left = self._settings.endpoint_call_timeout.total_seconds() - (now - began)
                if left <= 0:
                    raise EndpointError(504, "timeout", "call_timeout", "the call took too long and was stopped", call=call.id)
            yield ear.pieces()
            await self._ears.wait(ear, min(tick_s, left))

    async def allowed(self, call: Call) -> bool:
        """Whether the verdict is known, and lets the call be made at once."""
        decided = await call.ear.fact(self._bus, "call.decided")
        return decided is not None and decided.payload(CallDecided).verdict == "allow"

    async def vault(self, call: Call) -> PlaceholderVault:
        """What the pieces of the answer hold placeholders for."""
        decided = await call.ear.fact(self._bus, "call.decided")
        if decided is None:
            await self._ears.look(call.ear)
            decided = await call.ear.fact(self._bus, "call.decided")
        sealed = None if decided is None else decided.payload(CallDecided).placeholders
        if sealed is None:
            raise RetryLater(f"the decision on call {call.id} cannot be read", code="not_decided")
        return await self._keys.open_model(call.key.tenant, PLACEHOLDERS, sealed, PlaceholderVault)

    async def outcome(self, call: Call) -> tuple[ModelResponse, PlaceholderVault]:
        """The answer of a settled call, as the provider gave it, and what restores it. Raises EndpointError where there is none.

        Its notes begin with those on the request.
        """
        recorded = await call.ear.fact(self._bus, "call.settled")
        if recorded is None:
            raise RetryLater(f"the settlement of call {call.id} cannot be read", code="not_settled")
        settled = recorded.payload(ModelCallSettled)
        if settled.outcome != "completed" or settled.response is None:
            await self._fetched(call)
            raise errors.of_settled(recorded, call.key)
        if settled.inspect_first:
            await self._inspected(call)
        elif call.grouped and not call.ear.has("call.inspected"):
            self._ears.answered(call.key.tenant, call.id, call.task)
        tenant = call.key.tenant
        try:
            vault = PlaceholderVault()
            if settled.placeholders is not None:
                vault = await self._keys.open_model(tenant, PLACEHOLDERS, settled.placeholders, PlaceholderVault)
            response = await self._keys.open_model(tenant, RESPONSE, settled.response, ModelResponse)
        except KeyErased:
            raise EndpointError(400, "invalid_request", "erased", "what this call was about was erased", call=call.id) from None
        await self._fetched(call)
        if call.asked.notes:
            response = response.model_copy(update={"notes": (*call.asked.notes, *response.notes)})
        return response, vault

    async def _inspected(self, call: Call) -> None:
        """The client sees nothing before policy has looked at it."""
        until = monotonic() + self._settings.endpoint_call_timeout.total_seconds()
        while (seen := await call.ear.fact(self._bus, "call.inspected")) is None:
            if call.gone:
                raise Gone
            if monotonic() > until:
                raise errors.unavailable("not_inspected", "policy has not looked at the answer yet: try again", call.id)
            await self._ears.wait(call.ear, 60)
        verdict = seen.payload(Inspected)
        if verdict.verdict != "allow":
            raise errors.withheld(call.id, seen.meta.event_id, verdict.reasons)

    async def _fetched(self, call: Call) -> None:
        """The client gets what it waited for: the next request like it asks anew."""
        if call.place is not None and call.lasting:
            with suppress(RetryLater):  # it is over after ``hold_kept`` at the latest
                await self._held.forget(call.place)

    async def abandon(self, call: Call, reason: Literal["disconnected", "key_revoked", "timed_out"]) -> None:
        """Nobody waits for the call any more: have it stopped, unless it is over or its client may come back for it."""
        if call.ear.has("call.settled") or (call.lasting and reason == "disconnected"):
            return
        try:
            await self._bus.append(
                "call.abandoned", call.id, CallAbandoned(reason=reason), tenant=call.key.tenant, correlation_id=call.task
            )
        except (Conflict, RetryLater) as fault:
            # Said before; or the broker is away, and the call ends by itself.
            log.info("not_abandoned", call=call.id, code=fault.code)
