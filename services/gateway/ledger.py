"""What the gateway asks the ledger, by name, and how."""

from typing import Any, Literal

from agentos.bus import Bus
from agentos.contracts.commands import Query
from agentos.contracts.ids import new_id
from services.gateway.answers import Answers

What = Literal[
    "tasks", "task", "task-events", "approvals", "approval", "calls", "call", "cost", "packs", "events",
    "audit-status", "audit-verify", "audit-export", "health",
]  # fmt: skip


async def ask(bus: Bus, answers: Answers, tenant: str, what: What, **arguments: Any) -> Any:
    """The data of the ledger's answer. Raises the problem of its refusal, or a 503."""
    request = new_id()
    given = {name: value for name, value in arguments.items() if value is not None}

    async def send() -> None:
        await bus.send(
            "ledger.query", (what, request), Query(tenant=tenant, arguments=given), tenant=tenant, correlation_id=request
        )

    return (await answers.need(request, send)).data
