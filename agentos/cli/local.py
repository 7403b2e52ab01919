"""``agentos up``, ``demo``, ``backup``, ``restore`` and ``provision``: what works here instead of asking an API."""

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


def backup(
    archive: Annotated[Path, typer.Argument(help="The file to make, such as agentos.tar.gz; it must not exist.")],
    data: Data = Path("data"),
    master_key: Annotated[
        Path | None,
        typer.Option(envvar="AGENTOS_MASTER_KEY_FILE", help="Where the master key is; in the data folder unless set."),
    ] = None,
) -> None:
    """Write a stopped installation to one file, without its master key."""
    from agentos.cli import archive as archives
    from agentos.cli import show

    secret = master_key or data / archives.MASTER_KEY
    made = archives.pack(data, archive, secret)
    show.out.print(f"{len(made.files)} files of {data} are in {archive} ({archive.stat().st_size:,} bytes)", soft_wrap=True)
    show.out.print(f"[yellow]not in it: {secret}; keep a copy of that elsewhere[/yellow]", soft_wrap=True)


def restore(
    archive: Annotated[Path, typer.Argument(help="What `agentos backup` made.")],
    master_key: Annotated[Path, typer.Option(help="Your copy of the installation's master key.")],
    data: Data = Path("data"),
) -> None:
    """Make a data folder from a backup, once all of it has been found whole."""
    from agentos.cli import archive as archives
    from agentos.cli import show

    made = archives.unpack(archive, data, master_key)
    told = f"{len(made.files)} files of {made.made_at:%Y-%m-%d %H:%M} UTC are in {data}: start it with `agentos up`"
    show.out.print(told, soft_wrap=True)


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
