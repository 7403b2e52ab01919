"""Where work comes from: who asked for a task or a call in the end, and with what a model call began."""

from agentos.bus import Bus
from agentos.contracts.base import Principal
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import NeverRetry, RetryLater
from agentos.contracts.events.call import CallContext
from agentos.contracts.events.task import TaskSubmitted

MOST_ANCESTORS = 64


async def requester_of(bus: Bus, tenant: str, context: CallContext) -> Principal:
    """On whose behalf a call is made: the virtual key that it came in with, or who asked for the first task of its line.

    Raises as ``root_of``.
    """
    if context.api_key is not None:
        return Principal(kind="api_key", id=context.api_key)
    return (await root_of(bus, tenant, context.task)).requester


async def root_of(bus: Bus, tenant: str, task: str) -> TaskSubmitted:
    """The submission of the task's first ancestor; of the task itself when it has no parent.

    Raises RetryLater while a submission cannot be read, NeverRetry for a line of ancestors without end.
    """
    for _ in range(MOST_ANCESTORS):
        submitted = await bus.get(f"evt.{tenant}.task.{task}.submitted")
        if submitted is None:
            raise RetryLater(f"task {task} cannot be read yet, so who asked for it is not known")
        found = submitted.payload(TaskSubmitted)
        if found.parent is None:
            return found
        task = found.parent
    raise NeverRetry(f"task {task} has more than {MOST_ANCESTORS} ancestors", code="lineage_too_deep")


async def model_call(bus: Bus, tenant: str, call: str) -> Recorded | None:
    """What a model call began with: a pack's ``call.requested``, or ``call.received`` of the governed endpoint."""
    stem = f"evt.{tenant}.call.{call}"
    return await bus.get(f"{stem}.requested") or await bus.get(f"{stem}.received")
