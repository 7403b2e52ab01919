"""Settings of the router."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from agentos.service import ServiceSettings


class Settings(ServiceSettings):
    """``AGENTOS_ROUTER_*``. Provider keys are read from the environment under the providers' own names."""

    model_config = SettingsConfigDict(env_prefix="AGENTOS_ROUTER_", frozen=True, extra="ignore", populate_by_name=True)

    aliases: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Alias → "provider/model", in order of fallback. "default" is chosen from the keys present unless it is set here."""
    config: Path | None = None
    """The routing configuration (routing.yaml). Without one, everything is as the keys in the environment make it."""
    concurrency: int = 256
    simulated_latency_ms: int = 0
    """How long the simulated provider takes; for demonstrations and load tests."""
