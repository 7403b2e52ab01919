"""The right of access: all that is held about a task family or a person, in clear, with times, purposes and recipients."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import NotFound
from agentos.contracts.events.call import CallDecided, ModelCallRequested, ModelCallSettled, ToolCallRequested, ToolCallSettled
from agentos.contracts.events.privacy import PayloadRevealed
from agentos.contracts.events.task import LogWritten, TaskSettled, TaskSubmitted
from services.gateway import disclosure, ledger
from services.gateway.disclosure import opened
from services.gateway.erasure import Target, tasks_of
from services.gateway.identity.callers import Caller
from services.gateway.state import Gateway

FORMAT, VERSION = "agentos-privacy-export", 1


async def export(gateway: Gateway, caller: Caller, id_: str, wanted: Target, reason: str) -> dict[str, Any]:
    """Everything, as JSON. Who asked and why stands in the log first. Raises NotFound when nothing is held."""
    if not wanted.families:
        raise NotFound("nothing is held about this subject")
    fact = PayloadRevealed(
        what="export", families=wanted.families, task=wanted.task, person=wanted.person, reason=reason, by=caller.principal
    )
    await disclosure.announce(gateway.bus, caller.tenant, id_, fact)
    rows = await tasks_of(gateway, caller.tenant, wanted.families)
    return {
        "format": FORMAT,
        "version": VERSION,
        "id": id_,
        "made_at": datetime.now(UTC).isoformat(),
        "families": list(wanted.families),
        "tasks": [await _task(gateway, caller.tenant, row) for row in rows],
        "calls": await _calls_without_task(gateway, caller.tenant, wanted.families, {str(row["id"]) for row in rows}),
    }


async def _calls_without_task(gateway: Gateway, tenant: str, families: Sequence[str], tasks: set[str]) -> list[dict[str, Any]]:
    """What clients of the governed endpoint asked: such a family is a call, or a group of them, and has no task."""
    others = [family for family in families if family not in tasks]
    if not others:
        return []
    rows = (await ledger.ask(gateway.bus, gateway.answers, tenant, "calls.family", families=others))["calls"]
    return [await _call(gateway, tenant, row) for row in cast("list[dict[str, Any]]", rows)]


async def _task(gateway: Gateway, tenant: str, row: dict[str, Any]) -> dict[str, Any]:
    told = {name: row.get(name) for name in ("id", "family", "type", "pack", "submitted_at", "settled_at", "erased_at")}
    told |= {"purpose": row.get("type"), "requester": row.get("requester"), "input": None, "result": None}
    for event in await gateway.bus.load(tenant, "task", str(row["id"])):
        match event.data:
            case TaskSubmitted():
                told["input"] = await opened(gateway, tenant, event.data.input)
            case TaskSettled():
                told["result"] = await opened(gateway, tenant, event.data.result)
            case _:
                continue
    told["logs"] = [
        {"attempt": event.data.attempt, "lines": await opened(gateway, tenant, event.data.lines)}
        for event in await gateway.bus.load(tenant, "log", str(row["id"]))
        if isinstance(event.data, LogWritten) and event.data.lines is not None
    ]
    listed = await ledger.ask(gateway.bus, gateway.answers, tenant, "tasks.get", id=row["id"])
    calls = cast("list[dict[str, Any]]", listed.get("calls", []))
    told["calls"] = [await _call(gateway, tenant, call) for call in calls]
    told["approvals"] = [
        {
            name: approval.get(name)
            for name in ("id", "kind", "summary", "preview", "state", "requested_at", "resolved_at", "resolved_by")
        }
        for approval in cast("list[dict[str, Any]]", listed.get("approvals", []))
    ]
    return told


async def _call(gateway: Gateway, tenant: str, row: dict[str, Any]) -> dict[str, Any]:
    """A model or tool call: what was asked, what left the house and to whom, what came back."""
    model = row.get("kind") == "model"
    told: dict[str, Any] = {"id": row["id"], "kind": row.get("kind"), "outcome": row.get("outcome"), "recipient": None}
    for event in await gateway.bus.load(tenant, "call" if model else "tool", str(row["id"])):
        told |= await _part(gateway, tenant, event)
    return told


async def _part(gateway: Gateway, tenant: str, event: Recorded) -> dict[str, Any]:
    at = event.meta.time.isoformat()
    match event.data:
        case ModelCallRequested() as data:
            return {"requested_at": at, "asked": await opened(gateway, tenant, data.request)}
        case ToolCallRequested() as data:
            return {"requested_at": at, "effect": data.effect, "asked": await opened(gateway, tenant, data.arguments)}
        case CallDecided() as data:
            sent = (
                data.redacted_request.model_dump(mode="json") if data.redacted_request is not None else data.redacted_arguments
            )
            return {"decided_at": at, "verdict": data.verdict, "redacted": sent}
        case ModelCallSettled() as data:
            recipient = {"provider": data.provider, "model": data.model, "simulated": data.simulated}
            return {
                "settled_at": at,
                "recipient": recipient,
                "answered": await opened(gateway, tenant, data.response, data.placeholders),
            }
        case ToolCallSettled() as data:
            recipient = {"tool": data.tool, "simulated": data.simulated}
            return {"settled_at": at, "recipient": recipient, "answered": await opened(gateway, tenant, data.result)}
        case _:
            return {}
