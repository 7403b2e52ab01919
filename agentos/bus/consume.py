"""Durable consumption: FastStream declares and subscribes each route, requests for messages stand at the broker (``pull``), and what
the handler raises decides what becomes of the message.

Each message is handled in a task of its own within the route's concurrency, so that a slow one blocks nobody; the errors'
types are the answer to the broker (contracts.errors).
"""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import TYPE_CHECKING

import structlog
from faststream import AckPolicy
from faststream.nats import NatsBroker
from faststream.nats.message import NatsMessage
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js import api
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from agentos.bus import letters, topology
from agentos.bus.pull import LOOK_EVERY_S, Pull
from agentos.bus.tail import Raw
from agentos.contracts.channel import Channel
from agentos.contracts.channels import BY_NAME
from agentos.contracts.envelope import TENANT, Recorded, digest
from agentos.contracts.errors import AgentOSError, Conflict, NeverRetry, RetryLater
from agentos.contracts.events.governance import DeadLetter, KeptMessage
from agentos.contracts.ids import is_token
from agentos.contracts.subjects import matches
from agentos.ending import end
from agentos.telemetry import counter, histogram, message_span

if TYPE_CHECKING:
    from agentos.bus.bus import Bus

log = structlog.get_logger(__name__)

DEFECT_TRIES = 5
"""How often a message is tried whose handler raises something that no one foresaw."""

TIDY_S = 5.0
"""What a handler that is cancelled has for its tidying up."""

DEFECT_PAUSE_S = 0.2
"""Half of the pause before it is tried the second time; each next one is twice as long."""

PATIENCE = 100
"""How often a message may come again at all before a person has to look at it."""

CHECK_EVERY_S = 15.0
"""How often a durable is compared with the table while nothing is the matter with it."""


@dataclass(frozen=True, slots=True)
class Route:
    """One row of a service's handler table: the channel it reads, what handles it, how many at once."""

    channel: str
    handler: Callable[[Recorded], Awaitable[None]]
    concurrency: int = 16
    direct: bool = False
    """On the path of a model call: its messages come straight from the connection, past FastStream's layers (ADR 24)."""


@dataclass(slots=True)
class _Delivery:
    message: Msg
    since: float
    deliveries: int
    key: tuple[str, int]
    """Stream and sequence."""
    task: asyncio.Task[None] | None = None


@dataclass(slots=True)
class _Reader:
    """A route at work."""

    row: Channel
    route: Route
    running: int = 0
    waiting: "deque[_Delivery]" = field(default_factory=deque["_Delivery"])
    """What the broker sent beyond the concurrency: only after requests were lost and renewed."""
    pull: Pull | None = None

    def free(self) -> int:
        return self.route.concurrency - self.running - len(self.waiting)


