"""``agentos approval`` and ``agentos key``."""

import sys
from typing import Annotated, Any

import typer

from agentos.cli.options import AsJson, api

approvals = typer.Typer(no_args_is_help=True, help="What waits for a person.")
keys = typer.Typer(no_args_is_help=True, help="API keys.")

ApprovalId = Annotated[str, typer.Argument(help="The approval's id.")]
Comment = Annotated[str | None, typer.Option("--comment", "-m", help="Stands in the log beside your answer.")]


@approvals.command("list")
def list_approvals(
    ctx: typer.Context,
    state: Annotated[str, typer.Option(help="pending, approved, rejected, expired, cancelled or all.")] = "pending",
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    as_json: AsJson = False,
) -> None:
    """Approvals, newest first."""
    from agentos.cli import show

    with api(ctx) as server:
        page = server.get("approvals", state=None if state == "all" else state, limit=limit)
    if as_json:
        show.print_json(page)
        return
    show.table(
        ("approval", "state", "what", "expires", "roles"),
        (
            (
                show.text(a["id"]), show.state(a.get("state")), show.text(a.get("summary") or ""), show.ago(a.get("expires_at")),
                ", ".join(a.get("approver_roles") or []),
            )
            for a in page["items"]
        ),
        empty="nothing waits for you",
    )  # fmt: skip


@approvals.command("show")
def show_approval(ctx: typer.Context, approval: ApprovalId, as_json: AsJson = False) -> None:
    """One approval, with the redacted preview of what will be done."""
    import json

    from agentos.cli import show

    with api(ctx) as server:
        row = server.get(f"approvals/{approval}")
    if as_json:
        show.print_json(row)
        return
    show.fields(
        {
            "approval": show.text(row["id"]),
            "state": show.state(row.get("state")),
            "what": show.text(row.get("summary") or ""),
            "because": show.text("; ".join(row.get("reasons") or [])),
            "task": show.text(row["task"]) if row.get("task") else None,
            "expires": show.ago(row.get("expires_at")),
            "comment": show.text(row["comment"]) if row.get("comment") else None,
            "preview": show.text(json.dumps(row.get("preview"), indent=2, ensure_ascii=False)),
        }
    )


@approvals.command()
def approve(ctx: typer.Context, approval: ApprovalId, comment: Comment = None, as_json: AsJson = False) -> None:
    """Let it be done."""
    _resolve(ctx, approval, "approved", comment, as_json)


@approvals.command()
def reject(ctx: typer.Context, approval: ApprovalId, comment: Comment = None, as_json: AsJson = False) -> None:
    """Do not let it be done."""
    _resolve(ctx, approval, "rejected", comment, as_json)


def _resolve(ctx: typer.Context, approval: str, outcome: str, comment: str | None, as_json: bool) -> None:
    body = {"outcome": outcome} | ({"comment": comment} if comment else {})
    _post(ctx, f"approvals/{approval}/resolve", body, f"{approval} is {outcome}", as_json)


def _post(ctx: typer.Context, path: str, body: dict[str, Any], told: str, as_json: bool) -> None:
    from agentos.cli import show

    with api(ctx) as server:
        answer = server.post(path, body)
    show.print_json(answer) if as_json else show.out.print(told.format(**answer))


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
