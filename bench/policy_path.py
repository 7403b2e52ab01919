"""Policy's part of a governed model call: its processor time, its messages to the broker, and how long a caller waits for the verdict.

    python -m bench.policy_path [calls]

The real service, in a process of its own, on a broker of its own; the benchmark is runner and router at once: it asks, awaits the verdict,
and settles each allowed call with an answer. ``calls`` (400 unless told otherwise, at most 4,000) for each way of asking.

Processor time and messages are of everything that policy does about a call, also of what nobody waits for: settlement and inspection.
"""

import asyncio
import itertools
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client

from agentos.bus import BrokerSettings, Bus, Route
from agentos.bus.provision import idle_consumers, provision
from agentos.bus.server import NatsServer, load_passwords
from agentos.bus.topology import PROVISIONER, consumers
from agentos.contracts.base import Principal
from agentos.contracts.budgets import ModelCatalogue, UnitPrice
from agentos.contracts.envelope import Recorded, digest
from agentos.contracts.events.call import CallContext, CallDecided, ModelCallRequested, ModelCallSettled
from agentos.contracts.events.task import TaskSubmitted
from agentos.contracts.ids import call_id, new_id
from agentos.contracts.model import Cost, ModelRequest, ModelResponse, TextPart, Usage, user
from agentos.keyring import KeyRing
from agentos.loop import run as run_loop
from agentos.sealing import MasterKey
from bench._processes import MODEL, READY_WITHIN_S, talking
from bench._report import hush, median, percentile, shown, table
from services.policy.app import run as run_policy
from services.policy.settings import Settings

TENANT = "default"
CPU_MS = 0.8
"""What the design leaves for policy's share of a call."""

_KINDS = {
    "evt.": "facts",
    "$KV.": "keys written",
    "$JS.API.STREAM.MSG.GET": "reads",
    "$JS.API.CONSUMER.MSG.NEXT": "pulls",
    "$JS.ACK": "acknowledgements",
}


def text(number: int, *, personal: bool) -> str:
    """About 200 bytes that no one has seen before."""
    who = (
        f"My colleague reader{number}@example.org sees the same." if personal else "My colleague sees the same on her machine."
    )
    return (
        f"Report {number}: since the upgrade the nightly export of project {number * 7919 % 10_007} stops after {number % 59 + 1} rows. "
        f"{who} We tried the previous version and there it works."
    )


# --- the service, which counts -----------------------------------------------------------------------------------------


def _cpu_s(pid: int) -> float:
    """Processor time of a process and of those that it has started."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") + sum(_cpu_s(int(child)) for child in children)


async def _serve() -> None:
    """Policy as it is; each line on standard input is answered with what was counted so far."""
    sent: Counter[str] = Counter()
    publish = Client.publish

    async def counted(self: Client, subject: str, *args: Any, **named: Any) -> None:
        sent[next((kind for prefix, kind in _KINDS.items() if subject.startswith(prefix)), "others")] += 1
        await publish(self, subject, *args, **named)

    Client.publish = counted  # the one place that all of nats-py's sending goes through
    stop = asyncio.Event()
    service = asyncio.create_task(run_policy(Settings(), BrokerSettings(), stop))
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps({"cpu_s": await asyncio.to_thread(_cpu_s, os.getpid()), "sent": sent}), flush=True)
    stop.set()
    await service


# --- the callers -------------------------------------------------------------------------------------------------------


class Site:
    """Those around policy, and what they do for a call."""

    def __init__(self, buses: Mapping[str, Bus], master: MasterKey) -> None:
        self._buses = buses
        self._waiting: dict[str, asyncio.Future[Recorded]] = {}
        self._keys = KeyRing(buses["runner"], master)
        self._makes = KeyRing(buses["gateway"], master)
        self._numbers = itertools.count(1)

    async def task(self) -> str:
        """A submitted task with a data key."""
        task = new_id()
        await self._makes.create(TENANT, task)
        submitted = TaskSubmitted(
            type="issue-triage",
            input=await self._makes.seal(TENANT, task, "task.input", b"{}"),
            input_digest=digest(b"{}"),
            requester=Principal(kind="api_key", id="bench"),
        )
        await self._buses["orchestrator"].append("task.submitted", task, submitted, tenant=TENANT, correlation_id=task)
        return task

    async def decided(self, message: Recorded) -> None:
        """The router's handler."""
        self._waiting.pop(message.subject).set_result(message)

    async def call(self, task: str, step: int, *, personal: bool) -> float:
        """Ask and settle; seconds from asking to the verdict."""
        runner, number = self._buses["runner"], next(self._numbers)
        asked = ModelRequest(model=MODEL, messages=(user(text(number, personal=personal)),), max_output_tokens=200)
        requested = ModelCallRequested(
            context=CallContext(
                task=task, attempt=1, step=step, task_type="issue-triage", pack="engineering", agent="triage", untrusted=False,
                instance=runner.instance,
            ),
            model=asked.model,
            request=await self._keys.seal_model(TENANT, task, "call.request", asked),
            digest=digest(asked.model_dump_json().encode()),
            max_output_tokens=asked.max_output_tokens,
        )  # fmt: skip
        name = call_id(task, step, 0)
        verdict = self._waiting[f"evt.{TENANT}.call.{name}.decided"] = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        await runner.append("call.requested", name, requested, tenant=TENANT, correlation_id=task)
        decided = await verdict
        took = time.perf_counter() - began
        ruling = decided.payload(CallDecided)
        if ruling.verdict != "allow":
            raise RuntimeError(f"the call was decided {ruling.verdict}: {ruling.reasons}")
        usage = Usage(input_tokens=50, output_tokens=10)
        said = ModelResponse(
            provider="openai",
            model="gpt-5-mini",
            parts=(TextPart(text=f"Noted under {number}."),),
            usage=usage,
            finish_reason="stop",
        )
        settled = ModelCallSettled(
            context=ruling.context,
            outcome="completed",
            attempts=1,
            provider="openai",
            model="gpt-5-mini",
            response=await self._keys.seal_model(TENANT, task, "call.response", said),
            usage=usage,
            cost=Cost(usd=Decimal("0.0001"), priced=True),
            placeholders=ruling.placeholders,
        )
        await self._buses["router"].append("call.settled", name, settled, cause=decided)
        return took


