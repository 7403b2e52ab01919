"""``agentos key``."""

import sys
from typing import Annotated

import typer

from agentos.cli.options import AsJson, api

keys = typer.Typer(no_args_is_help=True, help="API keys.")


@keys.command("list")
def list_keys(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Every key of your tenant."""
    from agentos.cli import show

    with api(ctx) as server:
        page = server.get("keys")
    if as_json:
        show.print_json(page)
        return
    show.table(
        ("key", "name", "roles", "made", "state"),
        (
            (
                show.text(k["id"]), show.text(k["name"]), ", ".join(k["roles"]), show.ago(k["created_at"]),
                "[red]revoked[/red]" if k.get("revoked_at") else "[green]valid[/green]",
            )
            for k in page["items"]
        ),
        empty="no keys",
    )  # fmt: skip


@keys.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Who or what will use it.")],
    role: Annotated[list[str], typer.Option(help="admin, operator, approver, author or viewer; may be repeated.")],
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown this once."""
    from agentos.cli import show

    with api(ctx) as server:
        made = server.post("keys", {"name": name, "roles": role})
    if as_json:
        show.print_json(made)
        return
    show.err.print("[yellow]this key is shown once; keep it like a password[/yellow]")
    sys.stdout.write(made["key"] + "\n")


@keys.command()
def revoke(ctx: typer.Context, key: Annotated[str, typer.Argument(help="The key's id.")], as_json: AsJson = False) -> None:
    """Make a key worthless, at once and for ever."""
    from agentos.cli import show

    with api(ctx) as server:
        answer = server.delete(f"keys/{key}")
    show.print_json(answer) if as_json else show.out.print(f"key {key} is revoked")
