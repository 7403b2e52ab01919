"""What the gateway asks services other than the ledger, and decisions and calls gathered for them from the ledger."""

from datetime import timedelta
from typing import Any, Literal, cast

from agentos.contracts.base import Json
from agentos.contracts.commands import Query
from agentos.contracts.ids import new_id
from services.gateway import ledger
from services.gateway.state import Gateway

Service = Literal["policy", "router", "gates"]

THINKING_TIME = timedelta(seconds=50)
"""For what is computed anew over many recorded events; a query older than a minute is dropped by its stream."""


async def ask(
    gateway: Gateway, tenant: str, service: Service, what: str, arguments: dict[str, Json] | None = None
) -> dict[str, Any]:
    """The data of the answer. Raises the problem of its refusal, or a 503."""
    request = new_id()
    query = Query(tenant=tenant, arguments=arguments or {})

    async def send() -> None:
        await gateway.bus.send(f"{service}.query", (what, request), query, tenant=tenant, correlation_id=request)

    data = (await gateway.answers.need(request, send, timeout=THINKING_TIME)).data
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {}


async def recorded_calls(gateway: Gateway, tenant: str, most_events: int) -> list[dict[str, Any]]:
    """Decisions, attempts and settlements of model calls, newest first."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while len(found) < most_events:
        data = await ledger.ask(
            gateway.bus, gateway.answers, tenant, "calls.recorded", limit=min(500, most_events - len(found)), cursor=cursor
        )
        found += [ledger.event(row) for row in data.get("events", [])]
        cursor = data.get("cursor")
        if cursor is None:
            break
    return found


async def past_decisions(gateway: Gateway, tenant: str, last: int, kind: str | None) -> list[dict[str, Any]]:
    """Decisions with the questions that they answer, newest first."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while len(found) < last:
        data = await ledger.ask(
            gateway.bus, gateway.answers, tenant, "decisions.list", limit=min(500, last - len(found)), kind=kind, cursor=cursor
        )
        found += [ledger.event(row) for row in data.get("decisions", [])]
        cursor = data.get("cursor")
        if cursor is None:
            break
    return found
