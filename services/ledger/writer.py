"""The one writer: folds EVENTS and the dead letters into SQL off the event loop, and signs the chain as it grows."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import timedelta
from typing import TypeVar

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.exc import OperationalError

from agentos.bus import Bus, Raw
from agentos.contracts.errors import Conflict, RetryLater
from agentos.contracts.events.governance import AuditCheckpointed
from agentos.telemetry import gauge
from services.ledger import keys
from services.ledger.audit import chain, merkle
from services.ledger.domain.facts import Incoming
from services.ledger.follow import Follower, Linger, incoming
from services.ledger.settings import Settings
from services.ledger.store import DLQ, EVENTS, Head, Store, StreamGap

log = structlog.get_logger(__name__)

T = TypeVar("T")

TENANT = "system"
"""Under which the ledger's own events stand: the chain runs over all tenants."""

NEAR_BATCHES = 10
"""What lies no more transactions ahead of the fold is there in a moment, in ordinary work."""

DEAD_LETTER_FILTERS = ("dlq.>", "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>")
"""Dead letters, and the broker's word on messages that crashed every consumer that took them. (A terminated one has its dead letter.)"""


class Progress:
    """How far the fold is, for whoever follows it. Of one event loop. What is asked for in a hurry, ``Writer.wait_for`` waits for."""

    def __init__(self, position: int) -> None:
        self.position = position
        self._moved = asyncio.Event()

    def reached(self, position: int) -> None:
        """The fold stands at ``position`` now."""
        self.position = position
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def beyond(self, seq: int) -> None:
        """Wait until the fold stands after ``seq``."""
        while self.position <= seq:
            await self._moved.wait()

    async def wait_for(self, seq: int, timeout_s: float) -> bool:
        """Whether the fold reached ``seq`` within the time."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.position < seq:
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True


class Writer:
    """Owns the write side of the store: one thread, so that SQL blocks nobody and never meets another writer of ours."""

    def __init__(self, bus: Bus, store: Store, settings: Settings, key: Ed25519PrivateKey, *, sign: bool = True) -> None:
        self._bus = bus
        self._store = store
        self._settings = settings
        self._key = key
        self._sign = sign
        self._thread = ThreadPoolExecutor(1, "ledger-writer")
        self._head: Head
        self._uncovered = 0
        self._uncovered_since: float | None = None
        self.progress = Progress(0)
        self.events: Follower
        self.dead_letters: Follower
        self._gauge = gauge("agentos_ledger_position", "Last stream sequence that was folded.", ("stream",))

    async def open(self) -> None:
        """Read where the store stands, and see that the stream still continues there. Raises StreamGap when it does not."""
        self._head = await self._run(self._store.head)
        self._note_uncovered(await self._run(self._store.uncovered))
        self.progress.reached(self._head.seq)
        await self._check_overlap()
        linger = Linger(self._settings.batch_linger, self._settings.batch_linger_longest)
        self.events = Follower(
            self._bus.tail(("evt.>",), stream=EVENTS, start=self._head.seq + 1),
            self._prepare,
            self._apply,
            size=self._settings.batch_events,
            linger=linger,
            tick=self._checkpoint,
            every=min(self._settings.checkpoint_interval / 4, timedelta(seconds=1)),
        )
        position = await self._run(self._store.dead_letter_position)
        self.dead_letters = Follower(
            self._bus.tail(DEAD_LETTER_FILTERS, stream=DLQ, start=position + 1),
            self._prepare,
            self._apply_dead_letters,
            size=self._settings.batch_events,
            linger=linger,
        )

    @property
    def lag(self) -> int:
        """How many stored events are not folded yet, as far as is known."""
        return max(0, self.events.last_seen - self.progress.position)

    async def wait_for(self, seq: int, timeout_s: float) -> bool:
        """Whether the fold reached ``seq`` within the time. The transaction that has it waits for no company."""
        with self.events.wanted(seq):
            return await self.progress.wait_for(seq, timeout_s)

    def near(self, seq: int) -> bool:
        """Whether the fold has ``seq``, or may have it in a moment: a few transactions lie between."""
        return seq - self.progress.position <= NEAR_BATCHES * self._settings.batch_events

    def close(self) -> None:
        """Wait for the transaction in progress; take no more."""
        self._thread.shutdown(wait=True)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _insist(self, work: Callable[[], T]) -> T:
        """Do ``work``, again and again while the database is away: the stream waits for us."""
        delay = 0.1
        while True:
            try:
                return await self._run(work)
            except OperationalError as fault:
                log.warning("database_unavailable", fault=str(fault.orig)[:300], retry_in_s=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)

    async def _prepare(self, raw: Raw) -> Incoming:
        return await incoming(self._bus, raw)

    async def _apply(self, batch: list[Incoming]) -> None:
        applied = await self._insist(lambda: self._store.apply(batch))
        self._head = applied.head
        self._note_uncovered(applied.fresh)
        self._gauge.labels(EVENTS).set(applied.head.seq)
        self.progress.reached(applied.head.seq)

    async def _apply_dead_letters(self, batch: list[Incoming]) -> None:
        self._gauge.labels(DLQ).set(await self._insist(lambda: self._store.apply_dead_letters(batch)))

    async def _check_overlap(self) -> None:
        """The last event that was folded must still stand in the stream as it was: a stream that was replaced is not followed."""
        seq = self._head.seq
        if seq == 0:
            return
        before = (await self._run(lambda: self._store.hashes(seq - 1, seq - 1))).get(seq - 1, chain.GENESIS)
        updates = self._bus.tail(("evt.>",), stream=EVENTS, start=seq).updates()
        try:
            raw = await anext(updates)
        finally:
            await updates.aclose()
        advice = "verify the audit chain; `python -m services.ledger rebuild` folds the stream that is there now"
        if raw is None:
            raise StreamGap(f"the ledger stands at {seq}, the stream ends before it; {advice}")
        if raw.seq != seq or chain.link(before, raw) != self._head.chain:
            raise StreamGap(f"event {seq} is not the one that the ledger folded: the stream was changed or replaced; {advice}")

    def _note_uncovered(self, more: int) -> None:
        self._uncovered += more
        if self._uncovered and self._uncovered_since is None:
            self._uncovered_since = asyncio.get_running_loop().time()

    async def _checkpoint(self) -> None:
        """Sign the chain when enough has come in, or long enough ago; a checkpoint alone calls for no other one."""
        if not self._sign or self._uncovered_since is None or self.lag > self._settings.batch_events:
            return
        waited = asyncio.get_running_loop().time() - self._uncovered_since
        if self._uncovered < self._settings.checkpoint_events and waited < self._settings.checkpoint_interval.total_seconds():
            return
        head = self._head
        try:
            root = await self._insist(lambda: self._store.tree(lambda node: merkle.root(head.seq, node)))
        except StreamGap as gap:
            log.error("checkpoint_refused", seq=head.seq, detail=gap.detail)
            self._uncovered_since = asyncio.get_running_loop().time()  # a while until the next try
            self._uncovered = 1
            return
        event = AuditCheckpointed.model_validate(asdict(keys.sign(self._key, head.seq, head.chain, root)))
        try:
            await self._bus.append("audit.checkpointed", str(head.seq), event, tenant=TENANT)
        except Conflict:
            # An earlier start signed this very place and died before it saw its own event.
            log.info("checkpoint_stands_already", seq=head.seq)
        except RetryLater as fault:
            log.warning("checkpoint_delayed", seq=head.seq, detail=fault.detail)
            return
        self._uncovered, self._uncovered_since = 0, None
