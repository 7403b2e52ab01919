"""What routing saved is said of calls that had a choice between prices, and of no others; over any time, of all calls."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from agentos.contracts.envelope import TIME
from agentos.contracts.events.call import ModelCallSettled
from agentos.contracts.model import Cost
from agentos.contracts.routing import Attempt, ModelCandidate, ModelRouting
from services.ledger.domain.savings import paid
from services.ledger.queries import SQL_QUERIES
from services.ledger.store import SqlStore
from tests.services.ledger import history

CANDIDATES = (
    ModelCandidate(target="a/small", usd=Decimal("0.02")),
    ModelCandidate(target="b/large", usd=Decimal("0.10")),
    ModelCandidate(target="c/larger", usd=Decimal(9), rejected=("residency",)),
    ModelCandidate(target="d/unknown"),
)


def routed(*candidates: ModelCandidate) -> ModelRouting:
    return ModelRouting(requested="default", chain=("a/small",), ordering="cost", candidates=candidates)


def attempt(target: str = "a/small", usd: str = "0.01", *, priced: bool = True) -> Attempt:
    cost = Cost(usd=Decimal(usd), priced=priced)
    return Attempt(number=1, target=target, started_at=history.START, duration_ms=8, outcome="completed", cost=cost)


def settled(**changed: Any) -> ModelCallSettled:
    data: dict[str, Any] = {"last": attempt(), "routing": routed(*CANDIDATES)}
    return history.model_call("t1", 1, **(data | changed))[-1][2]  # pyright: ignore[reportReturnType] - the settlement is last


def test_an_answer_is_held_against_the_dearest_target_that_could_have_served_it() -> None:
    assert paid(settled()) == (Decimal("0.01"), Decimal("0.05"))
    assert paid(settled(last=attempt("b/large", "0.05"))) == (Decimal("0.05"), Decimal("0.05"))


def test_of_a_call_without_a_choice_between_prices_nothing_is_claimed() -> None:
    free = (CANDIDATES[0].model_copy(update={"usd": Decimal(0)}), CANDIDATES[1])
    for changed in (
        {"outcome": "failed"}, {"simulated": True}, {"routing": routed(CANDIDATES[0])}, {"routing": routed(*free)}, {"routing": None},
        {"last": None}, {"last": attempt("e/elsewhere")}, {"last": attempt("a/small", "0", priced=False)},
    ):  # fmt: skip
        assert paid(settled(**changed)) is None


def test_a_hostile_price_stops_no_sum() -> None:
    dear = (
        CANDIDATES[0].model_copy(update={"usd": Decimal("1e-12")}),
        CANDIDATES[1].model_copy(update={"usd": Decimal("1e11")}),
    )
    found = paid(settled(routing=routed(*dear)))
    assert found is not None
    assert found[1] == Decimal(10) ** 9


def test_what_was_saved_is_the_sum_of_the_calls_that_were_settled_in_that_time(store: SqlStore) -> None:
    planned = [event for n in range(5) for event in history.model_call(f"t{n}", 1, last=attempt(), routing=routed(*CANDIDATES))]
    planned += history.model_call("t9", 1)
    # Some minutes apart, so that they are of several minutes, hours and days.
    events = [
        replace(each, headers={**each.headers, TIME: (history.START + timedelta(minutes=97 * each.seq)).isoformat()})
        for each in history.stream(planned)
    ]
    for cut in range(0, len(events), 3):
        store.apply(events[cut : cut + 3])
    told = sorted(row["time"] for row in history.dump(store)["events"] if row["fact"] == "settled")
    whole = ask(store)
    assert (whole["calls"], whole["compared"], whole["cost_usd"], whole["saved_usd"]) == (6, 5, "0.05", "0.2")
    for since, until in (
        (told[0], told[-1]),
        (told[1], None),
        (None, told[2]),
        (told[2], told[4]),
        (told[3], told[1]),
        (told[-1] + timedelta(days=1), None),
    ):
        begin = None if since is None else since.replace(second=0, microsecond=0)
        end = None if until is None else (until + timedelta(seconds=59, microseconds=999_999)).replace(second=0, microsecond=0)
        mine = [at for at in told if (begin is None or at >= begin) and (end is None or at < end)]
        assert ask(store, since=since, until=until)["calls"] == len(mine)
    assert ask(store, since=told[-1] + timedelta(days=1))["since"] is None


def ask(store: SqlStore, **arguments: Any) -> Any:
    query = SQL_QUERIES["costs.routing"]
    return store.read(lambda tx: query.run(tx, "default", query.arguments.model_validate(arguments)))
