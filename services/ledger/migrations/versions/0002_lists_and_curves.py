"""What the console's lists are sorted, filtered and searched by, and what its curves are made of.

The new columns come from events: all rows go, and the ledger folds the stream again when it starts.
"""

import sqlalchemy as sa
from alembic import op

from services.ledger import tables
from services.ledger.migrations import downgrade as downgrade

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INDEXES = {
    "tasks_changed": ("last_seq",),
    "tasks_dearest": ("cost_nano_usd", "first_seq"),
    "tasks_longest": ("duration_ms", "first_seq"),
    "tasks_state": ("state", "first_seq"),
    "tasks_outcome": ("outcome", "first_seq"),
    "tasks_type": ("type", "first_seq"),
    "tasks_pack": ("pack", "first_seq"),
    "tasks_requester": ("requester", "first_seq"),
}
COUNTS = (
    "submitted", "completed", "failed", "refused", "cancelled", "expired",
    "decisions", "denied", "held", "calls", "calls_failed", "tool_calls", "input_tokens", "output_tokens",
)  # fmt: skip
FOLDED = (
    "events", "audit_chain", "audit_nodes", "dead_letters", "tasks", "calls", "charges", "approvals", "kill_switches", "deliveries",
    "audit_checkpoints",
)  # fmt: skip


def upgrade() -> None:
    for table in FOLDED:
        op.execute(sa.delete(sa.table(table)))
    op.execute(sa.update(sa.table("positions", sa.column("seq"), sa.column("undecodable"))).values(seq=0, undecodable=0))
    with op.batch_alter_table("tasks") as tasks:
        tasks.add_column(sa.Column("words", sa.Text(), nullable=False))
        tasks.add_column(sa.Column("cost_nano_usd", sa.BigInteger(), nullable=False))
        tasks.add_column(sa.Column("duration_ms", sa.BigInteger(), nullable=False))
    for name, columns in INDEXES.items():
        op.create_index(name, "tasks", ["tenant", *columns])
    op.create_index("events_fact", "events", ["tenant", "aggregate", "fact", "seq"])
    op.create_table(
        "rhythm",
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("id", sa.Text(), primary_key=True),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in COUNTS),
        sa.Column("cost_usd", tables.Money(), nullable=False),
        sa.Column("saved_usd", tables.Money(), nullable=False),
        sa.Column("latencies", tables.Json()),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE INDEX tasks_words ON tasks USING gin (array_to_tsvector(string_to_array(words, ' ')))")
        return
    op.execute("CREATE VIRTUAL TABLE tasks_words USING fts5(words, content='', tokenize='unicode61', prefix='2 3')")
    op.execute(
        "CREATE TRIGGER tasks_words_in AFTER INSERT ON tasks BEGIN"
        " INSERT INTO tasks_words (rowid, words) VALUES (new.first_seq, new.words); END"
    )
    op.execute(
        "CREATE TRIGGER tasks_words_out AFTER DELETE ON tasks BEGIN"
        " INSERT INTO tasks_words (tasks_words, rowid, words) VALUES ('delete', old.first_seq, old.words); END"
    )
    op.execute(
        "CREATE TRIGGER tasks_words_new AFTER UPDATE OF words ON tasks WHEN old.words <> new.words BEGIN"
        " INSERT INTO tasks_words (tasks_words, rowid, words) VALUES ('delete', old.first_seq, old.words);"
        " INSERT INTO tasks_words (rowid, words) VALUES (new.first_seq, new.words); END"
    )
