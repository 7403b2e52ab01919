"""Durable consumption: FastStream subscribes, we decide what happens to each message.

FastStream pulls one message at a time and hands it over; the handler runs in a task of its own within the route's
concurrency, so that a slow one blocks nobody. What a handler raises answers what becomes of the message (contracts.errors).
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import api
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from agentos.bus import topology
from agentos.bus.tail import Raw
from agentos.contracts.channel import Channel
from agentos.contracts.channels import BY_NAME
from agentos.contracts.envelope import TENANT, Recorded, digest
from agentos.contracts.errors import AgentOSError, Conflict, NeverRetry, RetryLater
from agentos.contracts.events.governance import DeadLetter
from agentos.contracts.ids import is_token
from agentos.telemetry import counter, histogram, message_span

if TYPE_CHECKING:
    from agentos.bus.bus import Bus

log = structlog.get_logger(__name__)

DEFECT_TRIES = 5
"""How often a message is tried whose handler raises something that no one foresaw."""

PATIENCE = 100
"""How often a message may come again at all before a person has to look at it."""

WATCH_EVERY_S = 1.0
PULL_S = 1.0


@dataclass(frozen=True, slots=True)
class Route:
    """One row of a service's handler table: the channel it reads, what handles it, how many at once."""

    channel: str
    handler: Callable[[Recorded], Awaitable[None]]
    concurrency: int = 16


@dataclass(slots=True)
class _Delivery:
    message: Msg
    since: float
    deliveries: int
    seq: int
    task: asyncio.Task[None] | None = None


