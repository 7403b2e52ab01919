"""Choices, pure: which pack takes a task, and what follows a provider's failure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, assert_never

from agentos.contracts.base import Priority
from agentos.contracts.events.approval import ApprovalResolved, ApprovalRevised
from agentos.contracts.events.call import CallDecided
from agentos.contracts.events.task import Candidate, TaskRouted
from agentos.contracts.packs import Presence

ErrorKind = Literal["retry", "wait", "other_provider", "never", "needs_operator"]

MAX_WAIT = timedelta(seconds=30)
"""A provider that wants us to wait longer is passed over (or, when it is the last, fails the call)."""


def route(
    task_type: str,
    wanted: str | None,
    priority: Priority,
    alive: Iterable[Presence],
    permitted: Collection[str] | None = None,
) -> TaskRouted | None:
    """The pack for a task: of those that take its type and that policy permits, the one with the most free room; ties by name.

    ``permitted`` None permits any. None comes back while nothing alive can take it but something may come: the task waits. A live pack that
    was asked for by name and does not take the type, or may not, is a final answer (``pack`` None).
    """
    by_pack: dict[str, list[Presence]] = {}
    for presence in alive:
        by_pack.setdefault(presence.pack, []).append(presence)
    candidates: list[Candidate] = []
    chosen: tuple[int, str] | None = None
    for pack, instances in sorted(by_pack.items()):
        agent = instances[0].agent_for(task_type)
        free = sum(max(0, one.max_active - one.active) for one in instances)
        if wanted is not None and pack != wanted:
            eligible, reason = False, f"the sender asked for {wanted}"
        elif agent is None:
            eligible, reason = False, f"takes no {task_type}"
        elif permitted is not None and pack not in permitted:
            eligible, reason = False, "is not permitted by policy"
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
    if wanted is not None and wanted in by_pack:
        said = next(candidate.reason for candidate in candidates if candidate.pack == wanted)
        reason = f"pack {wanted} {said}; name another pack or none"
        return TaskRouted(pack=None, agent=None, version=None, priority=priority, candidates=tuple(candidates), reason=reason)
    return None


def as_revised(decided: CallDecided, resolved: ApprovalResolved, revised: ApprovalRevised) -> CallDecided | None:
    """What was decided, as it was edited and approved; None when that edit is not what was approved, or was refused."""
    if revised.verdict == "deny" or revised.digest != resolved.digest or revised.redacted_request is None:
        return None
    return decided.model_copy(
        update={
            "digest": revised.digest,
            "model": revised.model,
            "redacted_request": revised.redacted_request,
            "placeholders": revised.placeholders,
            "obligations": revised.obligations,
        }
    )


@dataclass(frozen=True, slots=True)
class Next:
    """What follows a failed attempt: after ``delay``, the target at ``index`` of the chain."""

    index: int
    delay: timedelta


def after_failure(
    kind: ErrorKind,
    *,
    index: int,
    chain: Sequence[str],
    tries_here: int,
    max_tries: int,
    retry_after: timedelta | None,
    jitter: float,
) -> Next | None:
    """The next attempt, or None when the call has failed. ``tries_here`` counts attempts at this target, this one included."""
    elsewhere = Next(index + 1, timedelta()) if index + 1 < len(chain) else None
    match kind:
        case "never":
            return None
        case "needs_operator" | "other_provider":
            return elsewhere
        case "retry":
            if tries_here >= max_tries:
                return elsewhere
            return Next(index, timedelta(seconds=0.25 * 2 ** (tries_here - 1) * (0.5 + jitter)))
        case "wait":
            wait = retry_after if retry_after is not None else timedelta(seconds=1.0 * 2 ** (tries_here - 1))
            if tries_here >= max_tries or wait > MAX_WAIT:
                return elsewhere
            return Next(index, wait)
        case _:
            assert_never(kind)
