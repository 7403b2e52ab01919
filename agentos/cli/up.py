"""`agentos up` and `agentos provision`."""

import asyncio
import os
import signal
from pathlib import Path

from rich.console import Console

from agentos.bus import BrokerSettings
from agentos.bus.provision import provision
from agentos.cli.embedded import Choices, installation
from agentos.loop import run
from agentos.telemetry import configure_logging, configure_tracing


def up(choices: Choices, *, log_level: str) -> None:
    """Run everything until SIGINT or SIGTERM. Logs go to <data>/logs/agentos.log."""
    console = Console()
    logs = choices.data / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / "agentos.log").open("a", buffering=1) as stream:
        configure_logging(log_level, stream)
        configure_tracing("embedded")
        run(_up(choices, console, logs / "agentos.log"))


async def _up(choices: Choices, console: Console, log_file: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    console.print(f"starting AgentOS in {choices.data} …")
    async with installation(choices) as running:
        console.print(f"[green]ready[/green] at {running.url}")
        console.print(f"  admin key   {running.admin_key_file}")
        console.print(f"  logs        {log_file}")
        console.print(f"  broker      {running.broker.url}")
        if not any(
            os.environ.get(name) for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "DEEPSEEK_API_KEY")
        ):
            console.print("  [yellow]no provider key is set: the simulated model answers, and says so[/yellow]")
        if not os.environ.get("GITHUB_TOKEN"):
            console.print(
                f"  [yellow]GITHUB_TOKEN is not set: replies go to {choices.data / 'outbox'} instead of GitHub[/yellow]"
            )
        console.print("stop with Ctrl-C")
        await stop.wait()
        console.print("stopping: what runs may finish …")


def provision_broker(replicas: int, *, log_level: str) -> None:
    """Bring the broker of AGENTOS_NATS_* to the state that the channel table describes."""
    configure_logging(log_level)
    asyncio.run(provision(BrokerSettings(), replicas=replicas))
