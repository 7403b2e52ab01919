"""What a client of the governed endpoint is told when its call brings no answer: one error, written in the client's own dialect.

The SDKs retry by status (408, 409, 429, 5xx) unless ``x-should-retry`` says otherwise, so every error says it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast

from pydantic import ValidationError

from agentos.contracts.budgets import Budget
from agentos.contracts.envelope import Recorded
from agentos.contracts.events.call import ModelCallSettled
from agentos.contracts.virtualkeys import VirtualKey

Kind = Literal[
    "invalid_request", "authentication", "permission", "not_found", "too_large", "rate_limit", "quota", "api", "overloaded", "timeout"
]  # fmt: skip


@dataclass(eq=False)
class EndpointError(Exception):
    """``message`` is for people and says what to do; ``code`` is stable. ``retry`` is what the client is to do by itself."""

    status: int
    kind: Kind
    code: str
    message: str
    param: str | None = None
    retry: bool = False
    retry_after_s: int | None = None
    call: str | None = None
    event: str | None = None
    reasons: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        super().__init__(self.message)

    def headers(self) -> dict[str, str]:
        """What goes with the body."""
        found = {"x-should-retry": "true" if self.retry else "false"}
        if self.retry_after_s is not None:
            found["retry-after"] = str(self.retry_after_s)
        return found

    def told(self) -> dict[str, Any]:
        """What AgentOS adds to the dialect's own error object."""
        return {"call": self.call, "event": self.event, "reasons": list(self.reasons)}


def refused_field(param: str, message: str, code: str = "unsupported_value") -> EndpointError:
    """A request that cannot be carried: which field, and what to do."""
    return EndpointError(400, "invalid_request", code, f"{param}: {message}", param=param)


def from_validation(bad: ValidationError) -> EndpointError:
    """The field that does not fit; of several the innermost, for of what may be written in two ways each way has its error.

    Inputs are left out: they may hold anything.
    """
    errors = bad.errors(include_input=False, include_url=False)
    told = max(errors, key=lambda error: (len(_place(error["loc"])), error["type"] != "extra_forbidden"))
    param = ".".join(_place(told["loc"]))[:200].encode("ascii", "backslashreplace").decode() or "(body)"
    if told["type"] == "extra_forbidden":
        return refused_field(param, "is not a field that this endpoint carries: remove it", "unknown_field")
    if told["type"] == "union_tag_invalid":
        kinds = told.get("ctx", {}).get("expected_tags", "")
        return refused_field(param, f"is of a kind that this endpoint does not carry: it carries {kinds}")
    if told["type"] == "json_invalid":
        return EndpointError(400, "invalid_request", "invalid_json", "the body is not valid JSON")
    return refused_field(param, str(told["msg"])[:500], "invalid_value")


_LABEL = re.compile(r"str|int|float|bool|[A-Z].*|.*[\[(].*")
"""Of one of several ways to write a value, as pydantic names them in a place."""


def _place(loc: tuple[int | str, ...]) -> list[str]:
    """Where a field stands, as its client wrote it."""
    return [str(part) for part in loc if isinstance(part, int) or not _LABEL.fullmatch(part)]


def unavailable(code: str, message: str, call: str | None = None) -> EndpointError:
    """Nothing was decided: the same request may be sent again."""
    return EndpointError(503, "overloaded", code, message, retry=True, retry_after_s=2, call=call)


def held(call: str, retry_after_s: int) -> EndpointError:
    """The call waits for a person. The same request, sent again, waits for the same call."""
    message = (
        f"this call waits for an approval: answer approval {call} (`agentos approval approve {call}`, or the ops console), then "
        "send the same request again. It will not be made twice."
    )
    return EndpointError(
        429, "rate_limit", "approval_required", message, retry=True, retry_after_s=retry_after_s, call=call, reasons=("held",)
    )


# --- a settlement that is no answer -----------------------------------------------------------------------------------------

