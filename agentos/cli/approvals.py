"""``agentos approval`` and ``agentos delegation``: look at what waits for a person, and answer it.

Every answer is bound to the digest of what was shown. Where no ``--digest`` is given it is that of what the command itself has just
fetched and printed.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from agentos.cli import ids
from agentos.cli.options import AsJson, api

app = typer.Typer(no_args_is_help=True, help="What waits for a person.")
delegations = typer.Typer(no_args_is_help=True, help="Let somebody else answer approvals with your powers, for a while.")

ApprovalId = Annotated[str, typer.Argument(help="The approval's id, or its beginning: at least 6 characters.")]
Comment = Annotated[str | None, typer.Option("--comment", "-m", help="Kept sealed beside your answer.")]
Digest = Annotated[str | None, typer.Option(help="What you looked at; what is shown now unless set.")]
Delegation = Annotated[str | None, typer.Option(help="Answer with the powers that this delegation lends you.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the log.")]


@app.command("list")
def list_approvals(
    ctx: typer.Context,
    state: Annotated[str, typer.Option(help="pending, approved, rejected, expired, cancelled or all.")] = "pending",
    mine: Annotated[bool, typer.Option("--mine", help="Only those that you may answer and have not answered.")] = False,
    role: Annotated[str | None, typer.Option(help="Only those that this role may answer.")] = None,
    like: Annotated[str | None, typer.Option(help="Only those that ask for the same as this approval.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    as_json: AsJson = False,
) -> None:
    """Approvals, newest first."""
    from agentos.cli import show

    with api(ctx) as server:
        wanted: dict[str, Any] = {"mine": True} if mine else {}
        like = None if like is None else ids.approval(server, like)
        page = server.get("approvals", state=None if state == "all" else state, role=role, like=like, limit=limit, **wanted)
    if as_json:
        show.print_json(page)
        return
    _table(page["items"])


def _table(items: list[dict[str, Any]]) -> None:
    from agentos.cli import show

    show.table(
        ("approval", "state", "what", "due", "votes", "before", "roles"),
        (
            (
                show.text(a["id"]), show.state("frozen" if a.get("frozen") else a.get("state")), show.text(a.get("summary") or ""),
                show.ago(a.get("expires_at")), f"{a.get('approvals') or 0} of {a.get('quorum') or 1}", _history(a),
                ", ".join(a.get("approver_roles") or []),
            )
            for a in items
        ),
        empty="nothing waits for you",
    )  # fmt: skip


def _history(approval: dict[str, Any]) -> str:
    counted: dict[str, int] = approval.get("history") or {}
    return ", ".join(f"{counted[state]} {state}" for state in ("approved", "rejected", "expired") if counted.get(state)) or "–"


@app.command("show")
def show_approval(ctx: typer.Context, approval: ApprovalId, as_json: AsJson = False) -> None:
    """One approval, with the redacted preview of what will be done."""
    from agentos.cli import show

    with api(ctx) as server:
        approval = ids.approval(server, approval)
        row = server.get(f"approvals/{approval}")
    if as_json:
        show.print_json(row)
        return
    _fields(row)
    _diff(_rows(row, "diff"))
    for remark in _rows(row, "remarks"):
        said = remark["text"] if remark["state"] == "opened" else f"({remark['state']})"
        show.out.print(f"[dim]{show.ago(remark['at'])}[/dim] {show.text(remark['by'])}: {show.text(said)}")


def _rows(row: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return row.get(name) or []


def _fields(row: dict[str, Any]) -> None:
    from agentos.cli import show

    votes = [
        f"{vote['by']}{' for ' + vote['for'] if vote.get('for') else ''}: {vote['outcome']}" for vote in _rows(row, "votes")
    ]
    show.fields(
        {
            "approval": show.text(row["id"]),
            "state": show.state(row.get("state")),
            "clock": "stands: a kill switch covers the task" if row.get("frozen") else None,
            "what": show.text(row.get("summary") or ""),
            "because": show.text("; ".join(row.get("reasons") or [])),
            "task": show.text(row["task"]) if row.get("task") else None,
            "asked by": show.text(row["requester"]) if row.get("requester") else None,
            "expires": show.ago(row.get("expires_at")),
            "votes": show.text(
                f"{row.get('approvals') or 0} of {row.get('quorum') or 1}" + "".join(f"; {vote}" for vote in votes)
            ),
            "before": _history(row),
            "edited by": show.text(", ".join(edit["by"] for edit in _rows(row, "edits") if edit["verdict"] != "deny")),
            "closed": show.text(row["reason"]) if row.get("reason") else None,
            "digest": show.text(row.get("digest") or ""),
            "preview": show.text(json.dumps(row.get("preview"), indent=2, ensure_ascii=False)),
        }
    )


def _diff(changes: list[dict[str, Any]]) -> None:
    from agentos.cli import show

    for change in changes:
        show.out.print(f"[bold]{show.text(change['path'] or '(all)')}[/bold]")
        if change["op"] != "add":
            show.out.print(f"[red]- {show.text(change.get('old'))}[/red]")
        if change["op"] != "remove":
            show.out.print(f"[green]+ {show.text(change.get('new'))}[/green]")


@app.command()
def approve(
    ctx: typer.Context,
    approval: ApprovalId,
    comment: Comment = None,
    digest: Digest = None,
    delegation: Delegation = None,
    as_json: AsJson = False,
) -> None:
    """Let it be done."""
    _resolve(ctx, approval, "approved", comment, digest, delegation, as_json)


@app.command()
def reject(
    ctx: typer.Context,
    approval: ApprovalId,
    comment: Comment = None,
    digest: Digest = None,
    delegation: Delegation = None,
    as_json: AsJson = False,
) -> None:
    """Do not let it be done."""
    _resolve(ctx, approval, "rejected", comment, digest, delegation, as_json)


def _resolve(
    ctx: typer.Context,
    approval: str,
    outcome: str,
    comment: str | None,
    digest: str | None,
    delegation: str | None,
    as_json: bool,
) -> None:
    from agentos.cli import show

    with api(ctx) as server:
        approval = ids.approval(server, approval)
        if digest is None:
            row = server.get(f"approvals/{approval}")
            digest = row["digest"]
            if not as_json:
                _fields(row)
                _diff(_rows(row, "diff"))
        body = {"outcome": outcome, "digest": digest} | _given(comment=comment, delegation=delegation)
        answer = server.post(f"approvals/{approval}/resolve", body)
    if as_json:
        show.print_json(answer)
        return
    show.out.print(f"{approval} is {outcome}: {_state(answer)}")


def _state(answer: dict[str, Any]) -> str:
    match answer.get("state"):
        case "pending":
            return f"{answer['approvals']} of {answer['quorum']} approvals; more are needed"
        case "frozen":
            return "it counts when the kill switch is released"
        case state:
            return str(state or "done")


@app.command()
def comment(ctx: typer.Context, approval: ApprovalId, text: Annotated[str, typer.Argument(help="Your remark.")]) -> None:
    """Remark on it, without a vote."""
    from agentos.cli import show

    with api(ctx) as server:
        approval = ids.approval(server, approval)
        server.post(f"approvals/{approval}/comment", {"text": text})
    show.out.print(f"your remark is kept with {approval}")


@app.command()
def edit(
    ctx: typer.Context,
    approval: ApprovalId,
    file: Annotated[Path, typer.Option(help="JSON: a tool's arguments, or a model's request.", exists=True, dir_okay=False)],
    digest: Digest = None,
    as_json: AsJson = False,
) -> None:
    """Change what will be done; policy rules on it, and votes so far are void. Prints what changed."""
    from agentos.cli import show
    from agentos.cli.client import USAGE, Failure

    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as bad:
        raise Failure("Not JSON", f"{file}: {bad}", exit_code=USAGE) from None
    with api(ctx) as server:
        approval = ids.approval(server, approval)
        row = server.get(f"approvals/{approval}")
        field = "arguments" if row["kind"] == "tool" else "request"
        answer = server.post(f"approvals/{approval}/edit", {"digest": digest or row["digest"], field: content})
    if as_json:
        show.print_json(answer)
        return
    _diff(answer["diff"])
    show.out.print(f"edited; to approve it: agentos approval approve {approval} --digest {answer['digest']}")


@app.command()
def bulk(
    ctx: typer.Context,
    outcome: Annotated[str, typer.Argument(help="approved or rejected.")],
    like: Annotated[str, typer.Option(help="An approval: all pending ones that ask for the same.")],
    comment: Comment = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: you have looked at `agentos approval list --like`.")] = False,
    as_json: AsJson = False,
) -> None:
    """The same answer to like requests; at most 100 at once."""
    from agentos.cli import show

    with api(ctx) as server:
        like = ids.approval(server, like)
        items = cast("list[dict[str, Any]]", server.get("approvals", state="pending", like=like, limit=100)["items"])
        if not items:
            show.out.print("nothing like it waits")
            return
        if not as_json:
            _table(items)
        if not yes:
            typer.confirm(f"{len(items)} × {outcome}?", abort=True)
        body = {"outcome": outcome, "digests": {a["id"]: a["digest"] for a in items}, "like": like} | _given(comment=comment)
        answer = server.post("approvals/bulk", body)
    if as_json:
        show.print_json(answer)
        return
    show.table(
        ("approval", "result", ""),
        (
            (
                show.text(row["id"]),
                show.state(row.get("state", "ok")) if row["ok"] else f"[red]{row['code']}[/red]",
                show.text(row.get("detail", "")),
            )
            for row in answer["items"]
        ),
        empty="nothing",
    )
    if not all(row["ok"] for row in answer["items"]):
        raise typer.Exit(1)


@delegations.command("list")
def list_delegations(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Who may answer for whom."""
    from agentos.cli import show

    with api(ctx) as server:
        page = server.get("delegations")
    if as_json:
        show.print_json(page)
        return
    show.table(
        ("delegation", "from", "to", "roles", "ends", "reason"),
        (
            (
                show.text(d["id"]), show.text(d["by"]["id"]), show.text(d["to"]), ", ".join(d["roles"]),
                show.ago(d["until"]), show.text(d["reason"]),
            )
            for d in page["items"]
        ),
        empty="nobody answers for anybody",
    )  # fmt: skip


@delegations.command()
def grant(
    ctx: typer.Context,
    to: Annotated[str, typer.Argument(help="Id of the API key of whoever shall answer.")],
    days: Annotated[int, typer.Option(min=1, max=90)],
    reason: Reason,
    role: Annotated[list[str] | None, typer.Option(help="Which of your roles; all without any.")] = None,
    as_json: AsJson = False,
) -> None:
    """Lend somebody your powers to approve."""
    from agentos.cli import show

    until = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    with api(ctx) as server:
        answer = server.post("delegations", {"to": to, "until": until, "reason": reason, "roles": role or []})
    show.print_json(answer) if as_json else show.out.print(f"delegation {answer['id']} holds for {days} day(s)")


@delegations.command()
def revoke(ctx: typer.Context, delegation: Annotated[str, typer.Argument(help="The delegation's id.")], reason: Reason) -> None:
    """Take it back, at once."""
    from agentos.cli import show

    with api(ctx) as server:
        server.post(f"delegations/{delegation}/revoke", {"reason": reason})
    show.out.print(f"delegation {delegation} is revoked")


def _given(**fields: str | None) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}
