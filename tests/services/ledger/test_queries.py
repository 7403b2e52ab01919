"""What the ledger answers, the same from SQLite and from PostgreSQL."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentos.contracts.base import Principal
from agentos.contracts.errors import NotFound
from services.ledger import task_lists
from services.ledger.domain.facts import Incoming
from services.ledger.queries import SQL_QUERIES
from services.ledger.store import SqlStore
from tests.services.ledger import history

TASKS = [f"t{number}" for number in range(5)]


@pytest.fixture
def ask(store: SqlStore) -> Any:
    """Asks a query of a ledger that holds five tasks, one unreadable event and another tenant's task."""
    lives = [history.life(task, outcome="failed" if task == "t3" else "completed", cost="0.1") for task in TASKS]
    events = history.stream([each for life in lives for each in life] + history.governance())
    priced = history.model_call("t1", 5, cost="0.2", provider="anthropic", model="claude")
    simulated = history.model_call("t1", 6, cost="9", simulated=True)
    waits = history.submitted("waits", requester=Principal(kind="pack", id="100%_sure"))
    edit = history.refused_edit("t1", 3)
    events += history.stream([*priced, *simulated, waits, *history.checkpoint("waits", 1, "deny"), edit], len(events) + 1)
    events.append(history.recorded(len(events) + 1, history.submitted("foreign"), "other"))
    events.append(Incoming(len(events) + 1, "evt.default.odd.x.happened", {}, b"\xff"))
    store.apply(events)

    def run(name: str, tenant: str = "default", **arguments: Any) -> Any:
        query = SQL_QUERIES[name]
        args = query.arguments.model_validate(arguments)
        answer = store.read(lambda tx: query.run(tx, tenant, args))
        assert _kinds_of_keys(answer) <= {str}, "pydantic writes such keys a hundred times as slowly"
        return answer

    return run


def _kinds_of_keys(answer: Any) -> set[type]:
    inner = list(answer.values()) if isinstance(answer, dict) else answer if isinstance(answer, list | tuple) else []
    keys = {type(key) for key in answer} if isinstance(answer, dict) else set()
    return keys.union(*map(_kinds_of_keys, inner))


def ids(page: Any, name: str = "tasks") -> list[str]:
    return [row["id"] for row in page[name]]


def test_tasks_come_newest_first_in_pages(ask: Any) -> None:
    first = ask("tasks.list", limit=4)
    assert ids(first) == ["waits", "t4", "t3", "t2"]
    second = ask("tasks.list", limit=4, cursor=first["cursor"])
    assert (ids(second), second["cursor"]) == (["t1", "t0"], None)


def test_tasks_are_filtered(ask: Any) -> None:
    assert ids(ask("tasks.list", state=["submitted"])) == ["waits"]
    assert ids(ask("tasks.list", outcome="failed")) == ["t3"]
    assert ids(ask("tasks.list", type="triage", pack="engineering", q="T2")) == ["t2"]
    assert ids(ask("tasks.list", q="%_sure")) == ["waits"], "signs part words, and mean nothing"
    assert ids(ask("tasks.list", q="github", limit=1)) == ["waits"]
    assert ids(ask("tasks.list", q="' OR 1=1 --")) == []
    assert ids(ask("tasks.list", "other")) == ["foreign"]


def test_a_task_comes_with_its_attempts_timeline_calls_and_approvals(ask: Any) -> None:
    told = ask("tasks.get", id="t3")
    assert told["task"]["fault_code"] == "pack_failed"
    assert told["task"]["submitted_at"].endswith("Z")
    assert told["task"]["cost_usd"] == "0.1"
    (attempt,) = told["attempts"]
    assert (attempt["attempt"], attempt["verdict"], attempt["pack"], attempt["outcome"]) == (
        1,
        "allow",
        "engineering",
        "failed",
    )
    assert [entry["fact"] for entry in told["timeline"]][:3] == ["submitted", "queued", "decided"]
    assert [call["kind"] for call in told["calls"]] == ["model", "tool"]
    assert [approval["state"] for approval in told["approvals"]] == ["approved"]