_KILLED = frozenset({"kill_switch", "killed"})
_KEYS = {
    "key.revoked": "the virtual key was revoked: ask for another one",
    "key.expired": "the virtual key has expired: ask for another one",
    "key.unknown": "this virtual key is not known: ask for another one",
}
_AGENTS = {
    "agent.paused": "this agent is paused: its calls are refused until an operator lets it go on",
    "agent.unregistered": "this agent was taken off: its calls are refused until an administrator registers it again",
}
_TOO_LONG = frozenset({"context_length_exceeded", "context_too_long", "string_above_max_length", "limit.input_tokens"})
_NO_MODEL = frozenset({"no_provider", "unknown_model", "model_not_found", "not_found_error"})
_BUSY = frozenset({"breaker_open", "queue_full", "waited_too_long"})
_NOT_THE_REQUESTS = frozenset({"no_key", "adapter_failed"})
"""Codes of attempts that sent nothing, for which the client's request is not to blame."""


def of_settled(recorded: Recorded, key: VirtualKey) -> EndpointError:
    """Why a settled call brought no answer."""
    settled = recorded.payload(ModelCallSettled)
    call = recorded.subject.split(".")[3]
    error = _refusal(settled, key) if settled.outcome == "refused" else _failure(settled)
    error.call, error.event = call, recorded.meta.event_id
    error.reasons = settled.reasons or ((settled.fault.code,) if settled.fault is not None else (settled.outcome,))
    error.message = f"{error.message} (call {call})"
    return error


def withheld(call: str, event: str, reasons: Sequence[str]) -> EndpointError:
    """Policy has looked at the answer, and the client does not get to see it."""
    message = f"policy withholds the answer: {', '.join(reasons) or 'no reason given'} (call {call})"
    return EndpointError(403, "permission", "answer_withheld", message, call=call, event=event, reasons=reasons)


def _refusal(settled: ModelCallSettled, key: VirtualKey) -> EndpointError:
    reasons = settled.reasons
    said = ", ".join(reasons) or (settled.fault.message if settled.fault is not None else "no reason given")
    first = reasons[0] if reasons else settled.fault.code if settled.fault is not None else "refused"
    if _KILLED & {*reasons, first}:
        # Not 503: whoever stopped everything does not want every client to hammer until it is released.
        return EndpointError(403, "permission", "kill_switch", f"a kill switch stops this call: {said}")
    for reason in reasons:
        if reason in _KEYS:
            return EndpointError(401, "authentication", "invalid_api_key", _KEYS[reason])
        if reason in _AGENTS:
            return EndpointError(403, "permission", reason.replace(".", "_"), _AGENTS[reason])
        if reason == "key.model":
            return no_such_model(settled.model)
        if reason in _TOO_LONG:
            return EndpointError(400, "invalid_request", "context_length_exceeded", "the request is longer than policy allows")
        if reason.startswith("budget."):
            return _out_of_budget(reason, key.budgets)
    if any(reason.startswith("approval_") for reason in reasons):
        return EndpointError(403, "permission", first, f"the approval of this call was not given: {said}")
    return EndpointError(403, "permission", first, f"policy does not allow this call: {said}")


def _out_of_budget(reason: str, own: Sequence[Budget]) -> EndpointError:
    passing = [budget for budget in own if budget.metric in ("requests", "tokens") and budget.window == "minute"]
    if reason in ("budget.throttled", "budget.reserved_by_others") or (passing and reason == "budget.exceeded"):
        wait = 60 - datetime.now(UTC).second
        return EndpointError(
            429, "rate_limit", "rate_limit_exceeded", f"a budget has no room at the moment ({reason}): try again in {wait} s",
            retry=True, retry_after_s=wait,
        )  # fmt: skip
    if reason == "budget.unpriced":
        return EndpointError(
            403, "permission", reason, "a budget in USD holds this call, and nobody knows the price of its model: ask for another model, "
            "or an operator gives it a price in the routing configuration",
        )  # fmt: skip
    message = f"a budget has no room for this call ({reason}): `agentos budgets` shows which one and until when"
    return EndpointError(429, "quota", "insufficient_quota", message)


