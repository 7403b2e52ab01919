"""Alembic revisions of the ledger, run when it starts."""
