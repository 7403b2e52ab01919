"""The folds, as pure functions."""

from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agentos.contracts.channels import CHANNELS
from agentos.contracts.events.call import ModelCallSettled
from services.ledger import projections
from services.ledger.domain.facts import Incoming, Row
from services.ledger.projections import PROJECTIONS, Key, changes, fold, read
from tests.services.ledger import history

OUTCOMES = ["completed", "failed", "refused", "cancelled", "expired"]


@st.composite
def streams(draw: st.DrawFn) -> list[Incoming]:
    """Up to four tasks' lives, interleaved in any way, with costs of any size and a broken message here and there."""
    lives = [
        history.life(
            f"t{number}",
            outcome=draw(st.sampled_from(OUTCOMES)),
            cost=str(draw(st.decimals(min_value=0, max_value=10**9, places=12))),
            pack=draw(st.sampled_from(["engineering", "sales"])),
        )
        for number in range(draw(st.integers(1, 4)))
    ]
    planned = history.interleaved([*lives, history.governance()], draw(st.lists(st.integers(0, 7), max_size=80)))
    broken = draw(st.sets(st.integers(1, 60), max_size=4))
    return [
        incoming if incoming.seq not in broken else Incoming(incoming.seq, incoming.subject, incoming.headers, b"?")
        for incoming in history.stream(planned)
    ]


def folded(batches: list[list[Incoming]]) -> dict[Key, Row]:
    rows: dict[Key, Row] = {}
    for batch in batches:
        todo = changes(read(batch).facts)
        rows |= fold({key: rows[key] for key, _, _ in todo if key in rows}, todo)
    return rows


def test_every_event_of_the_channel_table_has_its_line() -> None:
    assert {channel.name for channel in CHANNELS if channel.kind == "event"} == set(PROJECTIONS)


@given(streams(), st.lists(st.integers(1, 100), max_size=8))
def test_any_split_into_batches_gives_the_same_rows(events: list[Incoming], cuts: list[int]) -> None:
    edges = sorted({0, len(events), *(cut for cut in cuts if cut < len(events))})
    split = [events[start:end] for start, end in pairwise(edges)]
    assert folded(split) == folded([events])


@given(streams())
def test_a_fold_does_not_touch_the_rows_that_it_is_given(events: list[Incoming]) -> None:
    middle = len(events) // 2
    before = folded([events[:middle]])
    kept = {key: dict(row) for key, row in before.items()}
    todo = changes(read(events[middle:]).facts)
    assert fold(before, todo) == fold(before, todo)
    assert before == kept


@given(streams())
def test_the_money_of_a_task_is_the_exact_sum_of_its_calls(events: list[Incoming]) -> None:
    rows = folded([events])
    spent: dict[str, Decimal] = {}
    for (table, _, _), row in rows.items():
        if table == "calls" and row["state"] == "settled":
            spent[row["task"]] = spent.get(row["task"], Decimal(0)) + row["cost_usd"]
    for (table, _, id_), row in rows.items():
        if table == "tasks":
            assert row["cost_usd"] == spent.get(id_, Decimal(0))


def test_a_call_without_its_request_still_finds_its_task() -> None:
    settled = history.model_call("t9", 1)[-1]
    rows = folded([history.stream([settled])])
    assert rows["tasks", "default", "t9"]["calls"] == 1
    assert rows["calls", "default", "t9-s0001-e1"]["outcome"] == "completed"


def test_simulated_calls_cost_nothing_and_of_unpriced_ones_what_is_known_counts_apart_from_them() -> None:
    simulated = history.model_call("t", 1, cost="5", simulated=True)[-1]
    unpriced = history.model_call("t", 2, cost="7")[-1]
    name, tokens, data, correlation = unpriced
    assert isinstance(data, ModelCallSettled)
    assert data.cost is not None
    unknown = data.model_copy(update={"cost": data.cost.model_copy(update={"priced": False})})
    row = folded([history.stream([simulated, (name, tokens, unknown, correlation)])])["tasks", "default", "t"]
    assert (row["calls"], row["simulated_calls"], row["unpriced_calls"], row["cost_usd"]) == (2, 1, 1, Decimal(7))


def test_a_retry_by_an_operator_opens_a_settled_task_again() -> None:
    again = history.queued("t", attempt=2, reason="operator_retry")
    row = folded([history.stream([*history.life("t", outcome="failed"), again])])["tasks", "default", "t"]
    assert (row["state"], row["attempt"], row["outcome"], row["fault_code"], row["settled_at"]) == (
        "queued",
        2,
        None,
        None,
        None,
    )


def test_a_tasks_row_has_its_terms_as_they_were_changed_last_and_is_found_by_its_new_labels() -> None:
    row = folded(
        [history.stream([history.submitted("t"), history.updated("t", 1), history.updated("t", 2, labels={"team": "billing"})])]
    )
    task = row["tasks", "default", "t"]
    assert (task["priority"], task["max_attempts"], task["labels"]) == ("high", 5, {"team": "billing"})
    assert "billing" in task["words"]
    assert "github" not in task["words"]


def test_rows_of_two_tenants_never_meet() -> None:
    planned = history.life("same")
    events = [history.recorded(n, each, tenant) for n, (each, tenant) in enumerate(((p, t) for p in planned for t in "ab"), 1)]
    rows = folded([events])
    assert rows["tasks", "a", "same"]["calls"] == rows["tasks", "b", "same"]["calls"] == 1


def test_clean_text_survives_utf8_and_postgresql() -> None:
    assert projections.clean("a\0b\ud800 é") == "a\ufffdb? é"
