"""Sums of money and of packs' work are kept as rows change: asked of a million calls, they were read for a minute.

A charge knows whose it is, and which attempt of its call.
"""

import sqlalchemy as sa
from alembic import op

from services.ledger import tables
from services.ledger.migrations import downgrade as downgrade
from services.ledger.refilling import refill

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WHOSE = ("task_type", "pack", "agent", "api_key", "end_user")
STATISTICS = {
    "tasks": {"tasks_state": "1000000 500000 100000 1 1"},
    "spend": {"sqlite_autoindex_spend_1": "1000000 500000 60000 100 90 90 80 80 10 10 1"},
}
"""As in revision 0004."""


def upgrade() -> None:
    op.add_column("charges", sa.Column("number", sa.BigInteger(), nullable=False, server_default="1"))
    for name in WHOSE:
        op.add_column("charges", sa.Column(name, sa.Text()))
    # An attempt's id is its call's with its number behind it.
    op.execute(
        "UPDATE charges SET (task_type, pack, agent, api_key, end_user) = (SELECT task_type, pack, agent, api_key, end_user FROM calls"
        " WHERE calls.tenant = charges.tenant AND calls.id = charges.call),"
        " number = CASE WHEN cached THEN 0 ELSE CAST(substr(id, length(call) + 2) AS INTEGER) END"
    )
    # How many of each pack are open is counted in the index alone.
    op.drop_index("tasks_state", "tasks")
    op.create_index("tasks_state", "tasks", ["tenant", "state", "first_seq", "pack"])
    for table in tables.ROLLED_UP.values():
        table.create(op.get_bind())
    refill(op.get_bind())
    if op.get_bind().dialect.name == "sqlite":
        figures = sa.table("sqlite_stat1", sa.column("tbl"), sa.column("idx"), sa.column("stat"))
        rows = [{"tbl": table, "idx": name, "stat": stat} for table, of in STATISTICS.items() for name, stat in of.items()]
        op.get_bind().execute(sa.insert(figures), rows)
        op.execute("ANALYZE sqlite_schema")
