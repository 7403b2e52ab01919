"""Dealing with dead letters: what is known of one, its message, and the one fact that settles it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from agentos.contracts.base import Json
from agentos.contracts.channels import BY_NAME
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import Conflict, NeverRetry
from agentos.contracts.events.governance import DeadLetter, DeadLetterSettled
from agentos.contracts.ids import is_token
from services.gateway import ledger
from services.gateway.identity.callers import Caller
from services.gateway.problems import Problem
from services.gateway.state import Gateway

SETTLED = "deadletter.settled"
NOBODYS = "unknown"
"""The tenant of what does not say whose it is."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that nobody took."""

    headers: Mapping[str, str]
    body: bytes


def sees_nobodys(gateway: Gateway, tenant: str) -> bool:
    """Whether the tenant is the installation's own: only there are letters shown that do not say whose they are."""
    return tenant == gateway.settings.tenant


async def row_of(gateway: Gateway, tenant: str, letter: int) -> dict[str, Any]:
    """What the ledger has of a dead letter. Raises NotFound."""
    data = await ledger.ask(
        gateway.bus, gateway.answers, tenant, "deadletters.get", seq=letter, nobodys=sees_nobodys(gateway, tenant)
    )
    return cast("dict[str, Any]", data["dead_letter"])


def retryable(row: Mapping[str, Any]) -> bool:
    """Whether the message is still there, and its service tries again what it is told to."""
    return bool(row.get("kept")) and row.get("service") in BY_NAME[SETTLED].readers


async def message_of(gateway: Gateway, row: Mapping[str, Any]) -> Message | None:
    """The message; None where it is gone, or was never kept."""
    if row["stream"] == "EVENTS":
        raw = await gateway.bus.at("EVENTS", int(row["message_seq"]))
        return None if raw is None else Message(raw.headers, raw.body)
    buried = await gateway.bus.at("DLQ", int(row["seq"]))
    if buried is None or not buried.subject.startswith("dlq."):
        return None
    try:
        letter = (await gateway.bus.decode(buried)).data
    except NeverRetry:
        return None
    kept = letter.message if isinstance(letter, DeadLetter) else None
    return None if kept is None else Message(kept.headers, kept.body)


def readable(body: bytes) -> Json:
    """A payload for a person: sealed parts are marked; what is no JSON is shown as the text that it can be read as."""
    try:
        return ledger.without_ciphertext(json.loads(body))
    except (ValueError, RecursionError):
        return body[:10_000].decode("utf-8", "replace")


async def settle(gateway: Gateway, caller: Caller, letter: int, outcome: Literal["retried", "discarded"], reason: str) -> bool:
    """Write down what is to become of a dead letter, once; whether that stood already.

    The fact is also what its service acts on, so that a second click, or a second person, finds it done. Raises NotFound, a 403
    problem for what does not say whose it is when the caller may not settle that, and a 409 problem when the other was decided before,
    or there is nothing to try again.
    """
    row = await row_of(gateway, caller.tenant, letter)
    if row["tenant"] != caller.tenant and not await gateway.authorizer.allowed(caller, "deadletters.adopt"):
        raise Problem(403, "forbidden", "it does not say whose it is: only an administrator of the installation settles it")
    if outcome == "retried" and not retryable(row):
        raise Problem(409, "not_retryable", "the message is gone, or nobody waits for it any more: discard it", settled=True)
    fact = DeadLetterSettled(
        outcome=outcome,
        letter=letter,
        service=row["service"] if is_token(row["service"] or "") else NOBODYS,
        reason=reason,
        by=caller.principal,
    )
    tenant = row["tenant"] if is_token(row["tenant"]) else NOBODYS
    correlation = row["correlation_id"] if is_token(row["correlation_id"] or "") else f"deadletter-{letter}"
    try:
        done = await gateway.bus.append(SETTLED, str(letter), fact, tenant=tenant, correlation_id=correlation)
    except Conflict as taken:
        standing = cast("Recorded | None", taken.fields.get("existing"))
        if standing is None or not isinstance(standing.data, DeadLetterSettled) or standing.data.outcome != outcome:
            raise Problem(409, "settled_otherwise", f"dead letter {letter} was not {outcome}: somebody was first") from None
        return True
    return done.duplicate
