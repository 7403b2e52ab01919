"""Sums that are kept say what reading every row would say: after any batches, over any time, by any dimensions."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agentos.contracts.model import Usage
from services.ledger.costs import divided
from services.ledger.domain import rollups
from services.ledger.queries import SQL_QUERIES
from services.ledger.refilling import refill
from services.ledger.store import SqlStore
from tests.services.ledger import history
from tests.services.ledger.test_costs import DIMENSIONS, MIDNIGHT, traffic

moments = st.none() | st.integers(-100_000, 100_000).map(lambda s: MIDNIGHT + timedelta(seconds=s)) | st.just(MIDNIGHT)
slow = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def ask(store: SqlStore, name: str, **arguments: Any) -> Any:
    query = SQL_QUERIES[name]
    args = query.arguments.model_validate(arguments)
    return store.read(lambda tx: query.run(tx, "default", args))


def folded(store: SqlStore, planned: list[history.Planned], cuts: list[int]) -> dict[str, list[dict[str, Any]]]:
    store.reset()
    events = history.stream(planned)
    edges = sorted({0, len(events), *(cut for cut in cuts if cut < len(events))})
    for start, end in pairwise(edges):
        store.apply(events[start:end])
    return history.dump(store)


@slow
@given(traffic(), st.lists(st.integers(1, 30), max_size=4), st.lists(st.sampled_from(DIMENSIONS), min_size=1), moments, moments)
def test_a_cost_is_the_sum_of_the_charges_that_it_is_asked_for(
    store: SqlStore,
    planned: list[history.Planned],
    cuts: list[int],
    by: list[str],
    since: datetime | None,
    until: datetime | None,
) -> None:
    rows = folded(store, planned, cuts)["charges"]
    by = list(dict.fromkeys(by))
    for pack in (None, "sales"):
        wanted: dict[tuple[Any, ...], Decimal] = {}
        calls = attempts = 0
        for row in rows:
            at = row["started_at"]
            if (since is None or at >= since) and (until is None or at < until) and pack in (None, row["pack"]):
                key = tuple(row["end_user" if name == "user" else name] for name in by)
                wanted[key] = wanted.get(key, Decimal(0)) + row["cost_usd"]
                calls += row["number"] <= 1
                attempts += not row["cached"]
        told = ask(store, "cost", by=by, since=since, until=until, pack=pack)
        assert {tuple(group[name] for name in by): Decimal(group["cost_usd"]) for group in told["groups"]} == wanted
        assert (told["total"]["calls"], told["total"]["attempts"]) == (calls, attempts)
        assert sum(group["calls"] for group in told["groups"]) == calls
        assert Decimal(told["total"]["cost_usd"]) == sum(wanted.values(), Decimal(0))


@slow
@given(traffic(), st.lists(st.integers(1, 30), max_size=4))
def test_sums_made_anew_from_the_rows_are_those_that_the_fold_kept(
    store: SqlStore, planned: list[history.Planned], cuts: list[int]
) -> None:
    kept = folded(store, planned, cuts)
    with store._writer.begin() as tx:  # pyright: ignore[reportPrivateUsage] - what a migration does
        refill(tx)
    assert history.dump(store) == kept


def test_a_pack_is_told_by_its_tasks_and_calls_also_after_a_task_was_taken_up_again(store: SqlStore) -> None:
    lives = [
        history.life(f"t{number}", outcome=("completed", "failed")[number % 2], pack=("engineering", "sales")[number % 3 == 0])
        for number in range(6)
    ]
    again = [history.queued("t1", 2, "retry"), history.queued("t3", 2, "retry")]
    planned = [*(event for life in lives for event in life), *again]
    for cuts in ([], [*range(1, len(planned))]):
        rows = folded(store, planned, cuts)
        for pack in ask(store, "packs.stats")["packs"]:
            mine = [row for row in rows["tasks"] if row["pack"] == pack["pack"]]
            states = [row["outcome"] if row["state"] == "settled" else row["state"] for row in mine]
            assert pack["by_state"] == {state: states.count(state) for state in states}
            assert (pack["tasks"], pack["refusals"]) == (len(mine), sum(row["refusals"] for row in mine))
            calls = [row for row in rows["calls"] if row["pack"] == pack["pack"] and row["kind"] == "model"]
            assert pack["calls"] == sum(row["state"] == "settled" for row in calls)
            assert Decimal(pack["cost_usd"]) == sum((row["cost_usd"] for row in calls), Decimal(0))


@given(moments, moments)
@example(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC))
def test_a_stretch_is_divided_without_a_gap_or_an_overlap(since: datetime | None, until: datetime | None) -> None:
    spans, edges = divided(since, until)
    began, over = since or MIDNIGHT - timedelta(days=3), until or MIDNIGHT + timedelta(days=3)
    probes = [
        *(at for at in (began, over) if 1000 < at.year < 9000),
        *(MIDNIGHT + timedelta(minutes=30 * n) for n in range(-150, 150)),
    ]
    for at in probes:
        named = (rollups.hour_of(at), rollups.day_of(at))
        found = sum(any(first <= name < end for name in named) for first, end in spans)
        found += sum(first <= at < end for first, end in edges)
        inside = (since is None or since <= at) and (until is None or at < until)
        # A probe outside stands in no span that reaches into the stretch; only whole spans are taken.
        assert found == int(inside and began < over), (at, spans, edges)


def test_a_hostile_count_of_tokens_stops_neither_the_fold_nor_a_sum(store: SqlStore) -> None:
    claimed: dict[str, Any] = {"usage": Usage(input_tokens=2**62, output_tokens=2**62)}
    planned = [event for number in range(4) for event in history.model_call("t", number, **claimed)]
    folded(store, planned, [3, 9])
    assert ask(store, "cost")["total"]["input_tokens"] == 4 * rollups.MOST_TOKENS
