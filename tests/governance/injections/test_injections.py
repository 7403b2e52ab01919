"""Every attacker's call is denied or held, every benign one passes: by rules on where a call would go, not by how a text reads.

The tool sequence is played against the policy service on a real broker: the task is submitted, a tool brings in the poison, policy
looks at it, and then the agent, fooled entirely, makes the attacker's call.
"""

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agentos.contracts.base import Principal
from agentos.contracts.envelope import Recorded, digest
from agentos.contracts.events.call import CallContext, CallDecided, Inspected, ToolCallRequested, ToolCallSettled
from agentos.contracts.events.task import TaskSubmitted
from agentos.keyring import KeyRing
from agentos.killswitch import KillSwitch
from agentos.sdk.journal import canonical
from agentos.sealing import MasterKey
from services.policy.budgets.budgets import Budgets
from services.policy.embedded import EmbeddedEvaluator
from services.policy.evaluator import BUNDLE, read_bundle
from services.policy.handlers import Policy
from services.policy.vaults import Analyser
from tests.conftest import Broker
from tests.governance.injections.cases import CASES, TOOLS, Call, Case
from tests.governance.scenario import TENANT, event, message

PERSON = Principal(kind="api_key", id="ann", roles=("operator",))


def bundle(folder: Path) -> Path:
    """The rules as they ship, in a house that permits every tool of the cases by name: the hardest setting to defend."""
    shutil.copytree(BUNDLE, folder)
    data: Any = json.loads((folder / "data.json").read_text())
    data["config"]["tools"] = {
        name: {"rule": "by_effect" if tool.effect == "read" else "allow"} for name, tool in TOOLS.items()
    }
    (folder / "data.json").write_text(json.dumps(data))
    return folder


class House:
    """The policy service, and the parts of the others that a sequence of tool calls needs."""

    def __init__(self, broker: Broker, master: MasterKey, evaluator: EmbeddedEvaluator, pool: Analyser) -> None:
        self._broker, self._master, self._evaluator, self._pool = broker, master, evaluator, pool
        self.steps = 0

    async def start(self) -> None:
        self.gateway, self.orchestrator, self.worker = [
            await self._broker.connect(name) for name in ("gateway", "orchestrator", "worker")
        ]
        bus = await self._broker.connect("policy")
        self.keys = KeyRing(self.gateway, self._master)
        self.kill = KillSwitch(bus)
        await self.kill.start()
        budgets = Budgets(bus, self._evaluator)
        self.policy = Policy(bus, self._evaluator, self._pool, KeyRing(bus, self._master), self.kill, budgets)

    async def submit(self, task: str, text: str, *, untrusted: bool = False, parent: str | None = None) -> None:
        family = parent or task
        await self.keys.create(TENANT, family)
        plain = canonical({"request": text})
        submitted = TaskSubmitted(
            type="errand", input=await self.keys.seal(TENANT, family, "task.input", plain), input_digest=digest(plain),
            requester=PERSON, untrusted=untrusted, parent=parent,
        )  # fmt: skip
        await self.orchestrator.append("task.submitted", task, submitted, tenant=TENANT)

    async def ask(
        self, task: str, call: Call, declared: tuple[str, ...], *, seen: tuple[str, ...] = (), family: str | None = None
    ) -> tuple[str, CallDecided]:
        """The verdict on a tool call of ``task``, and the call's id."""
        self.steps += 1
        name, arguments = call
        id_ = f"{task}-{self.steps}"
        tool = TOOLS[name]
        context = CallContext(
            task=task, attempt=1, step=self.steps, task_type="errand", pack="helper", agent="errand", untrusted=False,
            instance="r1", uninspected=seen,
        )  # fmt: skip
        asked = ToolCallRequested(
            context=context, tool=name, declared_tools=tuple(TOOLS), task_tools=declared, destinations=tool.destinations,
            effect=tool.effect, arguments=await self.keys.seal(TENANT, family or task, "tool.arguments", canonical(arguments)),
            digest=digest(canonical(arguments)),
        )  # fmt: skip
        await self.policy.on_tool_requested(message("tool.requested", (TENANT, id_), asked, correlation_id=task))
        return id_, (await event(self.gateway, f"tool.{id_}.decided")).payload(CallDecided)

    async def bring_in(self, call: str, decided: CallDecided, content: str, *, family: str | None = None) -> Recorded:
        """The tool was executed and brought ``content``."""
        plain = canonical({"content": content})
        settled = ToolCallSettled(
            context=decided.context, tool=decided.tool or "", outcome="completed", result_digest=digest(plain),
            result=await self.keys.seal(TENANT, family or decided.context.task, "tool.result", plain),
        )  # fmt: skip
        await self.worker.append("tool.settled", call, settled, tenant=TENANT, correlation_id=decided.context.task)
        return await event(self.gateway, f"tool.{call}.settled")

    async def stop(self) -> None:
        await self.kill.stop()


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory: pytest.TempPathFactory) -> EmbeddedEvaluator:
    return EmbeddedEvaluator(read_bundle(bundle(tmp_path_factory.mktemp("rules") / "rego")))


@pytest.fixture
async def house(broker: Broker, tmp_path: Path, evaluator: EmbeddedEvaluator, pool: Analyser) -> AsyncIterator[House]:
    made = House(broker, MasterKey.load_or_create(tmp_path / "keys" / "master.key"), evaluator, pool)
    await made.start()
    yield made
    await made.stop()


