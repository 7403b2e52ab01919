"""Which budgets apply: asked without the task, which the rules are told only when they say that they need it."""

import pytest

from agentos.contracts.base import Json
from agentos.contracts.errors import Unavailable
from services.policy.budgets.rules import BudgetRules
from services.policy.embedded import EmbeddedEvaluator
from services.policy.evaluator import Bundle, read_bundle
from services.policy.questions import Asker, BudgetQuestion, Decision, Question

OWN: dict[str, Json] = {
    "id": "own", "scope": {"task": "*"}, "metric": "usd", "limit": "2.00", "window": "total", "mode": "hard",
}  # fmt: skip


def question(task: str) -> BudgetQuestion:
    return BudgetQuestion(
        tenant="acme",
        pack="engineering",
        agent="triage",
        task=task,
        task_type="triage",
        requester=Asker(kind="api_key", id="ann"),
        user="ann",
        model="default",
        providers=("openai",),
    )


class Counting:
    """The embedded evaluator, and what it was asked."""

    def __init__(self, bundle: Bundle) -> None:
        self._evaluator = EmbeddedEvaluator(bundle)
        self.asked: list[Question] = []

    @property
    def revision(self) -> str:
        return self._evaluator.revision

    async def decide(self, question: Question) -> Decision:
        self.asked.append(question)
        return await self._evaluator.decide(question)

    async def close(self) -> None:
        await self._evaluator.close()


def bundle(*budgets: Json) -> Bundle:
    shipped = read_bundle()
    return Bundle(shipped.modules, {**shipped.config, "budgets": list(budgets)})


async def test_without_a_budget_of_a_tasks_own_the_calls_of_all_tasks_ask_once() -> None:
    evaluator = Counting(read_bundle())
    rules = BudgetRules(evaluator)
    first = await rules.applying(question("t1"))
    assert first.budgets
    assert await rules.applying(question("t2")) == first
    assert len(evaluator.asked) == 1


async def test_a_budget_of_a_tasks_own_is_each_tasks() -> None:
    evaluator = Counting(bundle(OWN))
    rules = BudgetRules(evaluator)
    for _ in range(2):
        for task in ("t1", "t2"):
            (applying,) = (await rules.applying(question(task))).budgets
            assert applying.key == {"tenant": "acme", "task": task}
    assert [asked.task for asked in evaluator.asked if isinstance(asked, BudgetQuestion)] == [None, "t1", "t2"]


async def test_a_limit_that_nobody_understands_stops_the_call_before_the_task_is_asked_for() -> None:
    rules = BudgetRules(Counting(bundle(OWN, {"id": "x", "scope": {"tenant": "*"}})))
    answer = await rules.applying(question("t1"))
    assert (answer.budgets, answer.reasons) == ((), ("budget.invalid",))


async def test_rules_that_go_on_asking_for_the_task_get_no_call() -> None:
    class Greedy(Counting):
        async def decide(self, question: Question) -> Decision:
            return Decision(
                verdict="allow", reasons=("r",), rules=("r",), obligations={"needs": ["task"]}, revision=self.revision
            )

    with pytest.raises(Unavailable, match="were told"):
        await BudgetRules(Greedy(read_bundle())).applying(question("t1"))
