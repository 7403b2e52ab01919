"""Erasure: the keys of task families are destroyed, and a certificate says so.

Order matters. The request stands in the log before the first key goes, so that a gateway that crashes half-way is seen and its work
finished by asking again. Then, for each family: the data key is overwritten in the broker's store, then the placeholder map and the
entries of the subject index. The certificate comes last, once no service can have a key in its memory any more. Events stay as they
are, and with them the audit chain: what they seal is noise from then on.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import structlog

from agentos.contracts.commands import CancelTask
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import Conflict, NotFound, Refused
from agentos.contracts.events.privacy import ErasureCertified, ErasureRequested
from agentos.contracts.events.task import TaskSubmitted
from agentos.contracts.ids import derived_id, new_id
from agentos.keyring import CACHE_S
from services.gateway import ledger
from services.gateway.identity.callers import Caller
from services.gateway.problems import Problem
from services.gateway.state import Gateway

log = structlog.get_logger(__name__)

CANCEL_WITHIN_S = 20.0
MOST_FAMILIES = 500
"""In one request: a person in more tasks than that is erased in several."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about: a task's whole family, or everything that holds one person's identifier."""

    kind: Literal["task", "subject"]
    id: str
    """Of the erasure; the same target has the same id."""
    families: tuple[str, ...]
    task: str | None = None
    person: str | None = None


@dataclass(frozen=True, slots=True)
class Erasure:
    """How far an erasure is. ``n`` counts those of one target: a person may come back after the first."""

    id: str
    n: int
    request: Recorded
    certificate: Recorded | None

    @property
    def requested(self) -> ErasureRequested:
        """The request."""
        return self.request.payload(ErasureRequested)

    @property
    def certified(self) -> ErasureCertified | None:
        """The certificate, once there is one."""
        return None if self.certificate is None else self.certificate.payload(ErasureCertified)


async def target(gateway: Gateway, tenant: str, task: str | None, subject: str | None) -> Target:
    """What ``task`` or ``subject`` stands for now. Raises NotFound for a task that does not exist, Refused for no identifier."""
    if task is not None:
        family = await family_of(gateway, tenant, task)
        return Target("task", derived_id("erasure", tenant, "task", family), (family,), task=task)
    person = gateway.subjects.person(tenant, subject or "")
    families = tuple(dict.fromkeys(await gateway.subjects.families(tenant, person)))
    return Target("subject", derived_id("erasure", tenant, "subject", person), families[:MOST_FAMILIES], person=person)


async def find(gateway: Gateway, tenant: str, id_: str) -> Erasure | None:
    """The latest erasure of that id."""
    events = await gateway.bus.load(tenant, "erasure", id_)
    requests = [each for each in events if isinstance(each.data, ErasureRequested)]
    if not requests:
        return None
    n = len(requests)
    certificate = next((e for e in events if isinstance(e.data, ErasureCertified) and e.subject.endswith(f".{n}")), None)
    return Erasure(id_, n, requests[-1], certificate)


async def erase(gateway: Gateway, caller: Caller, wanted: Target, reason: str, *, cancel: bool) -> tuple[Erasure, bool]:
    """Erase what ``wanted`` names; the erasure with its certificate, and whether it had been done before.

    Idempotent: what is erased stays so under the certificate that it has. Raises a 409 problem naming the tasks that still run
    (with ``cancel`` they are cancelled first), NotFound when nothing is held.
    """
    tenant = caller.tenant
    last = await find(gateway, tenant, wanted.id)
    if last is not None and last.certified is not None and set(wanted.families) <= set(last.certified.families):
        return last, True
    if last is None or last.certified is not None:
        if not wanted.families:
            raise NotFound("nothing is held about this subject")
        await _until_settled(gateway, caller, wanted.families, cancel=cancel)
        last = await _request(gateway, caller, wanted, reason, 1 if last is None else last.n + 1)
    return await _finish(gateway, caller, last), False


async def running(gateway: Gateway, tenant: str, families: Sequence[str]) -> list[dict[str, Any]]:
    """The tasks of the families that are not settled, as the ledger has them once it has seen all that each root task did."""
    return [row for row in await tasks_of(gateway, tenant, families) if row["state"] != "settled"]


async def tasks_of(gateway: Gateway, tenant: str, families: Sequence[str]) -> list[dict[str, Any]]:
    """Every task of the families, subtasks included, oldest first."""
    last = 0
    for family in families:
        last = max([last, *(event.seq for event in await gateway.bus.load(tenant, "task", family))])
    data = await ledger.ask(gateway.bus, gateway.answers, tenant, "tasks.family", families=list(families), min_seq=last)
    return cast("list[dict[str, Any]]", data["tasks"])


