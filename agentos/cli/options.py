"""Options that many commands share, and the way from the command line to the API."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agentos.cli.client import Api, Target

AsJson = Annotated[bool, typer.Option("--json", help="Print what the API said, for programs.")]


def target(ctx: typer.Context) -> "Target":
    """Where the root options say that the API is, and who asks."""
    # Imported here: the HTTP client takes longer to load than `--help` takes altogether.
    from agentos.cli.client import Target

    given: dict[str, str | Path | None] = ctx.find_root().obj
    return Target(url=str(given["url"]), key=None if given["key"] is None else str(given["key"]), data=Path(str(given["data"])))


def api(ctx: typer.Context) -> "Api":
    """A client of the API that the root options point to."""
    from agentos.cli.client import Api

    return Api(target(ctx))
