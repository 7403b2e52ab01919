"""Options that many commands share, and the way from the command line to the API."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agentos.cli.client import Api

AsJson = Annotated[bool, typer.Option("--json", help="Print what the API said, for programs.")]


def api(ctx: typer.Context) -> "Api":
    """A client of the API that the root options point to."""
    # Imported here: the HTTP client takes longer to load than `--help` takes altogether.
    from agentos.cli.client import Api, Target

    given: dict[str, str | Path | None] = ctx.find_root().obj
    return Api(
        Target(url=str(given["url"]), key=None if given["key"] is None else str(given["key"]), data=Path(str(given["data"])))
    )
