"""On whose behalf a call is made: who asked for the task, or, for a subtask, for the first task of the family."""

from collections import OrderedDict

from agentos.bus import Bus
from agentos.contracts.base import Principal
from agentos.contracts.errors import NeverRetry, RetryLater
from agentos.contracts.events.task import TaskSubmitted

KEPT = 10_000
DEEPEST = 64
"""Generations of subtasks that are looked through."""


class Requesters:
    """Read from the log, once a task: a submission never changes."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._kept: OrderedDict[tuple[str, str], Principal] = OrderedDict()

    async def of(self, tenant: str, task: str) -> Principal:
        """The principal. Raises RetryLater when a submission cannot be read, NeverRetry when a family has no beginning."""
        kept = self._kept.get((tenant, task))
        if kept is not None:
            self._kept.move_to_end((tenant, task))
            return kept
        found = await self._first(tenant, task)
        self._kept[(tenant, task)] = found
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found

    async def _first(self, tenant: str, task: str) -> Principal:
        # A pack that spawns subtasks must not get out of its requester's budget by it.
        for _ in range(DEEPEST):
            event = await self._bus.get(f"evt.{tenant}.task.{task}.submitted")
            if event is None:
                raise RetryLater(f"task {task} cannot be read yet, so who asked for it is not known")
            submitted = event.payload(TaskSubmitted)
            if submitted.parent is None:
                return submitted.requester
            task = submitted.parent
        raise NeverRetry(f"task {task} has more than {DEEPEST} generations above it", code="bad_question")
