"""Settings of the router."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from agentos.service import ServiceSettings


class Settings(ServiceSettings):
    """``AGENTOS_ROUTER_*``. Provider keys are read from the environment under the providers' own names."""

    model_config = SettingsConfigDict(env_prefix="AGENTOS_ROUTER_", frozen=True, extra="ignore", populate_by_name=True)

    aliases: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Alias → "provider/model", in order of fallback. "default" is chosen from the keys present unless it is set here."""
    attempt_timeout_s: float = 120.0
    max_tries: int = 3
    """Attempts at one target before the next one in the chain."""
    concurrency: int = 256
    simulated_latency_ms: int = 0
    """How long the simulated provider takes; for demonstrations and load tests."""
