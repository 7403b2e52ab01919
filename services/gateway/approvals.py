"""Approvals at the edge: what people write is sealed here before it goes anywhere, and opened for those who may read it."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from agentos.contracts.base import Principal, Sealed
from agentos.contracts.commands import Answer, ResolveApproval
from agentos.contracts.errors import AgentOSError
from agentos.contracts.events.approval import (
    ApprovalAnswered,
    ApprovalCommented,
    ApprovalRequested,
    DelegationGranted,
)
from agentos.contracts.events.task import TaskSubmitted
from agentos.contracts.ids import derived_id, new_id
from agentos.sdk.journal import canonical
from agentos.sealing import KeyErased
from services.gateway.identity.callers import Caller
from services.gateway.problems import Problem, as_problem
from services.gateway.state import Gateway

COMMENT, EDIT = "approval.comment", "approval.edit"
AT_ONCE = 16
"""How many answers of a bulk are on their way at the same time."""


async def key_of(gateway: Gateway, tenant: str, approval: str) -> tuple[ApprovalRequested, str]:
    """The approval as it was asked for, and the name of its task's data key. Raises a 404 problem."""
    found = await gateway.bus.get(f"evt.{tenant}.approval.{approval}.requested")
    if found is None:
        raise Problem(404, "not_found", "there is no such approval", settled=True)
    requested = found.payload(ApprovalRequested)
    if requested.context.api_key is not None:
        # A call of the governed endpoint has no task: its data key has the name of what stands there in its place.
        return requested, requested.context.task
    submitted = await gateway.bus.get(f"evt.{tenant}.task.{requested.context.task}.submitted")
    if submitted is None:
        raise Problem(404, "not_found", "the approval's task is not in the log", settled=True)
    return requested, submitted.payload(TaskSubmitted).input.key


async def sealed_comment(gateway: Gateway, tenant: str, approval: str, text: str) -> Sealed:
    """A remark as it may be stored. Raises a 404 problem, and a 410 one when the task's data was erased."""
    _, key = await key_of(gateway, tenant, approval)
    return await _seal(gateway, tenant, key, COMMENT, text.encode())


async def sealed_edit(gateway: Gateway, tenant: str, approval: str, content: dict[str, Any]) -> Sealed:
    """What somebody wants to be done instead, as it may be stored. Problems as above."""
    _, key = await key_of(gateway, tenant, approval)
    return await _seal(gateway, tenant, key, EDIT, canonical(content))


async def _seal(gateway: Gateway, tenant: str, key: str, purpose: str, plain: bytes) -> Sealed:
    try:
        return await gateway.keyring.seal(tenant, key, purpose, plain)
    except KeyErased:
        raise Problem(410, "erased", "the task's data was erased: nothing can be added to it", settled=True) from None


# --- answering --------------------------------------------------------------------------------------------------------


async def resolve(gateway: Gateway, caller: Caller, request: str, command: ResolveApproval) -> Answer:
    """Send an answer and wait for what it comes to. Raises the problem of its refusal."""
    await check_delegator(gateway, caller, command.delegation)

    async def send() -> None:
        await gateway.bus.send("gates.resolve", (request,), command, tenant=caller.tenant, correlation_id=command.approval)

    return await gateway.answers.need(request, send, late="Your answer is kept and will be counted.")


