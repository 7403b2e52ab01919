"""Following a stream in batches: what is read while one transaction commits goes into the next."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta
from typing import Protocol

import structlog

from agentos.bus import Bus, Raw, claim
from agentos.contracts.envelope import CLAIM
from agentos.contracts.errors import NeverRetry, RetryLater
from services.ledger.domain.facts import Incoming

log = structlog.get_logger(__name__)

CLAIM_TRIES = 5


async def incoming(bus: Bus, raw: Raw) -> Incoming:
    """The message with its claimed payload. Waits while the broker is away; a claim that cannot be redeemed stays unredeemed."""
    claimed = await _redeem(bus, raw) if CLAIM in raw.headers else None
    return Incoming(raw.seq, raw.subject, raw.headers, raw.body, claimed)


async def _redeem(bus: Bus, raw: Raw) -> bytes | None:
    tries = 0
    while tries < CLAIM_TRIES:
        try:
            return await claim.check_out(bus.bucket("payloads"), raw.headers[CLAIM])
        except RetryLater as fault:
            # A claim is stored before its event: once the broker answers, what is missing is gone.
            tries += fault.code == "claim_missing"
            log.warning("claim not redeemed yet", seq=raw.seq, code=fault.code)
            await asyncio.sleep(0.2)
        except NeverRetry as fault:
            log.warning("claim not redeemable", seq=raw.seq, code=fault.code, detail=fault.detail)
            return None
    return None


class Updates(Protocol):
    """What is followed: the bus's tail."""

    def updates(self) -> AsyncGenerator[Raw | None]:
        """The messages, and one None where all that stood in the stream at the beginning has been seen."""
        ...


class Follower:
    """Reads ``tail`` and hands batches to ``apply``, in order, one at a time. ``tick`` runs after each, and at least every ``every``."""

    def __init__(
        self,
        tail: Updates,
        prepare: Callable[[Raw], Awaitable[Incoming]],
        apply: Callable[[list[Incoming]], Awaitable[None]],
        *,
        size: int,
        linger: timedelta,
        tick: Callable[[], Awaitable[None]] | None = None,
        every: timedelta = timedelta(seconds=1),
    ) -> None:
        self._tail = tail
        self._prepare = prepare
        self._apply = apply
        self._size = size
        self._linger_s = linger.total_seconds()
        self._tick = tick
        self._every_s = every.total_seconds()
        self._buffer: list[Incoming] = []
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._reached_end = False
        self.level = asyncio.Event()
        """Set once all that stood in the stream at the beginning has been applied."""
        self.last_seen = 0
        """The last sequence of the stream that is known of, applied or not."""

    async def run(self) -> None:
        """Follow until cancelled. Raises what the tail or ``apply`` raises."""
        pump = asyncio.create_task(self._pump())
        pump.add_done_callback(lambda _: self._arrived.set())
        try:
            while True:
                await self._wait()
                if pump.done():
                    pump.result()
                batch, self._buffer = self._buffer[: self._size], self._buffer[self._size :]
                self._room.set()
                if batch:
                    await self._apply(batch)
                if not self._buffer:
                    self._arrived.clear()
                    if self._reached_end:
                        self.level.set()
                if self._tick is not None:
                    await self._tick()
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._arrived.wait(), self._every_s)
        except TimeoutError:
            return
        if len(self._buffer) < self._size and self._linger_s and not (self._reached_end and not self._buffer):
            await asyncio.sleep(self._linger_s)

    async def _pump(self) -> None:
        async for raw in self._tail.updates():
            if raw is None:
                self._reached_end = True
            else:
                prepared = await self._prepare(raw)  # before the buffer is looked up: it is another list after each batch
                self._buffer.append(prepared)
                self.last_seen = raw.seq + raw.pending
            self._arrived.set()
            while len(self._buffer) >= 4 * self._size:
                self._room.clear()
                await self._room.wait()
        raise ConnectionError("the tail ended")
