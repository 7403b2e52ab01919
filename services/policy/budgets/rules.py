"""Which budgets apply to a call: the Rego package ``agentos.budget`` says so, and what it said is kept for as long as the rules stay."""

from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from agentos.contracts.budgets import Budget
from agentos.contracts.errors import Unavailable
from services.policy.evaluator import PolicyEvaluator
from services.policy.questions import BudgetQuestion, Decision
from services.policy.remembered import Remembered

_BUDGETS = TypeAdapter(tuple[Budget, ...])


@dataclass(frozen=True, slots=True)
class Applying:
    """The rules' answer. Without ``budgets`` nothing limits the call; with ``denials`` (reasons, rules) it may not be made at all."""

    budgets: tuple[Budget, ...]
    reasons: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    needs_task: bool = False
    """Said of a question without a task: the rules cannot answer before they know it."""


class BudgetRules:
    """Calls mostly ask the same, so the rules are asked once; where a budget is a task's own, once for each task."""

    def __init__(self, evaluator: PolicyEvaluator) -> None:
        self._answers = Remembered(evaluator, _applying)

    async def applying(self, question: BudgetQuestion) -> Applying:
        """The budgets, one of each account. Raises Unavailable when the rules give none that can be understood."""
        answer = await self._answers.ask(question.model_copy(update={"task": None}))
        if answer.needs_task:
            answer = await self._answers.ask(question)
            if answer.needs_task:
                raise Unavailable("the rules ask for the task that they were told", code="budget.nonsense")
        return answer


def _applying(decision: Decision) -> Applying:
    if decision.verdict != "allow":
        return Applying((), decision.reasons, decision.rules)
    if decision.obligations.get("needs") == ["task"]:
        return Applying((), needs_task=True)
    return Applying(_read(decision.obligations.get("budgets")))


def _read(said: object) -> tuple[Budget, ...]:
    try:
        budgets = _BUDGETS.validate_python(said)
    except ValidationError as bad:
        where = ", ".join(sorted({".".join(map(str, fault["loc"])) for fault in bad.errors(include_input=False)}))
        raise Unavailable(f"the rules named budgets that cannot be understood (at: {where})", code="budget.nonsense") from None
    return tuple({budget.account: budget for budget in budgets}.values())
