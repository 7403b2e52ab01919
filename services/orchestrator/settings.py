"""Settings of the orchestrator."""

from agentos.service import ServiceSettings


class Settings(ServiceSettings):
    """Only what every service reads; the rest travels with each task, decision and command."""
