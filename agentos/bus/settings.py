"""How a service reaches the broker."""

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class BrokerSettings(BaseSettings):
    """Read from ``AGENTOS_NATS_*``. ``password_file`` (mode 0600) is preferred to ``password`` where both could be used."""

    model_config = SettingsConfigDict(env_prefix="AGENTOS_NATS_", frozen=True, extra="ignore")

    url: str = "nats://127.0.0.1:4222"
    """One or more servers, comma-separated."""
    user: str = ""
    """Defaults to the service's name."""
    password: SecretStr = SecretStr("")
    password_file: Path | None = None

    @property
    def servers(self) -> list[str]:
        """The servers as a list."""
        return [part.strip() for part in self.url.split(",") if part.strip()]

    def secret(self) -> str:
        """The password. Raises FileNotFoundError naming the file when ``password_file`` is set and missing."""
        if self.password_file is not None:
            return self.password_file.read_text().strip()
        return self.password.get_secret_value()
