"""``agentos kill``."""

from typing import Annotated, Any

import typer

from agentos.cli import ids
from agentos.cli.options import AsJson, api

kill = typer.Typer(no_args_is_help=True, help="Stop things at once, and let them go on.")

Reason = Annotated[str, typer.Option(help="Why; it stands in the log.")]
SwitchId = Annotated[str, typer.Argument(help="The switch's id.")]


def _told(ctx: typer.Context, path: str, body: dict[str, Any], as_json: bool) -> dict[str, Any] | None:
    """The answer, for a line to be told of it; None when it has been printed as it is."""
    from agentos.cli import show

    with api(ctx) as server:
        if body.get("scope") == "task" and "target" in body:
            body = body | {"target": ids.task(server, body["target"])}
        answer = server.post(path, body)
    if as_json:
        show.print_json(answer)
        return None
    return answer


@kill.command()
def engage(
    ctx: typer.Context,
    scope: Annotated[str, typer.Argument(help="global, tenant, pack, agent, provider, model, tool or task.")],
    reason: Reason,
    target: Annotated[
        str | None, typer.Argument(help="Which one: a name, pack/agent, provider/model or an alias, a tool, a task's id.")
    ] = None,
    mode: Annotated[str, typer.Option(help="halt cancels what runs; drain lets it finish.")] = "halt",
    as_json: AsJson = False,
) -> None:
    """Nothing in scope starts any more, and what is in flight is cancelled or finishes."""
    from agentos.cli import show

    body = {"scope": scope, "reason": reason, "mode": mode} | ({"target": target} if target else {})
    if (answer := _told(ctx, "kill", body, as_json)) is not None:
        switch = show.text(answer["id"])
        show.out.print(f"[red bold]engaged[/red bold]: switch {switch}")
        show.out.print(
            f"what stopped: `agentos kill status {switch}`; take it back: `agentos kill release {switch} --reason …`"
        )


