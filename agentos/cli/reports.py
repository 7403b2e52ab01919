"""``agentos cost``, ``agentos pack`` and ``agentos events``."""

from typing import Annotated, Any

import typer

from agentos.cli import ids
from agentos.cli.options import AsJson, api

packs = typer.Typer(no_args_is_help=True, help="What can do the work.")


def cost(
    ctx: typer.Context,
    by: Annotated[str, typer.Option(help="pack, agent, model, provider, tenant or day.")] = "pack",
    since: Annotated[str | None, typer.Option(help="ISO 8601 with a time zone.")] = None,
    until: Annotated[str | None, typer.Option(help="ISO 8601 with a time zone.")] = None,
    as_json: AsJson = False,
) -> None:
    """What the model calls cost."""
    from agentos.cli import show

    with api(ctx) as server:
        said = server.get("cost", by=by, since=since, until=until)
    if as_json:
        show.print_json(said)
        return
    rows = [*said.get("groups", []), {"key": "total", **said.get("total", {})}]
    show.table(
        (by, "calls", "tokens in", "tokens out", "cost", ""),
        (
            (
                show.text(row.get("key") or "–"), str(row.get("calls", 0)), str(row.get("input_tokens", 0)),
                str(row.get("output_tokens", 0)), show.usd(row.get("cost_usd")),
                ", ".join(f"{row[name]} {word}" for name, word in (("unpriced_calls", "without a price"), ("simulated_calls", "simulated"))
                          if row.get(name)),
            )
            for row in rows
        ),
        empty="no calls",
    )  # fmt: skip


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
        found = server.events(task, after) if follow else server.get("events", task=task, after=after, limit=limit)["items"]
        for event in found:
            if as_json:
                show.json_line(event)
            else:
                when = show.ago(event.get("time"))
                show.out.print(
                    f"[dim]{event['seq']:>7}  {when:>10}[/dim]  {event['type']:<20} {timeline.detail(event)}".rstrip()
                )
