"""Settings of the gates."""

from pathlib import Path

from pydantic_settings import SettingsConfigDict

from agentos.contracts.events.kill import KillScope
from agentos.service import ServiceSettings


class Settings(ServiceSettings):
    """Read from ``AGENTOS_GATES_*``; what concerns one task or approval travels with it."""

    model_config = SettingsConfigDict(env_prefix="AGENTOS_GATES_", frozen=True, extra="ignore", populate_by_name=True)

    kill_second_person_scopes: frozenset[KillScope] = frozenset({"global"})
    """Scopes of switches that one person cannot open alone; a JSON list."""
    notifications_file: Path | None = None
    """JSON: ``link``, ``webhooks``, ``smtp`` (see ``services/gates/notifications/targets.py``). It holds secrets: mode 0600."""
