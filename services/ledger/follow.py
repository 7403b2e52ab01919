"""Following a stream in batches: what is read while one transaction commits goes into the next."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import structlog

from agentos.bus import Bus, Raw, claim
from agentos.contracts.envelope import CLAIM
from agentos.contracts.errors import NeverRetry, RetryLater
from agentos.ending import end
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


@dataclass(frozen=True, slots=True)
class Linger:
    """How long a batch waits for more messages: at first ``shortest``, twice as long with each batch while they keep coming, up to
    ``longest``. A transaction costs about the same for one message as for many.
    """

    shortest: timedelta
    longest: timedelta

    def after(self, last: timedelta, quiet: timedelta) -> timedelta:
        """The next batch's, when the one before waited for ``last`` and nothing came for ``quiet`` after it."""
        return max(self.shortest, min(last * 2, self.longest)) if quiet < last else self.shortest


class Follower:
    """Reads ``tail`` and hands batches to ``apply``, in order, one at a time. ``tick`` runs after each, and at least every ``every``."""

    def __init__(
        self,
        tail: Updates,
        prepare: Callable[[Raw], Awaitable[Incoming]],
        apply: Callable[[list[Incoming]], Awaitable[None]],
        *,
        size: int,
        linger: Linger,
        tick: Callable[[], Awaitable[None]] | None = None,
        every: timedelta = timedelta(seconds=1),
    ) -> None:
        self._tail = tail
        self._prepare = prepare
        self._apply = apply
        self._size = size
        self._linger = linger
        self._lingered = timedelta(0)
        self._tick = tick
        self._every_s = every.total_seconds()
        self._buffer: list[Incoming] = []
        self._wanted: list[int] = []
        self._arrived = asyncio.Event()
        self._enough = asyncio.Event()
        """Set when what has come goes into a transaction without waiting for more."""
        self._room = asyncio.Event()
        self._reached_end = False
        self.level = asyncio.Event()
        """Set once all that stood in the stream at the beginning has been applied."""
        self.last_seen = 0
        """The last sequence of the stream that is known of, applied or not."""

    @contextlib.contextmanager
    def wanted(self, seq: int) -> Generator[None]:
        """Meanwhile a batch that has message ``seq`` waits for no more: somebody waits for it."""
        self._wanted.append(seq)
        self._look()
        try:
            yield
        finally:
            self._wanted.remove(seq)

    async def run(self) -> None:
        """Follow until cancelled. Raises what the tail or ``apply`` raises."""
        pump = asyncio.create_task(self._pump())
        pump.add_done_callback(lambda _: self._wake())
        quiet_since = asyncio.get_running_loop().time()
        try:
            while True:
                if await self._arrival():
                    quiet = timedelta(seconds=asyncio.get_running_loop().time() - quiet_since)
                    await self._gather(quiet)
                if pump.done():
                    pump.result()
                batch, self._buffer = self._buffer[: self._size], self._buffer[self._size :]
                self._room.set()
                if batch:
                    await self._apply(batch)
                    quiet_since = asyncio.get_running_loop().time()
                if not self._buffer:
                    self._arrived.clear()
                    if self._reached_end:
                        self.level.set()
                if self._tick is not None:
                    await self._tick()
        finally:
            await end(pump)

    async def _arrival(self) -> bool:
        """Whether something came within the time after which ``tick`` is due anyway."""
        try:
            await asyncio.wait_for(self._arrived.wait(), self._every_s)
        except TimeoutError:
            return False
        return True

    async def _gather(self, quiet: timedelta) -> None:
        """Let more messages come, if what is there can wait."""
        if not self._buffer:
            return
        self._lingered = self._linger.after(self._lingered, quiet)
        if not self._lingered:
            return
        self._enough.clear()
        self._look()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._lingered.total_seconds()):
                await self._enough.wait()

    def _look(self) -> None:
        """End the wait for more when there is a whole batch, or somebody waits for one of those that are there."""
        buffer = self._buffer
        if len(buffer) >= self._size or (buffer and any(buffer[0].seq <= seq <= buffer[-1].seq for seq in self._wanted)):
            self._enough.set()

    def _wake(self) -> None:
        self._arrived.set()
        self._enough.set()

    async def _pump(self) -> None:
        async for raw in self._tail.updates():
            if raw is None:
                self._reached_end = True
            else:
                prepared = await self._prepare(raw)  # before the buffer is looked up: it is another list after each batch
                self._buffer.append(prepared)
                self.last_seen = raw.seq + raw.pending
                self._look()
            self._arrived.set()
            while len(self._buffer) >= 4 * self._size:
                self._room.clear()
                await self._room.wait()
        raise ConnectionError("the tail ended")
