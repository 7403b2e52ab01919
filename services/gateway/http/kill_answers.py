"""What the kill switch's routes answer with."""

from typing import Literal

from pydantic import BaseModel, Field

from agentos.contracts.base import Principal, Utc
from agentos.contracts.events.kill import KillCancelled, KillConfirmed, KillDrilled, KillMode, KillScope, KillStage


class KillSwitch(BaseModel):
    """A switch that is engaged right now."""

    id: str
    since: str
    switch: str
    tenant: str
    scope: KillScope
    target: str
    mode: KillMode
    stage: KillStage
    share_percent: int = Field(description="During probation: how many of 100 tasks may start.")
    reason: str
    by: Principal


class KillList(BaseModel):
    """The switches; all are on the one page."""

    items: list[KillSwitch]
    next_cursor: None = None


class Cancelled(KillCancelled):
    """One thing in flight that was cancelled."""

    id: str | None
    at: str


class Unconfirmed(BaseModel):
    """One thing in flight of which nobody could confirm that it stopped: its instance did not say so, or is gone (``why``)."""

    id: str | None
    at: str
    what: str
    task: str
    attempt: int
    pack: str
    agent: str
    instance: str | None = None
    why: str | None = None
    after_ms: float | None = None
    confirmed: bool | None = None


class Looked(KillConfirmed):
    """The last look at what was to stop."""

    id: str | None
    at: str


class ReleaseAsked(BaseModel):
    """A release that waits for a second person."""

    request: int
    id: str | None
    at: str
    stage: Literal["probation", "released"]
    share_percent: int
    reason: str
    by: Principal


class KillChange(BaseModel):
    """What became of the switch, and by whom."""

    what: str
    id: str | None
    at: str
    stage: str | None = None
    share_percent: int | None = None
    request: int | None = None
    trigger: str | None = None
    reason: str
    by: Principal


class KillItem(BaseModel):
    """One switch: its stages, what it cancelled, and what could not be confirmed stopped."""

    id: str
    scope: KillScope
    target: str
    mode: KillMode
    reason: str
    by: Principal
    trigger: str | None
    state: Literal["engaged", "probation", "released"]
    share_percent: int | None
    since: str
    requested: ReleaseAsked | None
    history: list[KillChange]
    looks: Looked | None
    cancelled: list[Cancelled]
    unconfirmed: list[Unconfirmed]


class Engaged(BaseModel):
    """The switch holds."""

    id: str
    status: Literal["engaged"] = "engaged"
    scope: KillScope | None = None
    target: str | None = None
    mode: KillMode | None = None


class Released(BaseModel):
    """How far the switch is open now. ``requested``: a second person has to confirm ``request``."""

    id: str
    status: Literal["requested", "probation", "released"]
    stage: Literal["requested", "probation", "released"] | None = None
    request: int | None = None
    share_percent: int | None = None


class Reach(BaseModel):
    """How soon one instance saw the switch, over the rounds."""

    service: str
    instance: str
    seen: int
    missed: int
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None


class Drilled(BaseModel):
    """A drill's figures. An instance that missed a round counts as killed."""

    id: str
    rounds: int
    reason: str
    by: Principal
    instances: list[Reach]
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None


class PastSwitch(BaseModel):
    """A switch that was released, as the ledger counted it."""

    id: str
    scope: str
    target: str
    mode: str
    trigger: str | None = Field(description="What engaged it, where no person did.")
    reason: str | None
    engaged_by: str | None
    engaged_at: Utc | None
    release_reason: str | None
    released_by: str | None
    released_at: Utc | None
    cancelled: int = Field(description="Things in flight that it stopped, as the last look counted them.")
    unconfirmed: int = Field(description="Of those, what nobody could confirm stopped.")
    running: int = Field(description="What still ran at the last look.")


class KillHistory(BaseModel):
    """Newest first."""

    items: list[PastSwitch]
    next_cursor: str | None


class PastDrill(KillDrilled):
    """A drill and when its figures were written down."""

    id: str
    at: Utc | None


class Drills(BaseModel):
    """Newest first."""

    items: list[PastDrill]
    next_cursor: str | None
