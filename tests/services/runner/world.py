"""Real broker, orchestrator, gates, runner and worker; policy and router are played by the few lines they need here."""

import asyncio
import json
import textwrap
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from agentos.bus import Bus, Route
from agentos.contracts.base import Fault, Principal, Sealed
from agentos.contracts.commands import CancelTask, EngageKill, HoldCall, ResolveApproval, RetryTask, SubmitTask, WorkItem
from agentos.contracts.envelope import Recorded, digest
from agentos.contracts.events.approval import ApprovalRequested, ApprovalResolved, ApprovalRuled
from agentos.contracts.events.call import CallDecided, ModelCallRequested, ModelCallSettled, ToolCallRequested
from agentos.contracts.events.governance import CheckpointDecided, CheckpointRequested
from agentos.contracts.events.task import (
    RetryPolicy,
    TaskDecided,
    TaskEnded,
    TaskParked,
    TaskQueued,
    TaskResumed,
    TaskRouted,
    TaskSettled,
    TaskSubmitted,
)
from agentos.contracts.ids import new_id
from agentos.contracts.model import ModelRequest, ModelResponse, TextPart, Usage, texts
from agentos.contracts.subjects import EventSubject
from agentos.sealing import MasterKey, PlaceholderVault, new_data_key, open_model, open_sealed, seal, seal_model
from services.gates import app as gates
from services.gates.settings import Settings as GatesSettings
from services.orchestrator import app as orchestrator
from services.orchestrator.settings import Settings as OrchestratorSettings
from services.runner import app as runner
from services.runner.settings import Settings as RunnerSettings
from services.worker import app as worker
from services.worker.settings import Settings as WorkerSettings
from tests.conftest import Broker

LONG_S = 120
"""A bound on liveness, far beyond what a busy machine takes."""
TENANT = "default"
EMAIL = "alice.liddell@example.com"
ADMIN = Principal(kind="api_key", id="op", roles=("admin", "approver"))


