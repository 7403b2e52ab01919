"""Settings of the policy service."""

from pydantic_settings import SettingsConfigDict

from agentos.service import ServiceSettings


class Settings(ServiceSettings):
    """``AGENTOS_POLICY_*``."""

    model_config = SettingsConfigDict(env_prefix="AGENTOS_POLICY_", frozen=True, extra="ignore", populate_by_name=True)

    opa_url: str | None = None
    """An OPA server that serves the bundle; without it the embedded evaluator answers, which is proven equal."""
    opa_timeout_ms: int = 500
