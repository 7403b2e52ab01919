"""``agentos task``."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from agentos.cli import ids
from agentos.cli.options import AsJson, api

app = typer.Typer(no_args_is_help=True, help="Submit, watch and steer tasks.")

TaskId = Annotated[str, typer.Argument(help="The task's id, or its beginning: at least 6 characters.")]


@app.command()
def submit(
    ctx: typer.Context,
    type: Annotated[str, typer.Argument(help="What kind of work, such as github-issue-triage.")],  # noqa: A002 - the field's name
    input: Annotated[str, typer.Option("--input", "-i", help="A JSON object, @file, or - for standard input.")] = "{}",  # noqa: A002
    pack: Annotated[str | None, typer.Option(help="Only this pack.")] = None,
    priority: Annotated[str, typer.Option(help="high, normal or low.")] = "normal",
    deadline: Annotated[str | None, typer.Option(help="ISO 8601 with a time zone.")] = None,
    depends_on: Annotated[list[str] | None, typer.Option(help="A task that must complete first; may be repeated.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="name=value; may be repeated.")] = None,
    max_attempts: Annotated[int, typer.Option(min=1, max=20)] = 3,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key never makes a second task.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Show progress; exit 1 unless the task completes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a task."""
    from agentos.cli import show, timeline

    body: dict[str, Any] = {"type": type, "input": _json_object(input), "priority": priority, "max_attempts": max_attempts}
    optional: dict[str, Any] = {"pack": pack, "deadline": deadline, "labels": labels_of(label or [])}
    with api(ctx) as server:
        optional["depends_on"] = [ids.task(server, one) for one in depends_on or []]
        body |= {name: value for name, value in optional.items() if value}
        made = server.post("tasks", body, idempotency_key=idempotency_key)
        if not wait:
            show.print_json(made) if as_json else show.out.print(f"task [bold]{made['task']}[/bold] is submitted")
            return
        if not as_json:
            show.out.print(f"task [bold]{made['task']}[/bold]")
        _end(timeline.follow(server, made["task"], as_json=as_json), as_json=as_json)


@app.command("list")
def list_(
    ctx: typer.Context,
    state: Annotated[str | None, typer.Option(help="Such as running, waiting, parked, settled.")] = None,
    outcome: Annotated[str | None, typer.Option(help="completed, failed, refused, cancelled or expired.")] = None,
    pack: Annotated[str | None, typer.Option()] = None,
    search: Annotated[str | None, typer.Option("--search", "-q", help="Anywhere in id, type, labels, fault.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    as_json: AsJson = False,
) -> None:
    """Tasks, newest first."""
    from agentos.cli import show

    with api(ctx) as server:
        page = server.get("tasks", state=state, outcome=outcome, pack=pack, q=search, limit=limit)
    if as_json:
        show.print_json(page)
        return
    show.table(
        ("task", "type", "state", "pack", "attempt", "submitted", "cost"),
        (
            (
                show.text(t["id"]), show.text(t.get("type") or "–"), show.state(t.get("outcome") or t.get("state")),
                show.text(t.get("pack") or "–"), str(t.get("attempt", "–")), show.ago(t.get("submitted_at")), show.usd(t.get("cost_usd")),
            )
            for t in page["items"]
        ),
        empty="no tasks match",
    )  # fmt: skip
    if page.get("next_cursor"):
        show.out.print("[dim]there are more: raise --limit or narrow the search[/dim]")


@app.command("show")
def show_(
    ctx: typer.Context,
    task: TaskId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="The timeline live, until the task ends.")] = False,
    as_json: AsJson = False,
) -> None:
    """One task: state, result, timeline."""
    from agentos.cli import show, timeline

    with api(ctx) as server:
        task = ids.task(server, task)
        row = server.get(f"tasks/{task}")
        if follow:
            _end(timeline.follow(server, task, as_json=as_json), as_json=as_json, fail=False)
            return
        if as_json:
            show.print_json(row)
            return
        _summary(row)
        events = server.get(f"tasks/{task}/events")["items"]
    show.out.print()
    began = timeline.moment(events[0]) if events else None
    for event in events:
        show.out.print(timeline.line(event, began), soft_wrap=True)