async def resolve_many(
    gateway: Gateway,
    caller: Caller,
    scope: str | None,
    outcome: str,
    digests: dict[str, str],
    comment: str | None,
    delegation: str | None,
    only: frozenset[str] | None,
) -> list[dict[str, Any]]:
    """What becomes of each, in the order given: each is its own command, and one that is refused stops no other."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(approval: str, digest: str) -> dict[str, Any]:
        if only is not None and approval not in only:
            return _refused(approval, Problem(409, "not_alike", "this asks for something else, or waits no more"))
        request = derived_id("bulk", scope, approval) if scope is not None else new_id()
        async with places:
            try:
                sealed = None if comment is None else await sealed_comment(gateway, caller.tenant, approval, comment)
                command = ResolveApproval.model_validate(
                    {
                        "tenant": caller.tenant,
                        "approval": approval,
                        "outcome": outcome,
                        "digest": digest,
                        "comment": sealed,
                        "delegation": delegation,
                        "by": caller.principal,
                    }
                )
                answer = await resolve(gateway, caller, request, command)
            except (Problem, AgentOSError, TimeoutError) as fault:
                return _refused(approval, as_problem(fault))
        return {"id": approval, "ok": True, **(answer.data or {})}

    return list(await asyncio.gather(*(one(approval, digest) for approval, digest in digests.items())))


def _refused(approval: str, problem: Problem) -> dict[str, Any]:
    return {
        "id": approval,
        "ok": False,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        **problem.extension,
    }


async def check_delegator(gateway: Gateway, caller: Caller, delegation: str | None) -> None:
    """Raises a 409 problem when the powers that a delegation lends are those of a key or account that is no more."""
    if delegation is None:
        return
    entry = await gateway.bus.bucket("delegations").get(f"{caller.tenant}.{delegation}")
    if entry is None or entry.value is None:
        # Taken back, over, or never given: gates says which.
        return
    granted = DelegationGranted.model_validate_json(entry.value)
    if not is_live(gateway, caller.tenant, granted.by.id):
        mend = "whoever granted this delegation has no live key or account any more"
        raise Problem(409, "delegator_revoked", mend, settled=True)


def is_live(gateway: Gateway, tenant: str, id_: str) -> bool:
    """Whether this is the id of a key that can still be used, or of a person who can still sign in."""
    if any(record.id == id_ and record.revoked_at is None for record in gateway.api_keys.list(tenant)):
        return True
    return any(user.id == id_ and user.disabled_at is None for user in gateway.identity.users.list(tenant))


async def delegations(gateway: Gateway, tenant: str) -> list[dict[str, Any]]:
    """Delegations that hold, or will."""
    now, items = datetime.now(UTC), list[dict[str, Any]]()
    for entry in await gateway.bus.bucket("delegations").entries(f"{tenant}."):
        granted = DelegationGranted.model_validate_json(entry.value or b"{}")
        if granted.until > now:
            items.append({"id": entry.key.partition(".")[2], **granted.model_dump(mode="json")})
    return items


# --- reading ----------------------------------------------------------------------------------------------------------


async def remarks(gateway: Gateway, caller: Caller, approval: str) -> list[dict[str, Any]]:
    """Comments and the comments of answers, oldest first; opened for those who may answer, and for who asked for the task."""
    events = await gateway.bus.load(caller.tenant, "approval", approval)
    requester = next((e.data.requester.id for e in events if isinstance(e.data, ApprovalRequested)), None)
    may = await _may_read(gateway, caller, requester)
    found: list[tuple[Principal, datetime, Sealed, str]] = []
    for event in events:
        match event.data:
            case ApprovalCommented(by=by, text=text):
                found.append((by, event.meta.time, text, "comment"))
            case ApprovalAnswered(by=by, comment=text, outcome=outcome) if text is not None:
                found.append((by, event.meta.time, text, outcome))
            case _:
                continue
    return [await _opened(gateway, caller.tenant, may, *each) for each in found]


async def _opened(
    gateway: Gateway, tenant: str, may: bool, by: Principal, at: datetime, sealed: Sealed, kind: str
) -> dict[str, Any]:
    row: dict[str, Any] = {"by": by.id, "at": at.isoformat().replace("+00:00", "Z"), "with": kind, "text": None}
    if not may:
        return row | {"state": "sealed"}
    try:
        return row | {"state": "opened", "text": (await gateway.keyring.open(tenant, COMMENT, sealed)).decode()}
    except KeyErased:
        return row | {"state": "erased"}


async def _may_read(gateway: Gateway, caller: Caller, requester: str | None) -> bool:
    return caller.principal.id == requester or await gateway.authorizer.allowed(caller, "approvals.resolve")
