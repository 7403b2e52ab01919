"""What the ledger says of an agent."""

import importlib
from typing import Any, Literal

from sqlalchemy import text

from agentos.contracts.agents import AgentTerms, agent_id
from agentos.contracts.base import Principal
from agentos.contracts.events.agent import AgentChanged, PresenceChanged
from agentos.contracts.events.governance import ViolationNoted
from services.ledger.queries import SQL_QUERIES
from services.ledger.store import SqlStore
from tests.services.ledger import history

ADMIN = Principal(kind="user", id="grace")
CHANGES: tuple[Literal["paused", "resumed"], ...] = ("paused", "resumed")
WINDOW = {"window": "24h", "until": "2026-03-02T00:00:00Z"}


def asked(store: SqlStore, what: str, tenant: str = "default", **arguments: Any) -> Any:
    query = SQL_QUERIES[what]
    return store.read(lambda tx: query.run(tx, tenant, query.arguments.model_validate(arguments)))


def test_an_agents_figures_are_of_its_own_tasks_and_calls(store: SqlStore) -> None:
    lives = [*history.life("t1"), *history.life("t2", outcome="failed"), *history.life("t3", pack="sales")]
    store.apply(history.stream(lives))
    said = asked(store, "agents.metrics", pack="engineering", agent="triager", **WINDOW)
    assert (said["tasks"], said["by_outcome"], said["success_rate"]) == (2, {"completed": 1, "failed": 1}, 0.5)
    assert (said["calls"], said["cost_usd"], said["tool_calls"]) == (2, "0.0246", 2)
    assert said["latency"]["p50_ms"] > 0
    nobody = asked(store, "agents.metrics", pack="engineering", agent="nobody", **WINDOW)
    assert (nobody["tasks"], nobody["success_rate"], nobody["cost_usd"]) == (0, None, "0")


def test_an_agents_log_is_what_people_did_and_when_it_came_and_went_page_by_page(store: SqlStore) -> None:
    key = agent_id("engineering", "triager")
    named: dict[str, Any] = {"pack": "engineering", "agent": "triager", "kind": "hosted"}
    changes = [
        ("agent.changed", (key, str(number)), AgentChanged(change=change, terms=AgentTerms(), by=ADMIN, **named), key)
        for number, change in enumerate(CHANGES, start=1)
    ]
    came = ("presence.changed", (key, "1"), PresenceChanged(online=True, instances=1, seen_at=None, **named), key)
    store.apply([history.recorded(1, came, "system"), *history.stream([*changes, *history.life("t1")], start=2)])
    names = {"id": key, "pack": "engineering", "agent": "triager"}
    first = asked(store, "agents.log", limit=2, **names)
    assert [row["seq"] for row in first["events"]] == [3, 2]
    rest = asked(store, "agents.log", limit=2, cursor=first["cursor"], **names)
    assert ([row["aggregate"] for row in rest["events"]], rest["cursor"]) == (["presence"], None)
    other = asked(store, "agents.log", tenant="other", limit=10, **names)
    assert [row["aggregate"] for row in other["events"]] == ["presence"], "what serves every tenant is known to each"


def test_an_agents_figures_are_of_all_its_tasks_and_its_percentiles_are_of_tasks_that_there_were(store: SqlStore) -> None:
    lives = [event for n in range(40) for event in history.life(f"t{n}", outcome=("completed", "failed")[n % 4 == 0])]
    store.apply(history.stream(lives))
    rows = [row for row in history.dump(store)["tasks"] if row["state"] == "settled"]
    took = sorted(row["duration_ms"] for row in rows)
    said = asked(store, "agents.metrics", pack="engineering", agent="triager", **WINDOW)
    assert (said["tasks"], said["settled"], said["by_outcome"]) == (40, 40, {"completed": 30, "failed": 10})
    assert said["latency"] == {f"p{share}_ms": took[min(39, 40 * share // 100)] for share in (50, 95, 99)}
    assert said["tool_calls"] == sum(row["tool_calls"] for row in rows)


def test_what_an_agents_sandbox_refused_it_is_found_by_its_name_and_by_no_text(store: SqlStore) -> None:
    def noted(task: str, n: int, agent: str, detail: str) -> Any:
        about = ViolationNoted(task=task, attempt=1, pack="engineering", agent=agent, what="network", detail=detail)
        return "violation.noted", (task, str(n)), about, task

    liar = noted("t1", 1, "other", '"pack":"engineering","agent":"triager"')
    store.apply(history.stream([liar, *(noted("t2", n, "triager", "example.com") for n in (1, 2, 3))]))
    names = {"id": agent_id("engineering", "triager"), "pack": "engineering", "agent": "triager"}
    first = asked(store, "agents.log", limit=2, **names)
    assert ([row["seq"] for row in first["events"]], first["cursor"]) == ([4, 3], "3")
    rest = asked(store, "agents.log", limit=2, cursor="3", **names)
    assert ([row["seq"] for row in rest["events"]], rest["cursor"]) == ([2], None)
    assert asked(store, "agents.log", tenant="other", limit=2, **names)["events"] == []


def test_violations_from_before_their_rows_are_taken_over_as_the_fold_makes_them(store: SqlStore) -> None:
    about = ViolationNoted(task="t1", attempt=1, pack="engineering", agent="triager", what="file", detail='a "quoted" path')
    store.apply(history.stream([("violation.noted", ("t1", str(n)), about, "t1") for n in (1, 2)]))
    revision = importlib.import_module("services.ledger.migrations.versions.0007_exact_figures")
    found = store.read(lambda tx: [tuple(row) for row in tx.execute(text(revision.taken_over(store.dialect)))])
    columns = ("tenant", "id", "pack", "agent", "first_seq", "last_seq")
    assert sorted(found) == sorted(tuple(row[name] for name in columns) for row in history.dump(store)["violations"])