@app.command()
def logs(
    ctx: typer.Context,
    task: TaskId,
    level: Annotated[str, typer.Option(help="debug, info, warning or error: this and what is worse.")] = "debug",
    reveal: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Open the agent's own lines, which are sealed; the log keeps who did and why."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What happened to the task, a line each, with what its agent logged."""
    from agentos.cli import log_lines, show

    shown = log_lines.from_level(level)
    with api(ctx) as server:
        for line in log_lines.read(server, ids.task(server, task), reveal):
            if line["level"] in shown:
                show.json_line(line) if as_json else show.out.print(log_lines.text(line), soft_wrap=True)


@app.command()
def cancel(
    ctx: typer.Context,
    task: TaskId,
    reason: Annotated[str, typer.Option(help="Why; it stands in the log.")],
    as_json: AsJson = False,
) -> None:
    """Stop a task, wherever it is."""
    _said(ctx, task, "cancel", {"reason": reason}, "is being cancelled", as_json)


@app.command()
def retry(
    ctx: typer.Context,
    task: TaskId,
    from_step: Annotated[int | None, typer.Option(min=0, help="Make recorded steps anew from this one on.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make another attempt of a task that ended or is parked."""
    body = {} if from_step is None else {"from_step": from_step}
    _said(ctx, task, "retry", body, "gets another attempt", as_json)


@app.command()
def update(
    ctx: typer.Context,
    task: TaskId,
    priority: Annotated[str | None, typer.Option(help="high, normal or low.")] = None,
    deadline: Annotated[str | None, typer.Option(help="ISO 8601 with a time zone; none takes it away.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="name=value, or name= to take it away; may be repeated. Others stay.")
    ] = None,
    max_attempts: Annotated[int | None, typer.Option(min=1, max=20)] = None,
    as_json: AsJson = False,
) -> None:
    """Change the terms of a task that has not ended, unless somebody else does at the same time."""
    from agentos.cli import show

    given = {"priority": priority, "max_attempts": max_attempts, "deadline": deadline}
    change: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if deadline == "none":
        change["deadline"] = None
    with api(ctx) as server:
        path = f"tasks/{ids.task(server, task)}"
        # The tag first: what is changed after it is read is refused, not written over.
        tag = server.tag(path)
        if label:
            change["labels"] = _relabelled(server.get(path).get("labels") or {}, label)
        if not change:
            raise typer.BadParameter("say what to change: --priority, --deadline, --label or --max-attempts")
        terms = server.patch(path, change, if_match=tag)
    if as_json:
        show.print_json(terms)
        return
    labels = ", ".join(f"{name}={value}" for name, value in terms["labels"].items())
    said = {"task": terms["id"], "priority": terms["priority"], "deadline": terms["deadline"], "labels": labels}
    show.fields({name: show.text(value) for name, value in said.items() if value} | {"max attempts": terms["max_attempts"]})


def _relabelled(labels: dict[str, str], given: list[str]) -> dict[str, str]:
    """The labels with those that are given; one that is given without a value is gone."""
    return {name: value for name, value in (labels | labels_of(given)).items() if value}


def _said(ctx: typer.Context, task: str, verb: str, body: dict[str, Any], told: str, as_json: bool) -> None:
    from agentos.cli import show

    with api(ctx) as server:
        task = ids.task(server, task)
        answer = server.post(f"tasks/{task}/{verb}", body)
    show.print_json(answer) if as_json else show.out.print(f"task {task} {told}")


def _end(row: dict[str, Any], *, as_json: bool, fail: bool = True) -> None:
    """The task at its end; exit code 1 when it did not complete and ``fail``."""
    from agentos.cli import show

    if as_json:
        show.json_line(row)
    else:
        show.out.print()
        _summary(row)
    if fail and row.get("outcome") != "completed":
        raise typer.Exit(1)


def _summary(row: dict[str, Any]) -> None:
    from agentos.cli import show

    fault = f"{row.get('fault_code')}: {row.get('fault_message')}" if row.get("fault_code") else None
    show.fields(
        {
            "task": show.text(row["id"]),
            "type": show.text(row.get("type") or "–"),
            "state": show.state(row.get("outcome") or row.get("state")),
            "waits for": show.text(row["waiting_for"]) if row.get("waiting_for") else None,
            "pack": show.text(row["pack"]) if row.get("pack") else None,
            "attempt": row.get("attempt"),
            "asked by": show.text(row["requester"]) if row.get("requester") else None,
            "submitted": show.ago(row.get("submitted_at")),
            "cost": show.usd(row.get("cost_usd")),
            "because": show.text("; ".join(row.get("reasons") or [])),
            "fault": f"[red]{show.text(fault)}[/red]" if fault else None,
            "result": show.text(json.dumps(row["result"], indent=2, ensure_ascii=False))
            if row.get("result_state") == "opened"
            else row.get("result_state"),
        }
    )


def _json_object(given: str) -> dict[str, Any]:
    try:
        text = (
            sys.stdin.read()
            if given == "-"
            else Path(given[1:]).read_text(encoding="utf-8")
            if given.startswith("@")
            else given
        )
        value: Any = json.loads(text)
    except (OSError, ValueError, RecursionError) as bad:
        raise typer.BadParameter(f"not readable as JSON: {bad}", param_hint="--input") from None
    if not isinstance(value, dict):
        raise typer.BadParameter("must be a JSON object", param_hint="--input")
    return value  # pyright: ignore[reportUnknownVariableType] # a JSON object


def labels_of(given: list[str]) -> dict[str, str]:
    """``name=value`` pairs. A usage error for what is none."""
    found: dict[str, str] = {}
    for label in given:
        name, equals, value = label.partition("=")
        if not equals or not name:
            raise typer.BadParameter("must be name=value", param_hint="--label")
        found[name] = value
    return found
