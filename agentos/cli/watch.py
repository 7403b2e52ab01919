"""``agentos top``."""

import typer

from agentos.cli.options import target


def top(ctx: typer.Context) -> None:
    """Tasks, approvals, spend and the kill switch, live in this terminal, with the keys of the console."""
    from agentos.cli.top.app import Top

    Top(target(ctx)).run()
