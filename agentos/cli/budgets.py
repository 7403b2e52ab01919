"""``agentos budgets``: what is spent, held back and left."""

from typing import Annotated, Any

import typer

from agentos.cli.options import AsJson, api

_STATES = {"open": "green", "full": "yellow", "exceeded": "red", "unreadable": "red"}


def budgets(
    ctx: typer.Context,
    id_: Annotated[str | None, typer.Option("--id", help="Only this budget.")] = None,
    as_json: AsJson = False,
) -> None:
    """Budgets that have been drawn on, the fullest first."""
    from agentos.cli import show

    with api(ctx) as server:
        page = server.get("budgets", id=id_)
    if as_json:
        show.print_json(page)
        return
    show.table(
        ("budget", "whose", "state", "window", "spent", "reserved", "left", "limit", "forecast", "ends"),
        (_row(item) for item in page["items"]),
        empty="no budget has been drawn on yet",
    )


def _row(item: dict[str, Any]) -> tuple[str, ...]:
    from agentos.cli import show

    state = str(item["state"])
    coloured = f"[{_STATES.get(state, 'dim')}]{show.text(state)}[/]"
    if "key" not in item:
        return (show.text(item["id"]), "", coloured, "", "", "", "", "", "", "")
    unit = {"usd": "USD"}.get(item["metric"], item["metric"])
    mode = "" if item["mode"] == "hard" else f" ({item['mode']})"
    return (
        show.text(item["id"]),
        show.text(", ".join(f"{name} {value}" for name, value in sorted(item["key"].items()))),
        coloured,
        show.text(_window(item["window"])),
        show.text(item["spent"]),
        show.text(item["reserved"]),
        show.text(item["remaining"]),
        show.text(f"{item['limit']} {unit}{mode}"),
        show.text(item["forecast"] or "–"),
        show.ago(item.get("ends_at")),
    )


def _window(window: Any) -> str:
    from agentos.cli import show

    return str(window) if isinstance(window, str) else f"last {show.span(window['sliding_s'])}"
