"""The floor of a governed call: the same three durable events with raw nats-py, in one process, and nothing else."""

import asyncio
import itertools
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StreamConfig

from bench._processes import bare_broker

_BODY = os.urandom(700).hex().encode()
"""About as much as a decided call carries."""


class Floor:
    """requested → decided → settled: two durable consumers that acknowledge, one tail that does not, each write once."""

    def __init__(self, clients: list[Client]) -> None:
        self._clients = clients
        self._js: list[JetStreamContext] = [client.jetstream() for client in clients]
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._numbers = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path) -> AsyncGenerator["Floor"]:
        """On a broker of its own."""
        async with bare_broker(folder) as url:
            clients = [await nats.connect(url) for _ in range(3)]
            floor = cls(clients)
            await floor._start()
            try:
                yield floor
            finally:
                for client in clients:
                    await client.close()

    async def _start(self) -> None:
        await self._js[0].add_stream(StreamConfig(name="EVENTS", subjects=["evt.>"], max_msgs_per_subject=1))
        for js, fact, following in ((self._js[1], "requested", "decided"), (self._js[2], "decided", "settled")):
            await js.subscribe(
                f"evt.t.call.*.{fact}",
                durable=f"floor-{fact}",
                manual_ack=True,
                config=ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, max_ack_pending=1_000),
                cb=self._handler(js, following),
            )
        await self._js[0].subscribe(
            "evt.t.call.*.settled",
            cb=self._settled,
            config=ConsumerConfig(ack_policy=AckPolicy.NONE, deliver_policy=DeliverPolicy.NEW),
        )

    def _handler(self, js: JetStreamContext, following: str):
        async def handle(message: Msg) -> None:
            await self._append(js, f"{message.subject.rpartition('.')[0]}.{following}")
            await message.ack()

        async def begin(message: Msg) -> None:
            task = asyncio.create_task(handle(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return begin

    async def _settled(self, message: Msg) -> None:
        self._waiting.pop(message.subject).set_result(None)

    async def _append(self, js: JetStreamContext, subject: str) -> None:
        await js.publish(subject, _BODY, headers={"Nats-Expected-Last-Subject-Sequence": "0"})

    async def call(self) -> None:
        """One round."""
        name = next(self._numbers)
        settled = self._waiting[f"evt.t.call.{name}.settled"] = asyncio.get_running_loop().create_future()
        await self._append(self._js[0], f"evt.t.call.{name}.requested")
        await settled
