"""Answers to questions that come again and again: asked once for each revision of the rules."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from services.policy.evaluator import PolicyEvaluator
from services.policy.questions import Decision, Question

T = TypeVar("T")

KEPT = 4_096


class Remembered(Generic[T]):
    """``read`` makes of a decision what is kept. What it raises is raised, and kept it is not."""

    def __init__(self, evaluator: PolicyEvaluator, read: Callable[[Decision], T]) -> None:
        self._evaluator = evaluator
        self._read = read
        self._kept: OrderedDict[tuple[str, str], T] = OrderedDict()

    async def ask(self, question: Question) -> T:
        """What the rules in force make of ``question``. Raises Unavailable, and whatever ``read`` raises."""
        asked = question.model_dump_json()
        place = (self._evaluator.revision, asked)
        known = self._kept.get(place)
        if known is not None:
            self._kept.move_to_end(place)
            return known
        decision = await self._evaluator.decide(question)
        answer = self._read(decision)
        # Under the revision that answered, which may have come into force while we asked.
        self._kept[(decision.revision, asked)] = answer
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return answer
