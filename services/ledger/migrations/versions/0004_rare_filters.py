"""Filters that find little find it without reading everything, and SQLite plans with the figures of a large ledger."""

import sqlalchemy as sa
from alembic import op

from services.ledger.migrations import downgrade as downgrade

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INDEXES = {
    "tasks_agent": ("tasks", "agent", "first_seq"),
    "tasks_priority": ("tasks", "priority", "first_seq"),
    "approvals_state": ("approvals", "state", "first_seq"),
}
PARTIAL = {"tasks_parent": ("tasks", "parent", ("parent", "first_seq")), "events_broken": ("events", "problem", ("seq",))}
STATISTICS = {
    "events": {
        "events_id": "10000000 1", "events_correlation": "10000000 5000000 10 1", "events_aggregate": "10000000 5000000 1000000 5 1",
        "events_fact": "10000000 5000000 1000000 300000 1", "events_broken": "100 100 1",
    },
    "tasks": {
        "sqlite_autoindex_tasks_1": "1000000 500000 1",
        "tasks_newest": "1000000 500000 1", "tasks_family": "1000000 500000 1", "tasks_changed": "1000000 500000 1",
        "tasks_dearest": "1000000 500000 2 1", "tasks_longest": "1000000 500000 20 1", "tasks_state": "1000000 500000 100000 1",
        "tasks_outcome": "1000000 500000 200000 1", "tasks_type": "1000000 500000 25000 1", "tasks_pack": "1000000 500000 90000 1",
        "tasks_requester": "1000000 500000 20000 1", "tasks_agent": "1000000 500000 50000 1",
        "tasks_priority": "1000000 500000 300000 1", "tasks_parent": "1000000 500000 10 1",
    },
    "calls": {"sqlite_autoindex_calls_1": "1000000 500000 1", "calls_task": "1000000 500000 5 1"},
    "charges": {"sqlite_autoindex_charges_1": "1000000 500000 1", "charges_time": "1000000 500000 2"},
    "approvals": {
        "sqlite_autoindex_approvals_1": "100000 50000 1",
        "approvals_newest": "100000 50000 1", "approvals_state": "100000 50000 10000 1", "approvals_task": "100000 50000 2",
        "approvals_alike": "100000 50000 5000 500",
    },
    "dead_letters": {"dead_letters_newest": "10000 5000 1"},
}  # fmt: skip
"""How many rows, and how many of the same beginning, each index has in a large ledger: SQLite plans with these on every installation.

Nobody runs ANALYZE on a ledger, and without figures SQLite takes the tenant alone for a choice of ten rows among millions.
"""


def upgrade() -> None:
    for name, (table, *columns) in INDEXES.items():
        op.create_index(name, table, ["tenant", *columns])
    for name, (table, there, columns) in PARTIAL.items():
        where = sa.text(f"{there} IS NOT NULL")
        op.create_index(name, table, ["tenant", *columns], sqlite_where=where, postgresql_where=where)
    if op.get_bind().dialect.name != "sqlite":
        # Its index finds an id by its beginning, whatever the language of the database is.
        op.execute('ALTER TABLE events ALTER COLUMN id TYPE TEXT COLLATE "C"')
        return
    op.execute("ANALYZE sqlite_schema")
    op.execute("DELETE FROM sqlite_stat1")
    figures = sa.table("sqlite_stat1", sa.column("tbl"), sa.column("idx"), sa.column("stat"))
    rows = [{"tbl": table, "idx": name, "stat": stat} for table, of in STATISTICS.items() for name, stat in of.items()]
    op.get_bind().execute(sa.insert(figures), rows)
    op.execute("ANALYZE sqlite_schema")
