"""``agentos audit`` and ``agentos key``."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from agentos.cli.options import AsJson, api

audit = typer.Typer(no_args_is_help=True, help="Prove what happened.")
keys = typer.Typer(no_args_is_help=True, help="API keys.")


@audit.command("status")
def audit_status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """How far the chain reaches."""
    from agentos.cli import show

    with api(ctx) as server:
        said = server.get("audit/status")
    show.print_json(said) if as_json else show.fields({name: show.text(value) for name, value in said.items()})


@audit.command()
def verify(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Option(help="Verify an export, offline.", exists=True, dir_okay=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute the chain; exit code 1 when it is broken."""
    from agentos.cli import show

    if file is not None:
        said = _verify_file(file)
    else:
        with api(ctx) as server:
            said = server.post("audit/verify")
    if as_json:
        show.print_json(said)
    elif said["ok"]:
        show.out.print(
            f"[green]whole[/green]: {said['events']} events up to {said['last_seq']}, {said['checkpoints']} signed checkpoints hold"
        )
    else:
        show.out.print(f"[red bold]broken[/red bold]: {len(said['problems'])} problem(s)")
        for problem in said["problems"]:
            told = " · ".join(str(part) for part in problem.values()) if isinstance(problem, dict) else str(problem)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType, reportUnknownMemberType] # JSON
            show.out.print(f"  {show.text(told)}")
    if not said["ok"]:
        raise typer.Exit(1)


def _verify_file(file: Path) -> dict[str, Any]:
    """Only the export is needed: no broker, no database, no gateway."""
    from dataclasses import asdict

    from agentos.cli.client import USAGE, Failure

    try:
        from services.ledger.verify import verify_export
    except ModuleNotFoundError as missing:
        mend = "install agentos[ledger], or verify over the API without --file"
        raise Failure("Not installed", f"{missing.name} is missing", mend=mend, exit_code=USAGE) from None
    with file.open("rb") as lines:
        verdict = verify_export(lines)
    return {"ok": verdict.ok, **asdict(verdict)}


@audit.command()
def export(
    ctx: typer.Context,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; standard output without it.")] = None,
) -> None:
    """The chain as JSON lines, for `agentos audit verify --file`."""
    from agentos.cli import show

    with api(ctx) as server:
        lines = server.lines("audit/export")
        if output is None:
            for line in lines:
                sys.stdout.write(line + "\n")
            return
        count = 0
        with output.open("w", encoding="utf-8", newline="\n") as file:
            for line in lines:
                file.write(line + "\n")
                count += 1
    show.err.print(f"{count} lines in {output}")


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
