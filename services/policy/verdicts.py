"""How every verdict comes about: ask, fail closed, write it down once.

While an answer may still come the message waits; after ``PATIENCE`` deliveries the verdict is a denial that says which part did
not answer.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from pydantic import ValidationError

from agentos.bus import Bus
from agentos.contracts.base import Contract
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import AgentOSError, Conflict, NeverRetry, RetryLater, Unavailable
from agentos.contracts.subjects import EventSubject
from services.policy.evaluator import PolicyEvaluator
from services.policy.questions import Decision, Question

log = structlog.get_logger(__name__)

T = TypeVar("T")

PATIENCE = 3
"""How often a question is asked before silence counts as no."""


async def fail_closed(message: Recorded, rule: Callable[[], Awaitable[T]], denied: Callable[[str], T]) -> T:
    """The rule's verdict; while it cannot be had the message waits (RetryLater), and after a while the verdict is no."""
    try:
        return await rule()
    except Unavailable as silent:
        return _wait_or_deny(message, silent, denied)
    except NeverRetry as impossible:
        # Erased, broken or unreadable: no redacted text exists and none will, so it ends here, and says why.
        log.warning("verdict_impossible", code=impossible.code, detail=impossible.detail)
        return denied(impossible.code)
    except AgentOSError:
        # The broker is away, or another writer was first: the bus knows what to do.
        raise
    except Exception as defect:  # a dead letter would be a verdict that nobody sees: the call would hang for ever
        log.exception("policy_failed", subject=message.subject)
        silent = Unavailable(f"no verdict could be reached ({type(defect).__name__})", code="policy_failed")
        return _wait_or_deny(message, silent, denied)


def _wait_or_deny(message: Recorded, silent: Unavailable, denied: Callable[[str], T]) -> T:
    log.warning("verdict_unavailable", code=silent.code, detail=silent.detail, deliveries=message.deliveries)
    if message.deliveries < PATIENCE:
        raise RetryLater(silent.detail, delay=timedelta(seconds=0.5), code=silent.code) from silent
    return denied(silent.code)


async def append_verdict(bus: Bus, channel: str, message: Recorded, verdict: Contract, ordinal: int | None = None) -> None:
    """Write the verdict beside what it is on. When another instance was first, its verdict stands."""
    subject = EventSubject.parse(message.subject)
    try:
        await bus.append(channel, subject.id, verdict, ordinal=ordinal, cause=message)
    except Conflict:
        log.info("decided_already", subject=message.subject)


def ruling(question: Question, decision: Decision) -> dict[str, Any]:
    """The fields of a ``Ruling`` that say what was decided, by which rules of which bundle, and on what question."""
    return {
        "verdict": decision.verdict,
        "reasons": decision.reasons,
        "rules": decision.rules,
        "monitored": decision.monitored,
        "bundle": decision.revision,
        "package": question.package,
        "question": question.model_dump(mode="json"),
    }


def revision_of(evaluator: PolicyEvaluator) -> str:
    """The rules in force, as a verdict names them that was reached without asking them."""
    try:
        return evaluator.revision
    except Unavailable:
        return "unavailable"


def askable(make: Callable[[], T]) -> T:
    """A question; one whose inputs break its bounds cannot be asked, today or later. Raises NeverRetry."""
    try:
        return make()
    except ValidationError as bad:
        # Inputs are left out: this text goes to the logs.
        where = ", ".join(sorted({".".join(map(str, error["loc"])) for error in bad.errors(include_input=False)}))
        raise NeverRetry(f"the question cannot be asked; out of bounds: {where}", code="bad_question") from None
