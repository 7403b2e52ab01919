"""What a call is settled for is what its attempts cost, whichever way one adds up: by call, by day, by target, by whose it was."""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentos.contracts.base import Fault
from agentos.contracts.events import call as c
from agentos.contracts.model import Cost, Usage
from agentos.contracts.routing import Attempt, CacheHit
from services.ledger.queries import SQL_QUERIES
from services.ledger.store import SqlStore
from services.router.execution import Ending
from services.router.settling import sums
from tests.services.ledger import history

FAULT = Fault(code="stalled", message="it fell silent", retryable=True)
MIDNIGHT = datetime.fromisoformat("2026-03-02T00:00:00+00:00")
DIMENSIONS = ["tenant", "pack", "agent", "model", "provider", "task_type", "api_key", "user", "day"]

usages = st.builds(
    Usage,
    input_tokens=st.integers(0, 10**6),
    cache_read_tokens=st.integers(0, 10**6),
    output_tokens=st.integers(0, 10**6),
)
costs = st.builds(
    Cost, usd=st.decimals(min_value=0, max_value=10**6, places=12), priced=st.booleans()
)  # where something has no price, the rest is known


@st.composite
def attempts(draw: st.DrawFn, number: int, outcome: Any) -> Attempt:
    return Attempt(
        number=number,
        target=draw(st.sampled_from(["openai/gpt-5-mini", "anthropic/claude", "nobody/model"])),
        started_at=MIDNIGHT + timedelta(seconds=draw(st.integers(-90_000, 90_000))),
        duration_ms=5,
        outcome=outcome,
        usage=draw(usages),
        estimated=draw(st.booleans()),
        cost=draw(costs),
    )


@st.composite
def calls(draw: st.DrawFn, step: int) -> list[history.Planned]:
    """A call as the router records it: attempts that did not end it, and its settlement with their sums and the last one."""
    task = draw(st.sampled_from(["t1", "t2"]))
    whose = history.context(task, step, pack=draw(st.sampled_from(["engineering", "sales"]))).model_copy(
        update={"api_key": draw(st.sampled_from([None, "key1", "key2"])), "user": draw(st.sampled_from([None, "u1"]))}
    )
    call = f"{task}-s{step:04d}-e1"
    if draw(st.integers(0, 4)) == 0:
        hit = CacheHit(call="paid", age_s=60, saved=draw(costs), saved_usage=draw(usages))
        settled = c.ModelCallSettled(
            context=whose, outcome="completed", attempts=0, provider="openai", model="gpt-5-mini", cached=hit
        )
        return [("call.settled", (call,), settled, task)]
    earlier = [draw(attempts(number, "failed")) for number in range(1, draw(st.integers(0, 3)) + 1)]
    # Stopped while it waited for the next attempt, a call has no last one.
    last = draw(st.none() | attempts(len(earlier) + 1, "completed"))
    ending = Ending("completed" if last else "cancelled", last, tuple(earlier))
    usage, cost = sums((*ending.earlier, *([last] if last else [])))
    noted: list[history.Planned] = [
        (
            "call.attempted",
            (call, str(each.number)),
            c.CallAttempted(
                context=whose, target=each.target, started_at=each.started_at, duration_ms=5, fault=FAULT, attempt=each
            ),
            task,
        )
        for each in earlier
    ]
    settled = c.ModelCallSettled(
        context=whose, outcome=ending.outcome, attempts=len(earlier) + (last is not None), usage=usage, cost=cost, last=last
    )
    return [*noted, ("call.settled", (call,), settled, task)]


@st.composite
def traffic(draw: st.DrawFn) -> list[history.Planned]:
    lives = [draw(calls(step)) for step in range(1, draw(st.integers(1, 8)) + 1)]
    return [*history.interleaved(lives, draw(st.lists(st.integers(0, 7), max_size=30)))]


def ask(store: SqlStore, **arguments: Any) -> Any:
    query = SQL_QUERIES["cost"]
    args = query.arguments.model_validate(arguments)
    return store.read(lambda tx: query.run(tx, "default", args))


def settlements(planned: list[history.Planned]) -> list[c.ModelCallSettled]:
    return [data for _, _, data, _ in planned if isinstance(data, c.ModelCallSettled)]


