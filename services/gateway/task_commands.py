"""What is asked of tasks that there are: one, or many at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from agentos.contracts.commands import Answer, CancelTask, RetryTask, UpdateTask
from agentos.contracts.errors import AgentOSError
from agentos.contracts.ids import derived_id, new_id
from agentos.sealing import KeyErased
from services.gateway import erasure
from services.gateway.http.models import TaskChange
from services.gateway.identity.callers import Caller
from services.gateway.problems import Problem, as_problem
from services.gateway.state import Gateway

AT_ONCE = 10
"""How many of a batch are asked for at a time: a large one must not keep everybody else waiting."""


async def cancel(gateway: Gateway, caller: Caller, task: str, reason: str, request: str) -> Answer:
    """Stop a task, wherever it is."""
    made = CancelTask(tenant=caller.tenant, task=task, reason=reason, by=caller.principal)
    return await _send(gateway, caller, "orchestrator.cancel", made, task, request)


async def retry(gateway: Gateway, caller: Caller, task: str, from_step: int | None, request: str) -> Answer:
    """Make another attempt. Raises KeyErased for a task whose data are gone: there is nothing left to attempt."""
    family = await erasure.family_of(gateway, caller.tenant, task)
    if not await gateway.keyring.exists(caller.tenant, family):
        raise KeyErased(f"The data key {family} was erased.", key=family)
    made = RetryTask(tenant=caller.tenant, task=task, from_step=from_step, by=caller.principal)
    return await _send(gateway, caller, "orchestrator.retry", made, task, request)


async def update(gateway: Gateway, caller: Caller, task: str, revision: int, change: TaskChange, request: str) -> Answer:
    """Change what may be changed of an open task, if nobody did since ``revision``."""
    made = UpdateTask(
        tenant=caller.tenant,
        task=task,
        revision=revision,
        priority=change.priority,
        deadline=change.deadline,
        no_deadline="deadline" in change.model_fields_set and change.deadline is None,
        labels=change.labels,
        max_attempts=change.max_attempts,
        by=caller.principal,
    )
    return await _send(gateway, caller, "orchestrator.update", made, task, request)


async def each(tasks: Sequence[str], scope: str | None, act: Callable[[str, str], Awaitable[Answer]]) -> list[dict[str, Any]]:
    """Do ``act`` with every task and the id of its request; what became of each, in their order. None stops another."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(task: str) -> dict[str, Any]:
        # The same batch under the same Idempotency-Key asks for each task with the same id: nothing is done twice.
        request = new_id() if scope is None else derived_id(scope, task)
        async with slots:
            try:
                await act(task, request)
            except (Problem, AgentOSError, TimeoutError) as fault:
                problem = as_problem(fault)
                return {"id": task, "ok": False, "status": problem.status, "code": problem.code, "detail": problem.detail}
        return {"id": task, "ok": True, "status": 202}

    return list(await asyncio.gather(*(one(task) for task in dict.fromkeys(tasks))))


async def _send(
    gateway: Gateway, caller: Caller, channel: str, made: CancelTask | RetryTask | UpdateTask, task: str, request: str
) -> Answer:
    async def send() -> None:
        await gateway.bus.send(channel, (request,), made, tenant=caller.tenant, correlation_id=task)

    return await gateway.answers.need(request, send, late="The command is kept and will be done.")
