"""The kill switch: engaged, eased, released; what it cancelled, and what could not be confirmed stopped; drills.

A switch belongs to the tenant whose people engaged it. What it stopped is written beside the stopped work, under that work's own
tenant: a global switch tells nobody of another tenant's tasks.
"""

from typing import Literal

from pydantic import Field

from agentos.contracts.base import Contract, Principal, Token

KillScope = Literal["global", "tenant", "pack", "agent", "provider", "model", "tool", "task"]
KillMode = Literal["halt", "drain"]
KillStage = Literal["blocked", "probation"]
Stopped = Literal["call", "tool", "attempt"]


class KillEngaged(Contract):
    """From now on nothing in scope starts. ``halt`` also cancels what is in flight; ``drain`` lets it finish.

    ``target`` is ``*`` for the global scope, ``pack/agent`` for an agent, ``provider/model`` or an alias for a model.
    """

    scope: KillScope
    target: str
    mode: KillMode = "halt"
    reason: str
    by: Principal
    trigger: str | None = None
    """The automatic trigger that tripped; None when a person engaged it."""


class KillReleaseRequested(Contract):
    """Somebody asks, for the n-th time, to open a switch that needs a second person for it. Nothing changes before the confirmation."""

    stage: Literal["probation", "released"]
    share_percent: int = Field(ge=1, le=99)
    reason: str
    by: Principal


class KillEased(Contract):
    """The switch lets a share of the tasks through, chosen by a hash of their ids. ``request`` is the confirmed request, if it took one."""

    share_percent: int = Field(ge=1, le=99)
    reason: str
    by: Principal
    request: int | None = None


class KillTightened(Contract):
    """During probation a trigger tripped: the switch lets nothing through again."""

    reason: str
    by: Principal
    trigger: str


class KillReleased(Contract):
    """The switch of this id no longer holds. ``request`` is the confirmed request, if it took one."""

    reason: str
    by: Principal
    request: int | None = None


class KillCancelled(Contract):
    """One thing in flight that a switch cancelled, told by the service that ran it.

    ``confirmed`` false: it was told to stop and did not say in time that it had; its process may still compute, but whatever it asks for
    is refused. ``after_ms`` counts from when the broker stored the switch, by the service's own clock.
    """

    what: Stopped
    task: Token
    attempt: int
    pack: str
    agent: str
    instance: str
    confirmed: bool = True
    after_ms: float = Field(ge=0)


class KillUnconfirmed(Contract):
    """One thing that ran when the switch was engaged and of whose end nobody has told: its instance is gone, or cut off."""

    what: Stopped
    task: Token
    attempt: int
    pack: str
    agent: str
    instance: str | None = None
    why: str


class KillConfirmed(Contract):
    """The n-th look at what the switch was to stop, some seconds apart, until nothing is left.

    ``running`` counts what a draining switch still lets finish; ``unconfirmed`` what a halting one could not confirm stopped by then.
    """

    cancelled: int = Field(ge=0)
    unconfirmed: int = Field(ge=0)
    running: int = Field(ge=0)
    last_after_ms: float | None = None


class InstanceReach(Contract):
    """How soon one instance saw the switch: milliseconds from the engagement to its word, both on the clock of gates, over the rounds."""

    service: Token
    instance: str
    seen: int
    missed: int
    p50_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None


class KillDrilled(Contract):
    """A drill: a switch that covers nothing was engaged ``rounds`` times. An instance that missed a round counts as killed."""

    rounds: int
    reason: str
    by: Principal
    instances: tuple[InstanceReach, ...]
    p50_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
