"""Settings of the runner."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from agentos.service import ServiceSettings

BUILT_IN = Path(__file__).resolve().parents[2] / "packs"


class Settings(ServiceSettings):
    """``AGENTOS_RUNNER_*``; what all services share stays ``AGENTOS_*``."""

    model_config = SettingsConfigDict(env_prefix="AGENTOS_", frozen=True, extra="ignore")

    runner_packs: tuple[Path, ...] = (BUILT_IN,)
    """Folders that hold one folder a pack."""
    runner_max_active: int = Field(default=64, ge=1)
    """Attempts that run at once in this instance."""
    runner_suspend_after: timedelta = timedelta(seconds=2)
    """How long an attempt waits in memory for something long before it is put away."""
    runner_hang_after: timedelta = timedelta(seconds=10)
    """How long a pack may keep the event loop of its host before it counts as hung."""
    runner_memory_bytes: int = 2 * 1024**3
    """Address space of a pack's process."""
    runner_allow_unsandboxed: bool = False
    """Host packs even where they cannot be locked in: they can then read every file and use the network as this process can."""
    runner_violations: Literal["note", "end"] = "end"
    """What becomes of an attempt that tries to get past its sandbox: its tries are noted, or it is ended after so many as below."""
    runner_violations_most: int = Field(default=10, ge=1)
    """Tries other than for files (which libraries look for by themselves) after which an attempt is ended as refused."""
    runner_backstop: timedelta = timedelta(seconds=2)
    """How often awaited answers are looked up, should the live tail have missed them."""