async def family_of(gateway: Gateway, tenant: str, task: str) -> str:
    """The name of the data key that a task's payloads are sealed with. Raises NotFound for a task that does not exist.

    A call of the governed endpoint has no task; its data key has the name that stands in the task's place (a group's, or its own).
    """
    for event in await gateway.bus.load(tenant, "task", task):
        if isinstance(event.data, TaskSubmitted):
            return event.data.input.key
    if await gateway.keyring.made(tenant, task):
        return task
    raise NotFound(f"there is no task {task!r}")


async def _until_settled(gateway: Gateway, caller: Caller, families: Sequence[str], *, cancel: bool) -> None:
    left = await running(gateway, caller.tenant, families)
    if not left:
        return
    if not cancel:
        raise _still_running(left, "nothing was erased: cancel them, or ask with `cancel`")
    for row in left:
        await _cancel(gateway, caller, str(row["id"]))
    end = time.monotonic() + CANCEL_WITHIN_S
    while left and time.monotonic() < end:
        await asyncio.sleep(0.2)
        left = await running(gateway, caller.tenant, families)
    if left:
        raise _still_running(left, "they are being cancelled and nothing was erased: ask again")


def _still_running(left: Sequence[dict[str, Any]], mend: str) -> Problem:
    named = ", ".join(f"{row['id']} ({row['state']})" for row in left[:20])
    return Problem(409, "task_running", f"{len(left)} task(s) are not settled: {named}; {mend}")


async def _cancel(gateway: Gateway, caller: Caller, task: str) -> None:
    made = CancelTask(tenant=caller.tenant, task=task, reason="its data are to be erased", by=caller.principal)
    request = new_id()

    async def send() -> None:
        await gateway.bus.send("orchestrator.cancel", (request,), made, tenant=caller.tenant, correlation_id=task)

    try:
        await gateway.answers.need(request, send)
    except Problem as refusal:
        if refusal.status >= 500:
            raise
        log.info("a task settled before it was cancelled", task=task, code=refusal.code)


async def _request(gateway: Gateway, caller: Caller, wanted: Target, reason: str, n: int) -> Erasure:
    fact = ErasureRequested(
        target=wanted.kind, task=wanted.task, person=wanted.person, families=wanted.families, reason=reason, by=caller.principal
    )
    await _once(
        lambda: gateway.bus.append(
            "erasure.requested", wanted.id, fact, tenant=caller.tenant, ordinal=n, correlation_id=wanted.task or wanted.id
        )
    )
    found = await find(gateway, caller.tenant, wanted.id)
    if found is None:
        raise Refused("the erasure was not recorded: nothing was erased; try again", code="conflict")
    return found


async def _finish(gateway: Gateway, caller: Caller, begun: Erasure) -> Erasure:
    tenant, requested = caller.tenant, begun.requested
    keys = maps = entries = 0
    maps_bucket = gateway.bus.bucket("placeholders")
    for family in requested.families:
        keys += await gateway.keyring.erase(tenant, family)
        maps += await maps_bucket.erase(f"{tenant}.{family}")
        entries += await gateway.subjects.forget(tenant, family)
    # No service may still hold a key when the certificate says so.
    await asyncio.sleep(CACHE_S)
    tasks = tuple(str(row["id"]) for row in await tasks_of(gateway, tenant, requested.families))
    told = "\n".join([begun.request.meta.event_id, *requested.families, "", *tasks])
    certificate = ErasureCertified(
        target=requested.target,
        task=requested.task,
        person=requested.person,
        families=requested.families,
        tasks=tasks,
        keys_erased=keys,
        keys_gone_before=len(requested.families) - keys,
        placeholder_maps_erased=maps,
        index_entries_erased=entries,
        requested_at=begun.request.meta.time,
        reason=requested.reason,
        by=requested.by,
        digest=hashlib.sha256(told.encode()).hexdigest(),
    )
    await _once(
        lambda: gateway.bus.append(
            "erasure.certified", begun.id, certificate, tenant=tenant, ordinal=begun.n, cause=begun.request
        )
    )
    found = await find(gateway, tenant, begun.id)
    return begun if found is None else found


async def _once(append: Callable[[], Awaitable[Any]]) -> None:
    try:
        await append()
    except Conflict:
        # Another gateway was asked the same at the same time: what it wrote stands.
        log.info("the erasure was recorded by another request")
