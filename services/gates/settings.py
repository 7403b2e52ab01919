"""Settings of the gates."""

from pydantic_settings import SettingsConfigDict

from agentos.service import ServiceSettings


class Settings(ServiceSettings):
    """``AGENTOS_*`` only; who may approve and for how long comes with each policy decision."""

    model_config = SettingsConfigDict(env_prefix="AGENTOS_", frozen=True, extra="ignore")