@kill.command()
def release(
    ctx: typer.Context,
    switch: SwitchId,
    reason: Reason,
    stage: Annotated[
        str, typer.Option(help="probation lets a share of the tasks start; released lets everything.")
    ] = "released",
    share: Annotated[int, typer.Option(min=1, max=99, help="On probation: of 100 tasks, how many may start.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Take a switch back, in part or wholly; for a global one, ask for it."""
    body = {"reason": reason, "stage": stage, "share_percent": share}
    if (answer := _told(ctx, f"kill/{switch}/release", body, as_json)) is not None:
        _opened(answer)


@kill.command()
def confirm(
    ctx: typer.Context,
    switch: SwitchId,
    reason: Reason,
    request: Annotated[int | None, typer.Option(help="The number of the request; the open one unless given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Confirm another person's release request."""
    from agentos.cli import show
    from agentos.cli.client import Failure

    if request is None:
        with api(ctx) as server:
            asked = server.get(f"kill/{switch}").get("requested")
        if asked is None:
            raise Failure("Nothing to confirm", f"nobody has asked for the release of {switch}", mend="agentos kill release …")
        request = int(asked["request"])
        how = f"{asked['share_percent']} % of the tasks" if asked["stage"] == "probation" else "everything"
        show.err.print(f"request {request} by {show.text(asked['by']['id'])}: let {how} start ({show.text(asked['reason'])})")
    if (answer := _told(ctx, f"kill/{switch}/confirm", {"reason": reason, "request": request}, as_json)) is not None:
        _opened(answer)


def _opened(answer: dict[str, Any]) -> None:
    from agentos.cli import show

    switch = show.text(answer["id"])
    match answer["status"]:
        case "requested":
            show.out.print(f"[yellow]requested[/yellow]: a second person has to say `agentos kill confirm {switch} --reason …`")
        case "probation":
            show.out.print(
                f"[yellow]on probation[/yellow]: {answer['share_percent']} % of the tasks may start under switch {switch}"
            )
        case _:
            show.out.print(f"[green]released[/green]: switch {switch}")


@kill.command()
def status(
    ctx: typer.Context,
    switch: Annotated[str | None, typer.Argument(help="One switch, with what it stopped and what not.")] = None,
    as_json: AsJson = False,
) -> None:
    """The switches that are engaged right now, or one of them in full."""
    from agentos.cli import show

    with api(ctx) as server:
        said = server.get("kill" if switch is None else f"kill/{switch}")
    if as_json:
        show.print_json(said)
    elif switch is not None:
        _show_one(said)
    else:
        show.table(
            ("switch", "scope", "target", "mode", "stage", "since", "reason"),
            (
                (
                    show.text(s["id"]),
                    show.text(s["scope"]),
                    show.text(s["target"]),
                    show.text(s["mode"]),
                    f"probation, {s['share_percent']} %" if s["stage"] == "probation" else "blocked",
                    show.ago(s.get("since")),
                    show.text(s["reason"]),
                )
                for s in said["items"]
            ),
            empty="no switch is engaged",
        )


def _show_one(said: dict[str, Any]) -> None:
    from agentos.cli import show

    looks: dict[str, Any] = said["looks"] or {}
    asked = said["requested"]
    show.fields(
        {
            "switch": show.text(said["id"]),
            "stops": show.text(f"{said['scope']} {said['target']} ({said['mode']})"),
            "state": show.state(said["state"]),
            "lets through": f"{said['share_percent']} % of the tasks" if said["share_percent"] else None,
            "since": show.ago(said["since"]),
            "by": show.text(said["by"]["id"]),
            "because": show.text(said["reason"]),
            "trigger": show.text(said["trigger"]) if said.get("trigger") else None,
            "waits for a second person": f"request {asked['request']} by {show.text(asked['by']['id'])}" if asked else None,
            "cancelled": str(looks.get("cancelled", len(said["cancelled"]))),
            "not confirmed stopped": str(looks.get("unconfirmed", len(said["unconfirmed"]))),
            "still running": str(looks["running"]) if looks.get("running") else None,
            "last one after": f"{looks['last_after_ms']:.0f} ms" if looks.get("last_after_ms") is not None else None,
        }
    )
    things: list[dict[str, Any]] = [*said["cancelled"], *said["unconfirmed"]]
    if things:
        show.table(
            ("stopped", "what", "id", "pack", "instance", "after"),
            (
                (
                    "yes" if number < len(said["cancelled"]) else "[red]not confirmed[/red]",
                    show.text(one["what"]),
                    show.text(one["id"]),
                    show.text(one["pack"]),
                    show.text(one.get("instance") or ""),
                    f"{one['after_ms']:.0f} ms" if one.get("after_ms") is not None else "",
                )
                for number, one in enumerate(things)
            ),
            empty="",
        )


@kill.command()
def drill(
    ctx: typer.Context,
    reason: Reason = "a drill",
    rounds: Annotated[int, typer.Option(min=1, max=100)] = 20,
    as_json: AsJson = False,
) -> None:
    """Measure how soon every instance sees a switch; exit code 1 when one of them does not."""
    from agentos.cli import show

    with api(ctx) as server:
        said = server.post("kill/drills", {"rounds": rounds, "reason": reason})
    silent = [one for one in said["instances"] if one["missed"]]
    if as_json:
        show.print_json(said)
    else:
        show.table(
            ("service", "instance", "seen", "p50 ms", "p99 ms", "max ms"),
            (
                (
                    show.text(one["service"]),
                    show.text(one["instance"]),
                    f"{one['seen']} of {said['rounds']}",
                    *("" if one[name] is None else f"{one[name]:.1f}" for name in ("p50_ms", "p99_ms", "max_ms")),
                )
                for one in said["instances"]
            ),
            empty="no instance is known",
        )
        for one in silent:
            show.out.print(f"[red]{show.text(one['instance'])}[/red] missed {one['missed']} round(s): it counts as killed")
    if silent:
        raise typer.Exit(1)
