"""What a runner decides, pure."""

from typing import Any

import pytest

from agentos.contracts.base import Fault, Principal, Sealed
from agentos.contracts.commands import WorkItem
from agentos.contracts.events.call import CallContext, ModelCallSettled
from agentos.contracts.events.task import (
    TaskCancelling,
    TaskEnded,
    TaskQueued,
    TaskSettled,
    TaskStarted,
    TaskSubmitted,
    TaskSuspended,
)
from agentos.packhost.hiding import Hider
from services.runner import domain
from services.runner.domain import Finish

BY = Principal(kind="service", id="x")
SUBMITTED = TaskSubmitted(
    type="x", input=Sealed(key="t", purpose="task.input", nonce=b"", ciphertext=b""), input_digest="d", requester=BY
)


def queued(rerun_from: int | None = None) -> TaskQueued:
    return TaskQueued(
        type="x", pack=None, priority="normal", requester=BY, untrusted=False, rerun_from=rerun_from, reason="submitted"
    )


def item(attempt: int = 1, resumption: int = 0) -> WorkItem:
    return WorkItem(tenant="d", task="t", attempt=attempt, resumption=resumption, pack="p", agent="a")


def suspended(attempt: int) -> TaskSuspended:
    return TaskSuspended(attempt=attempt, waiting_for="tool", on="x")


OPEN: list[tuple[Any, int]] = [(SUBMITTED, 0), (queued(), 1)]


@pytest.mark.parametrize(
    ("more", "work", "due"),
    [
        ([], item(), True),
        ([(TaskStarted(instance="i", pack="p", agent="a", version="1"), 1)], item(), True),
        ([(TaskEnded(outcome="failed"), 1)], item(), False),
        ([(TaskSettled(outcome="failed"), 1)], item(), False),
        ([(TaskCancelling(outcome="cancelled", reason="x", by=BY), 1)], item(), False),
        ([(suspended(1), 1)], item(), False),
        ([(suspended(1), 1)], item(resumption=1), True),
        ([(suspended(1), 1), (suspended(1), 2)], item(resumption=1), False),
        ([(TaskEnded(outcome="failed"), 1), (queued(), 2)], item(attempt=2), True),
        ([(suspended(1), 1), (TaskEnded(outcome="failed"), 1), (queued(), 2)], item(attempt=2), True),
        ([(queued(), 2)], item(attempt=1), False),
        ([], item(attempt=2), False),
    ],
)
def test_only_work_that_still_asks_for_something_is_due(more: list[tuple[Any, int]], work: WorkItem, due: bool) -> None:
    assert domain.is_due(domain.fold([*OPEN, *more]), work) is due


def test_only_the_very_first_pick_up_need_not_look_for_records() -> None:
    fresh = domain.fold(OPEN)
    assert not domain.replays(fresh, item(), deliveries=1)
    assert domain.replays(fresh, item(), deliveries=2)
    assert domain.replays(fresh, item(resumption=1), deliveries=1)
    assert domain.replays(fresh, item(attempt=2), deliveries=1)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("ask Ann Example", "ask <NAME_1>"),
        ("mail bob@example.org now", "mail <…> now"),
        ("card 4111 1111 1111 1111", "card <…>"),
        ("call +1 415 555 0132", "call <…>"),
        ("step 12 of 2026", "step 12 of 2026"),
    ],
)
def test_a_fault_names_no_personal_data(text: str, hidden: str) -> None:
    fault = domain.fault_of(Finish("failed", "pack_raised", text), Hider({"Ann Example": "<NAME_1>"}))
    assert fault == Fault(code="pack_raised", message=hidden)


def test_a_fault_is_bounded() -> None:
    fault = domain.fault_of(Finish("failed", "pack_raised", "x" * 10_000), Hider())
    assert fault is not None
    assert len(fault.message) == domain.MAX_MESSAGE


def test_a_call_that_did_not_complete_answers_with_the_error_that_the_pack_gets() -> None:
    context = CallContext(task="t", attempt=1, step=0, task_type="x", pack="p", agent="a", untrusted=True, instance="r")
    failed = ModelCallSettled(
        context=context, outcome="failed", attempts=1, fault=Fault(code="busy", message="m", retryable=True)
    )
    refused = ModelCallSettled(context=context, outcome="refused", attempts=0, reasons=("no",))
    answers = [domain.answer_of_failure(settled) for settled in (failed, refused)]
    assert [answer.value for answer in answers if answer is not None] == [
        {"error": "failed", "code": "busy", "message": "m", "retryable": True},
        {"error": "refused", "code": "call_refused", "reasons": ["no"]},
    ]
    assert domain.answer_of_failure(ModelCallSettled(context=context, outcome="completed", attempts=1)) is None