class Consumption:
    """All durable consumers of one service."""

    def __init__(self, bus: "Bus", broker: NatsBroker) -> None:
        self._bus = bus
        self._broker = broker
        self._routes: dict[str, Route] = {}
        self._held: dict[tuple[str, int], _Delivery] = {}
        self._waiting: set[asyncio.Future[Any]] = set()
        self._stopping = False
        self._keeper: asyncio.Task[None] | None = None
        self._watchdog: asyncio.Task[None] | None = None
        self._messages = counter("agentos_messages_total", "Messages handled.", ("service", "channel", "outcome"))
        self._seconds = histogram("agentos_message_seconds", "Handling time.", ("service", "channel"))
        self._dead = counter("agentos_dead_letters_total", "Messages dead-lettered.", ("service", "channel"))

    def add(self, route: Route) -> None:
        """Declare a handler. Raises ValueError when the channel table does not let this service read the channel."""
        row = BY_NAME[route.channel]
        if self._bus.service not in row.readers:
            raise ValueError(f"{self._bus.service} is not a reader of {row.name} in the channel table")
        if row.name in self._routes:
            raise ValueError(f"{row.name} has a handler already; a durable consumer has one")
        self._routes[row.name] = route
        slots = asyncio.Semaphore(route.concurrency)

        async def receive(message: NatsMessage) -> None:
            await self._receive(row, route, slots, message.raw_message)

        self._broker.subscriber(
            row.pattern,
            stream=JStream(row.stream, declare=False),
            durable=row.consumer(self._bus.service),
            config=api.ConsumerConfig.from_response(
                topology.Consumer(row.stream, row.consumer(self._bus.service), row.pattern).config()
            ),
            # A pull that the broker forgot (restart, deleted consumer) is not noticed before its time-out.
            pull_sub=PullSub(batch_size=1, timeout=PULL_S),
            inbox_prefix=f"_INBOX_{self._bus.service}.".encode(),
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            decoder=_undecoded,
            title=row.name,
            description=row.doc,
        )(receive)

    async def start(self) -> None:
        """Check every durable against the table, then pull."""
        for name in self._routes:
            await self._check_surely(BY_NAME[name])
        await self._broker.start()
        self._keeper = asyncio.create_task(self._keep_in_progress(), name=f"{self._bus.service}-keeper")
        self._watchdog = asyncio.create_task(self._watch(), name=f"{self._bus.service}-watchdog")

    async def stop(self, grace: timedelta) -> None:
        """Stop pulling, let handlers finish, cancel what does not."""
        self._stopping = True
        for free in list(self._waiting):
            # FastStream would wait for these up to its own patience.
            free.cancel()
        await asyncio.gather(*(subscriber.stop() for subscriber in self._broker.subscribers))
        tasks = [held.task for held in self._held.values() if held.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace.total_seconds())
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for task in (self._keeper, self._watchdog):
            # Again and again: Python 3.11's wait_for, beneath nats-py, loses a cancellation that comes together with an answer.
            while task is not None and not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=0.1)

    async def _receive(self, row: Channel, route: Route, slots: asyncio.Semaphore, message: Msg) -> None:
        deliveries, seq = _counts(message.reply)
        key = (row.stream, seq)
        held = self._held.get(key)
        if held is not None:
            # The broker gave up on us too early (a stalled loop); the first handling goes on and answers for both.
            held.message = message
            await message.in_progress()
            return
        delivery = _Delivery(message, time.monotonic(), deliveries, seq)
        self._held[key] = delivery
        if self._stopping or (slots.locked() and not await self._wait_for(slots)):
            # Drained before it was begun: another instance takes it now, not when the acknowledgement is overdue.
            self._held.pop(key, None)
            await message.nak()
            return
        await slots.acquire()
        delivery.task = asyncio.create_task(self._handle(row, route, slots, delivery, key))

    async def _wait_for(self, slots: asyncio.Semaphore) -> bool:
        """Until a slot is free (True), or the consumption stops (False)."""
        free: asyncio.Future[Any] = asyncio.ensure_future(slots.acquire())
        self._waiting.add(free)
        try:
            await free
        except asyncio.CancelledError:
            if self._stopping:
                return False
            raise
        finally:
            self._waiting.discard(free)
        slots.release()
        return True

    async def _handle(
        self, row: Channel, route: Route, slots: asyncio.Semaphore, delivery: _Delivery, key: tuple[str, int]
    ) -> None:
        message = delivery.message
        headers: Mapping[str, str] = message.headers or {}
        outcome = "cancelled"
        started = time.perf_counter()
        try:
            raw = Raw(message.subject, headers, message.data, delivery.seq, 0, 0)
            outcome = await self._settle(row, route, delivery, raw)
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
            self._held.pop(key, None)
            slots.release()
            self._messages.labels(self._bus.service, row.name, outcome).inc()
            self._seconds.labels(self._bus.service, row.name).observe(time.perf_counter() - started)

    async def _settle(self, row: Channel, route: Route, delivery: _Delivery, raw: Raw) -> str:
        """Handle one message and tell the broker what came of it; the outcome's name for the metrics."""
        try:
            recorded = replace(await self._bus.decode(raw), deliveries=delivery.deliveries)
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
            await delivery.message.nak(delay=0.2 * 2**delivery.deliveries)
            return "failed"
        await delivery.message.ack()
        return "handled"

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
        )
        tenant = raw.headers.get(TENANT, "")
        tenant = tenant if is_token(tenant) else "unknown"
        await self._bus.send(f"dlq.{self._bus.service}", (consumer, f"{row.stream}-{raw.seq}"), letter, tenant=tenant)
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
        """nats-py's fetch hides a deleted consumer as "no messages": look, and make it again."""
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            for name in self._routes:
                if not self._bus.connected:
                    break
                try:
                    await self._check(BY_NAME[name])
                except (NatsError, TimeoutError) as fault:
                    log.info("consumer_not_checked", channel=name, fault=str(fault)[:200])
                except RuntimeError as drifted:
                    # At the start that stops us; here it is said again and again, and the watch goes on.
                    log.error("consumer_drifted", channel=name, fault=str(drifted))

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


async def _undecoded(message: NatsMessage) -> NatsMessage:
    """Keep the raw message: decoding is ours, and its errors decide what becomes of the message."""
    return message


def _counts(reply: str) -> tuple[int, int]:
    """Deliveries so far and stream sequence from an acknowledgement subject, in its old and its 2.15 form."""
    parts = reply.split(".")
    base = 4 if len(parts) == 9 else 6
    return int(parts[base]), int(parts[base + 1])
