"""The contract of the store, on SQLite and on PostgreSQL."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError, OperationalError

from agentos.contracts.events import governance as g
from agentos.contracts.events import kill as k
from agentos.contracts.events.privacy import ErasureCertified
from services.ledger import tables
from services.ledger.audit import chain, merkle
from services.ledger.driver import transaction
from services.ledger.queries import SQL_QUERIES
from services.ledger.store import Moved, SqlStore, StreamGap
from services.ledger.tables import metadata
from tests.services.ledger import history

LIFE = history.stream([*history.life("t1"), *history.governance(), *history.life("t2", outcome="failed")])


def test_a_call_that_was_refused_counts_as_a_refusal_of_its_task(store: SqlStore) -> None:
    store.apply(history.stream([*history.life("t1"), *history.held_tool_call("t1", 9, outcome="rejected")]))
    (task,) = history.dump(store)["tasks"]
    assert (task["tool_calls"], task["refusals"]) == (2, 1)


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(store: SqlStore) -> None:
    def ours(_object: Any, name: str | None, *_: Any) -> bool:
        # The index of words is another thing on each database, which no table can describe; searches are tested on both.
        return not (name or "").startswith("tasks_words")

    opts = {"include_object": ours}
    assert store.read(lambda tx: compare_metadata(MigrationContext.configure(tx, opts=opts), metadata)) == []


def test_migrating_again_changes_nothing(open_store: Callable[[], SqlStore]) -> None:
    open_store().apply(LIFE[:3])
    assert open_store().head().seq == 3


def test_a_whole_life_ends_in_rows_that_tell_it(store: SqlStore) -> None:
    store.apply(LIFE)
    rows = history.dump(store)
    first, second = sorted(rows["tasks"], key=lambda row: row["id"])
    assert (first["state"], first["outcome"], first["calls"], first["tool_calls"]) == ("settled", "completed", 1, 1)
    assert (first["cost_usd"], first["input_tokens"], first["refusals"]) == (Decimal("0.0123"), 120, 0)
    assert (second["outcome"], second["fault_code"]) == ("failed", "pack_failed")
    assert {row["state"] for row in rows["approvals"]} == {"approved"}
    assert [row["state"] for row in rows["kill_switches"]] == ["released"]
    model = next(row for row in rows["calls"] if row["kind"] == "model")
    assert (model["verdict"], model["entities"], model["attempts"], model["settled_at"].tzname()) == (
        "allow",
        {"EMAIL": 1},
        2,
        "UTC",
    )
    assert len(rows["events"]) == len(rows["audit_chain"]) == len(LIFE)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_any_batches_give_the_same_rows(open_store: Callable[[], SqlStore], size: int) -> None:
    store = open_store()
    store.apply(LIFE)
    at_once = history.dump(store)
    store.reset()
    assert not any(rows for name, rows in history.dump(store).items() if name != "positions")
    for index in range(0, len(LIFE), size):
        store.apply(LIFE[index : index + size])
    assert history.dump(store) == at_once


def test_what_was_applied_is_ignored_when_it_comes_again(store: SqlStore) -> None:
    store.apply(LIFE[:10])
    before = history.dump(store)
    assert store.apply(LIFE[:10]).ignored == 10
    assert history.dump(store) == before
    assert store.apply(LIFE[5:15]).ignored == 5
    assert store.head().seq == 15


def test_a_gap_stops_the_fold_and_stores_nothing(store: SqlStore) -> None:
    store.apply(LIFE[:4])
    before = history.dump(store)
    with pytest.raises(StreamGap, match="from 4 to 6"):
        store.apply(LIFE[5:8])
    with pytest.raises(StreamGap):
        store.apply([*LIFE[4:6], *LIFE[7:9]])
    assert history.dump(store) == before


def test_the_chain_is_recorded_with_the_rows(store: SqlStore) -> None:
    applied = store.apply(LIFE)
    expected = chain.links(chain.GENESIS, LIFE)
    assert applied.head.chain == expected[-1] == store.head().chain
    assert store.hashes(3, 5) == {3: expected[2], 4: expected[3], 5: expected[4]}


def test_a_second_writer_is_found_out(open_store: Callable[[], SqlStore], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ledgers on one database: whoever comes second finds that the position moved, and stores nothing."""
    one, other = open_store(), open_store()
    one.apply(LIFE[:3])
    stale = one.head()
    other.apply(LIFE[3:5])

    def behind(*_: object) -> tuple[int, int, bytes]:
        return stale.seq, stale.undecodable, stale.chain

    monkeypatch.setattr("services.ledger.driver.Statements.head", behind)
    with pytest.raises((Moved, IntegrityError)):  # the second row of the same sequence may be refused before the position is
        one.apply(LIFE[3:5])
    monkeypatch.undo()
    assert one.head().seq == 5


