"""A live tail: an ordered, gap-free view of a stream from a position on, across reconnects and lost consumers.

An ephemeral push consumer without acknowledgements. Its deliveries are numbered; a gap or a missing heartbeat means that
something was lost, and the consumer is made again from the position after the last one seen.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from agentos.contracts.ids import new_id

log = structlog.get_logger(__name__)

HEARTBEAT_S = 1.0
HEARTBEATS_MISSED = 3
Start = int | datetime | Literal["new", "first", "last_per_subject"]


@dataclass(frozen=True, slots=True)
class Raw:
    """A message as it stands in a stream. ``pending`` counts what the tail had still to deliver after it."""

    subject: str
    headers: Mapping[str, str]
    body: bytes
    seq: int
    pending: int
    time_ns: int


class Lost(Exception):
    """The consumer has to be made again."""


class Tail:
    """Iterate it once. ``heard_at`` is the monotonic time of the last sign of life, for those who must fail closed."""

    def __init__(
        self,
        client: Client,
        stream: str,
        filters: tuple[str, ...],
        start: Start,
        inbox: str,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        """``heartbeat_s`` is how often the broker shows a sign of life while it has nothing to deliver; 0.1 is its least."""
        self._client = client
        self._stream = stream
        self._filters = filters
        self._start = start
        self._inbox = inbox
        self._heartbeat_s = heartbeat_s
        self._next = 0
        """Where to go on after a loss; 0 while nothing was seen and the start is not pinned."""
        self._first = 0
        """What stands before this sequence was there before a tail of new messages, and is not handed over."""
        self._behind = True
        self._connection = -1
        self.heard_at = 0.0
        self.initial_pending = 0
        """How many messages stood in the stream when the tail began: after that many it is live."""
        self._ready = asyncio.Event()

    @property
    def live(self) -> bool:
        """Whether what was stored until just now has been handed over: False after a reconnect until all that was missed is."""
        return not self._behind and self._connection == self._reconnects()

    @property
    def position(self) -> int:
        """The sequence that everything up to has been handed over, or was there before a tail of new messages; 0 while that is not known."""
        return max(0, self._next - 1)

    def _reconnects(self) -> int:
        return int(self._client.stats["reconnects"])

    async def ready(self) -> None:
        """Wait until the consumer exists: everything stored from then on is delivered."""
        await self._ready.wait()

    async def __aiter__(self) -> AsyncGenerator[Raw]:
        async with aclosing(self.updates()) as updates:
            async for raw in updates:
                if raw is not None:
                    yield raw

    async def updates(self) -> AsyncGenerator[Raw | None]:
        """The messages, and one None at the point where all that stood in the stream at the beginning has been seen.

        Ends when the connection is drained or closed for good.
        """
        first = True
        while not (self._client.is_closed or self._client.is_draining):
            subscription: Subscription | None = None
            self._behind = True
            # Before anything is asked of the broker: should the connection change from here on, all this is to be done again.
            self._connection = self._reconnects()
            name = f"{self._client.options.get('name') or 'tail'}-{new_id()[-12:]}"
            try:
                inbox = f"{self._inbox}.{new_id()}"
                # A queue of our own: nats-py's next_msg makes a task and a timer for each message.
                arrived: asyncio.Queue[Msg | None] = asyncio.Queue()
                subscription = await self._client.subscribe(inbox, cb=arrived.put)
                pending = await self._create(name, inbox)
                self._ready.set()
                if pending == 0:
                    self._behind = False
                    if first:
                        first = False
                        yield None
                async with aclosing(self._messages(arrived)) as messages:
                    async for raw in messages:
                        if raw.seq >= self._first:
                            yield raw
                        if self._behind and raw.pending == 0:
                            self._behind = False
                            if first:
                                first = False
                                yield None
            except (Lost, NatsError, TimeoutError) as fault:
                if self._client.is_closed:
                    # For good: nothing can follow. (nats-py turns a cancellation into this error once it is closed.)
                    return
                log.info(
                    "tail_lost", stream=self._stream, filters=self._filters, fault=str(fault)[:200] or type(fault).__name__
                )
                await asyncio.sleep(0.1)
            finally:
                if subscription is not None:
                    await self._abandon(name, subscription)

    async def _abandon(self, name: str, subscription: Subscription) -> None:
        if self._client.is_closed or self._client.is_draining:
            return
        try:
            await subscription.unsubscribe()
            await self._client.publish(f"$JS.API.CONSUMER.DELETE.{self._stream}.{name}")
        except NatsError:
            # The connection went in the meantime; the broker drops the consumer after its inactivity threshold.
            return

    async def _create(self, name: str, inbox: str) -> int:
        """Make the consumer; how many messages it has to deliver that stand in the stream already."""
        if self._start == "new" and not self._next:
            # Pinned now: a tail of new messages that is lost before its first one must not skip any. And by what the stream's leader says:
            # the broker may give the consumer to a replica that is some messages behind, whose "new" begins with those.
            info = await self._ask(f"STREAM.INFO.{self._stream}", {})
            self._first = self._next = int(info["state"]["last_seq"]) + 1
        config: dict[str, Any] = {
            "name": name,
            "deliver_subject": inbox,
            "ack_policy": "none",
            "max_deliver": 1,
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": 30_000_000_000,
            "idle_heartbeat": int(self._heartbeat_s * 1_000_000_000),
            "flow_control": True,
            "filter_subjects": list(self._filters),
        }
        if self._next:
            config |= {"deliver_policy": "by_start_sequence", "opt_start_seq": self._next}
        elif isinstance(self._start, int):
            config |= {"deliver_policy": "by_start_sequence", "opt_start_seq": max(1, self._start)}
        elif isinstance(self._start, datetime):
            config |= {"deliver_policy": "by_start_time", "opt_start_time": self._start.astimezone(UTC).isoformat()}
        else:
            config["deliver_policy"] = "all" if self._start == "first" else "last_per_subject"
        asked = {"stream_name": self._stream, "config": config, "action": "create"}
        answer = await self._ask(f"CONSUMER.CREATE.{self._stream}.{name}", asked)
        pending = int(answer.get("num_pending", 0))
        delivered: dict[str, Any] = answer.get("delivered", {})
        # What was delivered before the answer came counts as well.
        pending += int(delivered.get("consumer_seq", 0))
        if not self._next:
            self.initial_pending = pending
        self.heard_at = time.monotonic()
        return pending

    async def _ask(self, subject: str, question: Mapping[str, Any]) -> dict[str, Any]:
        """An answer of the broker's JetStream API, from the stream's leader; ``Lost`` where it refuses."""
        reply = await self._client.request(f"$JS.API.{subject}", json.dumps(question).encode(), timeout=5)
        answer: dict[str, Any] = json.loads(reply.data)
        if "error" in answer:
            raise Lost(answer["error"].get("description", "refused without a reason"))
        return answer

    async def _messages(self, arrived: "asyncio.Queue[Msg | None]") -> AsyncGenerator[Raw]:
        expected = 1
        while True:
            message = await self._receive(arrived)
            self.heard_at = time.monotonic()
            headers: dict[str, str] = message.headers or {}
            if not message.data and headers.get("Status") == "100":
                await self._answer_control(message, headers, expected)
                continue
            if not message.reply:
                raise Lost(f"the broker ended the consumer: {headers.get('Status')} {headers.get('Description')}")
            seq, delivery, pending, stamp = _positions(message.reply)
            if delivery != expected:
                raise Lost(f"expected delivery {expected}, got {delivery}")
            expected += 1
            self._next = max(self._next, seq + 1)
            yield Raw(message.subject, headers, message.data, seq, pending, stamp)

    async def _receive(self, arrived: "asyncio.Queue[Msg | None]") -> Msg:
        """The next message. After a reconnect the consumer may be gone, which silence alone would show late: it is made again.

        What has arrived is bounded by the broker's flow control, which waits for our answer to its place in the queue.
        """
        loop = asyncio.get_running_loop()
        for _ in range(HEARTBEATS_MISSED * 4):
            if self._connection != self._reconnects():
                raise Lost("the connection was made anew")
            if arrived.empty() and (self._client.is_closed or self._client.is_draining):
                raise Lost("the connection is being closed")
            # A mark in the queue, and no time-out around it: that one costs several times as much with every message.
            nothing = loop.call_later(self._heartbeat_s / 4, arrived.put_nowait, None) if arrived.empty() else None
            try:
                message = await arrived.get()
            finally:
                if nothing is not None:
                    nothing.cancel()
            if message is not None:
                return message
        raise Lost("no heartbeat")

    async def _answer_control(self, message: Msg, headers: Mapping[str, str], expected: int) -> None:
        if message.reply:
            await self._client.publish(message.reply)
        elif stalled := headers.get("Nats-Consumer-Stalled"):
            await self._client.publish(stalled)
        last = headers.get("Nats-Last-Consumer")
        if last is not None and int(last) >= expected:
            raise Lost(f"the broker delivered {last}, we saw {expected - 1}")


def _positions(reply: str) -> tuple[int, int, int, int]:
    """Stream sequence, consumer sequence, pending and time from an acknowledgement subject, in its old and its 2.15 form."""
    parts = reply.split(".")
    base = 4 if len(parts) == 9 else 6
    return int(parts[base + 1]), int(parts[base + 2]), int(parts[base + 4]), int(parts[base + 3])
