"""A task's life as it happens."""

import time
from datetime import datetime
from typing import Any

from agentos.cli import show
from agentos.cli.client import Api

_ENDS = frozenset({"task.settled", "task.parked"})


def line(event: dict[str, Any], began: datetime | None) -> str:
    """One event: when (since the first one), what, and what matters of it."""
    at = moment(event)
    since = f"+{(at - began).total_seconds():7.3f} s" if at is not None and began is not None else " " * 10
    return f"[dim]{since}[/dim]  {event['type']:<20} {detail(event)}".rstrip()


def detail(event: dict[str, Any]) -> str:
    """What matters of an event, with its state's colour."""
    data: dict[str, Any] = event.get("data") or {}
    said: list[str] = [show.state(data[name]) for name in ("verdict", "outcome") if data.get(name)]
    said += [show.text(data[name]) for name in ("summary", "model", "tool", "pack", "waiting_for", "reason") if data.get(name)]
    said += [show.text(reason) for reason in data.get("reasons") or ()]
    if fault := data.get("fault"):
        said.append(f"[red]{show.text(fault.get('message', ''))}[/red]")
    if cost := data.get("cost"):
        said.append(show.usd(cost.get("usd")))
    if data.get("cached"):
        said.append("answered from the cache")
    if data.get("simulated"):
        said.append("[yellow]simulated[/yellow]")
    if event["type"] == "approval.requested":
        said.append(f"[yellow]→ agentos approval approve {show.text(event['subject'].split('.')[3])}[/yellow]")
    return " · ".join(said)


def follow(api: Api, task: str, *, as_json: bool) -> dict[str, Any]:
    """Print the task's events from its first to its end; the task as it then is."""
    began: datetime | None = None
    with show.err.status(f"following {task} …"):
        for event in api.events(task, after=0):
            began = began or moment(event)
            if as_json:
                show.json_line(event)
            else:
                show.out.print(line(event, began), soft_wrap=True)
            if event["type"] in _ENDS and event["subject"].split(".")[3] == task:
                row = api.get(f"tasks/{task}")
                # An operator's retry may have gone on since: then this was the end of an earlier attempt.
                if int(row.get("attempt") or 0) <= int(event["subject"].rpartition(".")[2]):
                    return settled(api, task, row)
    raise AssertionError("events() ends by raising")


def settled(api: Api, task: str, row: dict[str, Any]) -> dict[str, Any]:
    """The task once the projection has caught up with the event that ended it."""
    for _ in range(50):
        if row.get("state") in ("settled", "parked"):
            break
        time.sleep(0.1)
        row = api.get(f"tasks/{task}")
    return row


def moment(event: dict[str, Any]) -> datetime | None:
    """When it happened."""
    try:
        return datetime.fromisoformat(event["time"])
    except (KeyError, TypeError, ValueError):
        return None
