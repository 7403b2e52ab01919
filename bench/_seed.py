"""A ledger of any size, written in bulk with the shapes that the projections give their rows; past the fold, which would take hours.

Tasks are made one by one; their events, calls and charges are selected from them by the database itself, before the indexes are made.
"""

import random
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Table, column, delete, func, insert, select, table, text, update

from services.ledger import tables as t
from services.ledger.domain import approvals, calls, charges, rhythm, tasks
from services.ledger.domain.facts import Row
from services.ledger.refilling import refill
from services.ledger.store import SqlStore
from tests.services.ledger import history

EVENTS_EACH = 10
BIG = 5_000
"""Events of the one task whose timeline is long."""
CHUNK = 5_000
EACH = timedelta(milliseconds=600)

_FACTS = (
    ("task", "submitted"), ("task", "queued"), ("task", "decided"), ("task", "routed"), ("task", "started"),
    ("call", "requested"), ("call", "decided"), ("call", "settled"), ("task", "ended"), ("task", "settled"),
)  # fmt: skip
_BODY = '{"reasons":[],"verdict":"allow","rules":["tasks.allow"],"context":{"pack":"engineering","agent":"triager"}}'
_CALL = "id || '-s0001-e1'"


def task_id(number: int) -> str:
    """The id of the task that was submitted as this one."""
    return f"{number * 2654435761 % 2**32:08x}-0000-7000-8000-{number:012d}"


def end_of(count: int) -> datetime:
    """When the last of so many was submitted."""
    return history.START + EACH * count


def _task(number: int, dice: random.Random) -> Row:
    first = number * EVENTS_EACH + 1
    at = history.START + EACH * number
    state = "settled" if dice.random() < 0.98 else dice.choice(("running", "waiting", "queued"))
    outcome = dice.choices(("completed", "failed", "refused", "cancelled"), (90, 6, 3, 1))[0] if state == "settled" else None
    return tasks.derived(
        tasks.BLANK
        | {
            "tenant": "default", "id": task_id(number), "type": f"type-{dice.randrange(40)}", "pack": f"pack-{dice.randrange(12)}",
            "agent": "triager", "priority": "normal", "requester_kind": "api_key", "requester": f"person{dice.randrange(500)}",
            "labels": {"issue": str(number), "repo": f"repo{dice.randrange(300)}"}, "state": state, "outcome": outcome,
            "fault_code": "pack_failed" if outcome == "failed" else None, "attempt": 1, "max_attempts": 3,
            "cost_usd": Decimal(dice.randrange(10**6)).scaleb(-6),
            "submitted_at": at, "updated_at": at, "first_seq": first, "last_seq": first + EVENTS_EACH - 1,
            "settled_at": at + timedelta(milliseconds=dice.randrange(90_000)) if state == "settled" else None,
        }
    )  # fmt: skip


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return str(value) if isinstance(value, int | Decimal) else f"'{value}'"


def _select_into(tx: Connection, table: Table, source: str, cells: dict[str, str], blank: Row) -> None:
    """Rows of ``table`` from those of ``source``: ``cells`` are SQL, what they leave out is as in ``blank``."""
    money = {"cost_usd", "saved_usd"} if tx.dialect.name == "sqlite" else set[str]()
    rest = {name: f"'{value}'" if name in money else _literal(value) for name, value in blank.items() if name in table.c}
    filled = rest | cells
    names = ", ".join(f'"{name}"' for name in filled)
    tx.execute(
        text(f"INSERT INTO {table.name} ({names}) SELECT {', '.join(filled.values())} FROM {source}".replace(":", r"\:"))
    )


def _derive(tx: Connection, first: int, last: int) -> None:
    """What the tasks between two positions left behind them elsewhere."""
    mine = f"(SELECT * FROM tasks WHERE first_seq >= {first} AND first_seq < {last} ORDER BY first_seq) AS t"
    values = " UNION ALL ".join(
        f"SELECT {place} AS place, '{aggregate}' AS aggregate, '{fact}' AS fact, '{'' if aggregate == 'task' else '-s0001-e1'}' AS tail"
        for place, (aggregate, fact) in enumerate(_FACTS)
    )
    _select_into(
        tx, t.events, f"{mine} CROSS JOIN ({values}) AS f",
        {
            "seq": "t.first_seq + f.place", "time": "t.submitted_at", "tenant": "t.tenant",
            "subject": "'evt.default.' || f.aggregate || '.' || t.id || f.tail || '.' || f.fact", "aggregate": "f.aggregate",
            "id": "t.id || f.tail", "fact": "f.fact", "event_id": "t.id || '-' || f.place", "correlation_id": "t.id",
            "schema": "f.aggregate || '.' || f.fact || '.v1'", "body_digest": f"'{'d' * 64}'", "body_bytes": str(len(_BODY)),
            "body": f"'{_BODY}'",
        },
        {},
    )  # fmt: skip
    own = {"tenant": "t.tenant", "first_seq": "t.first_seq + 5", "last_seq": "t.first_seq + 7"}
    _select_into(
        tx, t.calls, mine,
        own | {
            "id": _CALL, "kind": "'model'", "task": "t.id", "task_type": "t.type", "pack": "t.pack", "agent": "t.agent",
            "state": "'settled'", "outcome": "'completed'", "cost_usd": "t.cost_usd", "model": "'m' || (t.first_seq % 7)",
            "provider": "'p' || (t.first_seq % 3)", "requested_at": "t.submitted_at", "settled_at": "t.submitted_at",
        },
        calls.BLANK,
    )  # fmt: skip
    day = (
        "substr(t.submitted_at, 1, 10)"
        if tx.dialect.name == "sqlite"
        else "to_char(t.submitted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')"
    )
    # One call in thirty-three took two attempts.
    for number, which in ((1, ""), (2, " WHERE t.first_seq % 330 = 1")):
        _select_into(
            tx, t.charges, mine + which,
            own | {
                "id": f"{_CALL} || '.{number}'", "call": _CALL, "number": str(number), "provider": "'p' || (t.first_seq % 3)",
                "model": "'m' || (t.first_seq % 7)", "task_type": "t.type", "pack": "t.pack", "agent": "t.agent",
                "outcome": "'completed'", "day": day, "started_at": "t.submitted_at", "cost_usd": "t.cost_usd",
            },
            charges.BLANK,
        )  # fmt: skip


