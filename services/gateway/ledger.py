"""What the gateway asks the ledger, by name, and how its answers become the API's."""

from datetime import timedelta
from typing import Any, Literal, cast

from agentos.bus import Bus
from agentos.contracts.commands import Query
from agentos.contracts.ids import new_id
from services.gateway import positions
from services.gateway.answers import Answers
from services.gateway.problems import Problem

What = Literal[
    "tasks.list", "tasks.get", "tasks.events", "approvals.list", "approvals.get", "calls.get", "calls.recorded", "events.list", "cost",
    "costs.routing",
    "packs.stats", "agents.metrics", "agents.log",
    "ledger.status", "audit.status", "audit.verify", "audit.export", "audit.prove", "audit.consistency",
    "system.pulse", "system.overview", "tasks.stats", "tasks.timeline", "decisions.list", "tasks.family", "calls.family", "events.find",
    "policy.hits", "deadletters.list", "deadletters.get", "events.search", "kill.list",
]  # fmt: skip

VERIFY_TIMEOUT = timedelta(seconds=50)
"""Recomputing a long chain takes its time; a query older than a minute is dropped by its stream."""

_SEALED = frozenset({"alg", "key", "purpose", "nonce", "ciphertext"})


async def ask(bus: Bus, answers: Answers, tenant: str, what: What, **arguments: Any) -> dict[str, Any]:
    """The data of the ledger's answer; arguments that are None are left out. Raises the problem of its refusal, or a 503.

    Where the reader was told of an event, what is answered is as new, if the ledger can be there in a moment (``positions``).
    """
    told = positions.current()
    if told is None or told.behind or "min_seq" in arguments:
        return await _ask(bus, answers, tenant, what, arguments)
    try:
        return await _ask(bus, answers, tenant, what, {**arguments, "min_seq": told.position, "wait_ms": positions.WAIT_MS})
    except Problem as problem:
        if problem.code != "behind":
            raise
        told.behind = True
        return await _ask(bus, answers, tenant, what, arguments)


async def _ask(bus: Bus, answers: Answers, tenant: str, what: What, arguments: dict[str, Any]) -> dict[str, Any]:
    request = new_id()
    given = {name: value for name, value in arguments.items() if value is not None}
    query = Query(tenant=tenant, arguments=given)

    async def send() -> None:
        # A name of two words is one token of the subject.
        await bus.send("ledger.query", (what.replace(".", "-"), request), query, tenant=tenant, correlation_id=request)

    data = (await answers.need(request, send, timeout=VERIFY_TIMEOUT if what == "audit.verify" else None)).data
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {}


def page(data: dict[str, Any], name: str) -> dict[str, Any]:
    """A list of the ledger as a page of the API."""
    return {"items": data.get(name, []), "next_cursor": data.get("cursor")}


def events_page(data: dict[str, Any]) -> dict[str, Any]:
    """Rows of events as a page of the API; ``next_cursor`` is the sequence to go on after."""
    after = data.get("after")
    return {"items": [event(row) for row in data.get("events", [])], "next_cursor": None if after is None else str(after)}


def event(row: dict[str, Any]) -> dict[str, Any]:
    """A row of ``events`` as the API and the live stream show an event."""
    shown = {name: row.get(name) for name in ("seq", "subject", "event_id", "correlation_id", "causation_id", "problem")}
    data = without_ciphertext(row.get("body"))
    return {
        **shown,
        "type": f"{row.get('aggregate')}.{row.get('fact')}",
        "time": row.get("sent_at") or row.get("time"),
        "data": data,
    }


def without_ciphertext(value: Any) -> Any:
    """Sealed parts are marked, not shown: nobody reads them, and they are long."""
    match value:
        case dict():
            fields = cast("dict[str, Any]", value)
            if fields.keys() == _SEALED:
                return {"sealed": fields["purpose"]}
            return {name: without_ciphertext(inner) for name, inner in fields.items()}
        case list():
            return [without_ciphertext(inner) for inner in cast("list[Any]", value)]
        case _:
            return value
