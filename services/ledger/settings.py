"""What an operator can set for the ledger."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from agentos.service import ServiceSettings


class Settings(ServiceSettings):
    """``AGENTOS_LEDGER_*``."""

    model_config = SettingsConfigDict(env_prefix="AGENTOS_LEDGER_", frozen=True, extra="ignore", populate_by_name=True)

    database_url: SecretStr | None = None
    """``sqlite:///<path>`` or ``postgresql://user:password@host/database``; secret because it may hold a password.

    ``<data>/ledger/ledger.db`` unless set.
    """
    audit_key_file: Path | None = None
    """The Ed25519 key that signs checkpoints; made with mode 0600 when it is not there. Keep a copy of its public half elsewhere.

    ``<data>/secrets/audit.key`` unless set.
    """
    batch_events: int = Field(default=500, ge=1, le=10_000)
    """Most events in one SQL transaction."""
    batch_linger: timedelta = Field(default=timedelta(milliseconds=20), ge=timedelta(0), le=timedelta(seconds=1))
    """How long a transaction waits for more events before it commits those it has."""
    checkpoint_events: int = Field(default=1_000, ge=1)
    """The chain is signed after this many events …"""
    checkpoint_interval: timedelta = Field(default=timedelta(minutes=1), gt=timedelta(0))
    """… and this long after the first event that no checkpoint covers."""
    behind_wait: timedelta = Field(default=timedelta(seconds=2), ge=timedelta(0), le=timedelta(seconds=30))
    """How long a query that names a ``min_seq`` waits for the ledger to get there."""

    @property
    def database(self) -> str:
        """The database's URL, with its password if it has one."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data / 'ledger' / 'ledger.db'}"

    @property
    def audit_key(self) -> Path:
        """The signing key's file."""
        return self.audit_key_file or self.data / "secrets" / "audit.key"