def no_such_model(model: str | None) -> EndpointError:
    """It does not exist, or not for this key: the difference is nobody's business."""
    name = "this model" if model is None else f"model {model[:200]!r}"
    return EndpointError(
        404, "not_found", "model_not_found", f"{name} does not exist or your key does not cover it: GET /v1/models lists those that do",
        param="model",
    )  # fmt: skip


def _failure(settled: ModelCallSettled) -> EndpointError:
    fault, last = settled.fault, settled.last
    code = fault.code if fault is not None else settled.outcome
    said = fault.message if fault is not None else f"the call was {settled.outcome}"
    status = last.provider_status if last is not None else None
    kind = last.error_kind if last is not None else None
    if code in _KILLED:
        return EndpointError(403, "permission", "kill_switch", said)
    if settled.outcome == "cancelled":
        return EndpointError(503, "api", code, f"the call was stopped: {said}")
    if code in _TOO_LONG or "context_length" in code:
        return EndpointError(400, "invalid_request", "context_length_exceeded", said)
    if code in _NO_MODEL or status == 404:
        return EndpointError(404, "not_found", "model_not_found", said, param="model")
    if code in _BUSY:
        return EndpointError(503, "overloaded", code, said, retry=True, retry_after_s=5)
    unsendable = status is None and kind in ("never", "other_provider") and code not in _NOT_THE_REQUESTS
    if status in (400, 413, 422) or code == "cannot_serve" or unsendable:
        return EndpointError(400, "invalid_request", code, said)
    if status == 429 or kind == "wait":
        return EndpointError(429, "rate_limit", "rate_limit_exceeded", said, retry=True, retry_after_s=10)
    if "timeout" in code or "timed_out" in code or status == 408:
        return EndpointError(504, "timeout", code, said, retry=True)
    if status in (503, 529) or "overloaded" in code:
        return EndpointError(503, "overloaded", code, said, retry=True, retry_after_s=5)
    # Also when the provider refused our key: that is for the operator to mend, and no fault of the client's.
    return EndpointError(502, "api", code, said, retry=kind != "needs_operator")


# --- the two ways to write it -------------------------------------------------------------------------------------------------

_OPENAI = {
    "authentication": "invalid_request_error", "permission": "permission_error", "not_found": "invalid_request_error",
    "too_large": "invalid_request_error", "rate_limit": "rate_limit_error", "quota": "insufficient_quota", "api": "server_error",
    "overloaded": "server_error", "timeout": "server_error", "invalid_request": "invalid_request_error",
}  # fmt: skip
_ANTHROPIC = {
    "authentication": "authentication_error", "permission": "permission_error", "not_found": "not_found_error",
    "too_large": "request_too_large", "rate_limit": "rate_limit_error", "quota": "rate_limit_error", "api": "api_error",
    "overloaded": "overloaded_error", "timeout": "timeout_error", "invalid_request": "invalid_request_error",
}  # fmt: skip


def openai_object(error: EndpointError) -> dict[str, Any]:
    """``{"error": {...}}`` as OpenAI writes it."""
    told = {"message": error.message, "type": _OPENAI[error.kind], "param": error.param, "code": error.code}
    return {"error": cast("dict[str, Any]", told) | {"agentos": error.told()}}


def anthropic_object(error: EndpointError) -> dict[str, Any]:
    """``{"type": "error", "error": {...}}`` as Anthropic writes it."""
    told: dict[str, Any] = {"type": _ANTHROPIC[error.kind], "message": error.message, "code": error.code}
    return {"type": "error", "error": told | {"agentos": error.told()}, "request_id": error.call}