class World:
    """Everything a test needs to see a task through."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.broker = broker
        self.data = folder / "data"
        self.packs = folder / "packs"
        self.master = MasterKey.load_or_create(self.data / "secrets" / "master.key")
        self.key = new_data_key()
        self.asked: Counter[str] = Counter()
        self.hold: set[str] = set()
        self.deny: set[str] = set()
        self.model: Callable[[ModelRequest], str] = lambda request: "echo " + texts(request)[-1]
        self.fail_models = 0
        self.answering = asyncio.Event()
        self.answering.set()
        self._stops: list[tuple[asyncio.Event, asyncio.Task[None]]] = []

    def pack(self, code: str, name: str = "trial", **extra: Any) -> None:
        """A pack whose agents are the functions of ``code`` named in ``agents``."""
        folder = self.packs / name
        folder.mkdir(parents=True)
        agents = extra.pop("agents", ["main"])
        manifest = {
            "name": name,
            "version": "1",
            "description": "a pack for tests",
            "agents": [
                {"name": a, "entry": f"code:{a}", "task_types": [a], "timeout_s": extra.get("timeout_s", 30)} for a in agents
            ],
            "tools": [
                {
                    "name": tool,
                    "entry": f"code:{tool.replace('.', '_')}",
                    "effect": "write",
                    "description": "a tool",
                    "parameters": {"type": "object"},
                    "secrets": ["TRIAL_SECRET"],
                    "timeout_s": 10,
                }
                for tool in extra.get("tools", [])
            ],
        }
        (folder / "pack.yaml").write_text(json.dumps(manifest))
        (folder / "code.py").write_text(textwrap.dedent(code))

    # --- services -----------------------------------------------------------------------------------------------------
    async def start(self) -> None:
        self.gateway = await self.broker.connect("gateway")
        self.policy = await self.broker.connect("policy")
        self.router = await self.broker.connect("router")
        self.policy.consume([
            Route("task.queued", self._admit), Route("call.requested", self._decide_call), Route("tool.requested", self._decide_tool),
            Route("approval.answered", self._rule), Route("checkpoint.requested", self._let_ask),
        ])  # fmt: skip
        self.router.consume([
            Route("task.decided", self._route), Route("task.resumed", self._dispatch_again), Route("call.decided", self._call),
            Route("approval.resolved", self._approved),
        ])  # fmt: skip
        await self.policy.start()
        await self.router.start()
        self.run("orchestrator", orchestrator.run, OrchestratorSettings(data=self.data))
        self.run("gates", gates.run, GatesSettings(data=self.data))

    def run(self, service: str, run: Any, settings: Any) -> Callable[[], Any]:
        """Start a service in this process; the result stops it."""
        stop = asyncio.Event()
        task = asyncio.create_task(run(settings, self.broker.settings(service), stop))
        self._stops.append((stop, task))

        async def end() -> None:
            stop.set()
            await task

        return end

    def run_runner(self, **changes: Any) -> Callable[[], Any]:
        given: dict[str, Any] = {
            "data": self.data, "runner_packs": (self.packs,), "runner_suspend_after": timedelta(milliseconds=200),
            "runner_hang_after": timedelta(seconds=LONG_S),
        }  # fmt: skip
        return self.run("runner", runner.run, RunnerSettings(**(given | changes)))

    def run_worker(self, **changes: Any) -> Callable[[], Any]:
        given: dict[str, Any] = {
            "data": self.data,
            "worker_packs": (self.packs,),
            "worker_first_delay": timedelta(milliseconds=50),
            "worker_hang_after": timedelta(seconds=LONG_S),
        }
        return self.run("worker", worker.run, WorkerSettings(**(given | changes)))

    async def stop(self) -> None:
        for stop, _ in self._stops:
            stop.set()
        for _, task in self._stops:
            await task

    async def _rule(self, message: Recorded) -> None:
        subject = EventSubject.parse(message.subject)
        allowed = ApprovalRuled(verdict="allow", reasons=(), rules=(), bundle="test")
        await self.policy.append("approval.ruled", subject.id, allowed, ordinal=subject.ordinal, cause=message)

    # --- gateway's part -----------------------------------------------------------------------------------------------
    async def submit(self, kind: str, given: Any, **fields: Any) -> str:
        task = new_id()
        await self.gateway.bucket("keys").create(f"{TENANT}.{task}", self.master.wrap(task, self.key))
        plain = json.dumps(given).encode()
        settings: dict[str, Any] = {"retry": RetryPolicy(initial_delay_ms=50), "pack": "trial", **fields}
        submitted = TaskSubmitted(
            type=kind, input=seal(self.key, task, "task.input", plain), input_digest=digest(plain), requester=ADMIN,
            **settings,
        )  # fmt: skip
        command = SubmitTask(request=new_id(), tenant=TENANT, task=submitted)
        await self.gateway.send("orchestrator.submit", (task,), command, tenant=TENANT)
        return task

    async def cancel(self, task: str) -> None:
        await self.gateway.send(
            "orchestrator.cancel", (new_id(),), CancelTask(tenant=TENANT, task=task, reason="enough", by=ADMIN), tenant=TENANT
        )

    async def retry(self, task: str, from_step: int | None = None) -> None:
        await self.gateway.send(
            "orchestrator.retry", (new_id(),), RetryTask(tenant=TENANT, task=task, from_step=from_step, by=ADMIN), tenant=TENANT
        )

    async def resolve(self, approval: str, outcome: Any = "approved") -> None:
        asked = (await self.until(f"approval.{approval}.requested")).payload(ApprovalRequested)
        command = ResolveApproval(tenant=TENANT, approval=approval, outcome=outcome, digest=asked.digest, by=ADMIN)
        await self.gateway.send("gates.resolve", (new_id(),), command, tenant=TENANT)

    async def engage(self, scope: Any, target: str, mode: Any = "halt") -> str:
        """Ask for a switch; its id."""
        switch = new_id()
        command = EngageKill(tenant=TENANT, scope=scope, target=target, mode=mode, reason="test", by=ADMIN)
        await self.gateway.send("gates.engage", (switch,), command, tenant=TENANT)
        return switch

    # --- what tests wait for --------------------------------------------------------------------------------------------
    async def until(self, subject: str, within: float = LONG_S) -> Recorded:
        """The fact on ``subject``, e.g. ``task.<id>.settled.1``."""
        ledger = self.gateway
        async with asyncio.timeout(within):
            while (found := await ledger.get(f"evt.{TENANT}.{subject}")) is None:
                await asyncio.sleep(0.05)
        return found

    async def settled(self, task: str, attempt: int = 1, within: float = LONG_S) -> TaskSettled:
        try:
            return (await self.until(f"task.{task}.settled.{attempt}", within)).payload(TaskSettled)
        except TimeoutError:
            facts = [e.subject.split(".", 4)[4] for e in await self.gateway.load(TENANT, "task", task)]
            raise AssertionError(f"task {task} is not settled; it has {facts}") from None

    async def parked(self, task: str, attempt: int = 1) -> Fault:
        return (await self.until(f"task.{task}.parked.{attempt}")).payload(TaskParked).fault

    async def ended(self, task: str, attempt: int = 1) -> TaskEnded:
        return (await self.until(f"task.{task}.ended.{attempt}")).payload(TaskEnded)

    def opened(self, settled: TaskSettled) -> Any:
        assert settled.result is not None, settled
        return json.loads(open_sealed(self.key, settled.result.key, "task.result", settled.result))

    # --- policy's part --------------------------------------------------------------------------------------------------
    async def _admit(self, message: Recorded) -> None:
        subject = EventSubject.parse(message.subject)
        decided = TaskDecided(verdict="allow", reasons=(), rules=(), bundle="test")
        await self.policy.append("task.decided", subject.id, decided, ordinal=subject.ordinal, cause=message)

    def _vault(self, name: str) -> Sealed:
        return seal_model(self.key, name, "placeholders", PlaceholderVault(values={"EMAIL_1": EMAIL}))

    async def _decide_call(self, message: Recorded) -> None:
        asked = message.payload(ModelCallRequested)
        request = open_model(ModelRequest, self.key, asked.request.key, "call.request", asked.request)
        redacted = ModelRequest.model_validate_json(request.model_dump_json().replace(EMAIL, "<EMAIL_1>"))
        decided = CallDecided(
            context=asked.context, kind="model", verdict="hold" if "model" in self.hold else "allow", reasons=("test",), rules=(),
            bundle="test", digest=asked.digest, model=asked.model, redacted_request=redacted, placeholders=self._vault(asked.request.key),
        )  # fmt: skip
        await self._verdict(message, decided)

    async def _let_ask(self, message: Recorded) -> None:
        asked = message.payload(CheckpointRequested)
        verdict = "deny" if "approval" in self.deny else "allow"
        question = open_sealed(self.key, asked.question.key, "checkpoint.question", asked.question).decode()
        decided = CheckpointDecided(
            context=asked.context, verdict=verdict, reasons=("limit.checkpoints",) if verdict == "deny" else (), rules=(), bundle="test",
            digest=asked.digest, redacted_question=question.replace(EMAIL, "<EMAIL_1>"),
        )  # fmt: skip
        await self.policy.append("checkpoint.decided", EventSubject.parse(message.subject).id, decided, cause=message)

    async def _decide_tool(self, message: Recorded) -> None:
        asked = message.payload(ToolCallRequested)
        verdict = "deny" if asked.tool not in asked.declared_tools else "hold" if asked.tool in self.hold else "allow"
        reasons = ("tool.undeclared",) if verdict == "deny" else ("test",)
        decided = CallDecided(
            context=asked.context, kind="tool", verdict=verdict, reasons=reasons, rules=(), bundle="test", digest=asked.digest,
            tool=asked.tool, redacted_arguments={}, arguments=asked.arguments, placeholders=self._vault(asked.arguments.key),
        )  # fmt: skip
        await self._verdict(message, decided)

    async def _verdict(self, message: Recorded, decided: CallDecided) -> None:
        subject = replace(EventSubject.parse(message.subject), fact="decided")
        await self.policy.append(f"{subject.aggregate}.decided", subject.id, decided, cause=message)
        if decided.verdict == "hold":
            command = HoldCall(tenant=TENANT, decision=str(subject))
            await self.policy.send("gates.hold", (subject.id,), command, tenant=TENANT, cause=message)

    # --- router's part --------------------------------------------------------------------------------------------------
    async def _route(self, message: Recorded) -> None:
        subject = EventSubject.parse(message.subject)
        task, attempt = subject.id, int(subject.ordinal or 0)
        events = await self.router.load(TENANT, "task", task)
        agent = next(e.data.type for e in events if isinstance(e.data, TaskQueued))
        routed = TaskRouted(pack="trial", agent=agent, version="1", priority="normal", candidates=(), reason="test")
        await self.router.append("task.routed", task, routed, ordinal=attempt, cause=message)
        await self._dispatch(message, task, attempt, 0, agent)

    async def _dispatch_again(self, message: Recorded) -> None:
        subject, resumed = EventSubject.parse(message.subject), message.payload(TaskResumed)
        events = await self.router.load(TENANT, "task", subject.id)
        agent = next(e.data.type for e in events if isinstance(e.data, TaskQueued))
        await self._dispatch(message, subject.id, resumed.attempt, int(subject.ordinal or 0), agent)

    async def _dispatch(self, message: Recorded, task: str, attempt: int, resumption: int, agent: str) -> None:
        item = WorkItem(tenant=TENANT, task=task, attempt=attempt, resumption=resumption, pack="trial", agent=agent)
        await self.router.send("work.normal", ("trial", f"{task}-{attempt}-{resumption}"), item, tenant=TENANT, cause=message)

    async def _call(self, message: Recorded) -> None:
        decided = message.payload(CallDecided)
        if decided.verdict == "allow":
            await self._settle(message, decided, EventSubject.parse(message.subject).id)

    async def _approved(self, message: Recorded) -> None:
        approval = message.payload(ApprovalResolved)
        call = EventSubject.parse(message.subject).id
        if approval.kind == "model":
            found = await self.router.get(f"evt.{TENANT}.call.{call}.decided")
            assert found is not None
            await self._settle(message, found.payload(CallDecided), call, refused=approval.outcome != "approved")

    async def _settle(self, message: Recorded, decided: CallDecided, call: str, *, refused: bool = False) -> None:
        assert decided.redacted_request is not None
        assert decided.placeholders is not None
        await self.answering.wait()
        common: dict[str, Any] = {"context": decided.context, "attempts": 1, "placeholders": decided.placeholders}
        if refused:
            settled = ModelCallSettled(outcome="refused", reasons=("approval_rejected",), **common)
        elif self.fail_models > 0:
            self.fail_models -= 1
            settled = ModelCallSettled(
                outcome="failed", fault=Fault(code="overloaded", message="busy", retryable=True), **common
            )
        else:
            self.asked[call] += 1
            part = TextPart(text=self.model(decided.redacted_request))
            response = ModelResponse(provider="test", model="test", parts=(part,), finish_reason="stop", usage=Usage())
            sealed = seal_model(self.key, decided.placeholders.key, "call.response", response)
            settled = ModelCallSettled(outcome="completed", response=sealed, **common)
        await self.router.append("call.settled", call, settled, cause=message)


@asynccontextmanager
async def world_of(broker: Broker, folder: Path) -> AsyncGenerator[World]:
    world = World(broker, folder)
    await world.start()
    try:
        yield world
    finally:
        world.answering.set()
        await world.stop()


__all__ = ["ADMIN", "EMAIL", "TENANT", "Bus", "World", "world_of"]
