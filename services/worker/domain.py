"""What a worker decides, pure: whether a tool call may be executed, and with which arguments."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from agentos.contracts.base import Contract, Fault
from agentos.contracts.events.approval import ApprovalResolved, ApprovalRevised
from agentos.contracts.events.call import CallAttempted, CallDecided, ToolCallRequested, ToolCallSettled
from agentos.sdk.journal import step_digest


@dataclass(frozen=True, slots=True)
class ToolView:
    """A tool call so far."""

    requested: ToolCallRequested | None = None
    decided: CallDecided | None = None
    attempted: int = 0
    settled: ToolCallSettled | None = None


def evolve(view: ToolView, event: Contract) -> ToolView:
    """Fold one event of the tool call."""
    match event:
        case ToolCallRequested():
            return replace(view, requested=event)
        case CallDecided():
            return replace(view, decided=event)
        case CallAttempted():
            return replace(view, attempted=view.attempted + 1)
        case ToolCallSettled():
            return replace(view, settled=event)
        case _:
            return view


def fold(events: Iterable[Contract]) -> ToolView:
    """The tool call after ``events``."""
    view = ToolView()
    for event in events:
        view = evolve(view, event)
    return view


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing is executed, and this is why."""

    code: str
    reasons: tuple[str, ...]

    @property
    def fault(self) -> Fault:
        """The same as a fault."""
        return Fault(code=self.code, message="; ".join(self.reasons)[:500])


@dataclass(frozen=True, slots=True)
class Execute:
    """Go, with exactly what ``decided`` holds: after an edit that is what was approved, not what was asked for."""

    decided: CallDecided


def decide(
    view: ToolView, approval: ApprovalResolved | None, revised: ApprovalRevised | None = None
) -> Execute | Refusal | None:
    """What to do about the call; None when there is nothing to do (settled already, or a person is still to answer).

    ``revised`` is policy's ruling on the edit that the approval names. One settlement uses an approval up, however often it is told.
    """
    decided = view.decided
    if decided is None or view.settled is not None:
        return None
    match decided.verdict:
        case "allow":
            return Execute(decided)
        case "deny":
            return Refusal("denied", decided.reasons or ("denied",))
        case "hold":
            return None if approval is None else _after_approval(decided, approval, revised)


def _after_approval(decided: CallDecided, approval: ApprovalResolved, revised: ApprovalRevised | None) -> Execute | Refusal:
    if approval.outcome != "approved":
        reason = (approval.reason,) if approval.reason else ()
        return Refusal(f"approval_{approval.outcome}", (f"approval_{approval.outcome}", *reason))
    if approval.revision == 0 and approval.digest == decided.digest:
        return Execute(decided)
    edited = revised is not None and approval.revision > 0 and revised.verdict != "deny"
    if edited and revised is not None and revised.digest == approval.digest:
        return Execute(
            decided.model_copy(
                update={
                    "digest": revised.digest,
                    "arguments": revised.content,
                    "placeholders": revised.placeholders,
                    "obligations": revised.obligations,
                }
            )
        )
    return Refusal("approval_mismatch", ("what was approved is not what was decided on; nothing was done",))


def arguments_differ(requested: ToolCallRequested, decided: CallDecided, arguments: Any) -> bool:
    """Whether the arguments at hand are others than those that were decided on (and approved)."""
    digest = step_digest("tool", {"tool": requested.tool, "arguments": arguments})
    return requested.tool != decided.tool or digest != decided.digest


_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "array": (list,), "object": (dict,),
    "null": (type(None),),
}  # fmt: skip


def misfit(parameters: Mapping[str, Any], arguments: Any) -> str | None:
    """Why the arguments do not fit the tool's parameters, or None. Names fields and never their values.

    Checks the top level: required, unknown and wrongly typed fields. What lies deeper is the tool's own to check.
    """
    if not isinstance(arguments, dict):
        return "the arguments are not an object"
    given = cast("dict[str, Any]", arguments)
    properties: Mapping[str, Any] = parameters.get("properties", {})
    missing = sorted(set(parameters.get("required", ())) - set(given))
    if missing:
        return f"missing: {', '.join(missing)}"
    unknown = sorted(set(given) - set(properties))
    if unknown and parameters.get("additionalProperties") is False:
        return f"unknown: {', '.join(unknown)}"
    for name, value in given.items():
        wanted: Any = properties.get(name, {}).get("type")
        names: list[str] = [wanted] if isinstance(wanted, str) else list(wanted or ())
        allowed = tuple(kind for key in names for kind in _TYPES.get(key, (object,)))
        if allowed and (
            not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed and object not in allowed)
        ):
            return f"{name} must be {' or '.join(names)}, not {type(value).__name__}"
    return None
