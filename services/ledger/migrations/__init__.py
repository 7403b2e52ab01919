"""Alembic revisions of the ledger, run when it starts."""

from alembic.util import CommandError


def downgrade() -> None:
    """No revision goes back. Raises CommandError: rows are folded from the stream, and an older version starts on an empty database."""
    raise CommandError("the ledger's rows are folded from the stream: an older version starts on an empty database")
