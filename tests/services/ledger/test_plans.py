"""How SQLite means to find what the console asks for: never by reading all tasks or all events. On a small ledger, as on any."""

from typing import Any

import pytest
from sqlalchemy import Connection, event

from services.ledger import task_lists
from services.ledger.queries import SQL_QUERIES
from services.ledger.store import SqlStore
from tests.services.ledger import history

BIG = ("tasks", "events", "calls", "charges", "approvals", "spend")
ASKED: tuple[tuple[str, dict[str, Any]], ...] = (
    *(("tasks.list", {"sort": sort, "order": order}) for sort in ("created", "updated", "duration", "cost") for order in ("asc", "desc")),
    *(
        ("tasks.list", filters | {"sort": sort, "count": True})
        for sort in ("created", "updated", "duration", "cost")
        for filters in (
            {"outcome": "failed"}, {"state": ["running", "queued"]}, {"type": "a"}, {"pack": "a"}, {"agent": "a"}, {"requester": "a"},
            {"parent": "a"}, {"priority": "high"}, {"q": "word"}, {"id_prefix": "0123456"}, {"pack": "a", "outcome": "failed", "q": "b"},
            {"since": "2026-03-01T12:00:00Z"}, {"cost_from": "1"}, {"ids": ["a", "b"]}, {"ids": ["a", "b"], "state": ["running"], "q": "word"},
        )
    ),
    ("tasks.stats", {}), ("tasks.stats", {"pack": "a"}), ("tasks.stats", {"q": "a"}),
    ("approvals.list", {}), ("approvals.list", {"state": "pending"}), ("approvals.list", {"state": "expired", "task": "t"}),
    ("approvals.list", {"state": "pending", "ids": ["a", "b"]}),
    ("events.list", {"undecodable": True}), ("events.list", {"correlation_id": "t"}),
    ("decisions.list", {}), ("decisions.list", {"kind": "edit"}), ("decisions.list", {"id": "t"}), ("decisions.list", {"id_prefix": "012345"}),
    ("events.list", {"id": "t"}), ("events.search", {"id": "t"}), ("events.search", {"task": "t"}), ("events.search", {"type": "call"}),
    ("packs.stats", {}), ("cost", {}), ("cost", {"by": ["pack", "model"], "since": "2026-03-01T12:20:00Z"}), ("cost", {"pack": "a"}),
    ("calls.recorded", {}), ("system.pulse", {}), ("system.overview", {}),
)  # fmt: skip


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Any:
    store = SqlStore(f"sqlite:///{tmp_path_factory.mktemp('plans')}/ledger.db")
    store.migrate()
    # A page of approvals, of each of which the like is counted.
    held = [each for step in range(5, 55) for each in history.held_tool_call("t1", step, tool=f"tool-{step}")]
    store.apply(history.stream([*history.life("t1"), *held]))
    yield store
    store.close()


def _said(store: SqlStore, name: str, arguments: dict[str, Any]) -> list[tuple[str, Any]]:
    """The statements of a query."""
    said: list[tuple[str, Any]] = []
    query = SQL_QUERIES[name]
    args = query.arguments.model_validate(arguments)

    def run(tx: Connection) -> None:
        def heard(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            said.append((statement, parameters))

        event.listen(tx, "before_cursor_execute", heard)
        try:
            query.run(tx, "default", args)
        finally:
            event.remove(tx, "before_cursor_execute", heard)

    store.read(run)
    return said


@pytest.mark.parametrize(
    ("few", "some"), [(task_lists.FEW, task_lists.SOME), (-1, task_lists.SOME), (-1, -1)], ids=["few", "some", "many"]
)
@pytest.mark.parametrize(("name", "arguments"), ASKED, ids=str)
def test_no_question_reads_all_of_a_large_table(
    ledger: SqlStore, monkeypatch: pytest.MonkeyPatch, name: str, arguments: dict[str, Any], few: int, some: int
) -> None:
    """Neither where a filter finds few tasks, nor where one of several finds some, nor where each finds many."""
    monkeypatch.setattr(task_lists, "FEW", few)
    monkeypatch.setattr(task_lists, "SOME", some)
    for statement, parameters in _said(ledger, name, arguments):
        steps = ledger.read(lambda tx, s=statement, p=parameters: tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {s}", p).all())
        plan = [step[3] for step in steps]
        ordered = not any("TEMP B-TREE FOR ORDER BY" in step for step in plan)
        for step in plan:
            words = step.split()
            if words[0] not in ("SCAN", "SEARCH") or words[1] not in BIG:
                continue
            assert words[0] == "SEARCH", (statement, plan)
            # The tenant alone chooses nothing; it may lead only where the index has the order of the answer, so that a page ends it.
            assert not step.endswith("(tenant=?)") or (ordered and "LIMIT" in statement), (statement, plan)
