"""Figures of an agent are counted in an index, what its sandbox refused it is found by its name, and what routing saved is summed.

What stands in ``events`` already of refusals is taken over; what routing saved is counted from now on, and for all time by a rebuild.
"""

import sqlalchemy as sa
from alembic import op

from services.ledger import tables
from services.ledger.migrations import downgrade as downgrade

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

COUNTED = ["tenant", "agent", "first_seq", "pack", "state", "outcome", "duration_ms", "tool_calls", "refusals"]
STATISTICS = {"tasks": {"tasks_agent": "1000000 500000 50000 1 1 1 1 1 1 1"}}
"""As in revision 0004."""
NAMED = {
    "sqlite": "json_extract(body, '$.pack'), json_extract(body, '$.agent')",
    "postgresql": "CAST(body AS json) ->> 'pack', CAST(body AS json) ->> 'agent'",
}
"""Whose a violation is, in the event's body."""
STANDING = "FROM events WHERE aggregate = 'violation' AND fact = 'noted' AND body IS NOT NULL"


def taken_over(dialect: str) -> str:
    """The rows that stand for the violations that were noted before."""
    return f"SELECT tenant, id || '.' || ordinal, {NAMED[dialect]}, seq, seq {STANDING}"


def upgrade() -> None:
    tables.savings.create(op.get_bind())
    tables.violations.create(op.get_bind())
    op.execute(
        f"INSERT INTO violations (tenant, id, pack, agent, first_seq, last_seq) {taken_over(op.get_bind().dialect.name)}"
    )
    op.drop_index("tasks_agent", "tasks")
    op.create_index("tasks_agent", "tasks", COUNTED)
    if op.get_bind().dialect.name == "sqlite":
        figures = sa.table("sqlite_stat1", sa.column("tbl"), sa.column("idx"), sa.column("stat"))
        rows = [{"tbl": table, "idx": name, "stat": stat} for table, of in STATISTICS.items() for name, stat in of.items()]
        op.get_bind().execute(sa.insert(figures), rows)
        op.execute("ANALYZE sqlite_schema")
