"""A decided call as a person edited it. Pure."""

from agentos.contracts.events.approval import ApprovalResolved, ApprovalRevised
from agentos.contracts.events.call import CallDecided


def as_revised(decided: CallDecided, resolved: ApprovalResolved, revised: ApprovalRevised) -> CallDecided | None:
    """What was decided, as it was edited and approved; None when that edit is not what was approved, or was refused."""
    if revised.verdict == "deny" or revised.digest != resolved.digest or revised.redacted_request is None:
        return None
    return decided.model_copy(
        update={
            "digest": revised.digest,
            "model": revised.model,
            "redacted_request": revised.redacted_request,
            "placeholders": revised.placeholders,
            "obligations": revised.obligations,
        }
    )
