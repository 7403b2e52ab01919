"""Agents: registered, changed, paused, taken off; and who has come or gone."""

from typing import Literal

from pydantic import Field

from agentos.contracts.agents import AgentKind, AgentTerms
from agentos.contracts.base import Contract, Principal, Token, Utc


class AgentChanged(Contract):
    """The n-th change of an agent for a tenant, by its people. The router writes it; ``terms`` are all that hold from now on.

    ``paused``: nothing new starts there, what runs may finish, and tasks wait. ``unregistered``: it takes no task and its calls are refused.
    """

    change: Literal["registered", "updated", "paused", "resumed", "unregistered"]
    pack: Token
    agent: Token
    kind: AgentKind
    terms: AgentTerms
    reason: str = Field(default="", max_length=1_000)
    by: Principal


class PresenceChanged(Contract):
    """For the n-th time an agent has come (its first instance speaks) or gone (its last one is silent). The router writes it, and only then.

    A hosted agent serves every tenant, so that its presence is a fact of tenant ``system``.
    """

    pack: Token
    agent: Token
    kind: AgentKind
    online: bool
    instances: int = Field(ge=0)
    seen_at: Utc | None
    """When an instance was last heard of."""
