"""Settings of the router."""

from pathlib import Path

from pydantic_settings import SettingsConfigDict

from agentos.service import ServiceSettings


class Settings(ServiceSettings):
    """``AGENTOS_ROUTER_*``. Provider keys are read from the environment under the providers' own names."""

    model_config = SettingsConfigDict(env_prefix="AGENTOS_ROUTER_", frozen=True, extra="ignore", populate_by_name=True)

    config: Path | None = None
    """The routing configuration (YAML): models, aliases, limits, retries, timeouts. Without it "default" follows from the keys present."""
    concurrency: int = 12_000
    """Calls at once, those included that wait for room at a provider or stream without a word; what a provider bears is another limit."""
    simulated_latency_ms: int = 0
    """How long the simulated provider takes; for demonstrations and load tests."""
