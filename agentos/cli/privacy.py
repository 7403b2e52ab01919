"""``agentos privacy`` and ``agentos payload``: the rights of the people whose data pass through, and seeing what is sealed."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentos.cli import ids
from agentos.cli.options import AsJson, api

if TYPE_CHECKING:
    from agentos.cli.client import Api

app = typer.Typer(no_args_is_help=True, help="Erase or give out what is held about a task or a person.")
payloads = typer.Typer(no_args_is_help=True, help="Sealed payloads.")

Task = Annotated[str | None, typer.Option(help="A task: its whole family, subtasks included.")]
Subject = Annotated[
    str | None,
    typer.Option(
        help="A person's identifier, such as an e-mail address; - reads it from standard input, not the shell's history."
    ),
]
Reason = Annotated[str, typer.Option(help="Why; it stands in the log, so name no person in it.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="A file that only you can read; standard output without it.")
]


@app.command()
def erase(
    ctx: typer.Context,
    reason: Reason,
    task: Task = None,
    subject: Subject = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel what still runs instead of refusing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Destroy the keys: what they sealed is unreadable everywhere, backups of the log included. It cannot be undone."""
    from agentos.cli import show

    with api(ctx) as server:
        done = server.post("privacy/erasures", _about(server, task, subject, reason) | {"cancel": cancel})
    if as_json:
        show.print_json(done)
        return
    told = done["certificate"]
    show.fields(
        {
            "erasure": show.text(done["id"]),
            "erased": f"{len(told['families'])} task families, {len(told['tasks'])} tasks",
            "certificate": show.text(told["event"]),
            "digest": show.text(told["digest"]),
            "at": show.ago(told["at"]),
        }
    )


@app.command()
def export(ctx: typer.Context, reason: Reason, task: Task = None, subject: Subject = None, output: Output = None) -> None:
    """All that is held about a task or a person, in clear, as JSON. That you asked stands in the log."""
    with api(ctx) as server:
        _write(server.post("privacy/exports", _about(server, task, subject, reason)), output)


@app.command("show")
def show_erasure(
    ctx: typer.Context, erasure: Annotated[str, typer.Argument(help="The erasure's id.")], as_json: AsJson = False
) -> None:
    """An erasure and its certificate."""
    from agentos.cli import show

    with api(ctx) as server:
        found = server.get(f"privacy/erasures/{erasure}")
    show.print_json(found) if as_json else show.out.print(show.text(json.dumps(found, indent=2)))


@payloads.command()
def reveal(
    ctx: typer.Context,
    event: Annotated[str, typer.Argument(help="The event's subject or its id.")],
    reason: Reason,
    field: Annotated[str | None, typer.Option(help="Which sealed field, where there are several.")] = None,
    output: Output = None,
) -> None:
    """Open one sealed field of one event. That you asked, and why, stands in the log before you see it."""
    with api(ctx) as server:
        _write(server.post("payloads/reveal", {"event": event, "reason": reason} | ({"field": field} if field else {})), output)


def _about(server: "Api", task: str | None, subject: str | None, reason: str) -> dict[str, Any]:
    given = {
        "task": None if task is None else ids.task(server, task),
        "subject": sys.stdin.readline().strip() if subject == "-" else subject,
        "reason": reason,
    }
    return {name: value for name, value in given.items() if value is not None}


def _write(value: Any, output: Path | None) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    if output is None:
        sys.stdout.write(text)
        return
    output.touch(mode=0o600)
    output.write_text(text, encoding="utf-8")
