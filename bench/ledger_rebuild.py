"""How fast the ledger folds: events/s into a fresh SQLite file, beside the bare cost of hashing and of storing the same events.

    python -m bench.ledger_rebuild [tasks] [batch]

Each task's life is 19 events; 2,000 tasks unless told otherwise, at most 20,000. The broker is not part of it.
"""

import gc
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from services.ledger.audit import chain
from services.ledger.domain.facts import Incoming
from services.ledger.store import SqlStore
from tests.services.ledger import history


def _floor(folder: Path, events: list[Incoming]) -> None:
    """The least that any ledger does: hash each event, and store its body, on the bare driver."""
    connection = sqlite3.connect(folder / "floor.db")
    connection.execute("PRAGMA journal_mode=WAL").close()
    connection.execute("CREATE TABLE e (seq INTEGER PRIMARY KEY, subject TEXT, body TEXT, hash BLOB)")
    hashes = chain.links(chain.GENESIS, events)
    rows = [(e.seq, e.subject, e.body.decode(), h) for e, h in zip(events, hashes, strict=True)]
    with connection:
        connection.executemany("INSERT INTO e VALUES (?, ?, ?, ?)", rows)
    connection.close()


def _rate(events: list[Incoming], work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return len(events) / (time.perf_counter() - began)


def main() -> None:
    numbers = [int(argument) for argument in sys.argv[1:3]]
    tasks = min(numbers[0] if numbers else 2_000, 20_000)
    batch = numbers[1] if len(numbers) > 1 else 500
    lives = [history.life(f"00000000-0000-7000-8000-{number:012d}") for number in range(tasks)]
    # Sixteen tasks at a time, as with sixteen in flight.
    planned = [each for start in range(0, tasks, 16) for each in history.interleaved(lives[start : start + 16], range(16 * 20))]
    events = history.stream(planned)
    # The material is the stream's, not the ledger's: the collector need not walk it over and over.
    gc.freeze()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = SqlStore(f"sqlite:///{folder}/ledger.db")
        store.migrate()

        def fold() -> None:
            for start in range(0, len(events), batch):
                store.apply(events[start : start + batch])

        ledger = _rate(events, fold)
        store.close()
        floor = _rate(events, lambda: _floor(folder, events))
    print(
        f"{len(events):,} events, batches of {batch}: ledger {ledger:,.0f}/s, floor {floor:,.0f}/s, ratio {ledger / floor:.2f}"
    )


if __name__ == "__main__":
    main()
