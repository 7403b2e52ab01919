"""Dead letters: messages that a service could not take. A person has each tried again, or leaves it at that."""

from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from agentos.contracts.base import Utc
from agentos.contracts.ids import is_token
from services.gateway import deadletters, ledger
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.models import Request as Body
from services.gateway.problems import documented
from services.gateway.state import Parts, Sender

router = APIRouter(prefix="/deadletters", tags=["dead letters"], route_class=GuardedRoute)

LetterId = Annotated[int, Path(ge=1, le=2**53, description="The dead letter's id.")]
State = Literal["open", "retried", "discarded"]
Name = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_.-]{1,128}$")]


class DeadLetterRow(BaseModel):
    """A message that its reader could not take."""

    id: str
    state: State
    time: Utc | None = Field(description="When it was given up; null for what is itself unreadable.")
    service: str | None = Field(description="Who could not take it.")
    consumer: str | None
    subject: str | None = Field(description="The message's subject.")
    stream: str | None
    seq: int = Field(description="Where the message stood in its stream.")
    deliveries: int = Field(description="How often it was tried.")
    code: str | None
    detail: str | None = Field(description="Why.")
    correlation_id: str | None = Field(description="Mostly the task that it belongs to.")
    body_digest: str | None
    retryable: bool = Field(description="Whether the message is still there and its reader can try it again.")
    reason: str | None = Field(description="Why it was tried again or discarded.")
    settled_by: str | None
    settled_at: Utc | None


class DeadLetterPage(BaseModel):
    """Dead letters, newest first."""

    items: list[DeadLetterRow]
    next_cursor: str | None = None


class DeadLetterItem(DeadLetterRow):
    """A dead letter with the message itself, as far as it can be shown."""

    message_state: Literal["shown", "gone", "not_yours"] = Field(
        description="`gone`: its stream has forgotten it. `not_yours`: it does not say whose it is, so it is shown to nobody."
    )
    headers: dict[str, str] | None
    message: Any = Field(description="Its payload with sealed parts marked; text where it is no JSON.")


class Retry(Body):
    """Why, if there is something to say."""

    reason: str = Field(default="", max_length=2_000)


class Discard(Body):
    """Why nothing more has to be done about it."""

    reason: str = Field(min_length=1, max_length=2_000)


class DeadLetterDone(BaseModel):
    """What was decided. `duplicate`: it had been already, and nothing more was done."""

    id: str
    status: Literal["retried", "discarded"]
    duplicate: bool


@router.get("", response_model=DeadLetterPage, responses=documented())
@needs("audit.read")
async def list_dead_letters(
    gateway: Parts,
    caller: Sender,
    state: Annotated[State | None, Query(description="All unless told.")] = None,
    service: Name = None,
    code: Name = None,
    since: Annotated[Utc | None, Query(description="Given up then or later.")] = None,
    until: Annotated[Utc | None, Query(description="Given up before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$", description="`next_cursor` of the page before.")] = None,
) -> DeadLetterPage:
    """Dead letters, newest first: those of your tenant; in the installation's own also those too broken to say whose they are."""
    data = await ledger.ask(
        gateway.bus, gateway.answers, caller.tenant, "deadletters.list", nobodys=deadletters.sees_nobodys(gateway, caller.tenant),
        state=state, service=service, code=code, since=since.isoformat() if since else None,
        until=until.isoformat() if until else None, limit=limit, cursor=cursor,
    )  # fmt: skip
    rows = cast("list[dict[str, Any]]", data.get("dead_letters", []))
    return DeadLetterPage(items=[DeadLetterRow(**_shown(row)) for row in rows], next_cursor=data.get("cursor"))


@router.get("/{letter}", response_model=DeadLetterItem, responses=documented(404))
@needs("audit.read")
async def show(letter: LetterId, gateway: Parts, caller: Sender) -> DeadLetterItem:
    """One dead letter, with the message."""
    row = await deadletters.row_of(gateway, caller.tenant, letter)
    if row["tenant"] != caller.tenant:
        return DeadLetterItem(**_shown(row), message_state="not_yours", headers=None, message=None)
    message = await deadletters.message_of(gateway, row)
    if message is None:
        return DeadLetterItem(**_shown(row), message_state="gone", headers=None, message=None)
    return DeadLetterItem(
        **_shown(row), message_state="shown", headers=dict(message.headers), message=deadletters.readable(message.body)
    )


@router.post("/{letter}/retry", status_code=202, response_model=DeadLetterDone, responses=documented(404, 409, 413, 415))
@needs("deadletters.manage")
async def retry(letter: LetterId, gateway: Parts, caller: Sender, body: Retry | None = None) -> DeadLetterDone:
    """Have its reader try the message again, once. If it fails again there is a new dead letter, which can be retried in turn."""
    duplicate = await deadletters.settle(gateway, caller, letter, "retried", body.reason if body else "")
    return DeadLetterDone(id=str(letter), status="retried", duplicate=duplicate)


@router.post("/{letter}/discard", response_model=DeadLetterDone, responses=documented(404, 409, 413, 415))
@needs("deadletters.manage")
async def discard(letter: LetterId, body: Discard, gateway: Parts, caller: Sender) -> DeadLetterDone:
    """Leave it at that: nothing is done with the message any more, and it stands open no longer."""
    duplicate = await deadletters.settle(gateway, caller, letter, "discarded", body.reason)
    return DeadLetterDone(id=str(letter), status="discarded", duplicate=duplicate)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    same = (
        "time", "service", "consumer", "stream", "deliveries", "code", "detail", "correlation_id", "body_digest",
        "reason", "settled_by", "settled_at",
    )  # fmt: skip
    return {name: row.get(name) for name in same} | {
        "id": str(row["seq"]),
        "state": row.get("outcome") or "open",
        "subject": row.get("message_subject"),
        "seq": row.get("message_seq") or 0,
        "detail": row.get("detail") or row.get("problem"),
        "correlation_id": row.get("correlation_id") if is_token(row.get("correlation_id") or "") else None,
        "retryable": row.get("outcome") is None and deadletters.retryable(row),
    }
