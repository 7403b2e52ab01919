"""``agentos user`` and ``agentos session``."""

import sys
from typing import Annotated, Any

import typer

from agentos.cli.options import AsJson, api

users = typer.Typer(no_args_is_help=True, help="People who sign in.")
sessions = typer.Typer(no_args_is_help=True, help="Who is signed in.")

Who = Annotated[str, typer.Argument(help="Username or id.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking for it.")
]


@users.command("list")
def list_users(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Every account of your tenant."""
    from agentos.cli import show

    with api(ctx) as server:
        page = server.get("users")
    if as_json:
        show.print_json(page)
        return
    show.table(
        ("id", "username", "name", "roles", "state", "sessions", "made"),
        (
            (
                show.text(user["id"]), show.text(user["username"]), show.text(user["name"]), show.text(", ".join(user["roles"])),
                _state(user), str(user["sessions"]), show.ago(user["created_at"]),
            )
            for user in page["items"]
        ),
        empty="nobody signs in yet: open the console, or `agentos user create`",
    )  # fmt: skip


@users.command()
def create(
    ctx: typer.Context,
    username: Annotated[str, typer.Argument(help="What they sign in with; case makes no difference.")],
    role: Annotated[list[str], typer.Option(help="admin, operator, approver, author or viewer; may be repeated.")],
    name: Annotated[str | None, typer.Option(help="What others see; the username unless given.")] = None,
    keep: Annotated[
        bool, typer.Option("--keep-password", help="They need not choose one of their own at the first sign-in.")
    ] = False,
    password_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Make an account."""
    from agentos.cli import show

    body: dict[str, Any] = {
        "username": username, "name": name or username, "roles": role, "password": _password(password_stdin), "must_change": not keep,
    }  # fmt: skip
    with api(ctx) as server:
        made = server.post("users", body)
    show.print_json(made) if as_json else show.out.print(f"{show.text(made['username'])} can sign in ({made['id']})")


@users.command()
def disable(ctx: typer.Context, user: Who, as_json: AsJson = False) -> None:
    """Let somebody in no more; their sessions end at once."""
    _change(ctx, user, {"disabled": True}, "is out, and every session of theirs has ended", as_json)


@users.command()
def enable(ctx: typer.Context, user: Who, as_json: AsJson = False) -> None:
    """Let somebody in again."""
    _change(ctx, user, {"disabled": False}, "may sign in again", as_json)


@users.command()
def roles(
    ctx: typer.Context,
    user: Who,
    role: Annotated[list[str], typer.Option(help="All that they are to have; may be repeated.")],
    as_json: AsJson = False,
) -> None:
    """Give somebody these roles instead of those they have; it holds at once."""
    _change(ctx, user, {"roles": role}, f"is now {', '.join(role)}", as_json)


@users.command()
def password(
    ctx: typer.Context,
    user: Who,
    keep: Annotated[bool, typer.Option("--keep-password", help="They need not choose one of their own.")] = False,
    password_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Set somebody's password. Their sessions end, and a lock with them."""
    from agentos.cli import show

    body = {"password": _password(password_stdin), "must_change": not keep}
    with api(ctx) as server:
        made = server.post(f"users/{_id(server, user)}/password", body)
    show.print_json(made) if as_json else show.out.print(f"{show.text(made['username'])} has a new password")


@sessions.command("list")
def list_sessions(
    ctx: typer.Context,
    everyone: Annotated[bool, typer.Option("--all/--mine", help="Everybody's of your tenant, or yours.")] = True,
    as_json: AsJson = False,
) -> None:
    """Open sessions, the last used first."""
    from agentos.cli import show

    with api(ctx) as server:
        page = server.get("sessions", all=str(everyone).lower())
    if as_json:
        show.print_json(page)
        return
    show.table(
        ("session", "who", "from", "with", "used", "ends"),
        (
            (
                show.text(each["id"]), show.text(each["username"]), show.text(each["address"]), show.text(each["agent"][:40]),
                show.ago(each["used_at"]), show.ago(each["ends_at"]),
            )
            for each in page["items"]
        ),
        empty="nobody is signed in",
    )  # fmt: skip


@sessions.command()
def revoke(
    ctx: typer.Context, session: Annotated[str, typer.Argument(help="The session's id.")], as_json: AsJson = False
) -> None:
    """End a session, at once, with all that is open in it."""
    from agentos.cli import show

    with api(ctx) as server:
        ended = server.delete(f"sessions/{session}")
    show.print_json(ended) if as_json else show.out.print(f"session {show.text(ended['id'])} is over")


def _change(ctx: typer.Context, user: str, body: dict[str, Any], said: str, as_json: bool) -> None:
    from agentos.cli import show

    with api(ctx) as server:
        made = server.patch(f"users/{_id(server, user)}", body)
    show.print_json(made) if as_json else show.out.print(f"{show.text(made['username'])} {said}")


def _id(server: Any, user: str) -> str:
    from agentos.cli.client import Failure

    wanted = user.casefold()
    found = [each["id"] for each in server.get("users")["items"] if each["id"] == user or each["username"].casefold() == wanted]
    if len(found) != 1:
        said = "nobody of your tenant is called" if not found else "several are called"
        raise Failure(
            "No such person" if not found else "Which one?", f"{said} {user!r}", mend="see `agentos user list`; take the id"
        )
    return str(found[0])


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    return str(typer.prompt("password", hide_input=True, confirmation_prompt=True, err=True))


def _state(user: dict[str, Any]) -> str:
    if user["disabled_at"]:
        return "[red]disabled[/red]"
    return "[yellow]must change password[/yellow]" if user["must_change"] else "[green]may sign in[/green]"
