"""What may be changed of a task that has not ended, as the stream has it: no read of it is behind a change that was answered."""

from dataclasses import dataclass

from agentos.contracts.base import Priority, Utc
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import NotFound
from agentos.contracts.events.task import TaskSubmitted, TaskUpdated
from agentos.contracts.subjects import EventSubject


@dataclass(frozen=True, slots=True)
class Terms:
    """A task's terms; ``revision`` counts how often they were changed."""

    revision: int
    priority: Priority
    deadline: Utc | None
    labels: dict[str, str]
    max_attempts: int


def terms_of(task: str, events: list[Recorded]) -> Terms:
    """The terms after all of a task's events. Raises NotFound for a task without a submission."""
    submitted: TaskSubmitted | None = None
    revision = 0
    for event in events:
        match event.data:
            case TaskSubmitted():
                submitted = event.data
            case TaskUpdated() if submitted is not None:
                submitted = event.data.applied_to(submitted)
                revision = int(EventSubject.parse(event.subject).ordinal or 0)
            case _:
                pass
    if submitted is None:
        raise NotFound(f"there is no task {task!r}")
    return Terms(revision, submitted.priority, submitted.deadline, submitted.labels, submitted.retry.max_attempts)


def tag_of(task: str, revision: int) -> str:
    """The entity tag of a task's terms. How the task gets on does not change it: nobody's edit shall fail because a step was made."""
    return f'"{task}.{revision}"'
