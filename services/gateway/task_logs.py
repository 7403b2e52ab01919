"""A task's log for a person: each of its events as one line. Pure.

No sealed value gets into a line; what is said here stands in clear in the log of events. What an agent logs for itself may hold anything and is
sealed: here stands how much it said, and the lines are shown to whoever may see what is sealed and says why.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from agentos.contracts.events.task import LogLevel


@dataclass(frozen=True, slots=True)
class Line:
    """How much it matters, and what happened."""

    level: LogLevel
    text: str
    sealed: bool = False
    """Whether it stands for an agent's own lines, which are sealed in the event."""


def line_of(event: Mapping[str, Any]) -> Line:
    """The line of an event as the API shows it (``type``, ``subject``, ``data``). One without words of its own is told by its name."""
    data = _part(event, "data")
    if event.get("problem") is not None:
        return Line("error", f"an event that cannot be read: {event['problem']}")
    words = _WORDS.get(str(event.get("type")))
    if words is None:
        return Line("info", str(event.get("type")).replace(".", " ").replace("-", " "))
    tokens = str(event.get("subject")).split(".")
    return words(data, tokens[5] if len(tokens) > 5 else "")


def _part(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = data.get(name)
    return cast("dict[str, Any]", part) if isinstance(part, dict) else {}


def _join(*parts: str | None) -> str:
    return ": ".join(part for part in parts if part)


def _listed(data: Mapping[str, Any], name: str = "reasons") -> str:
    return ", ".join(str(each) for each in data.get(name) or ())


def _fault(data: Mapping[str, Any]) -> str | None:
    fault = _part(data, "fault")
    return f"{fault.get('message')} ({fault.get('code')})" if fault else None


def _who(data: Mapping[str, Any], name: str = "by") -> str:
    return str(_part(data, name).get("id", "somebody"))


def _submitted(data: Mapping[str, Any], _: str) -> Line:
    return Line("info", f"{data.get('type')} submitted by {_who(data, 'requester')}, priority {data.get('priority')}")


def _updated(data: Mapping[str, Any], _: str) -> Line:
    changed = ", ".join(f"{name} to {data.get(name)}" for name in data.get("changed") or ())
    return Line("info", f"{_who(data)} changed {changed}")


def _queued(data: Mapping[str, Any], n: str) -> Line:
    return Line("info", f"attempt {n} queued ({str(data.get('reason')).replace('_', ' ')})")


def _admission(data: Mapping[str, Any], n: str) -> Line:
    allowed = data.get("verdict") == "allow"
    return Line(
        "info" if allowed else "error", _join(f"attempt {n} {'admitted' if allowed else 'not admitted'}", _listed(data))
    )


def _routed(data: Mapping[str, Any], n: str) -> Line:
    if data.get("pack") is None:
        return Line("error", _join(f"nothing takes attempt {n}", str(data.get("reason"))))
    return Line("info", _join(f"attempt {n} goes to {data['pack']}/{data.get('agent')}", str(data.get("reason"))))


def _started(data: Mapping[str, Any], n: str) -> Line:
    return Line("info", f"attempt {n} began on {data.get('instance')} ({data.get('pack')} {data.get('version')})")


def _ended(data: Mapping[str, Any], n: str) -> Line:
    level: LogLevel = "info" if data.get("outcome") in ("completed", "cancelled") else "error"
    step = "" if data.get("failed_step") is None else f" at step {data['failed_step']}"
    return Line(level, _join(f"attempt {n} {data.get('outcome')}{step}", _fault(data)))


def _settled(data: Mapping[str, Any], _: str) -> Line:
    levels: dict[str, LogLevel] = {"completed": "info", "cancelled": "warning"}
    level = levels.get(str(data.get("outcome")), "error")
    return Line(level, _join(f"the task {data.get('outcome')}", _fault(data), _listed(data)))


def _step(data: Mapping[str, Any], _: str) -> Line:
    return Line("debug", f"step {data.get('step')}: {data.get('kind')}")


def _asked(what: str) -> Callable[[Mapping[str, Any], str], Line]:
    def words(data: Mapping[str, Any], _: str) -> Line:
        return Line("info", f"step {_part(data, 'context').get('step')}: asks for the {what} {data.get(what)}")

    return words


def _decided(data: Mapping[str, Any], _: str) -> Line:
    what = f"the {data.get('kind')} {data.get('tool') or data.get('model') or ''}".strip()
    match data.get("verdict"):
        case "allow":
            return Line("debug", _join(f"{what} is allowed", _listed(data)))
        case "hold":
            return Line("warning", _join(f"{what} waits for a person", _listed(data)))
        case _:
            return Line("error", _join(f"{what} is refused", _listed(data)))


def _attempted(data: Mapping[str, Any], _: str) -> Line:
    following = f"; next is {data['next']}" if data.get("next") else ""
    return Line("warning", _join(f"{data.get('target')} did not answer", _fault(data)) + following)


def _call_settled(data: Mapping[str, Any], _: str) -> Line:
    name = data.get("tool") or "/".join(str(part) for part in (data.get("provider"), data.get("model")) if part) or "the model"
    used = _part(data, "usage")
    tokens = f", {used.get('input_tokens', 0)} + {used.get('output_tokens', 0)} tokens" if used else ""
    level: LogLevel = "info" if data.get("outcome") == "completed" else "error"
    return Line(
        level, _join(f"{name} {data.get('outcome')} in {data.get('duration_ms')} ms{tokens}", _fault(data), _listed(data))
    )


def _inspected(data: Mapping[str, Any], _: str) -> Line:
    denied, marked = data.get("verdict") == "deny", _listed(data, "labels")
    level: LogLevel = "error" if denied else "warning" if marked else "debug"
    return Line(level, _join("what came back was looked at", marked, _listed(data)))


def _resolved(data: Mapping[str, Any], _: str) -> Line:
    level: LogLevel = "info" if data.get("outcome") == "approved" else "warning"
    return Line(level, _join(f"{data.get('outcome')} by {_who(data)}", data.get("reason")))


def _violation(data: Mapping[str, Any], _: str) -> Line:
    return Line("error", _join(f"the sandbox refused {data.get('what')}", str(data.get("detail"))))


def _logged(data: Mapping[str, Any], _: str) -> Line:
    if dropped := data.get("dropped"):
        return Line("warning", f"attempt {data.get('attempt')} logged too much: {dropped} of its lines are not kept")
    levels = _part(data, "levels")
    worst: list[LogLevel] = [level for level in _WORST if levels.get(level)]
    count = sum(levels.values())
    text = f"{data.get('pack')}/{data.get('agent')} logged {count} {'line' if count == 1 else 'lines'}"
    return Line(worst[0] if worst else "info", text, sealed=True)


_WORST: tuple[LogLevel, ...] = ("error", "warning", "info", "debug")
_WORDS: Mapping[str, Callable[[Mapping[str, Any], str], Line]] = {
    "task.submitted": _submitted,
    "task.updated": _updated,
    "task.queued": _queued,
    "task.decided": _admission,
    "task.routed": _routed,
    "task.started": _started,
    "task.suspended": lambda data, _: Line("info", f"waits for the {data.get('waiting_for')} {data.get('on')}"),
    "task.resumed": lambda data, _: Line("info", f"attempt {data.get('attempt')} goes on"),
    "task.ended": _ended,
    "task.retrying": lambda data, n: Line("warning", _join(f"attempt {n} failed, another at {data.get('at')}", _fault(data))),
    "task.cancelling": lambda data, n: Line("warning", _join(f"attempt {n} is stopped by {_who(data)}", data.get("reason"))),
    "task.parked": lambda data, n: Line("error", _join(f"attempt {n} is parked until an operator decides", _fault(data))),
    "task.settled": _settled,
    "step.recorded": _step,
    "log.written": _logged,
    "call.requested": _asked("model"),
    "tool.requested": _asked("tool"),
    "call.decided": _decided,
    "tool.decided": _decided,
    "call.attempted": _attempted,
    "tool.attempted": _attempted,
    "call.settled": _call_settled,
    "tool.settled": _call_settled,
    "call.inspected": _inspected,
    "tool.inspected": _inspected,
    "checkpoint.requested": lambda _data, _n: Line("info", "asks a person"),
    "checkpoint.decided": _decided,
    "approval.requested": lambda data, _: Line(
        "warning", _join(f"{data.get('target')} waits for a person", data.get("summary"))
    ),
    "approval.resolved": _resolved,
    "violation.noted": _violation,
    "violation.reported": _violation,
    "payload.revealed": lambda data, _: Line("warning", _join(f"{_who(data)} was shown what is sealed", data.get("reason"))),
}