def hostile(seq: int, kind: str) -> Any:
    good = history.recorded(seq, history.submitted(f"h{seq}"))
    match kind:
        case "not JSON":
            return replace(good, body=b"\x00\xff{")
        case "another version":
            return replace(good, headers={**good.headers, "Agentos-Schema": "task.submitted/2"})
        case "no headers":
            return replace(good, headers={})
        case "headers that are no text":
            return replace(good, headers={**good.headers, "Agentos-Causation-Id": "a\udcff\0b", "Agentos-Schema": "\0"})
        case "unknown subject":
            return replace(good, subject="evt.default.nothing.x.happened")
        case "short subject":
            return replace(good, subject="evt.default")
        case "another tenant in the header":
            return replace(good, headers={**good.headers, "Agentos-Tenant": "other"})
        case "a claim that nobody can redeem":
            return replace(good, headers={**good.headers, "Agentos-Claim": "ab.1"}, body=b"{}")
        case _:
            return replace(good, headers={**good.headers, "Agentos-Time": "yesterday"})


KINDS = [
    "not JSON",
    "another version",
    "no headers",
    "headers that are no text",
    "unknown subject",
    "short subject",
    "another tenant in the header",
    "a claim that nobody can redeem",
    "no time",
]


def test_what_cannot_be_read_is_chained_and_kept_raw_and_stops_nothing(store: SqlStore) -> None:
    events = [hostile(seq, kind) for seq, kind in enumerate(KINDS, 1)]
    good = history.recorded(len(events) + 1, history.submitted("good"))
    store.apply([*events, good])
    rows = history.dump(store)
    assert [row["id"] for row in rows["tasks"]] == ["good"]
    kept = {row["seq"]: row for row in rows["events"]}
    assert all(kept[event.seq]["problem"] and kept[event.seq]["raw"] == event.body for event in events)
    assert kept[good.seq]["problem"] is None
    assert store.head().undecodable == len(KINDS)
    assert store.head().chain == chain.links(chain.GENESIS, [*events, good])[-1]


def test_text_and_numbers_that_no_database_holds_are_made_harmless(store: SqlStore) -> None:
    """A payload may hold NUL, and integers of any size: the projection is cleaned, the event keeps what was said."""
    name, tokens, data, correlation = history.submitted("n", labels={"a\0b": "\0"}, input_digest="x\0y")
    usage = {"input_tokens": 10**30}
    call = history.model_call("n", 1, usage=usage, finish_reason="stop")
    rejected = history.held_tool_call("n", 2, "rejected")
    kill = ("kill.engaged", ("k",), k.KillEngaged(scope="task", target="a\0b", reason="\0", by=history.OPERATOR), "k")
    store.apply(history.stream([(name, tokens, data, correlation), *call, *rejected, kill]))
    rows = history.dump(store)
    assert rows["tasks"][0]["input_digest"] == "x\ufffdy"
    assert rows["tasks"][0]["labels"] == {"a\0b": "\0"}
    assert rows["tasks"][0]["input_tokens"] == 2**63 - 1
    assert rows["kill_switches"][0]["target"] == "a\ufffdb"
    assert store.head().undecodable == 0


def test_a_fault_of_the_database_is_told_as_one_and_the_next_batch_is_stored(store: SqlStore) -> None:
    """The connection may be lost in the middle of a transaction; a ledger that tries again gets a new one."""
    store.apply(LIFE[:3])
    lost = "SELECT pg_terminate_backend(pg_backend_pid())" if store.dialect == "postgresql" else "SELECT * FROM nothing"

    def losing() -> None:
        with transaction(store._writer) as tx:
            tx.execute("UPDATE positions SET seq = 7")
            tx.execute(lost)

    with pytest.raises(OperationalError):
        losing()
    assert store.apply(LIFE[3:5]).head.seq == 5


def test_dead_letters_have_a_position_of_their_own(store: SqlStore) -> None:
    letter = g.DeadLetter(
        service="policy",
        consumer="policy-call-requested",
        subject="evt.default.call.x.requested",
        stream="EVENTS",
        seq=7,
        deliveries=5,
        code="bad_payload",
        detail="a\0b",
        body_digest="d",
        at=history.START,
    )
    good = replace(history.recorded(4, history.submitted("x")), subject="dlq.policy.c.m")
    readable = replace(good, body=letter.model_dump_json().encode())
    advisory = replace(
        good,
        seq=9,
        subject="$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.WORK.runner-work-high",
        headers={},
        body=b'{"stream":"WORK","consumer":"runner-work-high","stream_seq":3,"deliveries":120,"timestamp":"2026-03-01T12:00:00.123456789Z"}',
    )
    assert store.apply_dead_letters([readable, replace(good, seq=5, body=b"\0"), advisory]) == 9
    assert store.apply_dead_letters([readable]) == 9
    rows = {row["seq"]: row for row in history.dump(store)["dead_letters"]}
    assert (rows[4]["code"], rows[4]["detail"], rows[4]["message_seq"]) == ("bad_payload", "a\ufffdb", 7)
    assert rows[5]["problem"]
    assert (rows[9]["service"], rows[9]["code"], rows[9]["message_seq"]) == ("runner", "max_deliveries", 3)
    assert (store.head().seq, store.dead_letter_position()) == (0, 9)


