"""Settings of the policy service."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from agentos.service import ServiceSettings


class Settings(ServiceSettings):
    """``AGENTOS_POLICY_*``."""

    model_config = SettingsConfigDict(env_prefix="AGENTOS_POLICY_", frozen=True, extra="ignore", populate_by_name=True)

    opa_url: str | None = None
    """An OPA server that the rules are loaded into; without it the embedded evaluator answers, which is proven equal."""
    opa_timeout_ms: int = 500
    analysis_workers: int = Field(default=1, ge=1, le=64)
    """Processes that look for personal data; each takes a core and about 60 MB."""
    trusted_keys: str = ""
    """Who may sign bundles: base64 Ed25519 public keys, separated by commas. With the file's; without any, the key of this installation."""
    trusted_keys_file: Path | None = None
    """The same, one a line; lines that begin with # are comments."""

    @property
    def signing_key(self) -> Path:
        """The installation's own signing key, made beside the master key unless others are trusted."""
        return self.master_key.parent / "policy.key"
