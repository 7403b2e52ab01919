"""How often each rule decided is counted, by the hour: from now on, and for all time by a rebuild."""

from alembic import op

from services.ledger import tables
from services.ledger.migrations import downgrade as downgrade

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    tables.rule_hits.create(op.get_bind())
