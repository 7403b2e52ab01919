"""The governed endpoint beside LiteLLM's proxy, in turn in one run against the same loopback provider: what each adds to a call.

    python -m bench.endpoint [rounds] [calls]

Ours has everything on: policy, redaction, budgets, durable events, audit. LiteLLM has nothing on. In each round every way makes ``calls``
calls one after the other, then with 16 and with 64 in flight, then some streamed ones. Three rounds of 200 calls unless told otherwise.
Then each thing that a governed call cannot do without is timed alone, and summed. A flame graph of ours is left in bench/out/.
"""

import asyncio
import json
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx

from agentos.bus.server import free_port
from bench import _processes as processes
from bench._floor import Floor
from bench._load import Run, Taken
from bench._parts import Part, measured, shown_parts
from bench._report import hush, median, percentile, shown, table, verdict

PEERS = processes.ROOT / ".tools" / "bench-peers" / "bin"
OUT = processes.ROOT / "bench" / "out"
ADDED_P50_MS, RATE, ADDED_FIRST_MS = 3.0, 600.0, 4.0
"""The targets of the design's table of numbers."""
IN_FLIGHT = (1, 16, 64)
CALLED = ("ledger", "gates", "policy", "router", "gateway")
"""The services that a call of the endpoint, its audit and its cost go through."""

Ask = Callable[[Run], Awaitable[Taken]]


