"""What a runner says of the packs it hosts: registered for good in bucket ``packs``, alive in bucket ``presence``."""

from agentos.contracts.base import Contract, Token, Utc


class AgentCard(Contract):
    """One agent of a pack and the task types it takes."""

    name: str
    task_types: tuple[Token | str, ...]
    tools: tuple[str, ...] = ()
    """The tools that its tasks may ask for."""


class ToolCard(Contract):
    """One tool that a pack may ask for."""

    name: str
    effect: str
    description: str = ""


class PackCard(Contract):
    """A pack as its manifest describes it."""

    pack: Token
    version: str
    description: str
    agents: tuple[AgentCard, ...]
    tools: tuple[ToolCard, ...]
    capabilities: tuple[str, ...] = ()

    def agent_for(self, task_type: str) -> str | None:
        """The agent that takes tasks of this type."""
        return next((agent.name for agent in self.agents if task_type in agent.task_types), None)


class Presence(PackCard):
    """A pack on one runner instance, right now."""

    instance: Token
    active: int
    max_active: int
    at: Utc
