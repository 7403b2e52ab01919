"""Kill switches, pure: engage, ease, tighten, release; who may; what is told of what they stopped."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from agentos.contracts.base import Contract, Principal
from agentos.contracts.commands import ConfirmRelease, EngageKill, ReleaseKill, TripKill
from agentos.contracts.errors import Forbidden, NotFound, Refused
from agentos.contracts.events.kill import (
    KillCancelled,
    KillConfirmed,
    KillEased,
    KillEngaged,
    KillReleased,
    KillReleaseRequested,
    KillScope,
    KillTightened,
    KillUnconfirmed,
)

POLICY = Principal(kind="service", id="policy")


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch so far. Mappings are by ordinal; ``share_percent`` is None while it is not on probation."""

    engaged: KillEngaged | None = None
    requests: Mapping[int, KillReleaseRequested] = field(default_factory=dict[int, KillReleaseRequested])
    confirmed_requests: frozenset[int] = frozenset()
    easings: int = 0
    tightenings: int = 0
    share_percent: int | None = None
    released: KillReleased | None = None
    cancelled: tuple[KillCancelled, ...] = ()
    unconfirmed: Mapping[str, KillUnconfirmed] = field(default_factory=dict[str, KillUnconfirmed])
    looks: int = 0


def fold(events: Iterable[tuple[Contract, str | None]]) -> Switch:
    """The switch after ``events`` (payload, ordinal), in stream order."""
    switch = Switch()
    for event, ordinal in events:
        match event:
            case KillEngaged():
                switch = replace(switch, engaged=event)
            case KillReleaseRequested():
                switch = replace(switch, requests={**switch.requests, int(ordinal or 0): event})
            case KillEased():
                switch = replace(_used(switch, event.request), easings=int(ordinal or 0), share_percent=event.share_percent)
            case KillTightened():
                switch = replace(switch, tightenings=int(ordinal or 0), share_percent=None)
            case KillReleased():
                switch = replace(_used(switch, event.request), released=event)
            case KillCancelled():
                switch = replace(switch, cancelled=(*switch.cancelled, event))
            case KillUnconfirmed():
                switch = replace(switch, unconfirmed={**switch.unconfirmed, ordinal or "": event})
            case KillConfirmed():
                switch = replace(switch, looks=int(ordinal or 0))
            case _:
                continue
    return switch


def _used(switch: Switch, request: int | None) -> Switch:
    return switch if request is None else replace(switch, confirmed_requests=switch.confirmed_requests | {request})


def engage(command: EngageKill, switch: Switch) -> KillEngaged:
    """A new switch; ``switch`` is what stands under its id, which the same command may have written before.

    Raises Refused when the scope needs a target and has none, when it is another tenant, or when the id was used for something else.
    """
    engaged = KillEngaged(
        scope=command.scope,
        target=_target(command.scope, command.target, command.tenant),
        mode=command.mode,
        reason=command.reason,
        by=command.by,
    )
    if switch.engaged is not None and switch.engaged != engaged:
        raise Refused("another kill switch has this id; engage a new one", code="switch_exists")
    return engaged


def _target(scope: KillScope, asked: str, tenant: str) -> str:
    if scope == "global":
        return "*"
    if scope == "tenant":
        # Who asks for everything of a tenant means their own; nobody stops another's.
        if asked not in ("", "*", tenant):
            raise Refused("a tenant can be stopped by its own people only", code="other_tenant")
        return tenant
    if asked in ("", "*"):
        raise Refused(f"scope {scope} needs a target, the {scope}'s name", code="target_missing")
    pack, slash, agent = asked.partition("/")
    if scope == "agent" and not (pack and slash and agent):
        raise Refused("name the agent as pack/agent, such as engineering/triage", code="target_missing")
    return asked


def trip(command: TripKill) -> KillEngaged:
    """The switch that a trigger of the policy engages. Raises Refused as ``engage`` does."""
    return KillEngaged(
        scope=command.scope,
        target=_target(command.scope, command.target, command.tenant),
        mode=command.mode,
        reason=command.reason,
        by=POLICY,
        trigger=command.trigger,
    )


def tighten(switch: Switch, command: TripKill) -> KillTightened | None:
    """What a trip means for a switch on probation that covers it; None for one that is not on probation."""
    if switch.released is not None or switch.share_percent is None:
        return None
    return KillTightened(reason=command.reason, by=POLICY, trigger=command.trigger)


def release(switch: Switch, command: ReleaseKill, second_person_scopes: Collection[str]) -> Contract:
    """Open a switch, wholly or for a share; or, where a second person is needed, the request for it.

    Raises NotFound, or Refused (released already).
    """
    engaged = _held(switch)
    if engaged.scope in second_person_scopes:
        return KillReleaseRequested(
            stage=command.stage, share_percent=command.share_percent, reason=command.reason, by=command.by
        )
    if command.stage == "probation":
        return KillEased(share_percent=command.share_percent, reason=command.reason, by=command.by)
    return KillReleased(reason=command.reason, by=command.by)


def confirm(switch: Switch, command: ConfirmRelease) -> KillEased | KillReleased:
    """The second person agrees: neither who asked, nor who engaged the switch.

    Raises NotFound (no such switch or request), Refused (released already, or the request is not the last one), Forbidden (the same person).
    """
    engaged = _held(switch)
    request = switch.requests.get(command.request)
    if request is None:
        raise NotFound(f"there is no release request {command.request} for this kill switch")
    if command.request in switch.confirmed_requests or command.request != max(switch.requests):
        raise Refused("this release request is done or replaced by a later one; look at the switch", code="request_closed")
    if _person(command.by) == _person(request.by):
        raise Forbidden("whoever asked for the release cannot confirm it; a second person has to", code="same_person")
    if _person(command.by) == _person(engaged.by):
        raise Forbidden("whoever engaged the switch can ask for its release, not confirm it", code="same_person")
    if request.stage == "probation":
        return KillEased(share_percent=request.share_percent, reason=command.reason, by=command.by, request=command.request)
    return KillReleased(reason=command.reason, by=command.by, request=command.request)


def _person(by: Principal) -> tuple[str, str]:
    return by.kind, by.id


def _held(switch: Switch) -> KillEngaged:
    if switch.engaged is None:
        raise NotFound("there is no such kill switch")
    if switch.released is not None:
        raise Refused("this kill switch is released already", code="already_released")
    return switch.engaged


def account(switch: Switch, still_open: int) -> KillConfirmed:
    """What one look at the log comes to: what was cancelled, and what is left."""
    halting = switch.engaged is not None and switch.engaged.mode == "halt"
    doubtful = sum(not one.confirmed for one in switch.cancelled)
    return KillConfirmed(
        cancelled=sum(one.confirmed for one in switch.cancelled),
        unconfirmed=doubtful + (still_open if halting else 0),
        running=0 if halting else still_open,
        last_after_ms=max((one.after_ms for one in switch.cancelled), default=None),
    )
