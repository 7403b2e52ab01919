"""Which budgets apply to a call: the Rego package ``agentos.budget`` says so, and what it said is kept for as long as the rules stay."""

from collections import OrderedDict
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from agentos.contracts.budgets import Budget
from agentos.contracts.errors import Unavailable
from services.policy.evaluator import PolicyEvaluator
from services.policy.questions import BudgetQuestion

_BUDGETS = TypeAdapter(tuple[Budget, ...])
KEPT = 4_096


@dataclass(frozen=True, slots=True)
class Applying:
    """The rules' answer. Without ``budgets`` nothing limits the call; with ``denials`` (reasons, rules) it may not be made at all."""

    budgets: tuple[Budget, ...]
    reasons: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


class BudgetRules:
    """Asks the evaluator once for each question and revision: the calls of a task mostly ask the same."""

    def __init__(self, evaluator: PolicyEvaluator) -> None:
        self._evaluator = evaluator
        self._kept: OrderedDict[tuple[str, str], Applying] = OrderedDict()

    async def applying(self, question: BudgetQuestion) -> Applying:
        """The budgets, one of each account. Raises Unavailable when the rules give none that can be understood."""
        asked = question.model_dump_json()
        kept = self._kept.get((self._evaluator.revision, asked))
        if kept is not None:
            self._kept.move_to_end((self._evaluator.revision, asked))
            return kept
        decision = await self._evaluator.decide(question)
        if decision.verdict != "allow":
            found = Applying((), decision.reasons, decision.rules)
        else:
            found = Applying(_read(decision.obligations.get("budgets")))
        self._kept[(decision.revision, asked)] = found
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found


def _read(said: object) -> tuple[Budget, ...]:
    try:
        budgets = _BUDGETS.validate_python(said)
    except ValidationError as bad:
        where = ", ".join(sorted({".".join(map(str, fault["loc"])) for fault in bad.errors(include_input=False)}))
        raise Unavailable(f"the rules named budgets that cannot be understood (at: {where})", code="budget.nonsense") from None
    return tuple({budget.account: budget for budget in budgets}.values())
