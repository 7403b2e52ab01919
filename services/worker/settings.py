"""Settings of the worker."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from agentos.service import ServiceSettings

BUILT_IN = Path(__file__).resolve().parents[2] / "packs"


class Settings(ServiceSettings):
    """``AGENTOS_WORKER_*``; what all services share stays ``AGENTOS_*``."""

    model_config = SettingsConfigDict(env_prefix="AGENTOS_", frozen=True, extra="ignore")

    worker_packs: tuple[Path, ...] = (BUILT_IN,)
    """Folders that hold one folder a pack."""
    worker_grants: tuple[str, ...] = ("GITHUB_TOKEN", "GITHUB_API_URL")
    """Environment variables that tools may be given if their manifest names them. Whatever else a manifest names, it does not get."""
    worker_max_active: int = Field(default=32, ge=1)
    """Tool calls that run at once in this instance."""
    worker_max_attempts: int = Field(default=3, ge=1, le=10)
    """How often a tool call is tried that fails for a retryable reason."""
    worker_first_delay: timedelta = timedelta(seconds=1)
    """Wait before the second attempt; doubles with each further one."""
    worker_hang_after: timedelta = timedelta(seconds=10)
    """How long a tool may keep the event loop of its host before it counts as hung."""
    worker_allow_unsandboxed: bool = False
    """Host tools even where they cannot be locked in: they can then read every file that this process can."""

    @property
    def outbox(self) -> Path:
        """Where tools leave what they would have sent, had they the means."""
        return self.data / "outbox"