def seed(store: SqlStore, count: int) -> None:
    """Fill a ledger with so many tasks, ten events each, and what belongs to them; goes on where another was broken off."""
    dice = random.Random(7)
    engine = store._writer  # pyright: ignore[reportPrivateUsage] - in bulk, past the fold
    indexed = [index for table in (t.events, t.tasks, t.calls, t.charges) for index in table.indexes]
    with engine.begin() as tx:
        there = tx.execute(select(func.coalesce(func.max(t.tasks.c.last_seq), 0))).scalar_one() // EVENTS_EACH
        planned = _figures(tx)
        for index in indexed:
            index.drop(tx, checkfirst=True)
    for start in range(there, count, CHUNK):
        stop = min(start + CHUNK, count)
        with engine.begin() as tx:
            tx.execute(insert(t.tasks), [_task(number, dice) for number in range(start, stop)])
            _derive(tx, start * EVENTS_EACH + 1, stop * EVENTS_EACH + 1)
    for index in indexed:
        with engine.begin() as tx:
            index.create(tx)
    with engine.begin() as tx:
        _few(tx, count)
        refill(tx)
        _restore(tx, planned)
        if tx.dialect.name == "postgresql":
            # As its autovacuum does; on SQLite nobody does.
            tx.execute(text("ANALYZE"))


_FIGURES = table("sqlite_stat1", column("tbl"), column("idx"), column("stat"))
"""What SQLite plans with. Those of an index go with it, and the migrations alone write them."""


def _figures(tx: Connection) -> list[Row]:
    return [{**row} for row in tx.execute(select(_FIGURES)).mappings()] if tx.dialect.name == "sqlite" else []


def _restore(tx: Connection, figures: list[Row]) -> None:
    if figures:
        tx.execute(delete(_FIGURES))
        tx.execute(insert(_FIGURES), figures)
        tx.execute(text("ANALYZE sqlite_schema"))


def _few(tx: Connection, count: int) -> None:
    last = count * EVENTS_EACH
    tx.execute(insert(t.rhythm), _rhythm(count))
    tx.execute(insert(t.events), [_event(last + 1 + n, end_of(count), f"big-s{n}") for n in range(BIG)])
    # What waits stands behind all that was answered since: the worst place for a list that shows what waits.
    asked = [
        approvals.APPROVAL
        | {"tenant": "default", "id": f"a{n}", "state": "pending" if n < 200 else "approved", "pack": f"pack-{n % 12}",
           "target": f"target-{n % 40}", "kind": "tool", "task": task_id(n), "first_seq": n * 10, "last_seq": n * 10}
        for n in range(count // 50)
    ]  # fmt: skip
    for start in range(0, len(asked), CHUNK):
        tx.execute(insert(t.approvals), asked[start : start + CHUNK])
    letters = [
        {"seq": n + 1, "time": end_of(n), "tenant": "default", "subject": f"dlq.default.{n}", "correlation_id": task_id(n),
         "service": f"service-{n % 5}", "consumer": "c", "message_subject": "s", "stream": "EVENTS", "message_seq": n, "deliveries": 5,
         "code": "failed", "detail": "it failed", "body_digest": "d" * 64, "problem": None, "kept": True}
        for n in range(count // 100)
    ]  # fmt: skip
    for start in range(0, len(letters), CHUNK):
        tx.execute(insert(t.dead_letters), letters[start : start + CHUNK])
    tx.execute(update(t.positions).where(t.positions.c.stream == "EVENTS").values(seq=last + BIG))


def _rhythm(count: int) -> list[Row]:
    made: dict[str, Row] = {}
    for number in range(0, count, 10):
        at = (history.START + EACH * number).isoformat()
        for id_ in (f"m{at[:16]}", f"h{at[:13]}"):
            blank = rhythm.BLANK | {"tenant": "default", "id": id_, "first_seq": number, "last_seq": 0, "latencies": [1] * 29}
            one = made.setdefault(id_, blank)
            one["submitted"] += 10
            one["calls"] += 10
    return list(made.values())


def _event(seq: int, at: datetime, id_: str) -> Row:
    return {
        "seq": seq, "time": at, "tenant": "default", "subject": f"evt.default.call.{id_}.requested", "aggregate": "call",
        "id": id_, "fact": "requested", "ordinal": None, "event_id": f"{seq:036d}", "correlation_id": "big", "causation_id": None,
        "schema": "call.requested.v1", "traceparent": None, "body_digest": "d" * 64, "body_bytes": len(_BODY), "body": _BODY,
        "raw": None, "problem": None,
    }  # fmt: skip
