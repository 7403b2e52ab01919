"""From the events of a task to what a person reads: attempts and one line an event. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic_core import from_json

_OF_ATTEMPT = {"queued", "decided", "routed", "started", "ended", "retrying", "cancelling", "parked", "settled"}
"""Facts whose ordinal is the attempt."""


def attempts(history: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One summary an attempt: when it was queued, started and ended, where it ran, how it came out. ``history`` is in stream order."""
    found: dict[int, dict[str, Any]] = {}
    for row in history:
        ordinal = row["ordinal"] or ""
        if row["fact"] not in _OF_ATTEMPT or row["body"] is None or not ordinal.isdigit():
            continue
        body = from_json(row["body"])
        attempt = found.setdefault(int(ordinal), {"attempt": int(ordinal)})
        at = _moment(row["time"])
        match row["fact"]:
            case "queued":
                attempt |= {"queued_at": at, "reason": body.get("reason")}
            case "decided":
                attempt |= {"verdict": body.get("verdict"), "reasons": body.get("reasons"), "rules": body.get("rules")}
            case "routed":
                attempt |= {"pack": body.get("pack"), "agent": body.get("agent"), "routing": body.get("reason")}
            case "started":
                attempt |= {"started_at": at, "instance": body.get("instance")}
            case "ended":
                attempt |= {"ended_at": at, "outcome": body.get("outcome"), "fault": body.get("fault")}
            case "retrying":
                attempt |= {"retry_at": body.get("at"), "fault": body.get("fault")}
            case "cancelling":
                attempt |= {"cancelled_because": body.get("reason")}
            case "parked":
                attempt |= {"outcome": "parked", "fault": body.get("fault")}
            case _:
                attempt |= {"settled_at": at, "outcome": body.get("outcome")}
    return [found[number] for number in sorted(found)]


def timeline_entry(row: Mapping[str, Any]) -> dict[str, Any]:
    """One event without its body."""
    ordinal = row["ordinal"]
    return {
        "seq": row["seq"],
        "time": _moment(row["time"]),
        "fact": row["fact"],
        "ordinal": ordinal,
        "event_id": row["event_id"],
    }


