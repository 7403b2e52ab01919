"""Subject → handler, and the shell around the choices."""

import asyncio
from contextlib import aclosing
from functools import partial
from typing import cast

import structlog

from agentos.agents import AgentTable
from agentos.bus import Bus, Entry, Route
from agentos.contracts.base import Json
from agentos.contracts.commands import WorkItem
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import AgentOSError, Conflict, RetryLater
from agentos.contracts.events.approval import ApprovalResolved, ApprovalRevised
from agentos.contracts.events.call import CallDecided
from agentos.contracts.events.task import TaskDecided, TaskQueued, TaskResumed, TaskRouted
from agentos.contracts.subjects import EventSubject
from agentos.killswitch import KillSwitch, Work
from services.router.calls import ModelCalls
from services.router.domain import edits, packs
from services.router.presence import LivePacks

log = structlog.get_logger(__name__)


class Router:
    """Handlers of the router."""

    def __init__(
        self, bus: Bus, packs: LivePacks, agents: AgentTable, kill: KillSwitch, calls: ModelCalls, concurrency: int
    ) -> None:
        self._bus = bus
        self._agents = agents
        # Whoever was paused may go on, with what waits for it.
        agents.on_changed(packs.changed.set)
        self._kill = kill
        self._packs = packs
        self._calls = calls
        self._concurrency = concurrency
        self._waiting = bus.bucket("waiting")

    def routes(self) -> list[Route]:
        """The handler table."""
        return [
            Route("task.decided", self.on_task_decided, concurrency=64),
            Route("task.resumed", self.on_task_resumed),
            Route("call.decided", self.on_call_decided, concurrency=self._concurrency, direct=True),
            Route("approval.resolved", self.on_approval_resolved, concurrency=self._concurrency),
        ]

    # --- tasks --------------------------------------------------------------------------------------------------------

    async def on_task_decided(self, message: Recorded) -> None:
        """An admitted attempt: choose a pack, say so, hand the work out. While no live pack could take it, note that it waits.

        The wait is a note in bucket ``waiting``, not a held message: it may last for days, and it blocks nobody.
        """
        if message.payload(TaskDecided).verdict != "allow" or await self._route(message):
            return
        subject = EventSubject.parse(message.subject)
        log.info("no_live_pack", task=subject.id, attempt=subject.ordinal)
        key = f"{subject.tenant}.{subject.id}.{subject.ordinal}"
        await self._waiting.put(key, b"")
        # One may have come before the note stood, and whoever follows the notes would not have seen it.
        if await self._route(message):
            await self._waiting.delete(key)

    async def follow_waiting(self) -> None:
        """Route what waits as soon as a pack that takes it is alive. Runs until cancelled."""
        while True:
            await self._packs.changed.wait()
            self._packs.changed.clear()
            try:
                for entry in await self._waiting.entries():
                    await self._try_again(entry)
            except (RetryLater, Conflict) as fault:
                # Typically the broker is away; what waits is not forgotten.
                log.info("waiting_not_routed", code=fault.code, detail=fault.detail)
                self._packs.changed.set()
                await asyncio.sleep(1.0)

    async def _try_again(self, entry: Entry) -> None:
        try:
            tenant, task, attempt = entry.key.split(".")
            decided = await self._bus.get(f"evt.{tenant}.task.{task}.decided.{attempt}")
            # Its cause is the decision, as if the message had come again: the same handling gives the same facts.
            if decided is None or await self._route(decided):
                await self._waiting.delete(entry.key)
        except (RetryLater, Conflict):
            raise
        except Exception:  # one note that cannot be followed must not keep the others waiting; it stays for a person to look at
            log.exception("waiting_task_not_routed", key=entry.key)

    async def _route(self, message: Recorded) -> bool:
        """Whether nothing is left to do for this decision; False while no live pack takes the task."""
        subject = EventSubject.parse(message.subject)
        attempt = int(subject.ordinal or 0)
        found = {event.channel.name: event for event in await self._of_attempt(subject, attempt)}
        if "task.cancelling" in found or "task.settled" in found:
            return True
        standing = found.get("task.routed")
        if standing is None:
            queued = found.get("task.queued")
            if queued is None:
                raise RetryLater(f"attempt {attempt} of {subject.id} was decided but its queueing cannot be read yet")
            asked = queued.payload(TaskQueued)
            permitted = _permitted(message.payload(TaskDecided))
            stands = partial(self._agents.known, subject.tenant)
            routed = packs.route(asked.type, asked.pack, asked.priority, self._packs.alive(), permitted, stands)
            if routed is None:
                return False
            work = Work(subject.tenant, pack=routed.pack, agent=routed.agent, task=subject.id)
            if (entry := self._kill.blocked(work)) is not None:
                # Engaged since it was admitted: like what comes in now, it does not wait for the release.
                routed = routed.model_copy(
                    update={"pack": None, "agent": None, "version": None, "reason": entry.describe(), "killed": True}
                )
            try:
                await self._bus.append("task.routed", subject.id, routed, ordinal=attempt, cause=message)
            except Conflict:
                log.info("routed_already", task=subject.id, attempt=attempt)
            # What stands is what counts: after a crash or a race the first choice is carried out, not ours.
            standing = await self._bus.get(f"evt.{subject.tenant}.task.{subject.id}.routed.{attempt}")
        if standing is None:
            raise RetryLater(f"the routing of {subject.id} cannot be read yet")
        choice = standing.payload(TaskRouted)
        if choice.pack is not None:
            await self._hand_out(message, subject.tenant, subject.id, attempt, 0, choice)
        return True

    async def _of_attempt(self, subject: EventSubject, attempt: int) -> list[Recorded]:
        events = await self._bus.load(subject.tenant, "task", subject.id)
        return [event for event in events if EventSubject.parse(event.subject).ordinal == str(attempt)]

    async def on_task_resumed(self, message: Recorded) -> None:
        """A suspended attempt goes on: hand the work out again."""
        resumed = message.payload(TaskResumed)
        subject = EventSubject.parse(message.subject)
        routed = await self._bus.get(f"evt.{subject.tenant}.task.{subject.id}.routed.{resumed.attempt}")
        if routed is None:
            raise RetryLater(f"the routing of {subject.id} cannot be read yet")
        resumption = int(subject.ordinal or 0)
        await self._hand_out(message, subject.tenant, subject.id, resumed.attempt, resumption, routed.payload(TaskRouted))

    async def _hand_out(
        self, message: Recorded, tenant: str, task: str, attempt: int, resumption: int, routed: TaskRouted
    ) -> None:
        assert routed.pack is not None, "only what was routed to a pack is handed out"  # noqa: S101 - an invariant
        item = WorkItem(
            tenant=tenant, task=task, attempt=attempt, resumption=resumption, pack=routed.pack, agent=routed.agent or ""
        )
        await self._bus.send(
            f"work.{routed.priority}",
            (routed.pack, f"{task}-{attempt}-{resumption}"),
            item,
            tenant=tenant,
            cause=message,
            correlation_id=task,
        )

    # --- model calls --------------------------------------------------------------------------------------------------

    async def on_call_decided(self, message: Recorded) -> None:
        """Carry out what was allowed, settle what was denied, leave what is held to its approval."""
        decided = message.payload(CallDecided)
        match decided.verdict:
            case "allow":
                await self._calls.execute(message, decided)
            case "deny":
                await self._calls.refuse(message, decided, decided.reasons)
            case "hold":
                return

    async def on_approval_resolved(self, message: Recorded) -> None:
        """A held model call was answered. The decision of the same id is what was approved, by its digest."""
        resolved = message.payload(ApprovalResolved)
        if resolved.kind != "model":
            return
        subject = EventSubject.parse(message.subject)
        standing = await self._bus.get(f"evt.{subject.tenant}.call.{subject.id}.decided")
        if standing is None:
            raise RetryLater(f"the decision on {subject.id} cannot be read yet")
        decided = standing.payload(CallDecided)
        if resolved.outcome != "approved":
            await self._calls.refuse(message, decided, (f"approval_{resolved.outcome}",))
            return
        approved = await self._as_approved(subject, decided, resolved)
        if approved is None:
            await self._calls.refuse(message, decided, ("approval_digest_differs",))
        else:
            await self._calls.stops.recall_abandonment(subject.tenant, subject.id)
            await self._calls.execute(message, approved)

    async def _as_approved(self, subject: EventSubject, decided: CallDecided, resolved: ApprovalResolved) -> CallDecided | None:
        """The decision with what was approved in it: as it was, or as policy let somebody edit it. None where the digests differ."""
        if resolved.revision == 0:
            return decided if resolved.digest == decided.digest else None
        found = await self._bus.get(f"evt.{subject.tenant}.approval.{subject.id}.revised.{resolved.revision}")
        if found is None:
            raise RetryLater(f"the edit of {subject.id} that was approved cannot be read yet")
        return edits.as_revised(decided, resolved, found.payload(ApprovalRevised))

    async def follow_stops(self) -> None:
        """Cancel what is in flight for a task that must stop, or for a client that went away. Runs until cancelled."""
        tail = self._bus.tail(("evt.*.task.*.cancelling.*", "evt.*.call.*.abandoned"))
        async with aclosing(tail.updates()) as updates:
            async for raw in updates:
                if raw is None:
                    continue
                try:
                    await self._bus.decode(raw)
                    subject = EventSubject.parse(raw.subject)
                except AgentOSError:
                    log.exception("stop_unreadable", subject=raw.subject)
                    continue
                if subject.aggregate == "call":
                    self._calls.stops.abandon(subject.tenant, subject.id)
                else:
                    self._calls.stops.cancel_task(subject.tenant, subject.id, int(subject.ordinal or 0))
                await asyncio.sleep(0)


def _permitted(decided: TaskDecided) -> tuple[str, ...] | None:
    """The packs that policy permits; None where it names none. What is no list of names permits nothing."""
    packs = decided.obligations.get("packs")
    if packs is None:
        return None
    return tuple(map(str, cast("list[Json]", packs))) if isinstance(packs, list) else ()
