"""All services in one process: time to ready and memory of `agentos up`, beside a process that only imports what it imports.

    python -m bench.embedded [starts]

Ready is when the gateway answers and every durable consumer is pulled from. Memory is the proportional set size (PSS: shared pages are
shared out) once ready: of the
process, of its pack hosts and of the broker apart. 3 starts in fresh folders, at most 20.
"""

import asyncio
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench import _processes as processes
from bench._report import hush, median, percentile, shown, table, verdict

READY_S, MEMORY_MB = 3.0, 350.0
"""The targets of the design's table of numbers."""

_SERVICES = ("gates", "gateway", "ledger", "orchestrator", "policy", "router", "runner", "worker")
_IMPORTS = "import agentos.cli.embedded, " + ", ".join(f"services.{name}.app" for name in _SERVICES)


@dataclass(frozen=True, slots=True)
class Started:
    """One start. Seconds; megabytes of 10^6 bytes, as everywhere here."""

    ready: float
    process: float
    hosts: float
    broker: float


def memory_mb(pid: int) -> float:
    """Proportional set size."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1_024 / 1e6
    raise RuntimeError("the kernel does not tell the proportional set size")


def descendants(pid: int) -> list[tuple[int, str]]:
    """Every process below ``pid`` with its command line."""
    found: list[tuple[int, str]] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            command = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            found += [(int(child), command), *descendants(int(child))]
    return found


async def start(folder: Path) -> Started:
    """Start, weigh, stop."""
    async with processes.everything(folder, {}) as up:
        below = descendants(up.pid)
        broker = sum(memory_mb(pid) for pid, command in below if "nats-server" in command)
        hosts = sum(memory_mb(pid) for pid, command in below if "nats-server" not in command)
        return Started(up.seconds_to_ready, memory_mb(up.pid), hosts, broker)


async def imports() -> tuple[float, float]:
    """Seconds and megabytes of a process that imports every service and runs none."""
    code = (
        f"{_IMPORTS}\n"
        "from pathlib import Path\n"
        "print(next(line.split()[1] for line in Path('/proc/self/smaps_rollup').read_text().splitlines() if line.startswith('Pss:')))"
    )
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=processes.ROOT, stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
    )
    told, _ = await process.communicate()
    return time.perf_counter() - began, json.loads(told) * 1_024 / 1e6


async def run(starts: int, folder: Path) -> str:
    """The table."""
    bare: list[tuple[float, float]] = []
    started: list[Started] = []
    for number in range(starts):
        bare.append(await imports())
        started.append(await start(folder / str(number)))
    return report(bare, started)


def report(bare: list[tuple[float, float]], started: list[Started]) -> str:
    """Medians and worst of the starts."""

    def row(name: str, values: list[float], floor: float | None = None, target: float | None = None) -> list[str]:
        middle = median(values)
        return [
            name,
            shown(middle),
            shown(percentile(values, 1.0)),
            f"{middle / floor:.2f}x" if floor else "",
            f"<= {target:g}: {verdict(middle, target, at_most=True)}" if target else "",
        ]

    seconds, megabytes = median([each[0] for each in bare]), median([each[1] for each in bare])
    rows = [
        row("imports alone, s", [each[0] for each in bare]),
        row("ready, s", [each.ready for each in started], seconds, READY_S),
        row("imports alone, MB", [each[1] for each in bare]),
        row("the process, MB", [each.process for each in started], megabytes, MEMORY_MB),
        row("its pack hosts, MB", [each.hosts for each in started]),
        row("nats-server, MB", [each.broker for each in started]),
    ]
    return table(
        f"agentos up, {len(started)} starts in fresh folders",
        ["all services in one process", "p50", "worst", "of imports", "target"],
        rows,
    )


def main() -> None:
    """See the module."""
    hush()
    starts = min(int(sys.argv[1]) if len(sys.argv) > 1 else 3, 20)
    with tempfile.TemporaryDirectory() as name:
        print(asyncio.run(run(starts, Path(name))))


if __name__ == "__main__":
    main()
