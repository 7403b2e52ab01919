"""``agentos key``."""

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

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
        ("key", "name", "opens", "made", "state", "used"),
        (
            (
                show.text(k["id"]), show.text(k["name"]), show.text(_opens(k)), show.ago(k["created_at"]),
                _state(k), show.ago(k.get("used_at")),
            )
            for k in page["items"]
        ),
        empty="no keys",
    )  # fmt: skip


def _state(key: dict[str, Any]) -> str:
    terms: dict[str, Any] = key if key.get("virtual") is None else key["virtual"]
    ends = terms.get("expires_at")
    if key.get("revoked_at"):
        return "[red]revoked[/red]"
    if isinstance(ends, str) and datetime.fromisoformat(ends) <= datetime.now(UTC):
        return "[red]expired[/red]"
    return "[green]valid[/green]"


def _opens(key: dict[str, Any]) -> str:
    if key.get("scopes") is not None:
        return ", ".join(key["scopes"])
    return ", ".join(key["roles"]) if key.get("virtual") is None else f"/v1 as pack {key['virtual']['pack']}"


@keys.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Who or what will use it.")],
    role: Annotated[
        list[str] | None, typer.Option(help="admin, operator, approver, author or viewer; may be repeated.")
    ] = None,
    virtual: Annotated[
        bool, typer.Option("--virtual", help="A key of the governed endpoint (/v1) instead of the API.")
    ] = False,
    pack: Annotated[str | None, typer.Option(help="Virtual: whose calls they count as.")] = None,
    agent: Annotated[str, typer.Option(help="Virtual: the agent within the pack.")] = "client",
    models: Annotated[str, typer.Option(help="Virtual: aliases and provider/model, by commas; * for anything in them.")] = "",
    budget: Annotated[
        list[str] | None, typer.Option(help="Virtual: metric:limit/window[:mode], such as usd:50/month:hard; may be repeated.")
    ] = None,
    rpm: Annotated[int | None, typer.Option(help="Virtual: requests a minute.")] = None,
    expires: Annotated[str | None, typer.Option(help="After 30d, 12h, or at an ISO 8601 time; never, unless given.")] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="Of what its roles may do, only this action, such as tasks.read; may be repeated.")
    ] = None,
    untrusted: Annotated[
        bool, typer.Option("--untrusted", help="Virtual: all that comes in with it counts as content from outside.")
    ] = False,
    tenant: Annotated[str | None, typer.Option(help="Only your own.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown this once."""
    from agentos.cli import show

    body: dict[str, Any] = {"name": name} | ({} if tenant is None else {"tenant": tenant})
    if virtual:
        if pack is None or role or scope:
            raise typer.BadParameter("a virtual key needs --pack, and takes no --role or --scope")
        budgets = [_budget(text) for text in budget or ()]
        if rpm is not None:
            budgets.append({"metric": "requests", "limit": str(rpm), "window": "minute", "mode": "hard"})
        body["virtual"] = {
            "pack": pack, "agent": agent, "models": [model.strip() for model in models.split(",") if model.strip()],
            "budgets": budgets, "untrusted": untrusted, "expires_at": None if expires is None else _expiry(expires),
        }  # fmt: skip
    else:
        body |= {"roles": role or [], "scopes": scope or None, "expires_at": None if expires is None else _expiry(expires)}
    with api(ctx) as server:
        made = server.post("keys", body)
    if as_json:
        show.print_json(made)
        return
    show.err.print("[yellow]this key is shown once; keep it like a password[/yellow]")
    sys.stdout.write(made["key"] + "\n")


_BUDGET = re.compile(r"(requests|tokens|usd):([0-9.]+)/(minute|hour|day|month|total)(?::(hard|soft|throttle))?")
_AFTER = re.compile(r"([0-9]{1,6})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def _budget(text: str) -> dict[str, str]:
    found = _BUDGET.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no budget: write metric:limit/window[:mode], such as usd:50/month:hard")
    return {"metric": found[1], "limit": found[2], "window": found[3], "mode": found[4] or "hard"}


def _expiry(text: str) -> str:
    found = _AFTER.fullmatch(text)
    return text if found is None else (datetime.now(UTC) + timedelta(**{_UNITS[found[2]]: int(found[1])})).isoformat()


@keys.command()
def revoke(ctx: typer.Context, key: Annotated[str, typer.Argument(help="The key's id.")], as_json: AsJson = False) -> None:
    """Make a key worthless, at once and for ever."""
    from agentos.cli import show

    with api(ctx) as server:
        answer = server.delete(f"keys/{key}")
    show.print_json(answer) if as_json else show.out.print(f"key {key} is revoked")
