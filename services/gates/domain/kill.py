"""Kill switches, pure."""

from agentos.contracts.base import Contract, Principal
from agentos.contracts.commands import EngageKill
from agentos.contracts.errors import NotFound, Refused
from agentos.contracts.events.governance import KillEngaged, KillReleased


def engage(command: EngageKill, events: list[Contract]) -> KillEngaged:
    """A new switch; ``events`` are those that stand under its id, which the same command may have written before.

    Raises Refused when the scope needs a target and has none, when it is another tenant, or when the id was used for something else.
    """
    match command.scope:
        case "global":
            target = "*"
        case "tenant":
            # Who asks for everything of a tenant means their own; nobody stops another's.
            target = command.tenant if command.target in ("", "*") else command.target
            if target != command.tenant:
                raise Refused("a tenant can be stopped by its own people only", code="other_tenant")
        case "pack" | "provider" | "task":
            target = command.target
            if target in ("", "*"):
                raise Refused(f"scope {command.scope} needs a target, the {command.scope}'s name", code="target_missing")
    engaged = KillEngaged(scope=command.scope, target=target, reason=command.reason, by=command.by)
    if any(isinstance(event, KillEngaged) and event != engaged for event in events):
        raise Refused("another kill switch has this id; engage a new one", code="switch_exists")
    return engaged


def release(events: list[Contract], reason: str, by: Principal) -> KillReleased:
    """Take a switch back. Raises NotFound or Refused (released already)."""
    if not any(isinstance(event, KillEngaged) for event in events):
        raise NotFound("there is no such kill switch")
    if any(isinstance(event, KillReleased) for event in events):
        raise Refused("this kill switch is released already", code="already_released")
    return KillReleased(reason=reason, by=by)
