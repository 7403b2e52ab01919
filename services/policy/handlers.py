"""Subject → handler, and the shell: ask, append the one verdict. See ``verdicts`` for how it fails closed, ``calls`` for what is asked."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from agentos.agents import AgentTable
from agentos.bus import Bus, Route
from agentos.contracts.commands import HoldCall
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import RetryLater
from agentos.contracts.events.call import CallDecided, ModelCallRequested, ToolCallRequested
from agentos.contracts.events.task import TaskDecided, TaskQueued
from agentos.contracts.packs import PackCard
from agentos.contracts.subjects import EventSubject
from agentos.keyring import KeyRing
from agentos.killswitch import KillSwitch, Work
from agentos.telemetry import counter
from agentos.virtualkeys import VirtualKeyTable
from services.policy.approvals import ApprovalRules
from services.policy.budgets.budgets import Budgets, NoRoomYet
from services.policy.budgets.waiting import WaitingCalls
from services.policy.calls import CallRules, Ruled
from services.policy.checkpoints import CheckpointRules
from services.policy.evaluator import PolicyEvaluator
from services.policy.history.domain import refused
from services.policy.history.record import Record
from services.policy.inspection import Inspection
from services.policy.plans import Plans
from services.policy.questions import AdmissionQuestion, Asker
from services.policy.reading import Reader
from services.policy.routing import RoutingRules
from services.policy.vaults import Analyser, Vaults
from services.policy.verdicts import append_verdict, askable, fail_closed, revision_of, ruling


class Policy:
    """Handlers of the policy service."""

    def __init__(
        self,
        bus: Bus,
        evaluator: PolicyEvaluator,
        pool: Analyser,
        keys: KeyRing,
        kill: KillSwitch,
        budgets: Budgets,
    ) -> None:
        self._bus = bus
        self._evaluator = evaluator
        self._kill = kill
        vaults = Vaults(bus, keys, pool)
        self._record = Record(bus, keys, vaults)
        self.inspection = Inspection(bus, evaluator, keys, vaults, self._record, budgets.decisions)
        self._budgets = budgets
        reader = Reader(vaults, self._record, self.inspection, Plans(evaluator))
        self._routing = RoutingRules(evaluator, budgets.prices)
        self.virtual_keys = VirtualKeyTable(bus)
        self.agents = AgentTable(bus)
        self.calls = CallRules(evaluator, keys, reader, self._record, budgets, self._routing, self.virtual_keys, self.agents)
        self.checkpoints = CheckpointRules(bus, evaluator, keys, kill, reader)
        self._approvals = ApprovalRules(bus, evaluator, keys, self.calls)
        self._waiting = WaitingCalls(bus, self.on_call_requested)
        self._decisions = counter("agentos_decisions_total", "Verdicts.", ("kind", "verdict"))

    def routes(self) -> list[Route]:
        """The handler table."""
        return [
            Route("task.queued", self.on_task_queued, concurrency=64),
            Route("call.requested", self.on_call_requested, concurrency=64, direct=True),
            Route("call.received", self.on_call_requested, concurrency=64, direct=True),
            Route("tool.requested", self.on_tool_requested, concurrency=64),
            Route("call.settled", self.on_call_settled, concurrency=64, direct=True),
            Route("tool.settled", self.inspection.on_settled, concurrency=64),
            *self.checkpoints.routes(),
            *self._approvals.routes(),
            *self._waiting.routes(),
        ]

    # --- admission ----------------------------------------------------------------------------------------------------

    async def on_task_queued(self, message: Recorded) -> None:
        """May this attempt start?"""
        queued = message.payload(TaskQueued)
        subject = EventSubject.parse(message.subject)
        attempt = int(subject.ordinal or 0)
        blocked = self._kill.blocked(Work(subject.tenant, pack=queued.pack, task=subject.id))
        if blocked is not None:
            decided = self._denied_task("kill_switch", blocked.describe())
        else:
            decided = await fail_closed(
                message, lambda: self._admit(subject, queued, attempt), lambda code: self._denied_task(code)
            )
        self._decisions.labels("task", decided.verdict).inc()
        await append_verdict(self._bus, "task.decided", message, decided, attempt)

    async def _admit(self, subject: EventSubject, queued: TaskQueued, attempt: int) -> TaskDecided:
        registered = await self._bus.bucket("packs").entries()
        takers: dict[str, set[str]] = {}
        for entry in registered:
            card = PackCard.model_validate_json(entry.value or b"{}")
            for task_type in {task_type for agent in card.agents for task_type in agent.task_types}:
                takers.setdefault(task_type, set()).add(entry.key)
        question = askable(
            lambda: AdmissionQuestion(
                tenant=subject.tenant,
                task_type=queued.type,
                pack=queued.pack,
                requester=Asker.of(queued.requester),
                attempt=attempt,
                priority=queued.priority,
                # Before the first runner has ever registered a pack nothing is known; such a task waits for one.
                known_task_types=tuple(sorted(takers)) or (queued.type,),
                known_packs=tuple(sorted(entry.key for entry in registered)),
            )
        )
        admitted = await self._evaluator.decide(question)
        said = ruling(question, admitted)
        routed = await self._routing.packs(subject.tenant, queued, takers.get(queued.type, ()))
        if admitted.verdict != "allow" or routed is None:
            return TaskDecided(**said)
        if routed.decision.verdict != "allow":
            return TaskDecided(**ruling(routed.question, routed.decision))
        said["monitored"] = tuple(sorted({*admitted.monitored, *routed.decision.monitored}))
        return TaskDecided(**said, obligations={"packs": list(routed.permitted)})

    def _denied_task(self, *reasons: str) -> TaskDecided:
        return TaskDecided(verdict="deny", reasons=reasons, rules=(), bundle=revision_of(self._evaluator))

    # --- calls --------------------------------------------------------------------------------------------------------

    async def on_call_requested(self, message: Recorded) -> None:
        """May this model call, a pack's or a client's of the governed endpoint, be made, and what of it may leave?"""
        asked = message.payload(ModelCallRequested)
        subject = EventSubject.parse(message.subject)
        if asked.context.alone and message.channel.name != "call.received":
            # Only the gateway knows that nothing came before: whatever else says so is read with its history.
            asked = asked.model_copy(update={"context": asked.context.model_copy(update={"alone": False})})
        try:
            ruled = await self._ruled(
                message,
                asked,
                lambda: self.calls.on_model(subject.tenant, subject.id, asked, message.meta.time),
            )
        except NoRoomYet as later:
            await self._waiting.put_off(message, later)
            return
        written = self._close(message, subject, asked.request.key, ruled.decided)
        await self._budgets.count(subject.id, subject.tenant, ruled.owed, written)

    async def on_tool_requested(self, message: Recorded) -> None:
        """May this tool run, and what does an approver get to see of it?"""
        asked = message.payload(ToolCallRequested)
        subject = EventSubject.parse(message.subject)
        ruled = await self._ruled(message, asked, lambda: self.calls.on_tool(subject.tenant, subject.id, asked))
        await self._close(message, subject, asked.arguments.key, ruled.decided)

    async def on_call_settled(self, message: Recorded) -> None:
        """A model call is over: its budgets learn the truth, its answer is looked at."""
        # Side by side: the accounts wait for company before they are written.
        done = await asyncio.gather(
            self._budgets.on_call_settled(message), self.inspection.on_settled(message), return_exceptions=True
        )
        for fault in done:
            if fault is not None:
                raise fault

    async def _ruled(
        self, message: Recorded, asked: ModelCallRequested | ToolCallRequested, rule: Callable[[], Awaitable[Ruled]]
    ) -> Ruled:
        """What the kill switch says, and where it says nothing the rule."""

        def denied(*reasons: str) -> Ruled:
            return Ruled(self._denied_call(asked, reasons))

        blocked = self._kill.blocked(_work(EventSubject.parse(message.subject).tenant, asked))
        if blocked is not None:
            return denied("kill_switch", blocked.describe())
        return await fail_closed(message, rule, denied)

    async def _close(self, message: Recorded, subject: EventSubject, family: str, decided: CallDecided) -> bool:
        """Write the verdict down, and whether it was only now; a denial is a part of the history first, so that rules can count it.

        The gates are told of a call that is held: they read no verdicts but those.
        """
        if decided.verdict == "deny":
            await self._record.note(subject.tenant, family, decided.context, refused(subject.id, message.meta.time))
        self._decisions.labels(decided.kind, decided.verdict).inc()
        fresh = await append_verdict(self._bus, f"{subject.aggregate}.decided", message, decided)
        if fresh and decided.kind == "model":
            self._budgets.decisions.appended(subject.tenant, subject.id, decided)
        decision = replace(subject, fact="decided")
        if (decided if fresh else await self._standing(decision)).verdict == "hold":
            command = HoldCall(tenant=subject.tenant, decision=str(decision))
            await self._bus.send("gates.hold", (subject.id,), command, tenant=subject.tenant, cause=message)
        return fresh

    async def _standing(self, decision: EventSubject) -> CallDecided:
        """The verdict of an earlier delivery. This one's may differ, and is none."""
        standing = await self._bus.get(str(decision))
        if standing is None:
            raise RetryLater(f"{decision} stands, and the broker does not show it", code="decision_missing")
        return standing.payload(CallDecided)

    def _denied_call(self, asked: ModelCallRequested | ToolCallRequested, reasons: tuple[str, ...]) -> CallDecided:
        model = asked.model if isinstance(asked, ModelCallRequested) else None
        tool = asked.tool if isinstance(asked, ToolCallRequested) else None
        return CallDecided(
            context=asked.context,
            kind="model" if model is not None else "tool",
            verdict="deny",
            reasons=reasons,
            rules=(),
            bundle=revision_of(self._evaluator),
            digest=asked.digest,
            model=model,
            tool=tool,
        )


def _work(tenant: str, asked: ModelCallRequested | ToolCallRequested) -> Work:
    """The call as the kill switch knows it. Which provider a model's alias stands for, the router alone knows."""
    context = asked.context
    model = asked.model if isinstance(asked, ModelCallRequested) else None
    provider, slash, _ = (model or "").partition("/")
    return Work(
        tenant,
        pack=context.pack,
        agent=context.agent,
        provider=provider if slash else None,
        model=model,
        tool=asked.tool if isinstance(asked, ToolCallRequested) else None,
        task=context.task,
        alias=model,
        running=True,
    )
