"""Policy services over a real broker, an evaluator that answers what it is told, and those whose events they decide on."""

from collections.abc import Sequence
from typing import Any

from agentos.contracts.base import Json, Verdict
from agentos.contracts.budgets import ModelCatalogue
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import Unavailable
from agentos.contracts.events.call import CallDecided, ModelCallRequested, ToolCallRequested
from agentos.contracts.events.governance import CheckpointDecided, CheckpointRequested
from agentos.contracts.events.task import TaskDecided, TaskQueued
from agentos.contracts.model import ModelRequest, user
from agentos.contracts.packs import AgentCard, PackCard
from agentos.keyring import KeyRing
from agentos.killswitch import KillSwitch
from agentos.sealing import MasterKey
from services.policy.budgets.budgets import Budgets
from services.policy.embedded import EmbeddedEvaluator
from services.policy.evaluator import Bundle, PolicyEvaluator, read_bundle
from services.policy.handlers import Policy
from services.policy.questions import (
    BudgetQuestion,
    Decision,
    InspectionQuestion,
    Question,
    RedactionQuestion,
    RoutingQuestion,
)
from services.policy.redacting.finding import Analysis
from services.policy.redaction import Segment
from services.policy.vaults import Analyser
from tests.conftest import Broker
from tests.governance.scenario import OPERATOR, SEALED, TENANT, context, event, message, submission

CLEAR = "Ada Lovelace <ada@example.org>, card 4111 1111 1111 1111"
SECRETS = ("ada@example.org", "4111 1111 1111 1111")


class Says:
    """An evaluator that answers what it is told, or raises it."""

    revision = "test"

    def __init__(self, answer: Verdict | Exception) -> None:
        self.answer: Verdict | Exception = answer
        self.budgets: list[Json] = []
        self.asked: list[Question] = []

    async def decide(self, question: Question) -> Decision:
        self.asked.append(question)
        if isinstance(self.answer, Exception):
            raise self.answer
        obligations: dict[str, Json] = {}
        verdict: Verdict = self.answer
        if isinstance(question, RedactionQuestion):
            verdict, obligations = "allow", {"destination": "cloud", "operators": {"*": "replace"}, "providers": []}
        if isinstance(question, RoutingQuestion):
            verdict, obligations = "allow", {"candidates": list(question.candidates)}
        if isinstance(question, BudgetQuestion):
            verdict, obligations = "allow", {"budgets": self.budgets}
        if isinstance(question, InspectionQuestion):
            verdict, obligations = "allow", {"labels": list(question.labels)}
        return Decision(verdict=verdict, reasons=("said",), rules=("r",), obligations=obligations, revision="test")

    async def close(self) -> None:
        return


class Broken:
    """An analyser that cannot say what is in a text."""

    async def analyses(self, segments: Sequence[Segment]) -> list[Analysis]:
        raise Unavailable(f"{len(segments)} segments cannot be analysed", code="redactor_failed")


