"""What routes answer with, for the OpenAPI document."""

from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from agentos.contracts.commands import Answer


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


class Done(BaseModel):
    """A command was taken."""

    model_config = ConfigDict(extra="allow")

    id: str
    status: str = "accepted"


def done(id_: str, status: str, answer: Answer) -> dict[str, Any]:
    """A Done with what the service had to add."""
    added = cast("dict[str, Any]", answer.data) if isinstance(answer.data, dict) else {}
    return {"id": id_, "status": status, **added}


class Page(BaseModel):
    """A list; ``next`` is the cursor of the next page, null at the end."""

    model_config = ConfigDict(extra="allow")

    items: list[dict[str, Any]]
    next: str | None = None


class Item(BaseModel):
    """One thing, with the fields that its projection has."""

    model_config = ConfigDict(extra="allow")


class TaskItem(Item):
    """A task. ``result`` is in clear only when ``result_state`` is ``opened``."""

    id: str
    result: Any = None
    result_state: Literal["none", "opened", "sealed", "erased"] = "none"


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
    virtual: dict[str, Any] | None = Field(default=None, description="What a virtual key may do; null for a key of the API.")


class KeyMade(KeyItem):
    """A new API key. ``key`` is shown this once."""

    key: str = Field(description="Send it as 'Authorization: Bearer <key>'. It cannot be shown again.")


class Health(BaseModel):
    """Whether the gateway can work, by part."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, str] = {}