LONG = history.stream([each for number in range(40) for each in history.life(f"n{number}")])


@pytest.mark.parametrize("size", [97, 256, 500])
def test_the_stored_tree_is_the_tree_over_the_chain_however_it_was_folded(
    open_store: Callable[[], SqlStore], size: int
) -> None:
    store, tree = open_store(), merkle.Tree()
    for start in range(0, len(LONG), size):
        store.apply(LONG[start : start + size])
    for each in chain.links(chain.GENESIS, LONG):
        tree.append(each)
    for count in (1, 255, 256, 257, 512, 700, len(LONG)):
        assert store.tree(lambda node, count=count: merkle.root(count, node)) == tree.root(count)
        path = store.tree(lambda node, count=count: merkle.inclusion_path(count // 2, count, node))
        assert path == merkle.inclusion_path(count // 2, count, tree.reader())
    assert len(history.dump(store)["audit_nodes"]) == len(LONG) // 256 + len(LONG) // 512


def test_a_hash_deleted_from_the_database_stops_the_tree_and_not_the_fold(store: SqlStore) -> None:
    store.apply(LONG[:200])
    with store._writer.begin() as tx:
        tx.execute(tables.audit_chain.delete().where(tables.audit_chain.c.seq == 9))
    assert store.apply(LONG[200:300]).head.seq == 300
    with pytest.raises(StreamGap, match="changed from outside"):
        store.tree(lambda node: merkle.root(300, node))


def test_how_far_a_place_outside_is_survives_a_rebuild(store: SqlStore) -> None:
    assert store.anchored("file:/a") is None
    store.note_anchored("file:/a", 7)
    store.note_anchored("file:/a", 9)
    store.reset()
    assert (store.anchored("file:/a"), store.anchored("file:/b")) == (9, None)


def test_a_certificate_marks_every_task_that_it_names_as_erased(store: SqlStore) -> None:
    told = ErasureCertified(
        target="task", task="t1", families=("t1",), tasks=("t1", "t2"), keys_erased=1, keys_gone_before=0,
        placeholder_maps_erased=1, index_entries_erased=0, requested_at=history.START, reason="asked", by=history.OPERATOR, digest="d",
    )  # fmt: skip
    store.apply(history.stream([*history.life("t1"), *history.life("t2"), *history.life("t3")]))
    store.apply([history.recorded(58, ("erasure.certified", ("x1", "1"), told, "t1"))])
    assert {row["id"] for row in history.dump(store)["tasks"] if row["erased_at"]} == {"t1", "t2"}


def _made_of(store: SqlStore) -> list[tuple[Any, ...]]:
    """Every index and trigger of the database, and what SQLite plans with."""
    if store.dialect == "sqlite":
        queries = ["SELECT type, name, sql FROM sqlite_master", "SELECT tbl, idx, stat FROM sqlite_stat1"]
    else:
        queries = ["SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()"]
    return store.read(
        lambda tx: sorted((*row,) for query in queries for row in tx.execute(text(query)) if row[0] != "left_out")
    )


@pytest.mark.parametrize("killed_at", [None, 0, 3, 9])
def test_a_rebuild_ends_with_every_index_also_when_it_was_killed(
    open_store: Callable[[], SqlStore], killed_at: int | None
) -> None:
    store = open_store()
    store.apply(LIFE)
    rows, made_of = history.dump(store), _made_of(store)
    store.reset()
    assert len(_made_of(store)) < len(made_of)
    store.apply(LIFE[:25])
    if killed_at is None:
        store.apply(LIFE[25:])
        store.complete()
    else:
        with pytest.raises(RuntimeError, match="killed"):
            _kill_at_statement(store, killed_at)
        store = open_store()
        store.apply(LIFE[25:])
    assert (history.dump(store), _made_of(store)) == (rows, made_of)
    found = SQL_QUERIES["tasks.list"]
    answer: Any = store.read(lambda tx: found.run(tx, "default", found.arguments.model_validate({"q": "triage t2"})))
    assert [task["id"] for task in answer["tasks"]] == ["t2"]


def _kill_at_statement(store: SqlStore, number: int) -> None:
    """Die while the indexes are being made, before this one of them is."""
    made = itertools.count()

    def dying(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("CREATE", "INSERT INTO tasks_words")) and next(made) == number:
            raise RuntimeError("killed")

    event.listen(store._writer, "before_cursor_execute", dying)
    try:
        store.complete()
    finally:
        event.remove(store._writer, "before_cursor_execute", dying)
