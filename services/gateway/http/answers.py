"""What routes answer with, for the OpenAPI document."""

from typing import Any, Literal, cast

from pydantic import BaseModel, Field

from agentos.contracts.commands import Answer
from agentos.contracts.virtualkeys import VirtualKeyTerms


class Made(BaseModel):
    """A task stands."""

    task: str
    duplicate: bool = False


class Delivered(BaseModel):
    """What became of a webhook delivery: a task, a ping's answer, or nothing (with the reason)."""

    task: str | None = None
    duplicate: bool | None = None
    pong: bool | None = None
    ignored: bool | None = None
    reason: str | None = None


def done(id_: str, status: str, answer: Answer) -> dict[str, Any]:
    """A command was taken: by whose id, how, and what the service had to add."""
    added = cast("dict[str, Any]", answer.data) if isinstance(answer.data, dict) else {}
    return {"id": id_, "status": status, **added}


class Counted(BaseModel):
    """How many there are; with `more`, at least one more than `n`."""

    n: int
    more: bool


class EventItem(BaseModel):
    """A fact of the log. Sealed parts of ``data`` are marked, not shown."""

    seq: int
    type: str
    subject: str
    time: str | None
    event_id: str | None
    correlation_id: str | None
    causation_id: str | None
    problem: str | None = Field(description="Why it cannot be read; null where it can.")
    data: Any = Field(default=None, description="The payload, of the shape that its type has: see the reference of subjects.")


class EventPage(BaseModel):
    """Facts of the log. A page may hold fewer than asked for, or none, and still have a next one: so far was looked."""

    items: list[EventItem]
    next_cursor: str | None = None
    position: int = Field(description="The stream position that this is as of.")


class EventList(BaseModel):
    """Facts in stream order; ``next_cursor`` is the cursor of the next page, null at the end."""

    items: list[EventItem]
    next_cursor: str | None = None


class KeyItem(BaseModel):
    """An API key as it may be shown."""

    id: str
    name: str
    roles: list[str]
    tenant: str
    created_at: str
    created_by: str
    revoked_at: str | None = None
    scopes: list[str] | None = Field(default=None, description="What it is limited to; null for all that its roles may do.")
    expires_at: str | None = None
    used_at: str | None = Field(default=None, description="When it was used last, give or take a minute.")
    virtual: VirtualKeyTerms | None = Field(default=None, description="What a virtual key may do; null for a key of the API.")


class KeyMade(KeyItem):
    """A new API key. ``key`` is shown this once."""

    key: str = Field(description="Send it as 'Authorization: Bearer <key>'. It cannot be shown again.")


class Health(BaseModel):
    """Whether the gateway can work, by part."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, str] = {}
