"""Who asked for a task in the end: a subtask is asked for by a pack, and its first ancestor by somebody outside."""

from agentos.bus import Bus
from agentos.contracts.errors import NeverRetry, RetryLater
from agentos.contracts.events.task import TaskSubmitted

MOST_ANCESTORS = 64


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
