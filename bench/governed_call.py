"""A governed model call beside its floor (three bare events) and beside the bare provider call: what governing adds.

    python -m bench.governed_call [rounds] [calls]

In each round ``calls`` calls (100 unless told otherwise, at most 1,000) are made one after the other, then twice as many with 16 in
flight, by each way in turn; five rounds, at most 20.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from openai import AsyncOpenAI

from agentos.contracts.events.call import ModelCallSettled
from agentos.contracts.model import texts
from bench import _processes as processes
from bench._calls import Caller, caller, request
from bench._floor import Floor
from bench._report import hush, median, percentile, shown, table, verdict

IN_FLIGHT = 16
ADDED_P50_MS, RATE = 3.0, 600.0
"""The targets of the design's table of numbers."""

Call = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Way:
    """One way to make a call, and how it went: seconds of each call alone, and calls a second with 16 in flight."""

    name: str
    call: Call
    prepare: Callable[[int], Awaitable[None]] | None = None
    alone: list[float] = field(default_factory=list[float])
    rates: list[float] = field(default_factory=list[float])

    async def round(self, calls: int) -> None:
        """``calls`` alone, then twice as many with ``IN_FLIGHT`` at once."""
        if self.prepare is not None:
            await self.prepare(calls * 3 + IN_FLIGHT)
        for _ in range(calls):
            began = time.perf_counter()
            await self.call()
            self.alone.append(time.perf_counter() - began)
        began = time.perf_counter()
        await asyncio.gather(*(self._some(calls * 2 // IN_FLIGHT) for _ in range(IN_FLIGHT)))
        self.rates.append(calls * 2 // IN_FLIGHT * IN_FLIGHT / (time.perf_counter() - began))

    async def _some(self, calls: int) -> None:
        for _ in range(calls):
            await self.call()


def governed(name: str, made: Caller) -> Way:
    """Through policy, redaction, router and provider."""

    async def call() -> None:
        settled = (await made.call()).payload(ModelCallSettled)
        if settled.outcome != "completed":
            raise RuntimeError(f"the call was {settled.outcome}: {settled.fault or settled.reasons}")

    return Way(name, call, made.prepare)


def bare(client: AsyncOpenAI) -> Way:
    """The same text straight to the provider, with personal data and all."""
    numbers = iter(range(10**9))

    async def call() -> None:
        system, text = texts(request(next(numbers)))
        model = processes.MODEL.partition("/")[2]
        await client.chat.completions.create(
            model=model,
            messages=[{"role": "system", "content": system}, {"role": "user", "content": text}],
            max_completion_tokens=200,
        )

    return Way("bare provider call, SDK", call)


async def run(rounds: int, calls: int, folder: Path) -> str:
    """The table."""
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(processes.provider(folder))
        up = await stack.enter_async_context(processes.everything(folder / "up", provider.environment))
        two = await stack.enter_async_context(processes.alone(folder / "two", ("policy", "router"), provider.environment))
        floor = await stack.enter_async_context(Floor.running(folder / "floor"))
        client = AsyncOpenAI(api_key="loopback-0000", base_url=provider.environment["OPENAI_BASE_URL"], max_retries=0)
        stack.push_async_callback(client.close)
        base = bare(client)
        ways = [
            Way("floor: three bare events", floor.call),
            base,
            governed("governed, all services in one process", await stack.enter_async_context(caller(up))),
            governed("governed, policy and router apart", await stack.enter_async_context(caller(two))),
        ]
        for way in ways:
            # Caches, connections and the interpreter's own warm-up are paid once a process, not once a call.
            await way.round(IN_FLIGHT)
            way.alone.clear()
            way.rates.clear()
        for _ in range(rounds):
            for way in ways:
                await way.round(calls)
    return report(ways, base)


def report(ways: list[Way], base: Way) -> str:
    """Added time is against the bare provider call; the distance is against the floor, of what was added."""
    floor_ms = median(ways[0].alone) * 1000
    rows: list[list[str]] = []
    for way in ways:
        p50, rate = median(way.alone) * 1000, median(way.rates)
        added = p50 - median(base.alone) * 1000
        is_governed = way not in (ways[0], base)
        rows.append(
            [
                way.name,
                shown(p50),
                shown(percentile(way.alone, 0.99) * 1000),
                shown(added) if is_governed else "",
                f"{added / floor_ms:.1f}x" if is_governed else "",
                shown(rate),
                f"{rate / median(ways[0].rates):.2f}",
                f"{verdict(added, ADDED_P50_MS, at_most=True)}, {verdict(rate, RATE, at_most=False)}" if is_governed else "",
            ]
        )
    head = ["way", "p50 ms", "p99 ms", "added p50 ms", "added/floor", "calls/s at 16", "rate/floor", "targets"]
    return table(f"governed call: targets added p50 <= {ADDED_P50_MS:g} ms, >= {RATE:g} calls/s at 16 in flight", head, rows)


def main() -> None:
    """See the module."""
    hush()
    numbers = [int(argument) for argument in sys.argv[1:3]]
    rounds = min(numbers[0] if numbers else 5, 20)
    calls = min(numbers[1] if len(numbers) > 1 else 100, 1_000)
    with tempfile.TemporaryDirectory() as name:
        print(asyncio.run(run(rounds, max(calls, IN_FLIGHT), Path(name))))


if __name__ == "__main__":
    main()
