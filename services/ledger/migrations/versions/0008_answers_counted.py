"""How the like of an approval was answered before is counted in an index, without reading the approvals."""

import sqlalchemy as sa
from alembic import op

from services.ledger.migrations import downgrade as downgrade

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

COUNTED = ["tenant", "pack", "target", "state"]
STATISTICS = {"approvals": {"approvals_alike": "100000 50000 5000 500 250"}}
"""As in revision 0004."""


def upgrade() -> None:
    op.drop_index("approvals_alike", "approvals")
    op.create_index("approvals_alike", "approvals", COUNTED)
    if op.get_bind().dialect.name == "sqlite":
        figures = sa.table("sqlite_stat1", sa.column("tbl"), sa.column("idx"), sa.column("stat"))
        rows = [{"tbl": table, "idx": name, "stat": stat} for table, of in STATISTICS.items() for name, stat in of.items()]
        op.get_bind().execute(sa.insert(figures), rows)
        op.execute("ANALYZE sqlite_schema")