@dataclass(slots=True)
class Way:
    """One way to make a call, and how it went, by number in flight."""

    name: str
    port: int
    model: str
    key: str
    pids: tuple[int, ...] = ()
    whole: dict[int, list[float]] = field(default_factory=dict[int, list[float]])
    rates: dict[int, list[float]] = field(default_factory=dict[int, list[float]])
    first: list[float] = field(default_factory=list[float])

    async def round(self, ask: Ask, calls: int) -> None:
        """Every number in flight once, then streams."""
        for in_flight in IN_FLIGHT:
            taken = await ask(self.a_run(calls * (1 if in_flight == 1 else 2), in_flight, stream=False))
            self.whole.setdefault(in_flight, []).extend(taken.whole_ms)
            self.rates.setdefault(in_flight, []).append(len(taken.whole_ms) / taken.seconds)
        self.first += (await ask(self.a_run(calls // 2, 1, stream=True))).first_ms

    def forget(self) -> None:
        """What came before was a warm-up."""
        self.whole.clear()
        self.rates.clear()
        self.first.clear()

    def a_run(self, calls: int, in_flight: int, *, stream: bool) -> Run:
        """A run of texts that nobody has seen."""
        return Run(self.port, self.model, self.key, max(calls, in_flight), in_flight, stream, secrets.token_hex(3))

    def memory_mb(self) -> float:
        """Resident memory of its processes and their children."""
        return sum(map(_resident_mb, {pid for parent in self.pids for pid in _family(parent)}))


def _family(pid: int) -> set[int]:
    found = {pid}
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found |= _family(int(child))
    return found


def _resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@asynccontextmanager
async def upstream() -> AsyncGenerator[int]:
    """The loopback provider's port."""
    async with processes.process(["-m", "bench._upstream"], {}) as process:
        yield int((await processes.line(process, r"ready (\d+)", processes.READY_WITHIN_S))[1])


@asynccontextmanager
async def litellm(folder: Path, provider: int) -> AsyncGenerator[Way]:
    """LiteLLM's proxy as it comes, one worker, nothing switched on."""
    port, config = free_port(), folder / "litellm.yaml"
    parameters = {"model": "openai/gpt-5-mini", "api_base": f"http://127.0.0.1:{provider}/v1", "api_key": "loopback-0000"}
    config.write_text(
        json.dumps(
            {
                "model_list": [{"model_name": "gpt-5-mini", "litellm_params": parameters}],
                "litellm_settings": {"telemetry": False},
                "general_settings": {"master_key": "sk-bench"},
            }
        )
    )
    # Its price table would be fetched from the net at the start; its own copy is the same.
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_TELEMETRY": "False"}
    arguments = ["--config", str(config), "--port", str(port), "--host", "127.0.0.1", "--num_workers", "1"]
    async with processes.process(arguments, environment, program=str(PEERS / "litellm")) as process:
        draining = asyncio.create_task(processes.drained(process))
        await _healthy(f"http://127.0.0.1:{port}/health/liveliness")
        yield Way("LiteLLM proxy, nothing on", port, "gpt-5-mini", "sk-bench", (process.pid,))
        draining.cancel()


async def _healthy(url: str) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(processes.READY_WITHIN_S * 2):
        while True:
            try:
                if (await client.get(url)).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.2)


async def virtual_key(up: processes.Installation) -> str:
    """A key for the endpoint."""
    async with httpx.AsyncClient(base_url=str(up.url), headers=up.admin_headers) as client:
        made = await client.post("/api/v1/keys", json={"name": "bench", "virtual": {"pack": "bench"}})
        made.raise_for_status()
        return str(made.json()["key"])


async def run(rounds: int, calls: int, folder: Path, *, peers: bool = True) -> str:
    """The tables."""
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(upstream())
        environment = {"OPENAI_API_KEY": "loopback-0000", "OPENAI_BASE_URL": f"http://127.0.0.1:{provider}/v1"}
        talk = await stack.enter_async_context(processes.talking(["-m", "bench._load"]))

        async def ask(one: Run) -> Taken:
            return Taken(**json.loads(await talk(json.dumps(asdict(one)))))

        floor = await stack.enter_async_context(Floor.running(folder / "floor"))
        up = await stack.enter_async_context(processes.everything(folder / "up", environment))
        base = Way("the provider itself", provider, "gpt-5-mini", "loopback-0000")
        ours = Way("AgentOS, everything on, one process", *await _reached(up), (up.pid,))
        apart = await stack.enter_async_context(processes.alone(folder / "apart", CALLED, environment))
        ways = [base, ours, Way("AgentOS, everything on, a process a service", *await _reached(apart), apart.pids)]
        if peers:
            ways.append(await stack.enter_async_context(litellm(folder, provider)))
        for way in ways:
            await way.round(ask, max(IN_FLIGHT))
            way.forget()
        await floor.call()
        floors: list[float] = []
        for _ in range(rounds):
            floors += [await _timed(floor) for _ in range(50)]
            for way in ways:
                await way.round(ask, calls)
        parts = await measured(up, floor, provider)
        graph = await flame(ours, ask, calls)
        return report(ways, median(floors), parts) + f"flame graph: {graph}\n"


async def _reached(up: processes.Installation) -> tuple[int, str, str]:
    """Port, model and key."""
    return int(str(up.url).rpartition(":")[2]), processes.MODEL, await virtual_key(up)


async def _timed(floor: Floor) -> float:
    clock = asyncio.get_running_loop().time
    began = clock()
    await floor.call()
    return (clock() - began) * 1000


async def flame(way: Way, ask: Ask, calls: int) -> str:
    """Where the time goes in ours with 16 in flight, as an SVG."""
    OUT.mkdir(exist_ok=True)
    graph = OUT / "endpoint-flame.svg"
    arguments = ["record", "-d", "5", "-r", "200", "-o", str(graph), "--pid", str(way.pids[0])]
    async with processes.process(arguments, {}, program=str(PEERS / "py-spy")) as spy:
        while spy.returncode is None:
            await ask(way.a_run(calls, 16, stream=False))
            await asyncio.sleep(0)
        return str(graph.relative_to(processes.ROOT)) if spy.returncode == 0 else "none (py-spy was not allowed to look)"


def report(ways: list[Way], floor_ms: float, parts: list[Part]) -> str:
    """Added time is against the provider asked directly; factors are against LiteLLM where it ran."""
    base, ours = ways[:2]
    peer = next((way for way in ways if way.name.startswith("LiteLLM")), None)

    def added(way: Way, in_flight: int, share: float) -> float:
        return percentile(way.whole[in_flight], share) - percentile(base.whole[in_flight], share)

    rows: list[list[str]] = []
    targets = ""
    for way in ways:
        governed = way.name.startswith("AgentOS")
        cells = [way.name]
        for in_flight in IN_FLIGHT:
            if way is base:
                cells += [shown(median(way.whole[in_flight])), shown(percentile(way.whole[in_flight], 0.99))]
            else:
                cells += [f"+{shown(added(way, in_flight, 0.5))}", f"+{shown(added(way, in_flight, 0.99))}"]
            cells.append(shown(median(way.rates[in_flight])))
        first = median(way.first) - (0.0 if way is base else median(base.first))
        cells += [shown(first) if way is base else f"+{shown(first)}", shown(way.memory_mb()) if way.pids else ""]
        rows.append(cells)
        if governed:
            targets += (
                f"{way.name}: added p50 at 1: {verdict(added(way, 1, 0.5), ADDED_P50_MS, at_most=True)}; "
                f"calls/s at 16: {verdict(median(way.rates[16]), RATE, at_most=False)}; "
                f"first token: {verdict(first, ADDED_FIRST_MS, at_most=True)}; "
                f"added p50 is {added(way, 1, 0.5) / floor_ms:.1f}x the floor of three bare events ({shown(floor_ms)} ms)\n"
            )
            if peer is not None:
                targets += (
                    f"  against LiteLLM: added p50 {added(way, 1, 0.5) / added(peer, 1, 0.5):.2f}x, "
                    f"calls/s at 16 {median(way.rates[16]) / median(peer.rates[16]):.2f}x, memory "
                    f"{way.memory_mb() / peer.memory_mb():.2f}x\n"
                )
    heads = [f"{what} at {n}" for n in IN_FLIGHT for what in ("p50 ms", "p99 ms", "calls/s")]
    title = f"governed endpoint: targets added p50 <= {ADDED_P50_MS:g} ms, >= {RATE:g} calls/s at 16, first token <= {ADDED_FIRST_MS:g} ms"
    whole = table(title, ["way", *heads, "first token ms", "MB"], rows) + targets
    return whole + shown_parts(parts, added(ours, 1, 0.5), ADDED_P50_MS)


def main() -> None:
    """See the module."""
    hush()
    numbers = [int(argument) for argument in sys.argv[1:3]]
    rounds, calls = min(numbers[0] if numbers else 3, 20), min(numbers[1] if len(numbers) > 1 else 200, 2_000)
    with tempfile.TemporaryDirectory() as name:
        print(asyncio.run(run(rounds, calls, Path(name), peers=(PEERS / "litellm").exists())))


if __name__ == "__main__":
    main()
