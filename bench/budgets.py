"""Reservations a second beside the floor: a compare-and-set of the same key with raw nats-py, one after the other.

    python -m bench.budgets [rounds] [calls]

Ours: ``calls`` calls at once are reserved and settled on one account, by one instance of policy and by three that share it, and one after the
other. The floor is what one writer of one key can do: publish with the expected revision, wait, again, with an entry of the same size. More
than 1 means that many operations share a write. All on one broker, by turns; 3 rounds of 1,500 calls, at most 20 of 10,000.
"""

import asyncio
import contextlib
import random
import sys
import tempfile
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import nats
from nats.js import JetStreamContext
from nats.js.api import StreamConfig

from agentos.bus import Bus
from agentos.bus.provision import provision
from agentos.bus.server import NatsServer, load_passwords
from agentos.bus.topology import PROVISIONER
from agentos.contracts.base import Principal
from agentos.contracts.budgets import Budget
from agentos.contracts.errors import RetryLater
from agentos.contracts.ids import new_id
from agentos.contracts.model import Usage
from bench._processes import bare_broker
from bench._report import hush, median, percentile, shown, table
from services.policy.budgets.budgets import Budgets, Demand, Granted
from services.policy.questions import Decision, Question

INSTANCES = 3
ENTRY_BYTES = 24_000
"""What an entry with some hundred reservations and the remembered calls weighs."""


class OneBudget:
    """An evaluator that names one budget: the rules themselves are measured elsewhere."""

    revision = "bench"

    def __init__(self, budget: Budget) -> None:
        self._named = [budget.model_dump(mode="json")]

    async def decide(self, question: Question) -> Decision:  # noqa: ARG002 - the same for every call
        """The budget."""
        return Decision(
            verdict="allow", reasons=("b",), rules=("b",), obligations={"budgets": self._named}, revision=self.revision
        )

    async def close(self) -> None:
        """Nothing to release."""


def roomy() -> Budget:
    """An account of its own with room for everything, so that nobody waits."""
    return Budget(
        id=f"b{new_id()[-12:]}", key={"tenant": "t"}, metric="requests", limit=Decimal(10**9), window="day", mode="hard"
    )


def demand() -> Demand:
    """A call that is asked for now."""
    return Demand(
        asked_at=datetime.now(UTC), task="t", task_type="t", pack="p", agent="a", requester=Principal(kind="api_key", id="k"),
        model="m", input_tokens=100, max_output_tokens=100,
    )  # fmt: skip


async def one_call(budgets: Budgets) -> float:
    """Reserve and settle; milliseconds until the reservation stood."""
    call, began = new_id(), time.perf_counter()
    while True:
        try:
            answer = await budgets.reserve(call, "t", demand())
        except RetryLater as later:
            # More reservations at once than an entry holds: again, as the bus would.
            await asyncio.sleep(later.delay.total_seconds() * random.uniform(0.1, 0.3))
            continue
        break
    took = (time.perf_counter() - began) * 1000
    if not isinstance(answer, Granted):
        raise TypeError(f"a budget with room for everything refused: {answer}")
    await budgets.settle(call, "t", answer.reservations, Usage(), None)
    return took


async def together(buses: list[Bus], calls: int) -> tuple[float, float, float]:
    """Calls a second of all instances, p50 ms until reserved, operations a write."""
    budget = roomy()
    instances = [Budgets(bus, OneBudget(budget)) for bus in buses]
    began = time.perf_counter()
    took = await asyncio.gather(*(one_call(instances[number % len(instances)]) for number in range(calls)))
    rate = calls / (time.perf_counter() - began)
    writes = sum(each.accounts.writes for each in instances)
    return rate, median(took), 2 * calls / writes


async def alone(bus: Bus, calls: int) -> float:
    """Milliseconds of a reservation while nobody else asks (p50)."""
    budgets = Budgets(bus, OneBudget(roomy()))
    return percentile([await one_call(budgets) for _ in range(calls)], 0.5)


class Floor:
    """A key that one writer changes with raw nats-py."""

    def __init__(self, js: JetStreamContext) -> None:
        self._js = js

    async def write(self, count: int) -> tuple[float, float]:
        """Writes a second, and p50 ms of one."""
        subject, revision, took = f"$KV.floor.{new_id()}", 0, list[float]()
        for _ in range(count):
            began = time.perf_counter()
            headers = {"Nats-Expected-Last-Subject-Sequence": str(revision)}
            revision = (await self._js.publish(subject, bytes(ENTRY_BYTES), headers=headers)).seq
            took.append(time.perf_counter() - began)
        return count / sum(took), median(took) * 1000


async def run(rounds: int, calls: int, folder: Path) -> str:
    """The table."""
    async with contextlib.AsyncExitStack() as stack:
        server = NatsServer(folder / "ours", load_passwords(folder / "secrets"))
        await server.start()
        stack.push_async_callback(server.stop)
        await provision(server.settings(PROVISIONER), replicas=1)
        buses: list[Bus] = []
        for _ in range(INSTANCES):
            buses.append(await Bus.connect(server.settings("policy"), "policy"))
            stack.push_async_callback(buses[-1].drain)
        client = await nats.connect(await stack.enter_async_context(bare_broker(folder / "raw")))
        stack.push_async_callback(client.close)
        js = client.jetstream()
        await js.add_stream(StreamConfig(name="KV_floor", subjects=["$KV.floor.>"], max_msgs_per_subject=1))
        floor = Floor(js)
        raw, single, shared, lonely = (
            list[tuple[float, float]](), list[tuple[float, float, float]](), list[tuple[float, float, float]](), list[float](),
        )  # fmt: skip
        for _ in range(rounds):
            raw.append(await floor.write(min(calls, 500)))
            single.append(await together(buses[:1], calls))
            shared.append(await together(buses, calls))
            lonely.append(await alone(buses[0], min(calls, 200)))
    return report(calls, raw, single, shared, lonely)


def report(
    calls: int,
    raw: list[tuple[float, float]],
    single: list[tuple[float, float, float]],
    shared: list[tuple[float, float, float]],
    lonely: list[float],
) -> str:
    """A call is two operations (reserve, settle), so the ratio counts both."""
    floor = median([rate for rate, _ in raw])
    rows = [["raw compare-and-set, one writer", shown(floor), shown(median([ms for _, ms in raw])), "1", "1"]]
    for name, measured in (("one instance", single), (f"{INSTANCES} instances, one account", shared)):
        rate = 2 * median([each[0] for each in measured])
        rows.append(
            [
                name,
                shown(rate),
                shown(median([each[1] for each in measured])),
                shown(median([each[2] for each in measured])),
                shown(rate / floor),
            ]
        )
    ms = median(lonely)
    rows.append(["one call after the other", "", shown(ms), "1", f"{ms / median([each for _, each in raw]):.2f} of the time"])
    title = f"budgets: {calls} calls at once on one account, each reserved and settled"
    return table(title, ["", "operations/s", "p50 ms", "operations a write", "times the floor"], rows)


def main() -> None:
    """See the module."""
    hush()
    numbers = [int(argument) for argument in sys.argv[1:3]]
    rounds = min(numbers[0] if numbers else 3, 20)
    calls = min(numbers[1] if len(numbers) > 1 else 1_500, 10_000)
    with tempfile.TemporaryDirectory() as name:
        print(asyncio.run(run(rounds, max(calls, INSTANCES), Path(name))))


if __name__ == "__main__":
    main()
