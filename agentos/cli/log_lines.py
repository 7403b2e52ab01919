"""A task's log as lines: what the API says of each event, and in place of what an agent logged, if it is opened, its own lines."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from agentos.cli import show

if TYPE_CHECKING:
    from agentos.cli.client import Api

_LEVELS = ("debug", "info", "warning", "error")
_COLOURS = {"debug": "dim", "info": "default", "warning": "yellow", "error": "red"}


def from_level(level: str) -> tuple[str, ...]:
    """This level and those above it."""
    if level not in _LEVELS:
        raise typer.BadParameter(f"must be one of {', '.join(_LEVELS)}", param_hint="--level")
    return _LEVELS[_LEVELS.index(level) :]


def read(server: "Api", task: str, reason: str | None) -> Iterator[dict[str, Any]]:
    """Every line there is so far, in order. With a ``reason`` sealed ones are opened, and the reason stands in the log."""
    cursor: str | None = None
    while True:
        page = server.get(f"tasks/{task}/logs", cursor=cursor)
        for line in page["items"]:
            if line["sealed"] and reason is not None:
                yield from _opened(server, line, reason)
            else:
                yield line
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _opened(server: "Api", line: dict[str, Any], reason: str) -> Iterator[dict[str, Any]]:
    opened = server.post("payloads/reveal", {"event": line["event_id"], "field": "lines", "reason": reason})
    for own in opened["value"]:
        yield line | {"time": own["at"], "level": own["level"], "text": own["text"], "fields": own["fields"], "sealed": False}


def text(line: dict[str, Any]) -> str:
    """When, how much it matters, and what was said."""
    at = str(line["time"] or "")[:23].replace("T", " ").ljust(23)
    colour = _COLOURS[line["level"]]
    said = [f"[dim]{at}[/dim]", f"[{colour}]{line['level']:<7}[/{colour}]", show.text(line["text"])]
    said += [f"[dim]{show.text(f'{name}={value}')}[/dim]" for name, value in line.get("fields", {}).items()]
    if line["sealed"]:
        said.append("[dim](sealed: --reveal REASON opens it)[/dim]")
    return " ".join(said)
