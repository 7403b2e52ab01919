"""Gates, policy and worker on a real broker, and a tool that notes what it was given: what approvals are about, from end to end."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agentos.bus import Bus
from agentos.contracts.base import Contract, Principal
from agentos.contracts.commands import (
    Answer,
    CommentApproval,
    DelegateApprovals,
    EditApproval,
    EngageKill,
    HoldCall,
    ReleaseKill,
    ResolveApproval,
)
from agentos.contracts.events.approval import ApprovalRequested, ApprovalResolved
from agentos.contracts.events.call import ModelCallRequested, ToolCallRequested, ToolCallSettled
from agentos.contracts.events.governance import CheckpointRequested
from agentos.contracts.model import ModelRequest, user
from agentos.keyring import KeyRing
from agentos.killswitch import KillSwitch
from agentos.packhost.hiding import Hider
from agentos.packhost.listener import Tried
from agentos.packhost.process import HostOptions
from agentos.sdk.journal import canonical, step_digest
from agentos.sdk.manifest import ToolEntry
from agentos.sealing import MasterKey
from services.gates.handlers import Gates
from services.gates.notifications.targets import Targets
from services.gates.settings import Settings as GatesSettings
from services.policy.budgets.budgets import Budgets
from services.policy.embedded import EmbeddedEvaluator
from services.policy.handlers import Policy
from services.policy.questions import CheckpointQuestion, Decision, Question, ToolCallQuestion
from services.worker.execution import ToolHosts, Worked
from services.worker.handlers import Worker
from services.worker.settings import Settings as WorkerSettings
from tests.conftest import Broker
from tests.governance.analyser import InProcess
from tests.governance.scenario import APPROVER, OPERATOR, SEALED, TENANT, answer, context, event, submission

TOOL = "github.comment"
PARAMETERS = {"type": "object", "properties": {"to": {"type": "string"}, "body": {"type": "string"}}, "required": ["body"]}


def person(name: str, *roles: str) -> Principal:
    return Principal(kind="api_key", id=name, roles=roles or ("approver",))


class Desk(ToolHosts):
    """A tool that notes its arguments."""

    def __init__(self) -> None:
        super().__init__({}, HostOptions(mode="tools"), {}, Path(), lambda pack, tried: None)
        self.done: list[tuple[str, Any]] = []

    def tool(self, pack: str, name: str) -> ToolEntry | None:
        return ToolEntry(name=name, description="", effect="egress", parameters=PARAMETERS, entry="tools.py:comment")

    async def execute(
        self,
        pack: str,
        tool: ToolEntry,
        call_id: str,
        arguments: Any,
        attempt: int,
        hide: Hider,
        tried: Callable[[Tried], object],
    ) -> Worked:
        self.done.append((call_id, arguments))
        return Worked({"ok": True}, False)


class Strict(EmbeddedEvaluator):
    """The shipped rules, and on demand more: no tool, no checkpoint, other terms for those."""

    deny_tools = False
    deny_checkpoints = False
    checkpoint_terms: Mapping[str, Any] | None = None

    async def decide(self, question: Question) -> Decision:
        if self.deny_tools and isinstance(question, ToolCallQuestion):
            return Decision(verdict="deny", reasons=("tool.forbidden",), rules=("t",), obligations={}, revision="strict")
        if self.deny_checkpoints and isinstance(question, CheckpointQuestion):
            return Decision(verdict="deny", reasons=("limit.checkpoints",), rules=("c",), obligations={}, revision="strict")
        decision = await super().decide(question)
        if self.checkpoint_terms is not None and isinstance(question, CheckpointQuestion):
            return decision.model_copy(update={"obligations": dict(self.checkpoint_terms)})
        return decision


class House:
    """Everything that an approval passes through."""

    def __init__(self, broker: Broker, master: MasterKey, targets: Targets | None = None) -> None:
        self.broker, self.master, self.targets = broker, master, targets or Targets()
        self.asked = 0
        self.desk = Desk()
        self.rules = Strict()
        self.running: list[tuple[Bus, Gates]] = []

    async def start(self) -> None:
        names = ("gateway", "policy", "orchestrator", "runner", "worker")
        self.gateway, policy, self.orchestrator, self.runner, worker = [await self.broker.connect(name) for name in names]
        self.policy_bus = policy
        self.keys = KeyRing(self.gateway, self.master)
        await self.keys.create(TENANT, "family")
        self.kills = [KillSwitch(policy), KillSwitch(worker)]
        for kill in self.kills:
            await kill.start()
        self.budgets = Budgets(policy, self.rules)
        self.policy = Policy(policy, self.rules, InProcess(), KeyRing(policy, self.master), self.kills[0], self.budgets)
        policy.consume([route for route in self.policy.routes() if route.channel.startswith(("approval.", "checkpoint."))])
        await policy.start()
        self.worker = Worker(worker, WorkerSettings(), self.desk, KeyRing(worker, self.master), self.kills[1])
        worker.consume(self.worker.routes())
        await worker.start()
        await self.open_gates()

    async def open_gates(self) -> Gates:
        bus = await self.broker.connect("gates")
        gates = Gates(bus, GatesSettings(kill_second_person_scopes=frozenset()), self.targets)
        await gates.reconcile()
        bus.consume(gates.routes())
        await bus.start()
        self.running.append((bus, gates))
        return gates

    async def close_gates(self) -> None:
        for bus, gates in self.running:
            await bus.drain()
            await gates.close()
        self.running.clear()

    async def stop(self) -> None:
        for kill in self.kills:
            await kill.stop()
        await self.budgets.close()
        await self.rules.close()
        await self.close_gates()

    # --- what is held -------------------------------------------------------------------------------------------------

    async def submit(self, task: str = "t1", **fields: Any) -> None:
        if await self.gateway.get(f"evt.{TENANT}.task.{task}.submitted") is None:
            sealed = SEALED.model_copy(update={"key": "family"})
            await self.orchestrator.append("task.submitted", task, submission(**({"input": sealed} | fields)), tenant=TENANT)

    async def hold(
        self, call: str = "c1", arguments: dict[str, Any] | None = None, task: str = "t1", **obligations: Any
    ) -> ApprovalRequested:
        """A tool call that is held until persons have answered."""
        await self.submit(task)
        arguments = arguments or {"to": "ada@example.org", "body": "Hello"}
        asked = ToolCallRequested(
            context=context(task).model_copy(update={"untrusted": False}),
            tool=TOOL,
            declared_tools=(TOOL,),
            task_tools=(TOOL,),
            effect="egress",
            arguments=await self.keys.seal(TENANT, "family", "tool.arguments", canonical(arguments)),
            digest=step_digest("tool", {"tool": TOOL, "arguments": arguments}),
        )
        await self.runner.append("tool.requested", call, asked, tenant=TENANT, correlation_id=task)
        decided = (await self.policy.calls.on_tool(TENANT, call, asked)).decided
        assert decided.verdict == "hold"
        held = decided.model_copy(update={"obligations": {"editable": True} | obligations})
        await self.policy_bus.append("tool.decided", call, held, tenant=TENANT, correlation_id=task)
        await self.tell("tool", call)
        return (await event(self.gateway, f"approval.{call}.requested")).payload(ApprovalRequested)

    async def tell(self, aggregate: str, call: str) -> None:
        """Policy's word to the gates that a call is held."""
        command = HoldCall(tenant=TENANT, decision=f"evt.{TENANT}.{aggregate}.{call}.decided")
        await self.policy_bus.send("gates.hold", (call,), command, tenant=TENANT)

    async def ask(self, question: str = "Post it?", *, asked: str = "a1", task: str = "t1") -> None:
        """A pack's question to a person."""
        await self.submit(task)
        checkpoint = CheckpointRequested(
            context=context(task),
            question=await self.keys.seal(TENANT, "family", "checkpoint.question", question.encode()),
            digest="q",
        )
        await self.runner.append("checkpoint.requested", asked, checkpoint, tenant=TENANT, correlation_id=task)

    async def hold_model(self, call: str = "m1", text: str = "Ask ada@example.org", **obligations: Any) -> ApprovalRequested:
        """A model call that is held."""
        await self.submit()
        request = ModelRequest(messages=(user(text),))
        asked = ModelCallRequested(
            context=context(),
            model="default",
            request=await self.keys.seal_model(TENANT, "family", "call.request", request),
            digest=step_digest("model", request.model_dump(mode="json")),
            max_output_tokens=request.max_output_tokens,
        )
        await self.runner.append("call.requested", call, asked, tenant=TENANT, correlation_id="t1")
        decided = (await self.policy.calls.on_model(TENANT, call, asked, datetime.now(UTC))).decided
        held = decided.model_copy(update={"verdict": "hold", "obligations": {"editable": True} | obligations})
        await self.policy_bus.append("call.decided", call, held, tenant=TENANT, correlation_id="t1")
        await self.tell("call", call)
        return (await event(self.gateway, f"approval.{call}.requested")).payload(ApprovalRequested)

    # --- what people do -----------------------------------------------------------------------------------------------

    async def command(self, verb: str, command: Contract, *, request: str | None = None) -> Answer:
        self.asked += 1
        request = request or f"r{self.asked}"
        await self.gateway.send(f"gates.{verb}", (request,), command, tenant=TENANT)
        return await answer(self.gateway, "gates", request)

    async def resolve(
        self, outcome: str = "approved", by: Principal = APPROVER, call: str = "c1", digest: str | None = None, **fields: Any
    ) -> Answer:
        if digest is None:
            digest = await self.digest(call)
        made = {"tenant": TENANT, "approval": call, "outcome": outcome, "digest": digest, "by": by}
        return await self.command("resolve", ResolveApproval.model_validate(made | fields))

    async def digest(self, call: str = "c1") -> str:
        """What the approval is for by now, as a person sees it."""
        found = await self.gateway.get(f"evt.{TENANT}.approval.{call}.requested")
        if found is None:
            return "nothing"
        digest = found.payload(ApprovalRequested).digest
        for one in await self.gateway.load(TENANT, "approval", call):
            if one.channel.name == "approval.revised" and one.data.verdict != "deny" and one.data.base_digest == digest:  # pyright: ignore[reportAttributeAccessIssue]
                digest = one.data.digest  # pyright: ignore[reportAttributeAccessIssue]
        return digest

    async def edit(
        self, content: Any, by: Principal = APPROVER, call: str = "c1", digest: str | None = None, request: str | None = None
    ) -> Answer:
        plain = content if isinstance(content, bytes) else json.dumps(content).encode()
        sealed = await self.keys.seal(TENANT, "family", "approval.edit", plain)
        base = digest or await self.digest(call)
        made = EditApproval(tenant=TENANT, approval=call, base_digest=base, content=sealed, by=by)
        return await self.command("edit", made, request=request)

    async def comment(self, text: str, by: Principal = APPROVER, call: str = "c1") -> Answer:
        sealed = await self.keys.seal(TENANT, "family", "approval.comment", text.encode())
        made = CommentApproval(tenant=TENANT, approval=call, text=sealed, length=len(text), by=by)
        return await self.command("comment", made)

    async def lend(self, by: Principal, to: str, until: Any, **fields: Any) -> Answer:
        made = {"tenant": TENANT, "to": to, "since": "2026-01-01T00:00:00Z", "until": until, "reason": "away", "by": by}
        return await self.command("delegate", DelegateApprovals.model_validate(made | fields))

    async def engage(self, scope: Any = "global", target: str = "*") -> str:
        made = EngageKill(tenant=TENANT, scope=scope, target=target, reason="a drill", by=OPERATOR)
        said = await self.command("engage", made)
        return str(said.data["switch"])

    async def release(self, switch: str) -> None:
        assert (await self.command("release", ReleaseKill(tenant=TENANT, switch=switch, reason="over", by=OPERATOR))).ok

    # --- what comes of it ---------------------------------------------------------------------------------------------

    async def resolved(self, call: str = "c1") -> ApprovalResolved:
        return (await event(self.gateway, f"approval.{call}.resolved")).payload(ApprovalResolved)

    async def settled(self, call: str = "c1") -> ToolCallSettled:
        return (await event(self.gateway, f"tool.{call}.settled")).payload(ToolCallSettled)

    async def facts(self, call: str = "c1") -> list[str]:
        """The approval's events in stream order, by name and ordinal."""
        return [one.subject.split(".", 4)[4] for one in await self.gateway.load(TENANT, "approval", call)]


@asynccontextmanager
async def house_of(broker: Broker, folder: Path, targets: Targets | None = None) -> AsyncGenerator[House]:
    """A running house."""
    house = House(broker, MasterKey.load_or_create(folder / "keys" / "master.key"), targets)
    await house.start()
    try:
        yield house
    finally:
        await house.stop()
