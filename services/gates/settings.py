"""Settings of the gates."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from agentos.service import ServiceSettings


class Settings(ServiceSettings):
    """Read from ``AGENTOS_GATES_*``."""

    model_config = SettingsConfigDict(env_prefix="AGENTOS_GATES_", frozen=True, extra="ignore", populate_by_name=True)

    notifications_file: Path | None = Field(default=None)
    """JSON: ``link``, ``webhooks``, ``smtp`` (see ``services/gates/notifications/targets.py``). It holds secrets: mode 0600."""
