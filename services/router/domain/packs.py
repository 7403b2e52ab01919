"""Which pack takes a task. Pure."""

from collections.abc import Callable, Collection, Iterable

from agentos.contracts.agents import AgentState
from agentos.contracts.base import Priority
from agentos.contracts.events.task import Candidate, TaskRouted
from agentos.contracts.packs import Presence


def route(
    task_type: str,
    wanted: str | None,
    priority: Priority,
    alive: Iterable[Presence],
    permitted: Collection[str] | None = None,
    stands: Callable[[str, str], AgentState] = lambda pack, agent: "active",  # noqa: ARG005 - named as they are given
) -> TaskRouted | None:
    """The pack for a task: of those that take its type and that policy permits, the one with the most free room; ties by name.

    ``permitted`` None permits any. None comes back while nothing alive can take it but something may come: the task waits. A live pack that
    was asked for by name and does not take the type, or may not, is a final answer (``pack`` None); one whose agent is paused is not:
    ``stands`` says that of a pack's agent.
    """
    by_pack: dict[str, list[Presence]] = {}
    for presence in alive:
        by_pack.setdefault(presence.pack, []).append(presence)
    candidates: list[Candidate] = []
    chosen: tuple[int, str] | None = None
    paused: set[str] = set()
    for pack, instances in sorted(by_pack.items()):
        agent = instances[0].agent_for(task_type)
        free = sum(max(0, one.max_active - one.active) for one in instances)
        if wanted is not None and pack != wanted:
            eligible, reason = False, f"the sender asked for {wanted}"
        elif agent is None:
            eligible, reason = False, f"takes no {task_type}"
        elif permitted is not None and pack not in permitted:
            eligible, reason = False, "is not permitted by policy"
        elif (state := stands(pack, agent)) != "active":
            eligible, reason = False, f"its agent {agent} is {state}"
            if state == "paused":
                paused.add(pack)
        else:
            eligible, reason = True, f"takes {task_type}; room for {free}"
            if chosen is None or free > chosen[0]:
                chosen = (free, pack)
        candidates.append(
            Candidate(
                pack=pack,
                agent=agent or "",
                version=instances[0].version,
                instances=len(instances),
                active=sum(one.active for one in instances),
                eligible=eligible,
                reason=reason,
            )
        )
    if chosen is not None:
        winner = by_pack[chosen[1]][0]
        return TaskRouted(
            pack=winner.pack,
            agent=winner.agent_for(task_type),
            version=winner.version,
            priority=priority,
            candidates=tuple(candidates),
            reason=f"{winner.pack} has the most free room ({chosen[0]})",
        )
    if wanted is not None and wanted in by_pack and wanted not in paused:
        said = next(candidate.reason for candidate in candidates if candidate.pack == wanted)
        reason = f"pack {wanted} {said}; name another pack or none"
        return TaskRouted(pack=None, agent=None, version=None, priority=priority, candidates=tuple(candidates), reason=reason)
    return None
