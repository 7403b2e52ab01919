"""The policy service on a real broker: one verdict for everything asked, no yes when anything is amiss, nothing in clear."""

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from agentos.bus import Bus
from agentos.bus.server import free_port
from agentos.contracts.base import Json, Sealed, Verdict
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import RetryLater, Unavailable
from agentos.contracts.events.call import CallDecided, ModelCallRequested, ToolCallRequested
from agentos.contracts.events.task import TaskDecided, TaskQueued
from agentos.contracts.model import ModelRequest, user
from agentos.contracts.packs import AgentCard, PackCard
from agentos.keyring import KeyRing
from agentos.killswitch import KillSwitch
from agentos.sealing import MasterKey
from services.policy.budgets.budgets import Budgets
from services.policy.embedded import EmbeddedEvaluator
from services.policy.evaluator import PolicyEvaluator, read_bundle
from services.policy.handlers import Policy
from services.policy.opa import OpaEvaluator
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
from tests.governance.analyser import InProcess
from tests.governance.scenario import OPERATOR, SEALED, TENANT, context, engage, event, message, submission, switch

CLEAR = "Ada Lovelace <ada@example.org>, card 4111 1111 1111 1111"
SECRETS = ("ada@example.org", "4111 1111 1111 1111")


class Says:
    """An evaluator that answers what it is told, or raises it."""

    revision = "test"

    def __init__(self, answer: Verdict | Exception) -> None:
        self.answer: Verdict | Exception = answer
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
            verdict, obligations = "allow", {"budgets": []}
        if isinstance(question, InspectionQuestion):
            verdict, obligations = "allow", {"labels": list(question.labels)}
        return Decision(verdict=verdict, reasons=("said",), rules=("r",), obligations=obligations, revision="test")

    async def close(self) -> None:
        return


class Broken:
    """An analyser that cannot say what is in a text."""

    async def analyses(self, segments: Sequence[Segment]) -> list[Analysis]:
        raise Unavailable(f"{len(segments)} segments cannot be analysed", code="redactor_failed")


@pytest.fixture(scope="module")
def pool() -> InProcess:
    return InProcess()


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


@pytest.fixture
async def site(broker: Broker, tmp_path: Path, pool: InProcess) -> AsyncIterator[Site]:
    made = Site(broker, MasterKey.load_or_create(tmp_path / "keys" / "master.key"), pool)
    await made.start()
    yield made
    await made.stop()


def queued(attempt: int = 1, *, deliveries: int = 1) -> Recorded:
    asked = TaskQueued(type="triage", pack=None, priority="normal", requester=OPERATOR, untrusted=True, reason="submitted")
    return message("task.queued", (TENANT, "t1", str(attempt)), asked, correlation_id="t1", deliveries=deliveries)


async def _admission(site: Site, attempt: int = 1) -> TaskDecided:
    return (await event(site.gateway, f"task.t1.decided.{attempt}")).payload(TaskDecided)


async def test_the_shipped_rules_admit_a_known_task_and_refuse_an_unknown_type(site: Site) -> None:
    policy = await site.policy(EmbeddedEvaluator())
    await policy.on_task_queued(queued(1))
    assert (await _admission(site, 1)).verdict == "allow"
    card = PackCard(pack="sales", version="1", description="", agents=(AgentCard(name="a", task_types=("offer",)),), tools=())
    await site.runner.bucket("packs").put("sales", card.model_dump_json().encode())
    await policy.on_task_queued(queued(2))
    denied = await _admission(site, 2)
    assert denied.verdict == "deny"
    assert denied.reasons


@pytest.mark.parametrize("verdict", ["allow", "deny", "hold"])
async def test_a_model_calls_verdict_holds_the_redacted_request_and_nothing_in_clear(site: Site, verdict: Verdict) -> None:
    evaluator = Says(verdict)
    policy = await site.policy(evaluator, consume=True)
    del policy
    asked = await site.call()
    await site.runner.append("call.requested", "c1", asked.data, tenant=TENANT, correlation_id="t1")
    decided = await site.decided()
    assert (decided.verdict, decided.reasons, decided.kind, decided.digest) == (verdict, ("said",), "model", "d")
    assert decided.redacted_request is not None
    assert "<EMAIL_1>" in decided.redacted_request.model_dump_json()
    assert len(decided.entities) >= 2
    recorded = await event(site.gateway, "call.c1.decided")
    assert recorded.meta.correlation_id == "t1"
    assert not [secret for secret in SECRETS if secret in recorded.data.model_dump_json()]
    assert not [secret for secret in SECRETS if secret in repr(evaluator.asked)]


async def test_a_tool_calls_verdict_shows_redacted_arguments_and_keeps_the_sealed_ones(site: Site) -> None:
    policy = await site.policy(EmbeddedEvaluator())
    asked = await site.tool(b'{"body": "write to ada@example.org", "issue": 7}')
    await policy.on_tool_requested(asked)
    decided = await site.decided(aggregate="tool")
    assert (decided.verdict, decided.kind) == ("hold", "tool")
    assert decided.redacted_arguments is not None
    assert decided.redacted_arguments["body"] == "write to <EMAIL_1>"
    assert decided.arguments == asked.payload(ToolCallRequested).arguments
    assert "ada@" not in decided.model_dump_json()


