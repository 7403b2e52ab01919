"""What became of dead letters, and which of them can be tried again.

The new column comes from the dead letters: they go, and the ledger reads their stream again when it starts.
"""

import sqlalchemy as sa
from alembic import op

from services.ledger import tables
from services.ledger.migrations import downgrade as downgrade

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(sa.delete(sa.table("dead_letters")))
    positions = sa.table("positions", sa.column("stream"), sa.column("seq"), sa.column("undecodable"))
    op.execute(sa.update(positions).where(positions.c.stream == "DLQ").values(seq=0, undecodable=0))
    with op.batch_alter_table("dead_letters") as letters:
        letters.add_column(sa.Column("kept", sa.Boolean(), nullable=False))
    op.create_table(
        "settled_letters",
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("letter", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text()) for name in ("outcome", "reason", "settled_by")),
        sa.Column("settled_at", tables.UtcTime()),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
    )
    op.create_index("settled_letters_letter", "settled_letters", ["letter"])
