"""One service's connection to JetStream: append facts once, read aggregates, follow streams, consume durably.

The connection belongs to a FastStream broker, which also declares and runs the subscriptions of the handlers (``consume``);
publishing, optimistic concurrency, timers, tails and buckets are a thin layer over nats-py on the same connection.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import structlog
from faststream.nats import NatsBroker
from faststream.security import SASLPlaintext
from nats.aio.client import Client
from nats.errors import Error as NatsError

from agentos.bus import claim
from agentos.bus.consume import Consumption, Route
from agentos.bus.headers import read_quickly
from agentos.bus.kv import KeyValue
from agentos.bus.publishing import PUBLISH_TRIES, Publishing
from agentos.bus.reading import HandedOut, Reading
from agentos.bus.settings import BrokerSettings
from agentos.bus.tail import HEARTBEAT_S, Raw, Start, Tail
from agentos.contracts.base import Contract
from agentos.contracts.channel import Channel
from agentos.contracts.channels import BY_NAME
from agentos.contracts.commands import TimerDue
from agentos.contracts.envelope import Meta, Recorded, decode, encode_body, encode_headers
from agentos.contracts.errors import Conflict, Forbidden, NeverRetry, RetryLater
from agentos.contracts.ids import derived_id, new_id
from agentos.contracts.subjects import EventSubject, aggregate_pattern, fill
from agentos.telemetry import counter, current_traceparent, gauge

log = structlog.get_logger(__name__)

SCHEDULER = "Nats-Scheduler"
"""The subject of the schedule that the broker fired, in what it fired."""
EXPECTED = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject"


@dataclass(frozen=True, slots=True)
class Appended:
    """The fact stands at ``seq``. ``duplicate``: it stood there already, written by an earlier try of the same handling."""

    seq: int
    duplicate: bool


class Bus:
    """Made by ``connect``; ended by ``drain``. Safe to use from many coroutines of one event loop."""

    def __init__(self, service: str, broker: NatsBroker, instance: str) -> None:
        self.service = service
        self.instance = instance
        self.closed = asyncio.Event()
        """Set when the connection is gone for good: the process must leave, so that its supervisor starts a new one."""
        self._broker = broker
        self._client: Client
        self._publishing: Publishing
        self._reading: Reading
        self._away = False
        self._consumption = Consumption(self, broker)
        self._on_disconnect: list[Callable[[], None]] = []
        self._appends = cache(counter("agentos_appends_total", "Facts appended.", ("service", "channel", "outcome")).labels)

    # --- connection ---------------------------------------------------------------------------------------------------

    @classmethod
    async def connect(cls, settings: BrokerSettings, service: str) -> "Bus":
        """Connect as ``service``, waiting for the broker for as long as it takes; reconnects for ever afterwards.

        Raises Forbidden when the broker refuses the credentials.
        """
        instance = f"{service}-{socket.gethostname().split('.')[0][:20]}-{os.getpid()}-{new_id()[-6:]}".replace("_", "-")
        box: list[Bus] = []

        async def on_error(error: Exception) -> None:
            if box:
                box[0]._note_error(error)

        async def on_state(*_: object) -> None:
            if box:
                box[0]._note_state()

        async def on_closed(*_: object) -> None:
            if box:
                box[0]._note_state()
                box[0].closed.set()

        broker = NatsBroker(
            settings.servers,
            security=SASLPlaintext(username=settings.user or service, password=settings.secret()),
            name=instance,
            inbox_prefix=f"_INBOX_{service}",
            max_reconnect_attempts=-1,
            # Between two tries of one server. Without it nats-py tries as fast as the processor can.
            reconnect_time_wait=0.1,  # pyright: ignore[reportArgumentType] - nats-py takes a fraction of a second as well
            connect_timeout=2,
            ping_interval=2,
            max_outstanding_pings=2,
            drain_timeout=10,
            error_cb=on_error,
            disconnected_cb=on_state,
            reconnected_cb=on_state,
            closed_cb=on_closed,
            apply_types=False,
            logger=None,
        )
        bus = cls(service, broker, instance)
        box.append(bus)
        bus._client = await _first_connection(broker, service)
        read_quickly(bus._client)
        bus._reading = Reading(bus._client)
        bus._publishing = Publishing(bus._client, service)
        await bus._publishing.start()
        bus._note_state()
        return bus

    @property
    def connected(self) -> bool:
        """Whether the broker can be reached right now. False means: fail closed."""
        return self._client.is_connected

    @property
    def client(self) -> Client:
        """The nats-py connection, for the bus's own modules."""
        return self._client

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called, at once and on the loop, whenever the connection is lost."""
        self._on_disconnect.append(callback)

    def _note_error(self, error: Exception) -> None:
        text = str(error)
        if "permissions violation" in text.lower():
            refusals = counter(
                "agentos_broker_refusals_total", "What the broker refused a service by its rights.", ("service",)
            )
            refusals.labels(self.service).inc()
        if "permissions violation for publish" in text.lower() and '"' in text:
            # nats-py hands the broker's error over in lower case.
            self._publishing.note_violation(text.split('"')[1].lower())
        if isinstance(error, OSError):
            # One line an outage, not one a try.
            if self._away:
                return
            self._away = True
        log.warning("broker_error", service=self.service, error=text[:500])

    def _note_state(self) -> None:
        connected = self._client.is_connected
        gauge("agentos_broker_connected", "Whether the service reaches the broker.", ("service",)).labels(self.service).set(
            connected
        )
        if connected:
            self._away = False
        else:
            log.warning("broker_disconnected", service=self.service)
            for callback in self._on_disconnect:
                callback()

    # --- writing ------------------------------------------------------------------------------------------------------

    async def append(
        self,
        channel: str,
        id: str,  # noqa: A002 - the aggregate's id, as everywhere
        payload: Contract,
        *,
        tenant: str | None = None,
        ordinal: int | str | None = None,
        cause: Recorded | None = None,
        correlation_id: str | None = None,
        expect: int | None = None,
    ) -> Appended:
        """Write a fact once. Idempotent: the same handling done again finds its own fact and says ``duplicate``.

        ``tenant`` and ``correlation_id`` default to the cause's. With ``expect`` the write holds only while the aggregate's last
        event is the one at that sequence. Raises Conflict when another fact stands on the subject or the aggregate moved,
        Forbidden when the channel is another service's, RetryLater when the broker does not answer.
        """
        row = _row(channel, "event")
        tenant = tenant if tenant is not None else _of(cause, "tenant")
        tokens = (tenant, id) if ordinal is None else (tenant, id, str(ordinal))
        subject = fill(row.pattern, *tokens)
        meta = self._meta(row, subject, tenant, cause, correlation_id, id)
        headers, body = await self._envelope(meta, payload)
        if expect is None:
            headers[EXPECTED] = "0"
        else:
            parsed = EventSubject.parse(subject)
            headers |= {EXPECTED: str(expect), EXPECTED_SUBJECT: parsed.stem}
        try:
            ack_seq, duplicate = await self._publish(subject, body, headers)
        except Conflict:
            standing = await self._standing(subject, surely=expect is None)
            if standing is None or standing.meta.event_id != meta.event_id:
                self._appends(self.service, channel, "conflict").inc()
                raise Conflict(
                    f"{subject} is taken by another fact" if standing else f"{subject}: the aggregate moved past {expect}",
                    existing=standing,
                ) from None
            ack_seq, duplicate = standing.seq, True
        self._appends(self.service, channel, "duplicate" if duplicate else "recorded").inc()
        return Appended(ack_seq, duplicate)

    async def _standing(self, subject: str, *, surely: bool) -> Recorded | None:
        """What stands on a subject that refused a write.

        On several replicas the leader refuses the second write while the first is still on its way to the others, so an empty
        subject is asked again, for some five seconds in all.
        """
        for attempt in range(9):
            if attempt:
                await asyncio.sleep(0.01 * 2**attempt)
            standing = await self.get(subject)
            if standing is not None or not surely:
                return standing
        raise RetryLater(f"{subject} is taken, and the broker does not show by what", code="broker_unavailable")

    async def send(
        self,
        channel: str,
        tokens: tuple[str, ...],
        payload: Contract,
        *,
        tenant: str,
        cause: Recorded | None = None,
        correlation_id: str | None = None,
    ) -> None:
        """Publish a command, query, answer, work item or dead letter and wait for the stream's acknowledgement.

        Idempotent within the stream's duplicate window: the message id is derived from subject and cause.
        """
        row = BY_NAME[channel]
        subject = fill(row.pattern, *tokens)
        meta = self._meta(row, subject, tenant, cause, correlation_id, tokens[-1])
        headers, body = await self._envelope(meta, payload)
        headers["Nats-Msg-Id"] = meta.event_id
        if row.kind != "dead_letter":
            await self._publish(subject, body, headers)
            return
        # A message is buried once, however often the burial is tried: its subject names the message.
        with contextlib.suppress(Conflict):
            await self._publish(subject, body, headers | {EXPECTED: "0"})

    async def stream(self, channel: str, tokens: tuple[str, ...], payload: Contract, *, tenant: str, cause: Recorded) -> None:
        """Publish a piece of something that comes piece by piece, many on one subject, and wait for the acknowledgement.

        Tried once: a piece that comes twice or late is worse than none. Raises RetryLater when it was not acknowledged.
        """
        row = BY_NAME[channel]
        subject = fill(row.pattern, *tokens)
        meta = Meta(
            event_id=new_id(),
            schema=row.schema,
            tenant=tenant,
            correlation_id=cause.meta.correlation_id,
            causation_id=cause.meta.event_id,
            time=datetime.now(UTC),
            traceparent=cause.meta.traceparent,
        )
        await self._publish(subject, encode_body(payload), encode_headers(meta), tries=1)

    async def set_timer(
        self, what: str, timer_id: str, payload: TimerDue, *, at: datetime, cause: Recorded | None = None, correlation_id: str
    ) -> None:
        """Have ``timer.<service>.due.<what>.<timer_id>`` delivered at ``at`` (to about 0.1 s; a past time is due now)."""
        row = BY_NAME[f"timer.{self.service}-{what}-set"]
        due = BY_NAME[f"timer.{self.service}-{what}-due"]
        subject, target = fill(row.pattern, timer_id), fill(due.pattern, timer_id)
        # The due message keeps the schedule's headers, so it carries the schema of what its reader gets.
        meta = self._meta(due, subject, payload.tenant, cause, correlation_id, timer_id)
        headers, body = await self._envelope(meta, payload)
        soon = max(at.astimezone(UTC), datetime.now(UTC) + timedelta(milliseconds=50))
        headers |= {
            "Nats-Schedule": f"@at {soon.isoformat().replace('+00:00', 'Z')}",
            "Nats-Schedule-Target": target,
            # A due message is the only thing that starts a retry or ends an approval, so it outlives a long outage of its reader.
            "Nats-Schedule-TTL": "168h",
        }
        await self._publish(subject, body, headers)

    def _meta(
        self, row: Channel, subject: str, tenant: str, cause: Recorded | None, correlation_id: str | None, default: str
    ) -> Meta:
        event_id = derived_id(cause.meta.event_id, subject) if cause is not None else new_id()
        return Meta(
            event_id=event_id,
            schema=row.schema,
            tenant=tenant,
            correlation_id=correlation_id or (cause.meta.correlation_id if cause is not None else default),
            causation_id=cause.meta.event_id if cause is not None else event_id,
            time=datetime.now(UTC),
            traceparent=current_traceparent() or (cause.meta.traceparent if cause is not None else None),
        )

    async def _envelope(self, meta: Meta, payload: Contract) -> tuple[dict[str, str], bytes]:
        headers, body = encode_headers(meta), encode_body(payload)
        if len(body) > claim.LIMIT_BYTES:
            headers |= await claim.check_in(self.bucket("payloads"), body)
            body = b"{}"
        return headers, body

    async def _publish(
        self, subject: str, body: bytes, headers: Mapping[str, str], tries: int = PUBLISH_TRIES
    ) -> tuple[int, bool]:
        """All that this connection has stored goes through here."""
        return await self._publishing.publish(subject, body, headers, tries)

    # --- reading ------------------------------------------------------------------------------------------------------

    async def get(self, subject: str) -> Recorded | None:
        """The one message on an event subject, or None."""
        raw = await self._reading.last("EVENTS", subject)
        return None if raw is None else await self.decode(raw)

    async def at(self, stream: str, seq: int) -> Raw | None:
        """The message at one place of a stream that this service may read, as it is kept there; None where there is none."""
        return await self._reading.at(stream, seq)

    async def load(self, tenant: str, aggregate: str, id: str) -> list[Recorded]:  # noqa: A002 - as in append
        """Every event of an aggregate, in stream order. One request: each subject holds one message."""
        return [
            await self.decode(raw) for raw in await self._reading.every_last("EVENTS", aggregate_pattern(tenant, aggregate, id))
        ]

    async def decode(self, raw: Raw, deliveries: int = 1) -> Recorded:
        """The message with its payload, fetched by its claim check if it was too large to travel. Raises NeverRetry."""
        if "Nats-Stream" in raw.headers:
            # A read can be answered into any subject: that is how a service could have a message of its own stored as another's.
            raise NeverRetry(f"{raw.subject} holds an answer of the broker, not what its publisher wrote", code="relayed")
        if raw.subject.startswith("timer.") and raw.headers.get(SCHEDULER) != raw.subject.replace(".due.", ".set.", 1):
            # The broker fires a schedule at whatever subject of its stream it names: no service sets another's timers.
            raise NeverRetry(f"{raw.subject} was not set by the service whose timer it is", code="not_its_timer")
        body = raw.body
        if reference := raw.headers.get(claim.HEADER):
            body = await claim.check_out(self.bucket("payloads"), reference)
        return decode(raw.subject, raw.headers, body, raw.seq, deliveries)

    def tail(
        self, filters: tuple[str, ...], *, stream: str = "EVENTS", start: Start = "new", heartbeat_s: float = HEARTBEAT_S
    ) -> Tail:
        """Follow a stream live, in order, without gaps. See ``Tail``."""
        return Tail(self._client, stream, filters, start, f"_INBOX_{self.service}", heartbeat_s)

    async def handed_out(self, channel: str, reader: str) -> HandedOut | None:
        """What ``reader`` was given of ``channel`` and may not have answered; None when it has answered everything.

        For the auditors of the channel table.
        """
        row = BY_NAME[channel]
        return await self._reading.handed_out(row.stream, row.consumer(reader))

    async def queued(self, channel: str, span: HandedOut) -> list[Recorded]:
        """The messages of a work queue within ``span``: what is answered is gone from it."""
        row = BY_NAME[channel]
        return [await self.decode(raw) for raw in await self._reading.between(row.stream, row.pattern, span)]

    def bucket(self, name: str) -> KeyValue:
        """A key-value bucket of the channel table."""

        async def publish(subject: str, body: bytes, headers: dict[str, str]) -> int:
            return (await self._publish(subject, body, headers))[0]

        def tail(filters: tuple[str, ...], stream: str, heartbeat_s: float) -> Tail:
            return self.tail(filters, stream=stream, start="last_per_subject", heartbeat_s=heartbeat_s)

        return KeyValue(name, publish, self._reading, tail)

    # --- consuming ----------------------------------------------------------------------------------------------------

    def consume(self, routes: Sequence[Route]) -> None:
        """Declare the service's handlers, one durable consumer a channel. Before ``start``."""
        for route in routes:
            self._consumption.add(route)

    async def start(self) -> None:
        """Begin to consume. Raises RuntimeError when a durable consumer stands otherwise than the channel table has it."""
        await self._consumption.start()

    async def drain(self, grace: timedelta = timedelta(seconds=10)) -> None:
        """Take nothing new, let what runs finish within ``grace``, then close. What is unfinished comes again elsewhere."""
        self._on_disconnect.clear()
        await self._consumption.stop(grace)
        if not self._client.is_closed:
            try:
                await asyncio.wait_for(self._client.drain(), timeout=5)
            except (NatsError, TimeoutError):
                await self._client.close()


async def _first_connection(broker: NatsBroker, service: str) -> Client:
    delay = 0.05
    while True:
        try:
            return await broker.connect()
        except (NatsError, OSError, TimeoutError) as fault:
            if "authorization violation" in str(fault).lower():
                raise Forbidden(
                    f"the broker refuses the password of user {service!r}; set AGENTOS_NATS_PASSWORD[_FILE]"
                ) from fault
            log.info("waiting_for_broker", service=service, fault=str(fault)[:200])
            await asyncio.sleep(delay)
            delay = min(delay * 2, 2.0)


def _row(channel: str, kind: str) -> Channel:
    row = BY_NAME[channel]
    if row.kind != kind:
        raise ValueError(f"{channel} is a {row.kind}, not a {kind}")
    return row


def _of(cause: Recorded | None, what: str) -> str:
    if cause is None:
        raise ValueError(f"a fact without a cause needs its {what} named")
    return str(getattr(cause.meta, what))
