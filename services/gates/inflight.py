"""What runs right now, read from the log and from what the services' durable consumers have handed out and not got back.

Nothing of this costs anything while no switch is engaged: a message stays unanswered for as long as its call or attempt runs, so what
runs lies behind the last answered one.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

from agentos.bus import Bus, Raw
from agentos.contracts.commands import WorkItem
from agentos.contracts.envelope import Recorded
from agentos.contracts.events.approval import ApprovalResolved
from agentos.contracts.events.call import CallDecided
from agentos.contracts.events.kill import Stopped
from agentos.contracts.events.task import TaskStarted
from agentos.contracts.subjects import EventSubject
from agentos.killswitch import Work

_HOLDERS = (
    ("call.decided", "router"),
    ("tool.decided", "worker"),
    ("approval.resolved", "router"),
    ("approval.resolved", "worker"),
)
_PRIORITIES = ("high", "normal", "low")
Key = tuple[str, str, str]
"""Tenant, aggregate (``call`` or ``tool``), id."""


@dataclass(frozen=True, slots=True)
class Running:
    """One thing in flight. ``instance`` is known of attempts only."""

    what: Stopped
    id: str
    work: Work
    attempt: int
    since: datetime
    instance: str | None = None


async def running(bus: Bus) -> list[Running]:
    """Every call, tool call and attempt that has begun, or is about to, and has not ended."""
    return [*await _calls(bus), *await _attempts(bus)]


async def _calls(bus: Bus) -> list[Running]:
    spans = [span for channel, reader in _HOLDERS if (span := await bus.handed_out(channel, reader)) is not None]
    if not spans:
        return []
    decided: dict[Key, Raw] = {}
    approved: dict[tuple[str, str], Raw] = {}
    settled: set[Key] = set()
    async with aclosing(_since(bus, min(span.first for span in spans))) as events:
        async for raw in events:
            subject = EventSubject.parse(raw.subject)
            key = (subject.tenant, subject.aggregate, subject.id)
            match subject.fact:
                case "decided":
                    decided[key] = raw
                case "settled":
                    settled.add(key)
                case _:
                    approved[(subject.tenant, subject.id)] = raw
    found: list[Running] = []
    for key, raw in decided.items():
        if key not in settled and (event := await bus.decode(raw)).payload(CallDecided).verdict == "allow":
            found.append(_call(key, event, raw))
    for (tenant, id_), raw in approved.items():
        resolved = (await bus.decode(raw)).payload(ApprovalResolved)
        key = (tenant, "tool" if resolved.kind == "tool" else "call", id_)
        if resolved.outcome != "approved" or resolved.kind == "checkpoint" or key in settled:
            continue
        if (held := await bus.get(f"evt.{tenant}.{key[1]}.{id_}.decided")) is not None:
            found.append(_call(key, held, raw))
    return found


async def _since(bus: Bus, first: int) -> AsyncGenerator[Raw]:
    filters = (
        "evt.*.call.*.decided",
        "evt.*.call.*.settled",
        "evt.*.tool.*.decided",
        "evt.*.tool.*.settled",
        "evt.*.approval.*.resolved",
    )
    async with aclosing(bus.tail(filters, start=first).updates()) as updates:
        async for raw in updates:
            if raw is None:
                return
            yield raw


def _call(key: Key, event: Recorded, raw: Raw) -> Running:
    """``raw`` is what set it going. Of a call by an alias the provider is not known here."""
    decided = event.payload(CallDecided)
    context, model = decided.context, decided.model
    provider, slash, _ = (model or "").partition("/")
    work = Work(
        key[0],
        pack=context.pack,
        agent=context.agent,
        provider=provider if slash else None,
        model=model,
        tool=decided.tool,
        task=context.task,
        alias=model,
        running=True,
    )
    what: Stopped = "tool" if key[1] == "tool" else "call"
    return Running(what, key[2], work, context.attempt, datetime.fromtimestamp(raw.time_ns / 1e9, UTC))


async def _attempts(bus: Bus) -> list[Running]:
    found: list[Running] = []
    for priority in _PRIORITIES:
        span = await bus.handed_out(f"work.{priority}", "runner")
        if span is None:
            continue
        for message in await bus.queued(f"work.{priority}", span):
            item = message.payload(WorkItem)
            stem = f"evt.{item.tenant}.task.{item.task}"
            started = await bus.get(f"{stem}.started.{item.attempt}")
            if started is None or await bus.get(f"{stem}.ended.{item.attempt}") is not None:
                continue
            work = Work(item.tenant, pack=item.pack, agent=item.agent, task=item.task, running=True)
            found.append(
                Running(
                    "attempt",
                    f"{item.task}-{item.attempt}",
                    work,
                    item.attempt,
                    started.meta.time,
                    started.payload(TaskStarted).instance,
                )
            )
    return found
