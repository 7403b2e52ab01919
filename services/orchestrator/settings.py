"""Settings of the orchestrator."""

from pydantic_settings import SettingsConfigDict

from agentos.service import ServiceSettings


class Settings(ServiceSettings):
    """``AGENTOS_*`` only; retries and deadlines travel with each task."""

    model_config = SettingsConfigDict(env_prefix="AGENTOS_", frozen=True, extra="ignore")
