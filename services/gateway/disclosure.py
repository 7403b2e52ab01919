"""Showing what is sealed. Each time the log says first who is shown what and why; where it cannot, nothing is shown."""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from agentos.bus import Bus
from agentos.contracts.base import Contract, Json, Sealed
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import Conflict, NotFound
from agentos.contracts.events.privacy import PayloadRevealed
from agentos.contracts.ids import derived_id, is_token
from agentos.contracts.subjects import EventSubject
from agentos.sealing import KeyErased, PlaceholderVault, restore_json
from services.gateway import ledger
from services.gateway.identity.callers import Caller
from services.gateway.problems import FieldError, Problem
from services.gateway.state import Gateway

PLACEHOLDERS = "placeholders"


async def announce(bus: Bus, tenant: str, id_: str, fact: PayloadRevealed) -> None:
    """Write down who is about to be shown what. Raises RetryLater without the broker, a 422 problem when ``id_`` says something else."""
    try:
        await bus.append("payload.revealed", id_, fact, tenant=tenant, correlation_id=fact.task or id_)
    except Conflict as taken:
        standing: Any = taken.fields.get("existing")
        if standing is None or standing.data != fact:
            detail = "this Idempotency-Key was used with another body: send a new key with a new request"
            raise Problem(422, "idempotency_key_reused", detail) from None


async def note_result(gateway: Gateway, caller: Caller, task: str, settled: Recorded, sealed: Sealed) -> None:
    """Somebody else than who asked for the task reads its result: once an hour and reader stands in the log, however often they look.

    Raises KeyErased before anything is written when there is nothing left to read.
    """
    await gateway.keyring.data_key(caller.tenant, sealed.key)
    hour = datetime.now(UTC).strftime("%Y-%m-%dT%H")
    fact = PayloadRevealed(
        what="result", families=(sealed.key,), task=task, event=settled.subject, field="result", purpose=sealed.purpose,
        reason="the task was looked at", by=caller.principal,
    )  # fmt: skip
    id_ = derived_id("result", caller.tenant, settled.subject, caller.principal.id, hour)
    with suppress(Conflict):  # this hour's stands already
        await gateway.bus.append("payload.revealed", id_, fact, tenant=caller.tenant, correlation_id=task)


async def reveal(gateway: Gateway, caller: Caller, id_: str, event: str, field: str | None, reason: str) -> dict[str, Any]:
    """Open one sealed field of one event.

    Raises NotFound, KeyErased, and a 422 problem that lists the sealed fields where ``field`` is none of them.
    """
    recorded = await _event(gateway, caller.tenant, event)
    found = dict(sealed_fields(recorded.data))
    name = field if field is not None else next(iter(found), None) if len(found) == 1 else None
    if name is None or name not in found:
        detail = f"the event's sealed fields are: {', '.join(found) or 'none'}"
        raise Problem(422, "invalid_request", f"field: {detail}", errors=[FieldError(field="field", detail=detail)])
    sealed = found[name]
    await gateway.keyring.data_key(caller.tenant, sealed.key)  # an erased one is told of, and nobody was shown anything
    subject = EventSubject.parse(recorded.subject)
    fact = PayloadRevealed(
        what="reveal", families=(sealed.key,), task=_task(recorded), event=recorded.subject, field=name, purpose=sealed.purpose,
        reason=reason, by=caller.principal,
    )  # fmt: skip
    await announce(gateway.bus, caller.tenant, id_, fact)
    value = clear(await gateway.keyring.open(caller.tenant, sealed.purpose, sealed))
    answer: dict[str, Any] = {
        "id": id_, "event": recorded.subject, "type": f"{subject.aggregate}.{subject.fact}", "field": name, "purpose": sealed.purpose,
        "value": value,
    }  # fmt: skip
    if name != PLACEHOLDERS and PLACEHOLDERS in found:
        answer["restored"] = restore_json(value, await vault(gateway, caller.tenant, found[PLACEHOLDERS]))
    return answer


async def vault(gateway: Gateway, tenant: str, sealed: Sealed) -> PlaceholderVault:
    """The placeholder map that an event carries."""
    return await gateway.keyring.open_model(tenant, PLACEHOLDERS, sealed, PlaceholderVault)


async def _event(gateway: Gateway, tenant: str, event: str) -> Recorded:
    subject = event
    if not event.startswith("evt."):
        subject = str((await ledger.ask(gateway.bus, gateway.answers, tenant, "events.find", id=event))["subject"])
    tokens = subject.split(".")
    # A wildcard would read some other event than the one that is named.
    whole = len(tokens) in (5, 6) and all(map(is_token, tokens))
    found = await gateway.bus.get(subject) if whole and tokens[1] == tenant else None
    if found is None:
        raise NotFound(f"there is no event {event[:300]!r}")
    return found


def _task(recorded: Recorded) -> str | None:
    """The task that an event belongs to, where it says so."""
    subject = EventSubject.parse(recorded.subject)
    if subject.aggregate in ("task", "log"):
        return subject.id
    return getattr(getattr(recorded.data, "context", None), "task", None)


def sealed_fields(value: Any, path: str = "") -> Iterator[tuple[str, Sealed]]:
    """Every sealed part of a payload, by its dotted path."""
    match value:
        case Sealed():
            yield path, value
        case Contract():
            for name in type(value).model_fields:
                yield from sealed_fields(getattr(value, name), f"{path}.{name}" if path else name)
        case list() | tuple():
            for number, one in enumerate(value):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - any sequence
                yield from sealed_fields(one, f"{path}.{number}")
        case _:
            return


def clear(content: bytes) -> Json:
    """Opened content as JSON; text that is none stays text."""
    try:
        return json.loads(content)
    except ValueError:
        return content.decode("utf-8", "replace")


async def opened(gateway: Gateway, tenant: str, sealed: Sealed | None, map_: Sealed | None = None) -> Json:
    """The clear value of a sealed part, with the values of ``map_`` in place of their placeholders; a marker where it was erased."""
    if sealed is None:
        return None
    try:
        value = clear(await gateway.keyring.open(tenant, sealed.purpose, sealed))
        return value if map_ is None else restore_json(value, await vault(gateway, tenant, map_))
    except KeyErased:
        return {"erased": True}