def _moment(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat().replace("+00:00", "Z")


_CALL = ("verdict", "rules", "reasons", "bundle", "outcome", "cost_usd", "provider", "model", "tool", "effect", "duration_ms",
         "input_tokens", "output_tokens", "finish_reason", "fault_code", "fault_message", "cached_from", "simulated", "entities")  # fmt: skip
_APPROVAL = ("state", "kind", "target", "summary", "reasons", "resolved_by", "reason", "expires_at", "quorum")


def spans(
    task: str,
    events: Iterable[Mapping[str, Any]],
    said: Mapping[int, Any],
    calls: Mapping[str, Mapping[str, Any]],
    approvals: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Events in stream order to spans: one that ends what another began closes its span, and does not make one of its own.

    ``said`` holds the bodies by sequence, as far as they were read. A span's ``parent`` is another span's ``id``: attempts belong to the
    task, calls, waits and steps to their attempt, what was decided and tried to the call.
    """
    found: dict[str, dict[str, Any]] = {}

    def begin(id_: str, kind: str, event: Mapping[str, Any], parent: str | None, /, **more: Any) -> dict[str, Any]:
        span = found.setdefault(
            id_,
            {"id": id_, "parent": parent, "kind": kind, "name": more.pop("name", kind), "start": event["time"], "end": None,
             "position": event["seq"], "event_id": event["event_id"], "end_position": None, "detail": {}},
        )  # fmt: skip
        span["detail"] |= {name: value for name, value in more.items() if value not in (None, [], "")}
        return span

    def finish(id_: str, event: Mapping[str, Any], /, **more: Any) -> None:
        span = found.get(id_)
        if span is not None:
            span |= {"end": event["time"], "end_position": event["seq"]}
            span["detail"] |= {name: value for name, value in more.items() if value not in (None, [], "")}

    attempt = f"task:{task}"
    for event in events:
        aggregate, fact, id_, ordinal = event["aggregate"], event["fact"], event["id"], event["ordinal"]
        body: dict[str, Any] = said.get(event["seq"]) or {}
        own = f"{aggregate}:{id_}"
        match aggregate, fact:
            case "task", "submitted":
                begin(own, "task", event, None, name=body.get("type") or "task", priority=body.get("priority"))
            case "task", "queued":
                begin(
                    f"queue:{id_}:{ordinal}",
                    "queue",
                    event,
                    own,
                    name=f"queued for attempt {ordinal}",
                    reason=body.get("reason"),
                )
            case "task", "decided":
                said_of = {name: body.get(name) for name in ("verdict", "rules", "reasons", "bundle")}
                finish(begin(f"admission:{id_}:{ordinal}", "decision", event, own, name="admission", **said_of)["id"], event)
            case "task", "routed":
                begin(
                    f"route:{id_}:{ordinal}", "route", event, own, name=body.get("pack") or "no pack", reason=body.get("reason")
                )
                finish(f"route:{id_}:{ordinal}", event)
            case "task", "started":
                finish(f"queue:{id_}:{ordinal}", event)
                attempt = f"attempt:{id_}:{ordinal}"
                where = {name: body.get(name) for name in ("instance", "pack", "agent", "version")}
                begin(attempt, "attempt", event, own, name=f"attempt {ordinal}", **where)
            case "task", "suspended":
                wait = f"wait:{id_}:{ordinal}"
                begin(wait, "wait", event, attempt, name=f"waits for {body.get('waiting_for')}", on=body.get("on"))
            case "task", "resumed":
                finish(f"wait:{id_}:{ordinal}", event)
            case "task", "ended":
                finish(f"attempt:{id_}:{ordinal}", event, outcome=body.get("outcome"), fault=body.get("fault"))
            case "task", "settled":
                finish(own, event, outcome=body.get("outcome"), reasons=body.get("reasons"), fault=body.get("fault"))
            case (("call" | "tool"), ("requested" | "received")):
                row = calls.get(id_, {})
                name = row.get("tool") or row.get("model") or row.get("requested_model") or aggregate
                begin(
                    own, aggregate, event, attempt, name=name, **{name: row.get(name) for name in _CALL}, step=row.get("step")
                )
            case (("call" | "tool"), "decided"):
                row = calls.get(id_, {})
                of_it = {name: row.get(name) for name in ("verdict", "rules", "reasons", "bundle")}
                begin(f"decision:{id_}", "decision", event, own, name=row.get("verdict") or "decision", **of_it)
                finish(f"decision:{id_}", event)
            case (("call" | "tool"), "attempted"):
                tried = f"try:{id_}:{ordinal}"
                more = {"duration_ms": body.get("duration_ms"), "fault": body.get("fault")}
                span = begin(tried, "try", event, own, name=body.get("target") or f"try {ordinal}", **more)
                span |= {"start": body.get("started_at") or span["start"], "end": event["time"], "end_position": event["seq"]}
            case (("call" | "tool"), "settled"):
                finish(own, event)
            case "approval", "requested":
                row = approvals.get(id_, {})
                of_call = next((f"{kind}:{id_}" for kind in ("call", "tool") if f"{kind}:{id_}" in found), attempt)
                begin(
                    own,
                    "approval",
                    event,
                    of_call,
                    name=row.get("target") or "approval",
                    **{name: row.get(name) for name in _APPROVAL},
                )
            case "approval", "resolved":
                finish(own, event)
            case _:
                parent = own if own in found else attempt
                name = str(body.get("kind") or f"{aggregate} {fact}")
                point = f"{aggregate}:{id_}:{fact}:{ordinal or ''}"
                begin(point, "step" if aggregate == "step" else "event", event, parent, name=name)
                finish(point, event)
    return list(found.values())
