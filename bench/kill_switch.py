"""The kill switch under load: the last provider call that still started, and how soon what was in flight had stopped.

    python -m bench.kill_switch [repetitions]

`agentos up` in one process, the loopback provider in another; its calls take a minute. 50 calls are in flight and a new one is asked for
every 10 ms while the switch is engaged through the API; 20 repetitions unless told otherwise, at most 100. Starts and ends are what the
provider saw; "recorded" is the time at which the broker stored the switch's entry.
"""

import asyncio
import contextlib
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from agentos.bus import Bus
from agentos.contracts.events.call import ModelCallSettled
from bench import _processes as processes
from bench._calls import Caller, caller
from bench._report import hush, median, percentile, shown, table, verdict

IN_FLIGHT = 50
EVERY_S, BEFORE_S, AFTER_S = 0.01, 0.2, 0.4
CALL_MS = 60_000
LAST_START_MS, STOPPED_MS = 50.0, 250.0
"""The targets of the design's table of numbers."""


@dataclass(frozen=True, slots=True)
class Engagement:
    """One repetition, in milliseconds since the engagement was requested."""

    recorded: float
    answered: float
    last_start: float
    last_abort: float
    last_settled: float
    stopped: int
    started_after: int
    """Provider calls that the provider saw begin after the entry was stored."""


def read(events: list[dict[str, Any]], requested_ns: int, recorded_ns: int) -> tuple[float, float, int, int]:
    """Last start and last abort in milliseconds since the request, how many calls were aborted, and how many began too late.

    ``events`` are the provider's notes of this repetition alone.
    """
    starts = [event["monotonic_ns"] for event in events if event["event"] == "request"]
    aborts = [event["monotonic_ns"] for event in events if event["event"] == "aborted"]

    def since(moment: int) -> float:
        return (moment - requested_ns) / 1e6

    return since(max(starts)), since(max(aborts)), len(aborts), sum(start > recorded_ns for start in starts)


class Bench:
    """Repetitions on one installation."""

    def __init__(self, provider: processes.Provider, calls: Caller, bus: Bus, client: httpx.AsyncClient) -> None:
        self._provider = provider
        self._calls = calls
        self._bus = bus
        self._client = client
        self._seen = 0

    async def repeat(self) -> Engagement:
        """Fill, feed, engage, wait for every end, release."""
        feeding = int((BEFORE_S + AFTER_S) / EVERY_S)
        await self._calls.prepare(IN_FLIGHT + feeding)
        ends: list[asyncio.Task[float]] = [asyncio.create_task(self._call()) for _ in range(IN_FLIGHT)]
        await self._until_in_flight(IN_FLIGHT)
        feeder = asyncio.create_task(self._feed(ends, feeding))
        await asyncio.sleep(BEFORE_S)
        requested = time.monotonic_ns()
        engaged = await self._client.post("/api/v1/kill", json={"scope": "global", "reason": "benchmark"})
        answered = time.monotonic_ns()
        engaged.raise_for_status()
        switch = engaged.json()["id"]
        recorded = await self._recorded(switch)
        await feeder
        settled = await asyncio.gather(*ends)
        # Settled is what we say; aborted is what the provider saw: give its last line time to be written.
        await self._until_in_flight(0)
        (await self._client.post(f"/api/v1/kill/{switch}/release", json={"reason": "benchmark"})).raise_for_status()
        last_start, last_abort, stopped, after = read(self._new_events(), requested, recorded)
        return Engagement(
            recorded=(recorded - requested) / 1e6,
            answered=(answered - requested) / 1e6,
            last_start=last_start,
            last_abort=last_abort,
            last_settled=(max(settled[:IN_FLIGHT]) * 1e9 - requested) / 1e6,
            stopped=stopped,
            started_after=after,
        )

    async def _call(self) -> float:
        settled = (await self._calls.call()).payload(ModelCallSettled)
        moment = time.monotonic()
        if settled.outcome not in ("cancelled", "refused"):
            raise RuntimeError(f"a call was {settled.outcome} under the kill switch: {settled.fault}")
        return moment

    async def _feed(self, ends: list["asyncio.Task[float]"], calls: int) -> None:
        began = time.monotonic()
        for number in range(calls):
            await asyncio.sleep(max(0.0, began + number * EVERY_S - time.monotonic()))
            ends.append(asyncio.create_task(self._call()))

    async def _recorded(self, switch: str) -> int:
        """When the broker stored the entry, on the monotonic clock."""
        entry = await self._bus.bucket("kill").get(switch)
        assert entry is not None, "the API answers after the entry stands"
        return int(entry.created.timestamp() * 1e9) - (time.time_ns() - time.monotonic_ns())

    async def _until_in_flight(self, wanted: int) -> None:
        async with asyncio.timeout(60), httpx.AsyncClient(trust_env=False) as client:
            while True:
                answer = await client.get(f"http://127.0.0.1:{self._provider.port}/_loopback/stats")
                if answer.json()["in_flight"] == wanted:
                    return
                await asyncio.sleep(0.02)

    def _new_events(self) -> list[dict[str, Any]]:
        events = self._provider.events()
        new, self._seen = events[self._seen :], len(events)
        return new


async def run(repetitions: int, folder: Path) -> str:
    """The table."""
    async with contextlib.AsyncExitStack() as stack:
        provider = await stack.enter_async_context(processes.provider(folder, latency_ms=CALL_MS, recorded=True))
        up = await stack.enter_async_context(processes.everything(folder / "up", provider.environment))
        calls = await stack.enter_async_context(caller(up))
        bus = await Bus.connect(up.settings("gates"), "gates")
        stack.push_async_callback(bus.drain)
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=up.url or "", headers=up.admin_headers, timeout=30, trust_env=False)
        )
        bench = Bench(provider, calls, bus, client)
        return report([await bench.repeat() for _ in range(repetitions)])


def report(engagements: list[Engagement]) -> str:
    """Medians and the 99th percentile (of few repetitions: the worst)."""

    def row(name: str, values: list[float], target: float | None = None) -> list[str]:
        worst = percentile(values, 0.99)
        judged = "" if target is None else f"p99 <= {target:g}: {verdict(worst, target, at_most=True)}"
        return [name, shown(median(values)), shown(worst), judged]

    rows = [
        row("entry stored by the broker", [each.recorded for each in engagements]),
        row("API answered", [each.answered for each in engagements]),
        row("last provider call began", [each.last_start for each in engagements]),
        row("  since the entry was stored", [each.last_start - each.recorded for each in engagements], LAST_START_MS),
        row("last call in flight aborted", [each.last_abort for each in engagements]),
        row("  since the entry was stored", [each.last_abort - each.recorded for each in engagements], STOPPED_MS),
        row("last call in flight settled", [each.last_settled for each in engagements]),
    ]
    stopped, late = [each.stopped for each in engagements], [each.started_after for each in engagements]
    title = (
        f"kill switch, {len(engagements)} engagements, {min(stopped)} to {max(stopped)} calls stopped each, a new call every "
        f"{EVERY_S * 1000:g} ms; provider calls that began after the entry was stored: {sum(late)} in all, at most {max(late)} each"
    )
    return table(title, ["ms since the engagement was requested", "p50", "p99", "target"], rows)


def main() -> None:
    """See the module."""
    hush()
    repetitions = min(int(sys.argv[1]) if len(sys.argv) > 1 else 20, 100)
    with tempfile.TemporaryDirectory() as name:
        print(asyncio.run(run(repetitions, Path(name))))


if __name__ == "__main__":
    main()
