"""Lists of one state or outcome are filtered in the index of their order, and a pack's share of an outcome is counted in one.

Before, the rows of ten thousand tasks were read for a page of the dearest that run, from as many places of a disk.
"""

import sqlalchemy as sa
from alembic import op

from services.ledger.migrations import downgrade as downgrade

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INDEXES = {
    "tasks_changed": ["tenant", "last_seq", "state", "outcome"],
    "tasks_dearest": ["tenant", "cost_nano_usd", "first_seq", "state", "outcome"],
    "tasks_longest": ["tenant", "duration_ms", "first_seq", "state", "outcome"],
    "tasks_outcome": ["tenant", "outcome", "first_seq", "pack"],
}
STATISTICS = {
    "tasks_changed": "1000000 500000 1 1 1",
    "tasks_dearest": "1000000 500000 2 1 1 1",
    "tasks_longest": "1000000 500000 20 1 1 1",
    "tasks_outcome": "1000000 500000 200000 1 1",
}
"""As in revision 0004."""


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.drop_index(name, "tasks")
        op.create_index(name, "tasks", columns)
    if op.get_bind().dialect.name == "sqlite":
        figures = sa.table("sqlite_stat1", sa.column("tbl"), sa.column("idx"), sa.column("stat"))
        op.get_bind().execute(
            sa.insert(figures), [{"tbl": "tasks", "idx": name, "stat": stat} for name, stat in STATISTICS.items()]
        )
        op.execute("ANALYZE sqlite_schema")
