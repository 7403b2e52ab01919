"""``agentos agent``: who there is, who lives, and what people do to them."""

from typing import Annotated, Any, Literal

import typer

from agentos.cli.options import AsJson, api

app = typer.Typer(no_args_is_help=True, help="Agents: those that packs declare, and those that run elsewhere.")

Name = Annotated[str, typer.Argument(metavar="PACK/AGENT", help="As `agentos agent list` names it.")]
Labels = Annotated[list[str] | None, typer.Option("--label", help="name=value; may be repeated.")]
Silence = Annotated[
    int | None, typer.Option(min=10, max=3_600, help="Seconds without a heartbeat after which it counts as gone.")
]
Description = Annotated[str | None, typer.Option(help="What it is for; it stands in the log, so name no person in it.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the log, so name no person in it.")]


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Every agent that packs declare or people registered, also those that are not alive."""
    from agentos.cli import show

    with api(ctx) as server:
        page = server.get("agents")
    if as_json:
        show.print_json(page)
        return
    rows = (
        (show.text(a["id"]), a["kind"], _standing(a), str(len(a["instances"])), show.text(a["description"]))
        for a in page["items"]
    )
    show.table(
        ("agent", "kind", "state", "instances", "description"), rows, empty="no pack declares an agent, and none is registered"
    )


@app.command("show")
def show_(ctx: typer.Context, agent: Name, as_json: AsJson = False) -> None:
    """One agent: what it is, whether it lives, what is said of it."""
    with api(ctx) as server:
        _print(server.get(_path(agent)), as_json)


@app.command()
def register(
    ctx: typer.Context,
    agent: Name,
    description: Description = None,
    label: Labels = None,
    silent_after: Silence = None,
    as_json: AsJson = False,
) -> None:
    """Register an agent that runs elsewhere, or take back one that was taken off."""
    pack, name = _names(agent)
    with api(ctx) as server:
        _print(server.post("agents", {"pack": pack, "agent": name} | _terms(description, label, silent_after)), as_json)


@app.command()
def update(
    ctx: typer.Context,
    agent: Name,
    description: Description = None,
    label: Labels = None,
    silent_after: Silence = None,
    as_json: AsJson = False,
) -> None:
    """Change what is said of an agent, unless somebody else does at the same time. Labels that are given are all there are then."""
    change = _terms(description, label, silent_after)
    if not change:
        raise typer.BadParameter("say what to change: --description, --label or --silent-after")
    with api(ctx) as server:
        _print(server.patch(_path(agent), change, if_match=server.tag(_path(agent))), as_json)


@app.command()
def unregister(ctx: typer.Context, agent: Name, reason: Reason, as_json: AsJson = False) -> None:
    """Take an agent off: it gets no task any more, and its calls are refused; what runs may finish."""
    with api(ctx) as server:
        _print(server.delete(_path(agent), reason=reason), as_json)


@app.command()
def control(
    ctx: typer.Context,
    agent: Annotated[str, typer.Argument(metavar="PACK[/AGENT]", help="An agent, or a pack: then all of its agents at once.")],
    action: Annotated[
        Literal["pause", "resume"], typer.Argument(help="pause: nothing new starts, what runs may finish. resume: it goes on.")
    ],
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Pause an agent or a whole pack, or let it go on. To stop at once what runs there, engage the kill switch."""
    from agentos.cli import show

    body = {"action": action, "reason": reason}
    with api(ctx) as server:
        if "/" in agent:
            _print(server.post(f"{_path(agent)}/control", body), as_json)
            return
        done = server.post(f"packs/{agent}/control", body)
    told = "paused" if action == "pause" else "going on"
    show.print_json(done) if as_json else show.out.print(f"{told}: {show.text(', '.join(done['changed']))}")


def _names(given: str) -> tuple[str, str]:
    pack, slash, agent = given.partition("/")
    if not slash or not pack or not agent or "/" in agent:
        raise typer.BadParameter("must be PACK/AGENT, such as engineering/triage")
    return pack, agent


def _path(given: str) -> str:
    return "agents/{}/{}".format(*_names(given))


def _terms(description: str | None, labels: list[str] | None, silent_after: int | None) -> dict[str, Any]:
    from agentos.cli.tasks import labels_of

    given = {"description": description, "labels": labels_of(labels) if labels else None, "silent_after_s": silent_after}
    return {name: value for name, value in given.items() if value is not None}


def _standing(agent: dict[str, Any]) -> str:
    from agentos.cli import show

    if agent["state"] != "active":
        return show.state(agent["state"])
    if agent["stopped_by"]:
        return "[red]stopped by a kill switch[/red]"
    return "[green]live[/green]" if agent["online"] else "[dim]not seen[/dim]" if agent["since"] is None else "[dim]gone[/dim]"


def _print(agent: dict[str, Any], as_json: bool) -> None:
    from agentos.cli import show

    if as_json:
        show.print_json(agent)
        return
    labels = ", ".join(f"{name}={value}" for name, value in agent["labels"].items())
    said = {name: agent[name] for name in ("id", "kind")} | {"description": agent["description"] or agent["pack_description"]}
    lists = {"versions": agent["versions"], "takes": agent["task_types"], "tools": [tool["name"] for tool in agent["tools"]]}
    show.fields(
        {name: show.text(value) for name, value in said.items() if value}
        | {"state": _standing(agent), "because": show.text(agent["reason"]), "labels": show.text(labels)}
        | {name: show.text(", ".join(values)) for name, values in lists.items()}
        | {
            "instances": show.text(", ".join(each["id"] for each in agent["instances"])),
            "last seen": show.ago(agent["seen_at"]),
        }
        | {"virtual keys": agent["virtual_keys"] or None, "revision": agent["revision"]}
    )