Ask = Callable[[str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Way:
    """How calls are made: so many at once, each worker's ``calls_per_task`` in one task, with or without personal data."""

    name: str
    in_flight: int
    calls_per_task: int
    personal: bool


WAYS = (
    Way("one task, 1 in flight", 1, 100, personal=False),
    Way("one task, 1 in flight, new personal data", 1, 100, personal=True),
    Way("4 calls a task, 1 in flight, new personal data", 1, 4, personal=True),
    Way("4 calls a task, 16 in flight", 16, 4, personal=False),
    Way("4 calls a task, 16 in flight, new personal data", 16, 4, personal=True),
)


@asynccontextmanager
async def _site(folder: Path) -> AsyncGenerator[tuple[Site, Ask, BrokerSettings]]:
    server = NatsServer(folder / "broker", load_passwords(folder / "secrets"))
    await server.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        await provision(server.settings(PROVISIONER), replicas=1)
        buses = {
            name: await Bus.connect(server.settings(name), name) for name in ("runner", "gateway", "orchestrator", "router")
        }
        for bus in buses.values():
            stack.push_async_callback(bus.drain)
        catalogue = ModelCatalogue(
            providers=("openai",),
            aliases={},
            prices={MODEL: UnitPrice(input_usd=Decimal("0.000001"), output_usd=Decimal("0.000002"))},
        )
        await buses["router"].bucket("models").put("catalogue", catalogue.model_dump_json().encode())
        environment = {
            "AGENTOS_NATS_URL": server.url,
            "AGENTOS_NATS_USER": "policy",
            "AGENTOS_NATS_PASSWORD": server.passwords["policy"],
            "AGENTOS_DATA": str(folder),
        }
        ask = await stack.enter_async_context(talking(["-m", "bench.policy_path", "serve"], environment))
        wanted = {each.name for each in consumers() if each.name.startswith("policy-")}
        site = Site(buses, MasterKey.load_or_create(folder / "secrets" / "master.key"))
        buses["router"].consume([Route("call.decided", site.decided, concurrency=64)])
        await buses["router"].start()
        async with asyncio.timeout(READY_WITHIN_S):
            while wanted & set(await idle_consumers(server.settings(PROVISIONER))):
                await asyncio.sleep(0.05)
        yield site, ask, server.settings(PROVISIONER)


async def _measured(site: Site, ask: Ask, broker: BrokerSettings, way: Way, calls: int) -> list[str]:
    tasks = [await site.task() for _ in range(max(way.in_flight, -(-calls // way.calls_per_task)))]
    each = calls // len(tasks)
    waits: list[float] = []
    queue = iter(tasks)

    async def worker() -> None:
        for task in queue:
            waits.extend([await site.call(task, step, personal=way.personal) for step in range(each)])

    before, began = json.loads(await ask("?")), time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(way.in_flight)))
    seconds = time.perf_counter() - began
    await _done(broker)
    after, made = json.loads(await ask("?")), len(waits)
    sent = Counter[str](after["sent"]) - Counter[str](before["sent"])
    return [
        way.name,
        shown((after["cpu_s"] - before["cpu_s"]) / made * 1000),
        shown(median(waits) * 1000),
        shown(percentile(waits, 0.99) * 1000),
        shown(made / seconds),
        *(f"{sent[kind] / made:.2f}" for kind in (*_KINDS.values(), "others")),
    ]


async def _done(broker: BrokerSettings) -> None:
    """Until policy has done what nobody waits for."""
    client = await nats.connect(
        broker.servers, user=PROVISIONER, password=broker.secret(), inbox_prefix=b"_INBOX_provisioner", max_reconnect_attempts=0
    )
    try:
        wanted = [each for each in consumers() if each.name.startswith("policy-") and each.stream == "EVENTS"]
        async with asyncio.timeout(READY_WITHIN_S):
            for each in wanted:
                while True:
                    reply = await client.request(f"$JS.API.CONSUMER.INFO.{each.stream}.{each.name}", timeout=5)
                    info = json.loads(reply.data)
                    if not info["num_pending"] and not info["num_ack_pending"]:
                        break
                    await asyncio.sleep(0.02)
    finally:
        await client.close()


async def run(calls: int, folder: Path) -> str:
    """The table."""
    async with _site(folder) as (site, ask, broker):
        # Caches and the interpreter's own warm-up are paid once a process, not once a call.
        for way in WAYS:
            await _measured(site, ask, broker, way, 48)
        rows = [await _measured(site, ask, broker, way, calls) for way in WAYS]
    head = ["way", "cpu ms", "wait p50 ms", "p99 ms", "calls/s", *_KINDS.values(), "others"]
    return table(
        f"policy's part of a model call of 200 bytes; each: processor time (target {CPU_MS} ms) and messages sent", head, rows
    )


def main() -> None:
    """See the module."""
    hush()
    if sys.argv[1:] == ["serve"]:
        run_loop(_serve())
        return
    calls = min(int(sys.argv[1]) if len(sys.argv) > 1 else 400, 4_000)
    with tempfile.TemporaryDirectory() as name:
        print(asyncio.run(run(max(calls, 16), Path(name))))


if __name__ == "__main__":
    main()
