"""Agents as the router keeps them: what is registered (bucket ``agents``), who has come or gone (``agentpresence``), and the heartbeats of
those that run outside (``heartbeats``).

An agent is named ``<pack>/<agent>``. One that a pack's manifest declares is *hosted*: a runner runs it and speaks for it. An *external* one
runs elsewhere, calls models through the governed endpoint with a virtual key of its name, and says itself that it lives.
"""

from typing import Annotated, Literal

from pydantic import Field

from agentos.contracts.base import Contract, Token, Utc
from agentos.contracts.ids import derived_id

AgentKind = Literal["hosted", "external"]
AgentState = Literal["active", "paused", "unregistered"]

Label = Annotated[str, Field(min_length=1, max_length=100)]


class AgentTerms(Contract):
    """What an administrator says of an agent. It stands in the log in clear, so it names no person."""

    description: str = Field(default="", max_length=500)
    labels: dict[Label, Label] = Field(default={}, max_length=16)
    silent_after_s: int = Field(default=60, ge=10, le=3_600)
    """How long an external agent may say nothing before it counts as gone. A hosted one's runner has a limit of its own."""


class AgentRecord(AgentTerms):
    """An agent as a tenant's people have registered or changed it. A hosted one that nobody has changed has no record, and is active."""

    tenant: Token
    pack: Token
    agent: Token
    kind: AgentKind
    state: AgentState
    revision: int = Field(ge=1)
    """How many changes there have been: the ordinal of the last ``agent.changed``."""
    changed_at: Utc
    reason: str = ""


class Heartbeat(Contract):
    """Entry ``<tenant>.<agent id>.<instance>``: an external agent said that it lives."""

    pack: Token
    agent: Token
    instance: Token
    version: str = ""
    active: int = 0
    max_active: int = 1
    at: Utc


class AgentPresence(Contract):
    """Entry ``<tenant>.<agent id>``: what ``presence.changed`` number ``ordinal`` said. Hosted agents are of tenant ``system``."""

    pack: Token
    agent: Token
    kind: AgentKind
    online: bool
    ordinal: int = Field(ge=1)
    at: Utc


def agent_id(pack: str, agent: str) -> str:
    """The id of an agent in subjects and keys: the same for the same names, in every tenant."""
    return derived_id("agent", pack, agent)
