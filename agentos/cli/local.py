"""``agentos up``, ``demo`` and ``provision``: what runs here instead of asking an API. They need the extra ``embedded``."""

import os
from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path, typer.Option(envvar="AGENTOS_DATA", help="Where the installation keeps its files.")]


def up(
    data: Data = Path("data"),
    host: Annotated[str, typer.Option(envvar="AGENTOS_GATEWAY_HOST", help="Where the API listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="AGENTOS_GATEWAY_PORT", min=1, max=65_535)] = 8080,
    sources: Annotated[Path | None, typer.Option(envvar="AGENTOS_GATEWAY_SOURCES_FILE", help="Webhook sources, JSON.")] = None,
) -> None:
    """Run everything in one process, with its own broker."""
    from agentos.cli.embedded import Choices
    from agentos.cli.up import up as run

    run(Choices(data=data, host=host, port=port, sources_file=sources), log_level=os.environ.get("AGENTOS_LOG_LEVEL", "INFO"))


def demo(data: Annotated[Path, typer.Option(help="Emptied first.")] = Path("data/demo")) -> None:
    """See the whole promise with real parts, in under a minute."""
    from agentos.cli import embedded as _  # noqa: F401  # before what the demo imports: it says why

    # isort: split
    from agentos.cli.demo import demo as run

    raise typer.Exit(run(data))


def provision(replicas: Annotated[int, typer.Option(min=1, max=5)] = 3) -> None:
    """Make streams, consumers and buckets on the broker of AGENTOS_NATS_*."""
    from agentos.cli.up import provision_broker

    provision_broker(replicas, log_level=os.environ.get("AGENTOS_LOG_LEVEL", "INFO"))
