"""The kill switch."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from agentos.contracts.base import Contract, Token
from agentos.contracts.commands import ConfirmRelease, DrillKill, EngageKill, ReleaseKill
from agentos.contracts.envelope import Recorded
from agentos.contracts.events.kill import (
    KillCancelled,
    KillConfirmed,
    KillEased,
    KillEngaged,
    KillReleased,
    KillReleaseRequested,
    KillTightened,
    KillUnconfirmed,
)
from agentos.contracts.ids import new_id
from agentos.contracts.subjects import EventSubject
from agentos.killswitch import KillEntry
from services.gateway import ledger
from services.gateway.edge import GuardedRoute, needs
from services.gateway.http.answers import done
from services.gateway.http.kill_answers import Drilled, Drills, Engaged, KillHistory, KillItem, KillList, Released
from services.gateway.http.models import Confirm, Drill, Engage, Release
from services.gateway.problems import FieldError, Problem, documented
from services.gateway.state import Gateway, Parts, Scope, Sender

router = APIRouter(prefix="/kill", tags=["kill switch"], route_class=GuardedRoute)

Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$", description="`next_cursor` of the page before.")]
SwitchId = Annotated[Token, Path(description="The switch's id.")]

_DRILL_TIMEOUT = timedelta(seconds=30)


@router.get("", response_model=KillList, responses=documented())
@needs("kill.read")
async def status(gateway: Parts, caller: Sender) -> Any:
    """The switches that are engaged right now, from the bucket that those who start work watch too."""
    items: list[dict[str, Any]] = []
    for entry in await gateway.bus.bucket("kill").entries():
        switch = KillEntry.model_validate_json(entry.value or b"{}")
        if not switch.drill and (switch.tenant == caller.tenant or switch.scope == "global"):
            said = switch.model_dump(mode="json", exclude={"drill", "engaged_at"})
            items.append({"id": switch.switch, "since": switch.engaged_at.isoformat(), **said})
    return {"items": items, "next_cursor": None}


@router.post(
    "", status_code=201, response_model=Engaged, response_model_exclude_unset=True, responses=documented(409, 413, 415)
)
@needs("kill.engage")
async def engage(body: Engage, gateway: Parts, caller: Sender, scope: Scope) -> Any:
    """Stop everything in scope at once: nothing new starts; what is in flight is cancelled, or finishes when draining."""
    target = _target(body, caller.tenant)
    request = scope or new_id()
    made = EngageKill(
        tenant=caller.tenant, scope=body.scope, target=target, mode=body.mode, reason=body.reason, by=caller.principal
    )

    async def send() -> None:
        await gateway.bus.send("gates.engage", (request,), made, tenant=caller.tenant, correlation_id=request)

    answer = await gateway.answers.need(request, send, late="The command is kept: the switch engages as soon as gates is back.")
    return done(request, "engaged", answer)


def _target(body: Engage, tenant: str) -> str:
    """The target as gates reads it. Raises a 422 problem where it does not fit the scope."""
    match body.scope:
        case "global" if body.target == "*":
            return "*"
        case "tenant" if body.target in ("*", tenant):
            return tenant
        case "agent" if "/" not in body.target.strip("/"):
            mend = "name the agent as pack/agent"
        case "pack" | "agent" | "provider" | "model" | "tool" | "task" if body.target != "*":
            return body.target
        case "global" | "tenant":
            mend = f"scope {body.scope} takes no target: leave it out"
        case _:
            mend = f"name the {body.scope} to stop"
    raise Problem(422, "invalid_request", f"target: {mend}", errors=[FieldError(field="target", detail=mend)])


@router.post("/drills", status_code=201, response_model=Drilled, responses=documented(409, 413, 415))
@needs("kill.drill")
async def drill(body: Drill, gateway: Parts, caller: Sender, scope: Scope) -> Any:
    """Measure how soon every instance sees a switch, with one that covers nothing."""
    request = scope or new_id()
    made = DrillKill(tenant=caller.tenant, rounds=body.rounds, reason=body.reason, by=caller.principal)

    async def send() -> None:
        await gateway.bus.send("gates.drill", (request,), made, tenant=caller.tenant, correlation_id=request)

    answer = await gateway.answers.need(
        request, send, late="The command is kept: look for the event kill.drilled.", timeout=_DRILL_TIMEOUT
    )
    return {"id": request, **answer.data}


@router.get("/history", response_model=KillHistory, responses=documented())
@needs("kill.read")
async def history(gateway: Parts, caller: Sender, limit: Limit = 20, cursor: Cursor = None) -> Any:
    """Switches that were released, newest first: how long each stood, and what it stopped."""
    data = await ledger.ask(
        gateway.bus, gateway.answers, caller.tenant, "kill.list", state="released", limit=limit, cursor=cursor
    )
    return ledger.page(data, "kill_switches")


@router.get("/drills", response_model=Drills, responses=documented())
@needs("kill.read")
async def drills(gateway: Parts, caller: Sender, limit: Limit = 20, cursor: Cursor = None) -> Any:
    """The drills there were, newest first, with the figures of each."""
    data = await ledger.ask(
        gateway.bus, gateway.answers, caller.tenant, "events.search", type="kill.drilled", limit=limit, cursor=cursor
    )
    told = [(row["id"], ledger.event(row)) for row in data["events"]]
    items = [{"id": id_, "at": drill["time"], **drill["data"]} for id_, drill in told if drill["problem"] is None]
    return {"items": items, "next_cursor": data.get("cursor")}


@router.get("/{switch}", response_model=KillItem, response_model_exclude_unset=True, responses=documented(404))
@needs("kill.read")
async def show(switch: SwitchId, gateway: Parts, caller: Sender) -> Any:
    """One switch, live: its stages, what it cancelled, and what could not be confirmed stopped."""
    # A global switch stops every tenant's work; what it stopped is each tenant's own to see.
    events = await gateway.bus.load("*", "kill", switch)
    engaged = next((event for event in events if isinstance(event.data, KillEngaged)), None)
    if engaged is None or not isinstance(engaged.data, KillEngaged):
        raise Problem(404, "not_found", "there is no such kill switch")
    if engaged.meta.tenant != caller.tenant and engaged.data.scope != "global":
        raise Problem(404, "not_found", "there is no such kill switch")
    return _shown(switch, engaged, engaged.data, events, caller.tenant)


def _shown(switch: str, first: Recorded, engaged: KillEngaged, events: list[Recorded], tenant: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": switch,
        **engaged.model_dump(mode="json"),
        "state": "engaged",
        "share_percent": None,
        "since": first.meta.time.isoformat(),
        "requested": None,
        "history": [],
        "looks": None,
        "cancelled": [],
        "unconfirmed": [],
    }
    for event in events:
        match event.data:
            case KillCancelled() | KillUnconfirmed():
                if event.meta.tenant == tenant:
                    where = "cancelled" if isinstance(event.data, KillCancelled) and event.data.confirmed else "unconfirmed"
                    shown[where].append(_told(event))
            case KillConfirmed():
                shown["looks"] = _told(event)
            case KillReleaseRequested():
                shown["requested"] = {"request": int(EventSubject.parse(event.subject).ordinal or 0), **_told(event)}
            case KillEased():
                shown |= {"state": "probation", "share_percent": event.data.share_percent}
            case KillTightened():
                shown |= {"state": "engaged", "share_percent": None}
            case KillReleased():
                shown |= {"state": "released", "share_percent": None}
            case _:
                pass
        if isinstance(event.data, KillEased | KillReleased) and event.data.request is not None:
            shown["requested"] = None
        if isinstance(event.data, KillReleaseRequested | KillEased | KillTightened | KillReleased):
            shown["history"].append({"what": EventSubject.parse(event.subject).fact, **_told(event)})
    return shown


def _told(event: Recorded) -> dict[str, Any]:
    subject = EventSubject.parse(event.subject)
    return {"id": subject.ordinal, "at": event.meta.time.isoformat(), **event.data.model_dump(mode="json")}


@router.post(
    "/{switch}/release", response_model=Released, response_model_exclude_unset=True, responses=documented(404, 409, 413, 415)
)
@needs("kill.release")
async def release(switch: SwitchId, body: Release, gateway: Parts, caller: Sender, scope: Scope) -> Any:
    """Take a switch back, for a share of the tasks or wholly. A global one needs a second person's confirmation."""
    made = ReleaseKill(
        tenant=caller.tenant,
        switch=switch,
        stage=body.stage,
        share_percent=body.share_percent,
        reason=body.reason,
        by=caller.principal,
    )
    return await _open(gateway, "gates.release", scope or new_id(), switch, made, caller.tenant)


@router.post(
    "/{switch}/confirm", response_model=Released, response_model_exclude_unset=True, responses=documented(404, 409, 413, 415)
)
@needs("kill.release")
async def confirm(switch: SwitchId, body: Confirm, gateway: Parts, caller: Sender, scope: Scope) -> Any:
    """Confirm another person's release request."""
    made = ConfirmRelease(tenant=caller.tenant, switch=switch, request=body.request, reason=body.reason, by=caller.principal)
    return await _open(gateway, "gates.confirm", scope or new_id(), switch, made, caller.tenant)


async def _open(gateway: Gateway, channel: str, request: str, switch: str, command: Contract, tenant: str) -> dict[str, Any]:
    async def send() -> None:
        await gateway.bus.send(channel, (request,), command, tenant=tenant, correlation_id=switch)

    answer = await gateway.answers.need(request, send, late="The command is kept and will be done.")
    said = done(switch, "released", answer)
    return said | {"status": said.get("stage", "released")}