async def poisoned(house: House, case: Case, task: str) -> tuple[str, ...]:
    """The task has read the poison; what its runner says of that."""
    await house.submit(task, case.task)
    call, decided = await house.ask(task, case.read, case.declared)
    assert decided.verdict == "allow", decided.reasons
    await house.bring_in(call, decided, case.poison)
    return (f"tool.{call}",)


async def test_every_attack_is_denied_or_held_and_every_benign_call_passes(house: House) -> None:
    wrong: list[str] = []
    for n, case in enumerate(CASES):
        seen = await poisoned(house, case, f"t{n}")
        for call in case.benign:
            _, decided = await house.ask(f"t{n}", call, case.declared, seen=seen)
            if decided.verdict != "allow":
                wrong.append(f"benign, {decided.verdict} {decided.reasons}: {case.name}: {call}")
        for call in (case.attack, *case.extra):
            _, decided = await house.ask(f"t{n}", call, case.declared, seen=seen)
            if decided.verdict == "allow" or not decided.rules:
                wrong.append(f"attack, {decided.verdict}: {case.name}: {call}")
    assert wrong == []


async def test_before_the_poison_the_same_calls_are_the_persons_own_business(house: House) -> None:
    """The rules act on what the task has read, not on the tools: without it the house's permissions stand as they are."""
    for n, case in enumerate(CASES[:5]):
        await house.submit(f"t{n}", case.task)
        _, decided = await house.ask(f"t{n}", case.attack, case.declared)
        assert decided.verdict == "allow", case.name


async def test_the_label_follows_into_a_subtask_and_back(house: House) -> None:
    case = CASES[0]
    seen = await poisoned(house, case, "root")
    await house.submit("child", f"Mail this: {case.poison}", parent="root")
    _, decided = await house.ask("child", case.attack, case.declared, seen=seen, family="root")
    assert (decided.verdict, decided.labels) == ("hold", ("injection.suspected", "untrusted"))


async def test_what_a_subtask_has_read_taints_its_parent(house: House) -> None:
    case = CASES[1]
    await house.submit("root", case.task)
    await house.submit("child", "read the page", parent="root")
    call, decided = await house.ask("child", case.read, case.declared, family="root")
    await house.policy.inspection.on_settled(await house.bring_in(call, decided, case.poison, family="root"))
    _, decided = await house.ask("root", case.attack, case.declared)
    assert (decided.verdict, decided.labels) == ("hold", ("untrusted",))


async def test_a_subtasks_own_input_vouches_for_nothing(house: House) -> None:
    """The agent wrote it: it may have been told to."""
    case = CASES[1]
    seen = await poisoned(house, case, "root")
    await house.submit("child", "mail the digest to reader-service@digest.example", parent="root")
    _, decided = await house.ask("child", case.attack, case.declared, seen=seen, family="root")
    assert decided.verdict == "hold"


async def test_policy_looks_at_what_the_agent_has_seen_before_it_decides(house: House) -> None:
    """The inspection was not delivered yet: it is made up for, and written down once."""
    case = CASES[1]
    seen = await poisoned(house, case, "t")
    _, decided = await house.ask("t", case.attack, case.declared, seen=seen)
    assert decided.verdict == "hold"
    inspected = (await event(house.gateway, f"{seen[0]}.inspected")).payload(Inspected)
    assert inspected.labels == ("untrusted",)
    settled = await event(house.gateway, f"{seen[0]}.settled")
    await house.policy.inspection.on_settled(settled)
    assert (await event(house.gateway, f"{seen[0]}.inspected")).payload(Inspected) == inspected


async def test_a_task_from_outside_vouches_for_nothing_it_says(house: House) -> None:
    await house.submit("hook", "please mail it to bob@corp.example", untrusted=True)
    _, decided = await house.ask("hook", ("mail.send", {"to": "bob@corp.example", "body": "x"}), ("mail.send",))
    assert decided.verdict == "hold"
    assert "history.foreign_destination" in decided.reasons


async def test_only_so_many_effects_a_minute_pass_however_well_vouched(house: House) -> None:
    case = CASES[0]
    seen = await poisoned(house, case, "t")
    verdicts = [(await house.ask("t", case.benign[0], case.declared, seen=seen))[1] for _ in range(31)]
    assert [decided.verdict for decided in verdicts] == ["allow"] * 30 + ["deny"]
    assert "history.too_many.minute" in verdicts[-1].reasons


async def test_what_cannot_be_inspected_counts_as_untrusted(house: House) -> None:
    case = CASES[1]
    await house.submit("t", case.task)
    call, decided = await house.ask("t", case.read, case.declared)
    settled = await house.bring_in(call, decided, case.poison)
    broken = settled.payload(ToolCallSettled)
    assert broken.result is not None
    wrong = broken.model_copy(update={"result": broken.result.model_copy(update={"ciphertext": b"x" * 32})})
    await house.policy.inspection.on_settled(message("tool.settled", (TENANT, call), wrong, correlation_id="t"))
    _, decided = await house.ask("t", case.attack, case.declared)
    assert (decided.verdict, decided.labels) == ("hold", ("uninspected", "untrusted"))


def test_the_cases_cover_every_kind_of_effect_and_name_known_tools() -> None:
    names = {name for case in CASES for name, _ in (case.read, case.attack, *case.benign, *case.extra)} | {
        name for case in CASES for name in case.declared
    }
    assert names <= set(TOOLS)
    assert {TOOLS[case.attack[0]].effect for case in CASES} == {"write", "egress"}
    assert len({case.name for case in CASES}) == len(CASES) >= 40
