"""What an event is called on the live feed, and what its reader must be allowed. Pure.

The feed's names have four beginnings that a page follows (``task.*``, ``agent.*``, ``approval.*``, ``system.*``); an event of an
aggregate that has the beginning's own name keeps its name, others stand below it: ``call.settled`` is ``task.call.settled``.
"""

from dataclasses import dataclass
from typing import Literal

from services.gateway.authorizer import Action

Family = Literal["task", "agent", "approval", "system"]
MOST_TOPICS = 32


@dataclass(frozen=True, slots=True)
class Shown:
    """Under which family an aggregate's events stand, and the action that its readers need."""

    family: Family
    action: Action


_SHOWN: dict[str, Shown] = {
    "task": Shown("task", "tasks.read"),
    "step": Shown("task", "tasks.read"),
    "log": Shown("task", "tasks.read"),
    "call": Shown("task", "tasks.read"),
    "tool": Shown("task", "tasks.read"),
    "checkpoint": Shown("task", "tasks.read"),
    "delivery": Shown("task", "tasks.read"),
    "violation": Shown("agent", "packs.read"),
    "agent": Shown("agent", "packs.read"),
    "presence": Shown("agent", "packs.read"),
    "approval": Shown("approval", "approvals.read"),
    "delegation": Shown("approval", "approvals.read"),
    "notification": Shown("approval", "approvals.read"),
    "target": Shown("approval", "approvals.read"),
    "kill": Shown("system", "kill.read"),
    "budget": Shown("system", "budgets.read"),
    "policy": Shown("system", "policy.read"),
    "deadletter": Shown("system", "audit.read"),
    "apikey": Shown("system", "keys.manage"),
    "user": Shown("system", "users.read"),
    "session": Shown("system", "users.read"),
    "signin": Shown("system", "users.read"),
}
_OTHER = Shown("system", "audit.read")
"""Whatever is not named: what an auditor may read of the log."""


def shown(aggregate: str) -> Shown:
    """How events of ``aggregate`` are shown."""
    return _SHOWN.get(aggregate, _OTHER)


def name_of(aggregate: str, fact: str) -> str:
    """The feed's name of an event."""
    family = shown(aggregate).family
    return f"{aggregate}.{fact}" if aggregate == family else f"{family}.{aggregate}.{fact}"


def is_topic(text: str) -> bool:
    """Whether ``text`` is a whole name, ``*``, or the beginning of names that ends in ``.*``."""
    bare = text.removesuffix(".*")
    return text == "*" or (0 < len(bare) <= 100 and all(c.isalnum() or c in ".-_" for c in bare) and bare.isascii())


def matches(topics: tuple[str, ...], name: str) -> bool:
    """Whether one of ``topics`` covers ``name``."""
    return any(topic in ("*", name) or (topic.endswith(".*") and name.startswith(topic[:-1])) for topic in topics)
