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