class Site:
    """Policy services over one broker, and those whose events they decide on."""

    def __init__(self, broker: Broker, master: MasterKey, pool: Analyser) -> None:
        self.broker, self.master, self.pool = broker, master, pool
        self.started: list[tuple[Policy, KillSwitch]] = []

    async def start(self) -> None:
        self.gateway, self.runner = await self.broker.connect("gateway"), await self.broker.connect("runner")
        orchestrator = await self.broker.connect("orchestrator")
        sealed = SEALED.model_copy(update={"key": "family"})
        await orchestrator.append("task.submitted", "t1", submission(input=sealed), tenant=TENANT)
        self.keys = KeyRing(self.gateway, self.master)
        await self.keys.create(TENANT, "family")

    async def policy(self, evaluator: PolicyEvaluator, pool: Analyser | None = None, *, consume: bool = False) -> Policy:
        bus = await self.broker.connect("policy")
        kill = KillSwitch(bus)
        await kill.start()
        made = Policy(bus, evaluator, pool or self.pool, KeyRing(bus, self.master), kill, Budgets(bus, evaluator))
        self.started.append((made, kill))
        if consume:
            bus.consume(made.routes())
            await bus.start()
        return made

    async def stop(self) -> None:
        for _, kill in self.started:
            await kill.stop()

    async def call(self, text: str = CLEAR, *, call: str = "c1", key: str = "family", deliveries: int = 1) -> Recorded:
        request = ModelRequest(messages=(user(text),))
        sealed = await self.keys.seal_model(TENANT, "family", "call.request", request)
        asked = ModelCallRequested(
            context=context(),
            model="default",
            request=sealed.model_copy(update={"key": key}),
            digest="d",
            max_output_tokens=request.max_output_tokens,
        )
        return message("call.requested", (TENANT, call), asked, correlation_id="t1", deliveries=deliveries)

    async def tool(self, arguments: bytes, *, deliveries: int = 1, tool: str = "github.comment") -> Recorded:
        sealed = await self.keys.seal(TENANT, "family", "tool.arguments", arguments)
        asked = ToolCallRequested(
            context=context(),
            tool=tool,
            declared_tools=("github.comment",),
            task_tools=("github.comment",),
            effect="egress",
            arguments=sealed,
            digest="d",
        )
        return message("tool.requested", (TENANT, "c1"), asked, correlation_id="t1", deliveries=deliveries)

    async def decided(self, call: str = "c1", aggregate: str = "call") -> CallDecided:
        return (await event(self.gateway, f"{aggregate}.{call}.decided")).payload(CallDecided)

    async def undecided(self, call: str = "c1") -> bool:
        return await self.gateway.get(f"evt.{TENANT}.call.{call}.decided") is None

    async def checkpoint(self, question: str = CLEAR, *, asked: str = "a1", task: str = "t1", deliveries: int = 1) -> Recorded:
        checkpoint = CheckpointRequested(
            context=context(task),
            question=await self.keys.seal(TENANT, "family", "checkpoint.question", question.encode()),
            digest="d",
        )
        return message("checkpoint.requested", (TENANT, asked), checkpoint, correlation_id=task, deliveries=deliveries)

    async def asked(self, asked: str = "a1") -> CheckpointDecided:
        return (await event(self.gateway, f"checkpoint.{asked}.decided")).payload(CheckpointDecided)

    async def admission(self, attempt: int = 1) -> TaskDecided:
        return (await event(self.gateway, f"task.t1.decided.{attempt}")).payload(TaskDecided)

    async def register(self, pack: str, *types: str) -> None:
        """A pack that is known, alive or not."""
        agents = (AgentCard(name="a", task_types=types),)
        card = PackCard(pack=pack, version="1", description="", agents=agents, tools=())
        await self.runner.bucket("packs").put(pack, card.model_dump_json().encode())

    async def serve(self, *providers: str) -> None:
        """What the router says that it serves."""
        router = await self.broker.connect("router")
        catalogue = ModelCatalogue(providers=providers, aliases={}, prices={})
        await router.bucket("models").put("catalogue", catalogue.model_dump_json().encode())


def queued(attempt: int = 1, *, pack: str | None = None, deliveries: int = 1) -> Recorded:
    asked = TaskQueued(type="triage", pack=pack, priority="normal", requester=OPERATOR, untrusted=True, reason="submitted")
    return message("task.queued", (TENANT, "t1", str(attempt)), asked, correlation_id="t1", deliveries=deliveries)


class Shipped(EmbeddedEvaluator):
    """The shipped rules under another configuration, and what they were asked."""

    def __init__(self, **config: Any) -> None:
        bundle = read_bundle()
        shipped: dict[str, Any] = dict(bundle.config)
        super().__init__(Bundle(bundle.modules, shipped | config))
        self.asked: list[Question] = []

    async def decide(self, question: Question) -> Decision:
        self.asked.append(question)
        return await super().decide(question)