@pytest.mark.parametrize("sort", ["created", "updated", "duration", "cost"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_of_every_sort_hold_each_task_once(ask: Any, sort: str, order: str) -> None:
    seen: list[str] = []
    cursor = None
    while True:
        page = ask("tasks.list", sort=sort, order=order, limit=2, cursor=cursor)
        seen += ids(page)
        cursor = page["cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted([*TASKS, "waits"])
    whole = ids(ask("tasks.list", sort=sort, order=order))
    assert seen == whole
    assert whole == ids(ask("tasks.list", sort=sort, order="asc" if order == "desc" else "desc"))[::-1]


def test_tasks_are_filtered_by_cost_time_and_beginning_of_the_id_and_counted(ask: Any) -> None:
    dear = ask("tasks.list", cost_from="0.25", count=True)
    assert (ids(dear), dear["count"]) == (["t1"], {"n": 1, "more": False})
    assert dear["tasks"][0]["cost_usd"] == "0.3"
    assert ids(ask("tasks.list", cost_to="0.01", sort="cost")) == ["waits"]
    assert ids(ask("tasks.list", until="2026-03-01T12:00:00Z")) == []
    assert len(ids(ask("tasks.list", since="2026-03-01T12:00:00Z"))) == 6
    assert ids(ask("tasks.list", since="2026-03-01T12:00:00.700Z")) == ["waits"]
    assert ids(ask("tasks.list", id_prefix="foreign")) == []
    assert ids(ask("tasks.list", state=["submitted", "settled"], outcome="failed")) == ["t3"]
    assert ask("tasks.stats")["by_state"] == {"submitted": 1, "completed": 4, "failed": 1}
    assert ask("tasks.stats", type="nothing")["by_state"] == {}


def test_of_some_ids_those_are_told_that_the_filters_let_through(ask: Any) -> None:
    everything = {row["id"]: row for row in ask("tasks.list")["tasks"]}
    some = ask("tasks.list", ids=["t1", "t3", "foreign", "nothing"], count=True)
    assert (sorted(ids(some)), some["count"]) == (["t1", "t3"], {"n": 2, "more": False})
    assert all(row == everything[row["id"]] for row in some["tasks"])
    assert ids(ask("tasks.list", ids=["t1", "t3"], sort="cost", order="asc")) == ["t3", "t1"]
    for filters in (
        {"outcome": "failed"},
        {"q": "eng pack_fai"},
        {"state": ["settled"], "cost_to": "0.25", "outcome": "failed"},
    ):
        found = ids(ask("tasks.list", **filters))
        assert found == ids(ask("tasks.list", ids=list(everything), **filters))
        assert ids(ask("tasks.list", ids=[each for each in everything if each not in found], **filters)) == []
    assert ids(ask("tasks.list", ids=["t1"], q="***")) == []
    assert ids(ask("tasks.list", ids=["t1"], id_prefix="foreign")) == []
    held = ids(ask("approvals.list"), "approvals")
    assert len(held) > 1
    assert ids(ask("approvals.list", ids=[held[0], "nothing"]), "approvals") == [held[0]]
    assert ids(ask("approvals.list", "other", ids=[held[0]]), "approvals") == []


def test_words_find_a_task_by_their_beginnings_all_of_them(ask: Any) -> None:
    assert ids(ask("tasks.list", q="eng pack_fai")) == ["t3"]
    assert ids(ask("tasks.list", q="OLG git", limit=1)) == ["t4"]
    assert ids(ask("tasks.list", q="***")) == []
    assert ids(ask("tasks.list", "other", q="t1")) == []


def test_a_timeline_tells_what_began_when_and_what_it_belongs_to(ask: Any) -> None:
    told = ask("tasks.timeline", id="t3")
    spans = {span["id"]: span for span in told["spans"]}
    assert spans["task:t3"]["detail"]["outcome"] == "failed"
    assert spans["attempt:t3:1"]["parent"] == "task:t3"
    call = spans["call:t3-s0001-e1"]
    assert (call["parent"], call["detail"]["verdict"], call["detail"]["cost_usd"]) == ("attempt:t3:1", "allow", "0.1")
    assert spans["decision:t3-s0001-e1"]["detail"]["rules"] == ["calls.allow"]
    assert spans["try:t3-s0001-e1:1"]["parent"] == "call:t3-s0001-e1"
    assert spans["approval:t3-s0003-e1"]["parent"] == "tool:t3-s0003-e1"
    assert (spans["wait:t3:3"]["name"], spans["wait:t3:3"]["detail"]["on"]) == ("waits for tool", "t3-s0003-e1")
    at = datetime.fromisoformat
    assert all(at(span["end"]) >= at(span["start"]) for span in spans.values()), "all has ended, none before it began"
    first = ask("tasks.timeline", id="t3", limit=5)
    assert first["next_cursor"] is not None
    with pytest.raises(NotFound):
        ask("tasks.timeline", "other", id="t3")


def test_the_curves_of_a_window_add_up_to_its_total(ask: Any) -> None:
    told = ask("system.overview", window="1h", until="2026-03-01T12:30:00Z")
    assert (told["total"]["submitted"], told["total"]["completed"], told["total"]["failed"]) == (6, 4, 1)
    assert (told["total"]["cost_usd"], told["total"]["calls"], told["total"]["held"]) == ("0.7", 7, 5)
    assert told["total"]["latency"]["p95_ms"] >= 812
    for name in ("submitted", "calls", "decisions"):
        assert sum(point[name] for point in told["points"]) == told["total"][name]
    assert told["tasks"] == {"submitted": 1}
    weeks = ask("system.overview", window="7d", until="2026-03-02T12:30:00Z")
    assert weeks["total"]["calls"] == 7
    assert ask("system.overview", "nobody")["total"]["latency"]["p50_ms"] is None
    assert ask("system.pulse")["tasks"] == {"submitted": 1}


@pytest.mark.parametrize("name", ["tasks.get", "tasks.events", "approvals.get", "calls.get"])
def test_what_does_not_exist_for_this_tenant_is_not_found(ask: Any, name: str) -> None:
    for tenant, id_ in (("default", "nobody"), ("other", "t1"), ("other", "t1-s0003-e1")):
        with pytest.raises(NotFound, match="there is no"):
            ask(name, tenant, id=id_)


def test_the_events_of_a_task_come_in_order_with_their_bodies(ask: Any) -> None:
    page = ask("tasks.events", id="t2", limit=15)
    rest = ask("tasks.events", id="t2", after=page["after"])
    events = [*page["events"], *rest["events"]]
    assert [event["seq"] for event in events] == sorted(event["seq"] for event in events)
    assert len(events) == len(history.life("t2"))
    assert rest["after"] is None
    assert events[0]["body"]["input"]["alg"] == "A256GCM", "sealed parts stay sealed"


def test_events_are_listed_by_aggregate_and_unreadable_ones_on_request(ask: Any) -> None:
    assert {event["fact"] for event in ask("events.list", aggregate="kill")["events"]} == {"engaged", "released"}
    (odd,) = ask("events.list", undecodable=True)["events"]
    assert (odd["raw"], odd["body"]) == ("ff", None)


def test_an_approval_comes_with_how_often_the_like_of_it_was_answered_how(store: SqlStore, ask: Any) -> None:
    later = [
        *history.held_tool_call("t1", 7, "rejected"),
        *history.held_tool_call("t1", 8, "rejected", tool="mail.send"),
        *history.held_tool_call("t1", 9, tool="mail.send"),
    ]
    store.apply(history.stream(later, store.head().seq + 1))
    told = {row["id"]: (row["target"], row["history"]) for row in ask("approvals.list")["approvals"]}
    comments, mails = {"approved": len(TASKS), "rejected": 1}, {"approved": 1, "rejected": 1}
    assert told["t1-s0007-e1"] == told["t2-s0003-e1"] == ("github.comment", comments)
    assert told["t1-s0008-e1"] == told["t1-s0009-e1"] == ("mail.send", mails)
    assert ask("approvals.get", id="t1-s0009-e1")["approval"]["history"] == mails


def test_approvals_calls_and_switches(ask: Any) -> None:
    assert ask("approvals.list", state="pending")["approvals"] == []
    approved = ask("approvals.list", state="approved", limit=2)
    assert ids(approved, "approvals") == ["t4-s0003-e1", "t3-s0003-e1"]
    assert ids(ask("approvals.list", cursor=approved["cursor"]), "approvals") == ["t2-s0003-e1", "t1-s0003-e1", "t0-s0003-e1"]
    assert ask("approvals.get", id="t1-s0003-e1")["approval"]["preview"] == {"body": "Thanks, <PERSON_1>"}
    call = ask("calls.get", id="t1-s0001-e1")
    assert [event["fact"] for event in call["events"]] == ["requested", "decided", "attempted", "settled"]
    assert call["call"]["reasons"] == ["a pack of this tenant"]
    named = ask("calls.family", families=["t1", "nobody"])["calls"]
    assert {(each["task"], each["kind"]) for each in named} == {("t1", "model"), ("t1", "tool")}
    assert named == ask("tasks.get", id="t1")["calls"]
    assert ask("calls.family", "other", families=["t1"]) == {"calls": []}
    assert ask("kill.list", state="engaged")["kill_switches"] == []
    assert ids(ask("kill.list"), "kill_switches") == ["k1"]
    assert ask("deadletters.list") == {"dead_letters": [], "cursor": None}


def test_the_log_is_searched_newest_first_by_kind_actor_and_text_in_stretches(
    ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = ask("events.search", limit=200)
    assert [event["seq"] for event in every["events"]] == sorted((event["seq"] for event in every["events"]), reverse=True)
    switches = ask("events.search", type="kill.engaged")["events"]
    assert [(event["aggregate"], event["fact"]) for event in switches] == [("kill", "engaged")]
    (by,) = {event["body"]["by"]["id"] for event in switches}
    assert switches[0] in ask("events.search", actor=by, limit=200)["events"]
    assert ask("events.search", actor=by[:-1], limit=200)["events"] == []
    assert {event["id"] for event in ask("events.search", q="kill.K1", limit=200)["events"]} == {"k1"}
    assert ask("events.search", "other", q="k1")["events"] == []

    monkeypatch.setattr("services.ledger.event_search.STRETCH", 3)
    found: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = ask("events.search", q="evt.", limit=2, **cursor)
        found += [event["seq"] for event in page["events"]]
        if page["cursor"] is None:
            break
        cursor = {"cursor": page["cursor"]}
    assert found == [event["seq"] for event in every["events"]]


def test_money_is_summed_exactly_and_what_has_no_price_is_counted_apart(ask: Any) -> None:
    by_model = {group["model"]: group for group in ask("cost", by=["model"])["groups"]}
    assert by_model["gpt-5-mini"]["cost_usd"] == "0.5"
    assert (by_model["gpt-5-mini"]["calls"], by_model["gpt-5-mini"]["simulated_attempts"]) == (6, 1)
    assert by_model["claude"]["cost_usd"] == "0.2"
    total = ask("cost", by=["tenant"])["total"]
    assert (total["cost_usd"], total["calls"], total["input_tokens"]) == ("0.7", 7, 840)
    assert [group["day"] for group in ask("cost", by=["day"])["groups"]] == ["2026-03-01"]
    assert ask("cost", by=["provider"], until="2026-03-01T00:00:00Z")["groups"] == []
    nothing = ask("cost", "other")["total"]
    assert (nothing["cost_usd"], nothing["saved_usd"], nothing["calls"], nothing["input_tokens"]) == ("0", "0", 0, 0)
    several = ask("cost", by=["provider", "model", "task_type"])["groups"]
    told = [(group["provider"], group["model"], group["task_type"], group["cost_usd"]) for group in several]
    assert told == [("anthropic", "claude", "triage", "0.2"), ("openai", "gpt-5-mini", "triage", "0.5")]


def test_packs_are_told_by_their_tasks_and_calls(ask: Any) -> None:
    (pack,) = ask("packs.stats")["packs"]
    assert (pack["pack"], pack["tasks"], pack["by_state"]) == ("engineering", 5, {"completed": 4, "failed": 1})
    assert (pack["calls"], pack["cost_usd"], pack["refusals"]) == (7, "0.7", 0)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.decimals(min_value=0, max_value=10**11, places=12), min_size=1, max_size=30))
def test_sums_of_any_money_are_exact(store: SqlStore, costs: list[Decimal]) -> None:
    store.reset()
    calls = [history.model_call("t", step, cost=str(cost))[-1] for step, cost in enumerate(costs, 1)]
    store.apply(history.stream(calls))
    query = SQL_QUERIES["cost"]
    answer: Any = store.read(lambda tx: query.run(tx, "default", query.arguments()))
    assert Decimal(answer["total"]["cost_usd"]) == sum(costs)


def test_a_tasks_events_tell_what_it_wanted_to_ask_and_the_verdict(ask: Any) -> None:
    told = [(row["aggregate"], row["fact"]) for row in ask("tasks.events", id="waits")["events"]]
    assert told[-2:] == [("checkpoint", "requested"), ("checkpoint", "decided")]


def test_decisions_come_newest_first_by_kind_and_by_id_in_pages(ask: Any) -> None:
    every = ask("decisions.list", limit=500)
    seqs = [row["seq"] for row in every["decisions"]]
    assert seqs == sorted(seqs, reverse=True)
    assert {(row["aggregate"], row["fact"]) for row in every["decisions"]} >= {("task", "decided"), ("call", "decided")}
    assert {row["aggregate"] for row in ask("decisions.list", kind="admission")["decisions"]} == {"task"}
    refused = ask("decisions.list", kind="checkpoint")["decisions"]
    assert [(row["aggregate"], row["id"]) for row in refused] == [("checkpoint", "waits-s0001-e1")]
    edits = ask("decisions.list", kind="edit")["decisions"]
    assert [(row["fact"], row["id"]) for row in edits] == [("revised", "t1-s0003-e1")]
    assert edits[0]["seq"] in seqs
    assert {row["id"] for row in ask("decisions.list", id="t1")["decisions"]} == {"t1"}
    first = ask("decisions.list", limit=2)
    second = ask("decisions.list", limit=2, cursor=first["cursor"])
    assert [row["seq"] for row in (*first["decisions"], *second["decisions"])] == seqs[:4]
    assert ask("decisions.list", "nobody") == {"decisions": [], "cursor": None}


def test_an_id_is_found_by_its_beginning_and_wildcards_are_letters(ask: Any) -> None:
    assert ids(ask("approvals.list", id_prefix="t1-s000"), "approvals") == ["t1-s0003-e1"]
    assert {row["id"] for row in ask("decisions.list", id_prefix="t1-s000")["decisions"]} >= {"t1-s0001-e1", "t1-s0003-e1"}
    assert ids(ask("approvals.list", id_prefix="t1_s000"), "approvals") == []
    assert ids(ask("tasks.list", "other", id_prefix="foreign")) == ["foreign"]
    assert ids(ask("tasks.list", id_prefix="foreign")) == []


def test_rules_are_counted_over_a_window_from_its_first_full_hour(ask: Any) -> None:
    """All of the history's decisions fall within one day."""
    wanted: dict[str, int] = {}
    for row in ask("decisions.list", limit=500)["decisions"]:
        for rule in row["body"]["rules"]:
            wanted[rule] = wanted.get(rule, 0) + 1
    end = history.START + timedelta(hours=23)
    told = ask("policy.hits", until=end)
    assert {row["rule"]: row["decided"] for row in told["rules"]} == wanted
    assert [row["decided"] for row in told["rules"]] == sorted(wanted.values(), reverse=True)
    assert told["since"] == "2026-03-01T11:00:00Z"
    assert ask("policy.hits", until=history.START + timedelta(days=3))["rules"] == []
    assert ask("policy.hits", window="7d", until=history.START + timedelta(days=3))["rules"] == told["rules"]
    assert ask("policy.hits", "other", until=end)["rules"] == []


@pytest.mark.parametrize("sort", ["created", "updated", "cost", "duration"])
def test_however_tasks_are_found_they_are_the_same_ones(ask: Any, monkeypatch: pytest.MonkeyPatch, sort: str) -> None:
    """Whether a filter leaves few, some or many, and whether a word is common or rare."""
    asked: tuple[dict[str, Any], ...] = (
        {"outcome": "completed", "pack": "engineering"}, {"outcome": "failed", "type": "triage", "cost_from": "0.01"},
        {"state": ["settled", "submitted"], "since": "2026-03-01T12:00:00Z", "until": "2026-03-01T12:00:00.700Z"},
        {"q": "engineering t2", "outcome": "completed"}, {"q": "triage", "priority": "normal", "cost_to": "1"},
    )  # fmt: skip
    ways = ((5_000, 50_000, 20), (0, 50_000, 20), (0, 0, 20), (5_000, 50_000, 1), (0, 50_000, 1), (0, 0, 1))
    for filters in asked:
        found: list[Any] = []
        for few, some, common in ways:
            for name, value in (("FEW", few), ("SOME", some), ("COMMON", common)):
                monkeypatch.setattr(task_lists, name, value)
            page = ask("tasks.list", sort=sort, count=True, **filters)
            found.append((ids(page), page["count"]["n"], ask("tasks.stats", **filters)["by_state"]))
        assert found == [found[0]] * len(ways), filters
        assert found[0][0], "something is found at all"
