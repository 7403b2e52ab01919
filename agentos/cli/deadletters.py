"""``agentos deadletters``: messages that a service could not take."""

from typing import Annotated, Any

import typer

from agentos.cli.options import AsJson, api

app = typer.Typer(no_args_is_help=True, help="Messages that a service could not take.")

Letter = Annotated[int, typer.Argument(min=1, help="The dead letter's id.")]


@app.command("list")
def list_letters(
    ctx: typer.Context,
    state: Annotated[str, typer.Option(help="open, retried, discarded or all.")] = "open",
    service: Annotated[str | None, typer.Option(help="Only those that this service could not take.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    as_json: AsJson = False,
) -> None:
    """Dead letters, newest first."""
    from agentos.cli import show

    with api(ctx) as server:
        page = server.get("deadletters", state=None if state == "all" else state, service=service, limit=limit)
    if as_json:
        show.print_json(page)
        return
    show.table(
        ("id", "state", "service", "message", "tries", "when", "why"),
        (
            (
                str(letter["id"]), show.state(letter["state"]), show.text(letter["service"] or "–"), show.text(letter["subject"] or "–"),
                str(letter["deliveries"]), show.ago(letter["time"]), show.text(f"{letter['code'] or '–'}: {letter['detail'] or ''}"),
            )
            for letter in page["items"]
        ),
        empty="no dead letters",
    )  # fmt: skip
    if page["next_cursor"]:
        show.out.print("[dim]there are more: raise --limit or narrow the search[/dim]")


@app.command("show")
def show_letter(ctx: typer.Context, letter: Letter, as_json: AsJson = False) -> None:
    """One dead letter, with the message where it is still there."""
    from agentos.cli import show

    with api(ctx) as server:
        row: dict[str, Any] = server.get(f"deadletters/{letter}")
    if as_json:
        show.print_json(row)
        return
    message = row.pop("message")
    show.fields({name: value for name, value in row.items() if value is not None and name != "headers"})
    if row["message_state"] == "shown":
        show.print_json(message)


@app.command()
def retry(
    ctx: typer.Context,
    letter: Letter,
    reason: Annotated[str, typer.Option(help="Why; it stands in the log.")] = "",
    as_json: AsJson = False,
) -> None:
    """Have the service try the message again, once. If it fails again there is a new dead letter."""
    _settle(ctx, letter, "retry", reason, as_json)


@app.command()
def discard(
    ctx: typer.Context,
    letter: Letter,
    reason: Annotated[str, typer.Option(help="Why; it stands in the log.")],
    as_json: AsJson = False,
) -> None:
    """Leave it at that: nothing more is done with the message."""
    _settle(ctx, letter, "discard", reason, as_json)


def _settle(ctx: typer.Context, letter: int, act: str, reason: str, as_json: bool) -> None:
    from agentos.cli import show

    with api(ctx) as server:
        said = server.post(f"deadletters/{letter}/{act}", {"reason": reason})
    if as_json:
        show.print_json(said)
        return
    show.out.print(f"dead letter {letter} is {said['status']}" + (" (it was already)" if said["duplicate"] else ""))
