"""What an operator can set for the ledger."""

from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
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
    """How long a transaction waits for more events before it commits those it has …"""
    batch_linger_longest: timedelta = Field(default=timedelta(milliseconds=160), ge=timedelta(0), le=timedelta(seconds=1))
    """… and up to how long while they keep coming: twice as long with each, and no longer than this. It does not wait for more when
    a query waits for one of those it has (``min_seq``).
    """
    checkpoint_events: int = Field(default=1_000, ge=1)
    """The chain is signed after this many events …"""
    checkpoint_interval: timedelta = Field(default=timedelta(minutes=1), gt=timedelta(0))
    """… and this long after the first event that no checkpoint covers."""
    anchors: tuple[str, ...] = ()
    """Where each signed checkpoint is written outside: absolute paths of files beyond the data folder, and webhooks' URLs.

    As JSON: ``["/mnt/worm/agentos-anchors.jsonl", "https://auditor.example/anchors"]``.
    """
    anchor_secret: SecretStr | None = None
    """The Standard Webhooks secret (``whsec_…``) that the webhooks among ``anchors`` are signed with."""
    behind_wait: timedelta = Field(default=timedelta(seconds=2), ge=timedelta(0), le=timedelta(seconds=30))
    """How long a query that names a ``min_seq`` waits for the ledger to get there."""

    @model_validator(mode="after")
    def _anchors_stand_outside(self) -> Self:
        data = self.data.resolve()
        for target in self.anchors:
            if target.startswith(("https://", "http://")):
                if self.anchor_secret is None:
                    raise ValueError("anchors: a webhook needs AGENTOS_LEDGER_ANCHOR_SECRET, which it is signed with")
            elif not Path(target).is_absolute():
                raise ValueError("anchors: each is an absolute path, or a URL that begins with https:// or http://")
            elif Path(target).resolve().is_relative_to(data):
                raise ValueError(f"anchors: {target} lies in the data folder, beside what it is to prove: put it elsewhere")
        return self

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
