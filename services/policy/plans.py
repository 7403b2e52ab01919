"""What becomes of each find in a text, by where the text goes: the Rego package ``agentos.redaction``."""

from agentos.contracts.errors import Forbidden, Unavailable
from agentos.contracts.events.call import CallContext
from services.policy.evaluator import PolicyEvaluator
from services.policy.questions import Decision, RedactionQuestion
from services.policy.redaction import Plan
from services.policy.remembered import Remembered
from services.policy.verdicts import askable


class Plans:
    """The plans of redaction. The rules are asked once for all like texts."""

    def __init__(self, evaluator: PolicyEvaluator) -> None:
        self._answers = Remembered(evaluator, _read)

    async def of(self, tenant: str, context: CallContext, kind: str, model: str = "*") -> tuple[Plan, tuple[str, ...]]:
        """The plan, and the providers that may get the result (empty: any). Raises Forbidden when no plan is laid down."""
        question = askable(
            lambda: RedactionQuestion.model_validate(
                {
                    "tenant": tenant,
                    "pack": context.pack,
                    "agent": context.agent,
                    "task_type": context.task_type,
                    "kind": kind,
                    "model": model,
                }
            )
        )
        return await self._answers.ask(question)


def _read(decision: Decision) -> tuple[Plan, tuple[str, ...]]:
    if decision.verdict != "allow":
        raise Forbidden(f"no redaction is laid down for this: {', '.join(decision.reasons)}", code="redaction.no_plan")
    try:
        plan = Plan.model_validate(
            {"destination": decision.obligations["destination"], "operators": decision.obligations["operators"]}
        )
        return plan, tuple(map(str, decision.obligations["providers"]))
    except (KeyError, TypeError, ValueError) as nonsense:
        raise Unavailable("the rules on redaction answer no plan", code="policy.nonsense") from nonsense
