"""How fast the ledger folds: events/s into a fresh SQLite file, beside the bare cost of hashing and of storing the same events.

    python -m bench.ledger_rebuild [tasks] [batch]

Each task's life is 19 events; 2,000 tasks unless told otherwise, at most 20,000. The broker is not part of it. A rebuild is timed with the
making of the indexes at its end; beside it the fold of a ledger that follows, in batches of any size. Processor time, of which other work
on the machine takes least, is told beside the clock's.
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


def _rates(events: list[Incoming], work: Callable[[], None]) -> tuple[float, float]:
    """Events a second, and events a second of processor time."""
    began, worked = time.perf_counter(), time.process_time()
    work()
    return len(events) / (time.perf_counter() - began), len(events) / (time.process_time() - worked)


def _folded(events: list[Incoming], batch: int, *, rebuild: bool) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        store = SqlStore(f"sqlite:///{folder}/ledger.db")
        store.migrate()

        def fold() -> None:
            if rebuild:
                store.reset()
            for start in range(0, len(events), batch):
                store.apply(events[start : start + batch])
            store.complete()

        rates = _rates(events, fold)
        store.close()
    return rates


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
    rebuilt, rebuilt_cpu = _folded(events, batch, rebuild=True)
    with tempfile.TemporaryDirectory() as name:
        floor, floor_cpu = _rates(events, lambda: _floor(Path(name), events))
    print(
        f"{len(events):,} events, batches of {batch}: rebuild {rebuilt:,.0f}/s ({rebuilt_cpu:,.0f} a second of processor time), "
        f"floor {floor:,.0f}/s ({floor_cpu:,.0f}), ratio {rebuilt_cpu / floor_cpu:.2f}"
    )
    for size in (batch, 50, 10, 1):
        some = events[: size * 400]
        follows, follows_cpu = _folded(some, size, rebuild=False)
        print(f"following, batches of {size}: {follows:,.0f}/s ({follows_cpu:,.0f} a second of processor time)")


if __name__ == "__main__":
    main()