def usd(costs: list[Cost | None]) -> Decimal:
    return sum((cost.usd for cost in costs if cost is not None), Decimal(0))


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(traffic(), st.lists(st.integers(1, 30), max_size=4))
def test_settled_cost_equals_the_sum_of_attempts_whichever_way_it_is_grouped(
    store: SqlStore, planned: list[history.Planned], cuts: list[int]
) -> None:
    store.reset()
    events = history.stream(planned)
    edges = sorted({0, len(events), *(cut for cut in cuts if cut < len(events))})
    for start, end in pairwise(edges):
        store.apply(events[start:end])
    ended = settlements(planned)
    expected, saved = usd([each.cost for each in ended]), usd([each.cached.saved for each in ended if each.cached])
    asked = [[name] for name in DIMENSIONS] + [["pack", "model", "day"], DIMENSIONS]
    answers = [ask(store, by=by) for by in asked]
    for answer in answers:
        assert Decimal(answer["total"]["cost_usd"]) == expected
        assert sum(Decimal(group["cost_usd"]) for group in answer["groups"]) == expected
        assert sum(Decimal(group["saved_usd"]) for group in answer["groups"]) == saved
        assert sum(group["attempts"] for group in answer["groups"]) == sum(each.attempts for each in ended)
        for tokens in ("input_tokens", "cache_read_tokens", "output_tokens"):
            assert sum(group[tokens] for group in answer["groups"]) == sum(getattr(each.usage, tokens) for each in ended)
    before = history.dump(store)
    assert sum((row["cost_usd"] for row in before["calls"]), Decimal(0)) == expected
    # A call of the governed endpoint belongs to no task.
    of_tasks = usd([each.cost for each in ended if each.context.api_key is None])
    assert sum((row["cost_usd"] for row in before["tasks"]), Decimal(0)) == of_tasks
    store.reset()
    store.apply(events)
    assert history.dump(store) == before, "a rebuild gives the same rows"


def test_attempts_on_two_days_are_counted_each_on_its_own_and_the_call_on_that_of_the_first(store: SqlStore) -> None:
    def attempt(number: int, at: str, cost: str, outcome: Any) -> Attempt:
        return Attempt(
            number=number, target="openai/gpt-5-mini", started_at=datetime.fromisoformat(at), duration_ms=5, outcome=outcome,
            cost=Cost(usd=Decimal(cost), priced=True),
        )  # fmt: skip

    # In Auckland it is the second of March already; the day is UTC's.
    first, last = (
        attempt(1, "2026-03-02T12:59:59+13:00", "0.1", "failed"),
        attempt(2, "2026-03-02T00:00:01Z", "0.02", "completed"),
    )
    whose = history.context("t", 1)
    noted = c.CallAttempted(
        context=whose, target=first.target, started_at=first.started_at, duration_ms=5, fault=FAULT, attempt=first
    )
    usage, cost = sums((first, last))
    settled = c.ModelCallSettled(context=whose, outcome="completed", attempts=2, usage=usage, cost=cost, last=last)
    planned: list[history.Planned] = [("call.attempted", ("c1", "1"), noted, "t")]
    store.apply(history.stream(planned))
    (group,) = ask(store, by=["day"])["groups"]
    assert (group["day"], group["cost_usd"]) == ("2026-03-01", "0.1"), "before the call has ended"
    store.apply(history.stream([*planned, ("call.settled", ("c1",), settled, "t")]))
    told = ask(store, by=["day"])
    assert [(row["day"], row["cost_usd"], row["calls"]) for row in told["groups"]] == [
        ("2026-03-01", "0.1", 1),
        ("2026-03-02", "0.02", 0),
    ]
    assert (told["total"]["cost_usd"], told["total"]["calls"], told["total"]["attempts"]) == ("0.12", 1, 2)
    assert ask(store, since="2026-03-02T00:00:00Z")["total"]["cost_usd"] == "0.02"
    assert ask(store, until="2026-03-02T00:00:00Z")["total"]["cost_usd"] == "0.1"


def test_a_cached_answer_costs_nothing_and_what_it_saved_is_counted(store: SqlStore) -> None:
    hit = CacheHit(call="paid", age_s=60, saved=Cost(usd=Decimal("0.5"), priced=True), saved_usage=Usage(input_tokens=9))
    fields: dict[str, Any] = {"attempts": 0, "usage": Usage(), "cached": hit}
    store.apply(history.stream(history.model_call("t", 1, cost="0", **fields)[-1:]))
    told = ask(store, by=["provider", "model", "pack"])
    (group,) = told["groups"]
    assert (group["provider"], group["model"], group["pack"]) == ("openai", "gpt-5-mini", "engineering")
    figures = ("cost_usd", "saved_usd", "cached_calls", "attempts", "unpriced_attempts", "input_tokens")
    assert [told["total"][name] for name in figures] == ["0", "0.5", 1, 0, 0, 0]
    (task,) = history.dump(store)["tasks"]
    assert (task["cost_usd"], task["unpriced_calls"], task["calls"]) == (0, 0, 1)


def test_an_attempt_that_was_noted_after_another_instance_settled_its_number_does_not_count_twice(store: SqlStore) -> None:
    planned = history.model_call("t", 1, cost="0.3")
    settled = planned[-1]
    attempt = Attempt(
        number=2, target="openai/gpt-5-mini", started_at=MIDNIGHT, duration_ms=5, outcome="failed",
        cost=Cost(usd=Decimal(9), priced=True),
    )  # fmt: skip
    late = c.CallAttempted(
        context=history.context("t", 1), target=attempt.target, started_at=MIDNIGHT, duration_ms=5, fault=FAULT, attempt=attempt
    )
    store.apply(history.stream([settled, ("call.attempted", ("t-s0001-e1", "2"), late, "t")]))
    assert ask(store)["total"]["cost_usd"] == "0.3"
