"""The bus beside raw nats-py: appending a fact, and consuming durably.

    python -m bench.bus [rounds] [messages]

Appending: the same subject grammar, body and "only if nobody wrote it" header; ours adds the envelope, validation and metrics. Consuming:
``messages`` stored before, a handler that does nothing, each acknowledged; raw is one ``fetch(1)`` after the other, and a push consumer.
One process each way on its own broker, by turns; 3 rounds of 500 messages, at most 20 of 5,000.
"""

import asyncio
import contextlib
import itertools
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import nats
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, StreamConfig

from agentos.bus import Bus, Route
from agentos.bus.provision import provision
from agentos.bus.server import NatsServer, load_passwords
from agentos.bus.topology import PROVISIONER
from agentos.contracts.base import Sealed
from agentos.contracts.envelope import Recorded, encode_body
from agentos.contracts.events.call import CallContext, ModelCallRequested
from agentos.contracts.ids import new_id
from bench._processes import bare_broker
from bench._report import hush, median, shown, table

IN_FLIGHT = 16

_CONTEXT = CallContext(
    task="t", attempt=1, step=0, task_type="issue-triage", pack="engineering", agent="triage", untrusted=True, instance="bench"
)
PAYLOAD = ModelCallRequested(
    context=_CONTEXT,
    model="default",
    request=Sealed(key="t", purpose="call.request", nonce=bytes(12), ciphertext=bytes(range(256)) * 4),
    digest="0" * 64,
    max_output_tokens=200,
)

Append = Callable[[], Awaitable[Any]]


async def appending(append: Append, count: int) -> tuple[float, float]:
    """Seconds of one append alone (median), and appends a second with ``IN_FLIGHT`` at once."""
    alone: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        await append()
        alone.append(time.perf_counter() - began)

    async def some() -> None:
        for _ in range(count // IN_FLIGHT):
            await append()

    began = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(IN_FLIGHT)))
    return median(alone), count // IN_FLIGHT * IN_FLIGHT / (time.perf_counter() - began)


class Ours:
    """The runner appends, policy consumes."""

    def __init__(self, server: NatsServer) -> None:
        self._server = server

    async def append(self, count: int) -> tuple[float, float]:
        """See ``appending``."""
        bus = await Bus.connect(self._server.settings("runner"), "runner")
        try:
            return await appending(
                lambda: bus.append("call.requested", new_id(), PAYLOAD, tenant="t", correlation_id="t"), count
            )
        finally:
            await bus.drain()

    async def consume(self, count: int) -> float:
        """Messages a second, of ``count`` that are stored."""
        bus = await Bus.connect(self._server.settings("policy"), "policy")
        seen, done = itertools.count(1), asyncio.Event()

        async def handle(_: Recorded) -> None:
            if next(seen) >= count:
                done.set()

        try:
            bus.consume([Route("call.requested", handle, concurrency=IN_FLIGHT)])
            began = time.perf_counter()
            await bus.start()
            async with asyncio.timeout(120):
                await done.wait()
            return count / (time.perf_counter() - began)
        finally:
            await bus.drain()


class Raw:
    """nats-py as it comes."""

    def __init__(self, js: JetStreamContext) -> None:
        self._js = js
        self._body = encode_body(PAYLOAD)
        self._names = itertools.count()
        self._rounds = itertools.count()

    async def append(self, count: int) -> tuple[float, float]:
        """See ``appending``."""

        async def append() -> None:
            subject = f"evt.t.call.{next(self._names)}.requested"
            await self._js.publish(subject, self._body, headers={"Nats-Expected-Last-Subject-Sequence": "0"})

        return await appending(append, count)

    async def fetch(self, count: int) -> float:
        """One pull a message."""
        subscription = await self._js.pull_subscribe("evt.t.call.*.requested", durable=f"pull-{next(self._rounds)}")
        began = time.perf_counter()
        for _ in range(count):
            (message,) = await subscription.fetch(1, timeout=10)
            await message.ack()
        rate = count / (time.perf_counter() - began)
        await subscription.unsubscribe()
        return rate

    async def push(self, count: int) -> float:
        """The broker sends as fast as it is acknowledged."""
        seen, done = itertools.count(1), asyncio.Event()

        async def handle(message: Msg) -> None:
            await message.ack()
            if next(seen) >= count:
                done.set()

        began = time.perf_counter()
        subscription = await self._js.subscribe(
            "evt.t.call.*.requested",
            durable=f"push-{next(self._rounds)}",
            cb=handle,
            manual_ack=True,
            config=ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, max_ack_pending=1_000),
        )
        async with asyncio.timeout(120):
            await done.wait()
        rate = count / (time.perf_counter() - began)
        await subscription.unsubscribe()
        return rate


async def run(rounds: int, messages: int, folder: Path) -> str:
    """The table."""
    async with contextlib.AsyncExitStack() as stack:
        server = NatsServer(folder / "ours", load_passwords(folder / "secrets"))
        await server.start()
        stack.push_async_callback(server.stop)
        await provision(server.settings(PROVISIONER), replicas=1)
        client = await nats.connect(await stack.enter_async_context(bare_broker(folder / "raw")))
        stack.push_async_callback(client.close)
        js = client.jetstream()
        await js.add_stream(StreamConfig(name="EVENTS", subjects=["evt.>"], max_msgs_per_subject=1))
        ours, raw = Ours(server), Raw(js)
        appended = {name: list[tuple[float, float]]() for name in ("ours", "raw")}
        consumed = {name: list[float]() for name in ("ours", "raw, fetch(1)", "raw, push")}
        for _ in range(rounds):
            appended["raw"].append(await raw.append(messages))
            appended["ours"].append(await ours.append(messages))
            consumed["raw, fetch(1)"].append(await raw.fetch(messages))
            consumed["raw, push"].append(await raw.push(messages))
            # As many as were appended in this round, so that none is left for the next.
            consumed["ours"].append(await ours.consume(messages + messages // IN_FLIGHT * IN_FLIGHT))
    return report(appended, consumed)


def report(appended: dict[str, list[tuple[float, float]]], consumed: dict[str, list[float]]) -> str:
    """Each ratio is ours over raw, so that more than 1 is slower for times, and less than 1 slower for rates."""
    alone, raw_alone = (median([each[0] for each in appended[name]]) * 1000 for name in ("ours", "raw"))
    rate, raw_rate = (median([each[1] for each in appended[name]]) for name in ("ours", "raw"))
    own = median(consumed["ours"])
    rows = [
        ["append alone, p50 ms", shown(alone), shown(raw_alone), f"{alone / raw_alone:.2f}"],
        [f"appends/s at {IN_FLIGHT}", shown(rate), shown(raw_rate), f"{rate / raw_rate:.2f}"],
    ]
    for name in ("raw, fetch(1)", "raw, push"):
        other = median(consumed[name])
        rows.append([f"consumed/s, {name}", shown(own), shown(other), f"{own / other:.2f}"])
    return table("bus beside raw nats-py", ["", "ours", "raw", "ours/raw"], rows)


def main() -> None:
    """See the module."""
    hush()
    numbers = [int(argument) for argument in sys.argv[1:3]]
    rounds = min(numbers[0] if numbers else 3, 20)
    messages = min(numbers[1] if len(numbers) > 1 else 500, 5_000)
    with tempfile.TemporaryDirectory() as name:
        print(asyncio.run(run(rounds, max(messages, IN_FLIGHT), Path(name))))


if __name__ == "__main__":
    main()