async def test_an_engaged_kill_switch_denies_everything_and_says_which_and_why(site: Site) -> None:
    await engage(await site.broker.connect("gates"), switch())
    policy = await site.policy(Says("allow"))
    await policy.on_task_queued(queued())
    await policy.on_call_requested(await site.call())
    await policy.on_tool_requested(await site.tool(b"{}"))
    for reasons in (
        (await _admission(site)).reasons,
        (await site.decided()).reasons,
        (await site.decided(aggregate="tool")).reasons,
    ):
        assert reasons[0] == "kill_switch"
        assert "a test" in reasons[1]


SILENT: dict[str, Callable[[], PolicyEvaluator]] = {
    "policy.unreachable": lambda: Says(Unavailable("The policy server does not answer.", code="policy.unreachable")),
    "policy.undefined": lambda: Says(Unavailable("The rule is undefined.", code="policy.undefined")),
    "policy_failed": lambda: Says(ZeroDivisionError("a defect in the evaluator")),
}


@pytest.mark.parametrize("code", SILENT)
async def test_while_no_verdict_can_be_had_the_message_waits_and_then_the_answer_is_no(site: Site, code: str) -> None:
    policy = await site.policy(SILENT[code]())
    for deliveries in (1, 2):
        with pytest.raises(RetryLater):
            await policy.on_call_requested(await site.call(deliveries=deliveries))
        with pytest.raises(RetryLater):
            await policy.on_task_queued(queued(deliveries=deliveries))
    assert await site.undecided()
    await policy.on_call_requested(await site.call(deliveries=3))
    await policy.on_tool_requested(await site.tool(b'{"body": "x"}', deliveries=3))
    await policy.on_task_queued(queued(deliveries=3))
    decided = await site.decided()
    assert (decided.verdict, decided.reasons, decided.redacted_request) == ("deny", (code,), None)
    assert (await site.decided(aggregate="tool")).reasons == (code,)
    assert (await _admission(site)).reasons == (code,)


async def test_without_the_opa_server_it_is_told_to_ask_the_service_does_not_even_start() -> None:
    with pytest.raises(Unavailable):
        await OpaEvaluator.connect(f"http://127.0.0.1:{free_port()}", read_bundle())


async def test_a_redactor_that_raises_sends_nothing_anywhere(site: Site) -> None:
    policy = await site.policy(Says("allow"), Broken(), consume=True)
    del policy
    asked = await site.call()
    await site.runner.append("call.requested", "c1", asked.data, tenant=TENANT, correlation_id="t1")
    decided = await site.decided()
    assert (decided.verdict, decided.reasons, decided.redacted_request) == ("deny", ("redactor_failed",), None)


async def test_an_erased_key_a_broken_seal_and_a_name_out_of_bounds_are_denied_at_once(site: Site) -> None:
    policy = await site.policy(Says("allow"))
    await policy.on_call_requested(await site.call(call="c1", key="erased"))
    assert (await site.decided("c1")).reasons == ("key_erased",)
    await site.keys.create(TENANT, "other")
    await policy.on_call_requested(await site.call(call="c2", key="other"))
    assert (await site.decided("c2")).reasons == ("seal_broken",)
    await policy.on_tool_requested(await site.tool(b'{"body": "x"}', tool='quote " in a name'))
    assert (await site.decided(aggregate="tool")).reasons == ("bad_question",)


async def test_placeholders_stay_the_same_over_all_calls_of_a_task_family(site: Site) -> None:
    policy = await site.policy(Says("allow"))
    await policy.on_call_requested(await site.call("to ada@example.org", call="c1"))
    await policy.on_call_requested(await site.call("from bob@example.org to ada@example.org", call="c2"))
    texts = [(await site.decided(call)).redacted_request for call in ("c1", "c2")]
    assert [text.messages[0].parts[0].model_dump()["text"] for text in texts if text is not None] == [
        "to <EMAIL_1>",
        "from <EMAIL_2> to <EMAIL_1>",
    ]
    reader = await site.broker.connect("policy")
    entry = await reader.bucket("placeholders").get(f"{TENANT}.family")
    assert entry is not None
    assert entry.value is not None
    assert b"@" not in entry.value
    assert Sealed.model_validate_json(entry.value).purpose == "placeholders"


async def test_instances_that_race_give_each_value_one_placeholder_of_its_own(site: Site) -> None:
    for _ in range(3):
        await site.policy(Says("allow"), consume=True)
    for number in range(24):
        asked = await site.call(f"to person{number % 8}@example.org", call=f"c{number}")
        await site.runner.append("call.requested", f"c{number}", asked.data, tenant=TENANT, correlation_id="t1")
    by_person: dict[int, set[str]] = {}
    for number in range(24):
        request = (await site.decided(f"c{number}")).redacted_request
        assert request is not None
        by_person.setdefault(number % 8, set()).add(request.messages[0].parts[0].model_dump()["text"])
    assert all(len(found) == 1 for found in by_person.values())
    assert len({next(iter(found)) for found in by_person.values()}) == 8


async def test_an_erased_placeholder_map_begins_anew(site: Site) -> None:
    policy = await site.policy(Says("allow"))
    await policy.on_call_requested(await site.call("to ada@example.org", call="c1"))
    bus: Bus = site.broker.buses[-1]
    await bus.bucket("placeholders").delete(f"{TENANT}.family")
    await policy.on_call_requested(await site.call("to bob@example.org", call="c2"))
    assert (await site.decided("c2")).verdict == "allow"


async def test_a_question_that_comes_again_keeps_its_first_verdict(site: Site) -> None:
    evaluator = Says("deny")
    policy = await site.policy(evaluator)
    await policy.on_call_requested(await site.call())
    evaluator.answer = "allow"
    await policy.on_call_requested(await site.call(deliveries=2))
    assert (await site.decided()).verdict == "deny"
