"""Subject → handler, and the shell around the choices."""

import asyncio
from contextlib import aclosing

import structlog

from agentos.bus import Bus, Route
from agentos.contracts.commands import WorkItem
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import AgentOSError, Conflict, RetryLater
from agentos.contracts.events.call import CallDecided
from agentos.contracts.events.governance import ApprovalResolved
from agentos.contracts.events.task import TaskDecided, TaskQueued, TaskResumed, TaskRouted
from agentos.contracts.subjects import EventSubject
from services.router import domain
from services.router.calls import ModelCalls
from services.router.presence import LivePacks

log = structlog.get_logger(__name__)


class Router:
    """Handlers of the router."""

    def __init__(self, bus: Bus, packs: LivePacks, calls: ModelCalls, concurrency: int) -> None:
        self._bus = bus
        self._packs = packs
        self._calls = calls
        self._concurrency = concurrency

    def routes(self) -> list[Route]:
        """The handler table."""
        return [
            Route("task.decided", self.on_task_decided, concurrency=64),
            Route("task.resumed", self.on_task_resumed),
            Route("call.decided", self.on_call_decided, concurrency=self._concurrency),
            Route("approval.resolved", self.on_approval_resolved, concurrency=self._concurrency),
        ]

    # --- tasks --------------------------------------------------------------------------------------------------------

    async def on_task_decided(self, message: Recorded) -> None:
        """An admitted attempt: choose a pack, say so, hand the work out. Waits while no pack that could take it is alive."""
        if message.payload(TaskDecided).verdict != "allow":
            return
        subject = EventSubject.parse(message.subject)
        attempt = int(subject.ordinal or 0)
        queued = await self._bus.get(f"evt.{subject.tenant}.task.{subject.id}.queued.{attempt}")
        if queued is None:
            raise RetryLater(f"attempt {attempt} of {subject.id} was decided but its queueing cannot be read yet")
        asked = queued.payload(TaskQueued)
        routed = domain.route(asked.type, asked.pack, asked.priority, self._packs.alive())
        if routed is None:
            raise RetryLater(f"no live pack takes {asked.type}; start a runner that hosts one", code="no_live_pack")
        try:
            await self._bus.append("task.routed", subject.id, routed, ordinal=attempt, cause=message)
        except Conflict:
            log.info("routed_already", task=subject.id, attempt=attempt)
        # What stands is what counts: after a crash the first choice is carried out, not a new one.
        standing = await self._bus.get(f"evt.{subject.tenant}.task.{subject.id}.routed.{attempt}")
        if standing is None:
            raise RetryLater(f"the routing of {subject.id} cannot be read yet")
        choice = standing.payload(TaskRouted)
        if choice.pack is not None:
            await self._hand_out(message, subject.tenant, subject.id, attempt, 0, choice)

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
        if resolved.outcome == "approved" and resolved.digest == decided.digest:
            await self._calls.execute(message, decided)
        else:
            reason = "approval_digest_differs" if resolved.outcome == "approved" else f"approval_{resolved.outcome}"
            await self._calls.refuse(message, decided, (reason,))

    async def follow_cancellations(self) -> None:
        """Cancel what is in flight for a task that must stop. Runs until cancelled."""
        async with aclosing(self._bus.tail(("evt.*.task.*.cancelling.*",)).updates()) as updates:
            async for raw in updates:
                if raw is None:
                    continue
                try:
                    subject = EventSubject.parse((await self._bus.decode(raw)).subject)
                except AgentOSError:
                    log.exception("cancellation_unreadable", subject=raw.subject)
                    continue
                self._calls.cancel_task(subject.tenant, subject.id)
                await asyncio.sleep(0)
