"""Who may do it: packs for a task, providers for a model call (the Rego package ``agentos.routing``)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from agentos.contracts.base import Json
from agentos.contracts.errors import Unavailable
from agentos.contracts.events.call import CallContext
from agentos.contracts.events.task import TaskQueued
from services.policy.budgets.prices import Prices
from services.policy.evaluator import PolicyEvaluator
from services.policy.questions import Decision, RoutingQuestion
from services.policy.remembered import Remembered
from services.policy.verdicts import askable


@dataclass(frozen=True, slots=True)
class Routed:
    """The rules' answer: ``permitted`` are those that may; where that is nobody, ``decision`` is a denial that says why."""

    question: RoutingQuestion
    decision: Decision
    permitted: tuple[str, ...]


class RoutingRules:
    """Asks the rules once for all like tasks and calls, so that the usual one asks nothing more."""

    def __init__(self, evaluator: PolicyEvaluator, prices: Prices) -> None:
        self._answers = Remembered(evaluator, _read)
        self._prices = prices

    async def packs(self, tenant: str, queued: TaskQueued, takers: Iterable[str]) -> Routed | None:
        """Which of ``takers`` may take the task; of one that was asked for by name, whether it may. None where nobody is known to take it."""
        candidates = (queued.pack,) if queued.pack is not None else tuple(sorted(set(takers)))
        if not candidates:
            return None
        question = askable(
            lambda: RoutingQuestion(
                kind="task",
                tenant=tenant,
                task_type=queued.type,
                pack=queued.pack or "*",
                candidates=candidates,
                untrusted=queued.untrusted,
            )
        )
        return await self._ask(question)

    async def providers(
        self, tenant: str, context: CallContext, data_classes: tuple[str, ...], *, untrusted: bool
    ) -> Routed | None:
        """Which providers may serve a call of these kinds of data. None before the router has said which there are.

        Raises RetryLater when the broker does not answer.
        """
        catalogue = await self._prices.catalogue()
        if catalogue is None or not catalogue.providers:
            return None
        question = askable(
            lambda: RoutingQuestion(
                kind="model",
                tenant=tenant,
                task_type=context.task_type,
                pack=context.pack,
                candidates=tuple(sorted(set(catalogue.providers))),
                untrusted=untrusted,
                data_classes=data_classes,
            )
        )
        return await self._ask(question)

    async def _ask(self, question: RoutingQuestion) -> Routed:
        decision, named = await self._answers.ask(question)
        permitted = tuple(candidate for candidate in question.candidates if candidate in named)
        if decision.verdict == "allow" and not permitted:
            raise Unavailable("the rules on routing permit nobody that was asked about", code="policy.nonsense")
        return Routed(question, decision, permitted)


def _read(decision: Decision) -> tuple[Decision, frozenset[str]]:
    if decision.verdict != "allow":
        return decision.model_copy(update={"verdict": "deny", "obligations": {}}), frozenset()
    named = decision.obligations.get("candidates")
    if not isinstance(named, list | tuple):
        raise Unavailable("the rules on routing name no candidates", code="policy.nonsense")
    return decision, frozenset(map(str, cast("list[Json]", named)))
