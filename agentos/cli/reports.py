"""``agentos cost``, ``agentos pack`` and ``agentos events``."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from agentos.cli import ids
from agentos.cli.options import AsJson, api

packs = typer.Typer(no_args_is_help=True, help="What can do the work.")


def cost(
    ctx: typer.Context,
    by: Annotated[
        str, typer.Option(help="tenant, pack, agent, model, provider, task_type, api_key, user or day; several with commas.")
    ] = "pack",
    since: Annotated[
        str | None, typer.Option(help="A time ago (7d, 24h, 30min), a day (UTC) or ISO 8601 with a time zone.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="As --since; up to then.")] = None,
    pack: Annotated[str | None, typer.Option(help="Only this pack.")] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the groups as CSV, for spreadsheets.")] = False,
) -> None:
    """What model calls cost: every attempt, also those that failed or broke off, on the day (UTC) on which it began."""
    from agentos.cli import show

    if as_json and as_csv:
        raise typer.BadParameter("give --json or --csv")
    query = {"by": by, "from": _moment(since), "to": _moment(until), "pack": pack}
    with api(ctx) as server:
        if as_csv:
            for text in server.lines("costs", **query, format="csv"):
                typer.echo(text)
            return
        said = server.get("costs", **query)
    if as_json:
        show.print_json(said)
        return
    names = said["by"]
    rows = [*said["groups"], {names[0]: "total", **said["total"]}]
    show.table(
        (*names, "calls", "attempts", "tokens in", "from cache", "tokens out", "cost", "saved", ""),
        (
            (
                *(show.text(row[name]) if row.get(name) is not None else "–" if name == names[0] else "" for name in names),
                str(row["calls"]), str(row["attempts"]),
                str(row["input_tokens"] + row["cache_read_tokens"] + row["cache_write_tokens"]), str(row["cache_read_tokens"]),
                str(row["output_tokens"]), show.usd(row["cost_usd"]), "" if row["saved_usd"] == "0" else show.usd(row["saved_usd"]),
                ", ".join(f"{row[name]} {word}" for name, word in _NOTES if row.get(name)),
            )
            for row in rows
        ),
        empty="no calls",
    )  # fmt: skip
    if said.get("more"):
        show.err.print(
            "[yellow]There are more groups than are shown; the total is of all. Ask for fewer dimensions, or less time.[/yellow]"
        )


_NOTES = (
    ("cached_calls", "from the response cache"),
    ("unpriced_attempts", "without a price"),
    ("estimated_attempts", "with estimated usage"),
    ("simulated_attempts", "simulated"),
)
_UNITS = {"min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _moment(given: str | None) -> str | None:
    """A time ago or a day as ISO 8601; what is anything else goes to the API as it is."""
    if given is None:
        return None
    if ago := re.fullmatch(r"(\d{1,6})(min|h|d|w)", given):
        return (datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})).isoformat()
    return f"{given}T00:00:00Z" if re.fullmatch(r"\d{4}-\d\d-\d\d", given) else given


@packs.command("list")
def list_packs(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Live packs, and those that worked here before."""
    from agentos.cli import show

    with api(ctx) as server:
        page = server.get("packs")
    if as_json:
        show.print_json(page)
        return
    show.table(
        ("pack", "version", "instances", "task types", "tasks"),
        (
            (
                show.text(p["name"]) if p.get("live") else f"[dim]{show.text(p['name'])} (not running)[/dim]",
                show.text(", ".join(p.get("versions") or [])), str(len(p.get("instances", ()))),
                show.text(", ".join(p.get("task_types") or [])), _tasks(p),
            )
            for p in page["items"]
        ),
        empty="no pack is running: tasks wait until one is",
    )  # fmt: skip


def _tasks(pack: dict[str, Any]) -> str:
    stats: dict[str, Any] = pack.get("stats") or {}
    return str(stats.get("tasks", "–"))


def events(
    ctx: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Live, until Ctrl-C.")] = False,
    task: Annotated[str | None, typer.Option(help="Only what belongs to this task.")] = None,
    after: Annotated[int | None, typer.Option(min=0, help="Only after this sequence.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 100,
    as_json: AsJson = False,
) -> None:
    """What happened, in order."""
    from agentos.cli import show, timeline

    with api(ctx) as server:
        task = None if task is None else ids.task(server, task)
        found = server.events(task, after) if follow else server.get("events", task=task, cursor=after, limit=limit)["items"]
        for event in found:
            if as_json:
                show.json_line(event)
            else:
                when = show.ago(event.get("time"))
                show.out.print(
                    f"[dim]{event['seq']:>7}  {when:>10}[/dim]  {event['type']:<20} {timeline.detail(event)}".rstrip()
                )