class Consumption:
    """All durable consumers of one service."""

    def __init__(self, bus: "Bus", broker: NatsBroker) -> None:
        self._bus = bus
        self._broker = broker
        self._readers: dict[str, _Reader] = {}
        self._direct: list[Pull] = []
        self._subscriptions: list[Subscription] = []
        self._held: dict[tuple[str, int], _Delivery] = {}
        self._stopping = False
        self._keeper: asyncio.Task[None] | None = None
        self._watchdog: asyncio.Task[None] | None = None
        # With every message: finding a metric by its labels costs more than counting.
        self._messages = cache(counter("agentos_messages_total", "Messages handled.", ("service", "channel", "outcome")).labels)
        self._seconds = cache(histogram("agentos_message_seconds", "Handling time.", ("service", "channel")).labels)
        self._dead = counter("agentos_dead_letters_total", "Messages dead-lettered.", ("service", "channel"))

    def add(self, route: Route) -> None:
        """Declare a handler. Raises ValueError when the channel table does not let this service read the channel."""
        row = BY_NAME[route.channel]
        if self._bus.service not in row.readers:
            raise ValueError(f"{self._bus.service} is not a reader of {row.name} in the channel table")
        if row.name in self._readers:
            raise ValueError(f"{row.name} has a handler already; a durable consumer has one")
        reader = self._readers[row.name] = _Reader(row, route)
        pull = reader.pull = Pull(
            row.stream,
            row.consumer(self._bus.service),
            f"_INBOX_{self._bus.service}",
            reader.free,
            partial(self._receive, reader),
        )

        if route.direct:
            self._direct.append(pull)
            return

        async def receive(message: NatsMessage) -> None:
            await pull.arrive(message.raw_message)

        # The messages of the durable are sent to an inbox of this instance: that is what is subscribed.
        self._broker.subscriber(
            pull.inbox,
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            parser=_unparsed,
            decoder=_undecoded,
            # Slow consumers are ours to prevent: no more than was asked for arrives.
            pending_bytes_limit=0,
            title=row.name,
            description=row.doc,
        )(receive)

    async def start(self) -> None:
        """Check every durable against the table, then pull."""
        if self._readers and self._bus.service in BY_NAME[topology.RETRIES].readers:
            # Its messages are handled as what they ask to try again, by the handler of that.
            self.add(Route(topology.RETRIES, _nothing))
        for reader in self._readers.values():
            await self._check_surely(reader.row)
        await self._broker.start()
        for pull in self._direct:
            self._subscriptions.append(await self._bus.client.subscribe(pull.inbox, cb=pull.arrive, pending_bytes_limit=0))
        for reader in self._readers.values():
            if reader.pull is not None:
                await reader.pull.start(self._bus.client)
        self._keeper = asyncio.create_task(self._keep_in_progress(), name=f"{self._bus.service}-keeper")
        self._watchdog = asyncio.create_task(self._watch(), name=f"{self._bus.service}-watchdog")

    async def stop(self, grace: timedelta) -> None:
        """Stop pulling, let handlers finish, cancel what does not."""
        self._stopping = True
        for reader in self._readers.values():
            if reader.pull is not None:
                reader.pull.stop()
        await asyncio.gather(*(subscriber.stop() for subscriber in self._broker.subscribers))
        for subscription in self._subscriptions:
            with contextlib.suppress(NatsError):
                await subscription.unsubscribe()
        for reader in self._readers.values():
            while reader.waiting:
                await self._hand_back(reader.waiting.popleft())
        tasks = [held.task for held in self._held.values() if held.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace.total_seconds())
            await end(*late, again_s=TIDY_S)
        await end(*(task for task in (self._keeper, self._watchdog) if task is not None))

    async def _receive(self, reader: _Reader, message: Msg) -> None:
        deliveries, seq = _counts(message.reply)
        held = self._held.get((reader.row.stream, seq))
        if held is not None:
            # The broker gave up on us too early (a stalled loop); the first handling goes on and answers for both.
            held.message = message
            await message.in_progress()
            return
        delivery = _Delivery(message, time.monotonic(), deliveries, (reader.row.stream, seq))
        if self._stopping:
            await self._hand_back(delivery)
            return
        self._held[delivery.key] = delivery
        if reader.running < reader.route.concurrency:
            self._begin(reader, delivery)
        else:
            reader.waiting.append(delivery)

    async def _hand_back(self, delivery: _Delivery) -> None:
        """Drained before it was begun: another instance takes it now, not when the acknowledgement is overdue."""
        self._held.pop(delivery.key, None)
        with contextlib.suppress(NatsError):
            await delivery.message.nak()

    def _begin(self, reader: _Reader, delivery: _Delivery) -> None:
        reader.running += 1
        delivery.task = asyncio.create_task(self._handle(reader, delivery))

    async def _end(self, reader: _Reader, delivery: _Delivery) -> None:
        """The next one, if it is there; otherwise the broker may send one."""
        self._held.pop(delivery.key, None)
        reader.running -= 1
        if reader.waiting and not self._stopping:
            self._begin(reader, reader.waiting.popleft())
        elif reader.pull is not None:
            await reader.pull.ask()

    async def _handle(self, reader: _Reader, delivery: _Delivery) -> None:
        row, message = reader.row, delivery.message
        headers: Mapping[str, str] = message.headers or {}
        outcome = "cancelled"
        started = time.perf_counter()
        try:
            raw = Raw(message.subject, headers, message.data, delivery.key[1], 0, 0)
            outcome = await self._settle(row, reader.route, delivery, raw)
        except (NatsError, RetryLater) as fault:
            # The answer (or the dead letter) did not reach the broker: the message comes again, and handling it again
            # changes nothing.
            outcome = "unanswered"
            log.info("acknowledgement_lost", channel=row.name, fault=str(fault)[:200])
        except asyncio.CancelledError:
            # Drained before it finished: another instance takes it now, not when the acknowledgement is overdue.
            with contextlib.suppress(NatsError):
                await delivery.message.nak()
            raise
        finally:
            self._messages(self._bus.service, row.name, outcome).inc()
            self._seconds(self._bus.service, row.name).observe(time.perf_counter() - started)
            await self._end(reader, delivery)

    async def _settle(self, row: Channel, route: Route, delivery: _Delivery, raw: Raw) -> str:
        """Handle one message and tell the broker what came of it; the outcome's name for the metrics."""
        try:
            recorded = await self._bus.decode(raw, delivery.deliveries)
            if row.name == topology.RETRIES and (again := await letters.again(self._bus, recorded)) is not None:
                reader = self._reader_of(again.consumer, again.message.subject)
                row, route, raw = reader.row, reader.route, again.message
                recorded = await self._bus.decode(raw, delivery.deliveries)
            structlog.contextvars.bind_contextvars(
                service=self._bus.service,
                correlation_id=recorded.meta.correlation_id,
                tenant=recorded.meta.tenant,
                event_id=recorded.meta.event_id,
            )
            with message_span(f"{self._bus.service} {row.name}", recorded.meta.traceparent, subject=raw.subject):
                await route.handler(recorded)
        except NeverRetry as fault:
            await self._bury(row, delivery, raw, fault.code, fault.detail)
            return "dead_lettered"
        except (RetryLater, Conflict) as fault:
            if delivery.deliveries >= PATIENCE:
                await self._bury(
                    row, delivery, raw, fault.code, f"still not possible after {delivery.deliveries} deliveries: {fault.detail}"
                )
                return "dead_lettered"
            base = fault.delay.total_seconds() if isinstance(fault, RetryLater) else 0.02
            delay = min(base * 2 ** min(delivery.deliveries - 1, 6), 60.0)
            log.info("message_deferred", channel=row.name, code=fault.code, detail=fault.detail, delay_s=round(delay, 3))
            await delivery.message.nak(delay=delay * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, no secret
            return "deferred"
        except Exception as defect:  # the last line: whatever a handler raises must not stop the consumer
            log.exception("handler_failed", channel=row.name, subject=raw.subject, deliveries=delivery.deliveries)
            if delivery.deliveries >= DEFECT_TRIES:
                code = defect.code if isinstance(defect, AgentOSError) else "handler_failed"
                await self._bury(
                    row, delivery, raw, code, f"{type(defect).__name__} in the handler of {row.name}; see the logs"
                )
                return "dead_lettered"
            await delivery.message.nak(delay=DEFECT_PAUSE_S * 2**delivery.deliveries)
            return "failed"
        await delivery.message.ack()
        return "handled"

    def _reader_of(self, consumer: str, subject: str) -> _Reader:
        for reader in self._readers.values():
            if reader.row.consumer(self._bus.service) == consumer and matches(reader.row.pattern, subject):
                return reader
        raise NeverRetry(f"{self._bus.service} has no consumer {consumer!r} of {subject} any more", code="no_such_consumer")

    async def _bury(self, row: Channel, delivery: _Delivery, raw: Raw, code: str, detail: str) -> None:
        consumer = row.consumer(self._bus.service)
        letter = DeadLetter(
            service=self._bus.service,
            consumer=consumer,
            subject=raw.subject,
            stream=row.stream,
            seq=raw.seq,
            deliveries=delivery.deliveries,
            code=code,
            detail=detail[:2_000],
            body_digest=digest(raw.body),
            at=datetime.now(UTC),
            message=None if row.kind == "event" else KeptMessage(headers=dict(raw.headers), body=raw.body),
        )
        # What was tried again and failed again is another dead letter than the first.
        retry = "" if delivery.key == (row.stream, raw.seq) else f"-again-{delivery.key[1]}"
        tenant = raw.headers.get(TENANT, "")
        tenant = tenant if is_token(tenant) else "unknown"
        await self._bus.send(f"dlq.{self._bus.service}", (consumer, f"{row.stream}-{raw.seq}{retry}"), letter, tenant=tenant)
        self._dead.labels(self._bus.service, row.name).inc()
        log.error("message_dead_lettered", channel=row.name, subject=raw.subject, seq=raw.seq, code=code, detail=detail[:500])
        await delivery.message.term()

    async def _keep_in_progress(self) -> None:
        """Tell the broker that what takes long is still in our hands, so that nobody else starts it."""
        while True:
            await asyncio.sleep(topology.ACK_WAIT_S / 3)
            now = time.monotonic()
            for delivery in list(self._held.values()):
                if now - delivery.since > topology.ACK_WAIT_S / 4:
                    try:
                        await delivery.message.in_progress()
                    except NatsError as fault:
                        log.info("progress_not_reported", fault=str(fault)[:200])

    async def _watch(self) -> None:
        """Have lost requests asked again, and a durable that is gone or was changed looked after."""
        checked = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if not self._bus.connected:
                continue
            routine = time.monotonic() - checked > CHECK_EVERY_S
            if routine:
                checked = time.monotonic()
            for name, reader in self._readers.items():
                if reader.pull is None:
                    continue
                renewing = reader.pull.look()
                try:
                    if routine or reader.pull.doubtful:
                        await self._check(reader.row)
                except (NatsError, TimeoutError) as fault:
                    log.info("consumer_not_checked", channel=name, fault=str(fault)[:200])
                    continue
                except RuntimeError as drifted:
                    # At the start that stops us; here it is said again and again, and the watch goes on.
                    log.error("consumer_drifted", channel=name, fault=str(drifted))
                if renewing:
                    await reader.pull.renew()

    async def _check_surely(self, row: Channel) -> None:
        """As ``_check``, waiting for a broker that is away or elects a leader."""
        while True:
            try:
                return await self._check(row)
            except (NatsError, TimeoutError) as fault:
                log.info("waiting_for_consumer", channel=row.name, fault=str(fault)[:200])
                await asyncio.sleep(0.2)

    async def _check(self, row: Channel) -> None:
        """The durable exists and is what the table says; a missing one is made, a different one is an error at start."""
        js = self._bus.client.jetstream(timeout=5)
        wanted = topology.Consumer(row.stream, row.consumer(self._bus.service), row.pattern)
        try:
            info = await js.consumer_info(wanted.stream, wanted.name)
        except NotFoundError:
            log.warning("consumer_missing", consumer=wanted.name)
            try:
                await js.add_consumer(wanted.stream, config=api.ConsumerConfig.from_response(wanted.config()))
            except ServiceUnavailableError:
                raise
            except APIError as refused:
                raise RuntimeError(
                    f"stream {wanted.stream} is not provisioned ({refused.description}): run `agentos provision`"
                ) from refused
            return
        have, want = _essence(info.config), _essence(api.ConsumerConfig.from_response(wanted.config()))
        if have != want:
            raise RuntimeError(f"consumer {wanted.name} is {have}, the channel table says {want}: run `agentos provision`")


def _essence(config: api.ConsumerConfig) -> tuple[object, ...]:
    """What of a durable's configuration is ours to decide."""
    return (
        config.filter_subject,
        config.ack_policy,
        config.ack_wait,
        config.max_deliver,
        config.max_ack_pending,
        config.backoff,
    )


def _counts(reply: str) -> tuple[int, int]:
    """Deliveries so far and stream sequence from an acknowledgement subject, in its old and its 2.15 form."""
    parts = reply.split(".")
    base = 4 if len(parts) == 9 else 6
    return int(parts[base]), int(parts[base + 1])


async def _nothing(_: Recorded) -> None:
    """Somebody else's dead letter, or one that was discarded."""


async def _unparsed(message: Msg) -> NatsMessage:
    """FastStream's own parser takes what comes to a plain subject for acknowledged; here it is still to be."""
    return NatsMessage(message, message.data, reply_to=message.reply, headers=message.headers or {})


async def _undecoded(message: NatsMessage) -> NatsMessage:
    """The handler gets the message as it came: decoding happens in the route's own task."""
    return message
