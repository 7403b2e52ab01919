"""The kill switch under load: the last provider call that still started, and how soon what was in flight had stopped.

    python -m bench.kill_switch [engagements] [in flight]

`agentos up` in one process, the loopback provider in another; its calls take a minute. 16 calls are in flight and a new one is asked for
every 10 ms while the switch of the tenant is engaged through the API, and released again; 1,000 engagements unless told otherwise.
Starts and ends are what the provider saw; "stored" is the time at which the broker stored the switch's entry.
"""

import asyncio
import contextlib
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx

from agentos.bus import Bus
from agentos.contracts.events.call import ModelCallSettled
from bench import _processes as processes
from bench._calls import Caller, caller
from bench._report import hush, median, percentile, shown, table, verdict

IN_FLIGHT = 16
EVERY_S, BEFORE_S, AFTER_S = 0.01, 0.03, 0.06
CALL_MS = 60_000
LAST_START_MS, STOPPED_MS = 50.0, 250.0
"""The targets of the design's table of numbers."""


@dataclass(frozen=True, slots=True)
class Engagement:
    """One engagement, in milliseconds since it was requested; ``last_start`` and ``last_abort`` since its entry was stored."""

    stored: float
    answered: float
    last_start: float
    last_abort: float
    last_settled: float
    stopped: int
    started_after: int
    """Provider calls that the provider saw begin after the entry was stored."""


def read(events: list[dict[str, Any]], stored_ns: int) -> tuple[float, float, int, int]:
    """Last start and last abort in milliseconds since the entry was stored, how many calls were aborted, and how many began too late.

    ``events`` are the provider's notes of this engagement alone. A last start before the entry was stored counts as 0.
    """
    starts = [event["monotonic_ns"] for event in events if event["event"] == "request"]
    aborts = [event["monotonic_ns"] for event in events if event["event"] == "aborted"]
    last_start, last_abort = (max(0.0, (max(moments) - stored_ns) / 1e6) for moments in (starts, aborts))
    return last_start, last_abort, len(aborts), sum(start > stored_ns for start in starts)


class Bench:
    """Engagements on one installation."""

    def __init__(
        self, provider: processes.Provider, calls: Caller, bus: Bus, client: httpx.AsyncClient, in_flight: int
    ) -> None:
        self._provider = provider
        self._calls = calls
        self._bus = bus
        self._client = client
        self._in_flight = in_flight
        self._read_bytes = 0

    async def engage(self) -> Engagement:
        """Fill, feed, engage, wait for every end, release."""
        feeding = int((BEFORE_S + AFTER_S) / EVERY_S)
        await self._calls.prepare(self._in_flight + feeding)
        ends: list[asyncio.Task[float]] = [asyncio.create_task(self._call()) for _ in range(self._in_flight)]
        await self._until_in_flight(self._in_flight)
        feeder = asyncio.create_task(self._feed(ends, feeding))
        await asyncio.sleep(BEFORE_S)
        requested = time.monotonic_ns()
        engaged = await self._client.post("/api/v1/kill", json={"scope": "tenant", "reason": "benchmark"})
        answered = time.monotonic_ns()
        engaged.raise_for_status()
        switch = engaged.json()["id"]
        stored = await self._stored(switch)
        await feeder
        settled = await asyncio.gather(*ends)
        # Settled is what we say; aborted is what the provider saw: give its last line time to be written.
        await self._until_in_flight(0)
        (await self._client.post(f"/api/v1/kill/{switch}/release", json={"reason": "benchmark"})).raise_for_status()
        last_start, last_abort, stopped, after = read(self._new_events(), stored)
        return Engagement(
            stored=(stored - requested) / 1e6,
            answered=(answered - requested) / 1e6,
            last_start=last_start,
            last_abort=last_abort,
            last_settled=(max(settled[: self._in_flight]) * 1e9 - requested) / 1e6,
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

    async def _stored(self, switch: str) -> int:
        """When the broker stored the entry, on the monotonic clock."""
        entry = await self._bus.bucket("kill").get(switch)
        assert entry is not None, "the API answers after the entry stands"
        return int(entry.created.timestamp() * 1e9) - (time.time_ns() - time.monotonic_ns())

    async def _until_in_flight(self, wanted: int) -> None:
        async with asyncio.timeout(60):
            while True:
                answer = await self._client.get(f"http://127.0.0.1:{self._provider.port}/_loopback/stats")
                if answer.json()["in_flight"] == wanted:
                    return
                await asyncio.sleep(0.005)

    def _new_events(self) -> list[dict[str, Any]]:
        """What the provider noted since the last time: whole lines only."""
        with self._provider.record.open("rb") as file:
            file.seek(self._read_bytes)
            new = file.read()
        new = new[: new.rfind(b"\n") + 1]
        self._read_bytes += len(new)
        return [cast("dict[str, Any]", json.loads(line)) for line in new.splitlines()]


async def run(engagements: int, folder: Path, in_flight: int = IN_FLIGHT) -> str:
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
        bench = Bench(provider, calls, bus, client, in_flight)
        return report([await bench.engage() for _ in range(engagements)])


def report(engagements: list[Engagement]) -> str:
    """Medians, the 99th percentile and the worst."""

    def row(name: str, values: list[float], target: float | None = None) -> list[str]:
        high = percentile(values, 0.99)
        judged = "" if target is None else f"p99 <= {target:g}: {verdict(high, target, at_most=True)}"
        return [name, shown(median(values)), shown(high), shown(max(values)), judged]

    rows = [
        row("requested to stored by the broker", [each.stored for each in engagements]),
        row("requested to answered by the API", [each.answered for each in engagements]),
        row("stored to last provider call begun", [each.last_start for each in engagements], LAST_START_MS),
        row("stored to last call in flight aborted", [each.last_abort for each in engagements], STOPPED_MS),
        row("requested to last call in flight settled", [each.last_settled for each in engagements]),
    ]
    stopped, late = [each.stopped for each in engagements], [each.started_after for each in engagements]
    title = (
        f"kill switch, {len(engagements):,} engagements, {min(stopped)} to {max(stopped)} calls stopped each, a new call every "
        f"{EVERY_S * 1000:g} ms; provider calls that began after the entry was stored: {sum(late)} in all, at most {max(late)} each"
    )
    return table(title, ["milliseconds", "p50", "p99", "max", "target"], rows)


def main() -> None:
    """See the module."""
    hush()
    engagements = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    in_flight = int(sys.argv[2]) if len(sys.argv) > 2 else IN_FLIGHT
    with tempfile.TemporaryDirectory() as name:
        print(asyncio.run(run(engagements, Path(name), in_flight)))


if __name__ == "__main__":
    main()
