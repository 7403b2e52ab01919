"""An answer on its way to whoever waits for it: pieces are put together, sealed, and published ahead of the settlement.

A preview: whatever goes wrong here, the call goes on and its settlement holds the whole answer.
"""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field

import structlog
from pydantic import TypeAdapter

from agentos.bus import Bus
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import AgentOSError
from agentos.contracts.events.call import AnswerStreamed
from agentos.contracts.model import Delta
from agentos.keyring import KeyRing
from agentos.sealing import seal
from services.router.domain.gathering import Gathered

log = structlog.get_logger(__name__)

__all__ = ["AnswerStream", "SaidBefore", "streamed_before"]

OUTSTANDING = 8
"""Publications at once that are not acknowledged yet."""
TOGETHER_S = 0.02
"""What comes while a publication is on its way is published together, after this long at most."""
_TURNS = 4
"""Of the loop, until a piece is on its way: to wake up, to seal it, to publish it, to write it to the connection."""
BACKLOG = 512
"""So many pieces may wait to be published before the provider is held up."""

_DELTAS: TypeAdapter[list[Delta]] = TypeAdapter(list[Delta])


class AnswerStream:
    """One call's. ``close`` in any case; what comes after something was lost is not published, so what was published has no gap."""

    def __init__(self, bus: Bus, keys: KeyRing, cause: Recorded, *, tenant: str, instance: str, call: str, key: str) -> None:
        self._bus, self._keys, self._cause = bus, keys, cause
        self._tenant, self._key = tenant, key
        self._tokens = (tenant, instance, call)
        self._seqs: dict[int, int] = {}
        self._pending: list[tuple[int, str, Delta]] = []
        self._wake = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._closing = False
        self._lost = False
        self._outstanding: set[asyncio.Task[None]] = set()
        # At once: its key is read while the provider is asked, and not when the first piece waits for it.
        self._publishing = asyncio.create_task(self._publish(), name="answer-stream")

    @property
    def crowded(self) -> bool:
        """See ``Audience.crowded``."""
        return len(self._pending) >= BACKLOG

    def say(self, attempt: int, target: str, delta: Delta) -> None:
        """See ``Audience.say``."""
        if self._lost:
            return
        self._pending.append((attempt, target, delta))
        self._wake.set()

    async def begun(self) -> None:
        """See ``Audience.begun``. A provider's answer may come in one read, and would be gone through before anything else runs."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def room(self) -> None:
        """See ``Audience.room``."""
        while self.crowded:
            self._caught_up.clear()
            await self._caught_up.wait()

    async def close(self) -> None:
        """Publish what is left. Comes back when that is acknowledged, or failed."""
        self._closing = True
        self._wake.set()
        try:
            await self._publishing
        finally:
            self._publishing.cancel()
            for task in self._outstanding:
                task.cancel()

    async def _publish(self) -> None:
        try:
            data_key = await self._keys.data_key(self._tenant, self._key)
            while not self._lost and (self._pending or not self._closing):
                if not self._pending:
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                attempt, target, deltas = self._next()
                self._caught_up.set()
                seq = self._seqs[attempt] = self._seqs.get(attempt, -1) + 1
                sealed = seal(data_key, self._key, AnswerStreamed.PURPOSE, _DELTAS.dump_json(deltas))
                piece = AnswerStreamed(attempt=attempt, target=target, seq=seq, deltas=sealed)
                task = asyncio.create_task(self._send(piece))
                self._outstanding.add(task)
                task.add_done_callback(self._outstanding.discard)
                await asyncio.wait({task}, timeout=None if len(self._outstanding) >= OUTSTANDING else TOGETHER_S)
            if self._outstanding:
                await asyncio.wait(self._outstanding)
        except AgentOSError as fault:
            self._give_up(fault.code)
        except Exception:  # a defect in a preview must not undo the call that it shows
            log.exception("stream_failed", call=self._tokens[2])
            self._give_up("defect")

    def _next(self) -> tuple[int, str, list[Delta]]:
        """What waits, as far as it is of one attempt."""
        attempt, target, _ = self._pending[0]
        end = next((place for place, (of, _, _) in enumerate(self._pending) if of != attempt), len(self._pending))
        deltas = [delta for _, _, delta in self._pending[:end]]
        del self._pending[:end]
        return attempt, target, deltas

    async def _send(self, piece: AnswerStreamed) -> None:
        try:
            await self._bus.stream("call.streamed", self._tokens, piece, tenant=self._tenant, cause=self._cause)
        except AgentOSError as fault:
            self._give_up(fault.code)

    def _give_up(self, code: str) -> None:
        log.info("stream_not_published", call=self._tokens[2], code=code)
        self._lost = True
        self._pending.clear()
        self._wake.set()
        self._caught_up.set()


@dataclass(slots=True)
class SaidBefore:
    """What was published of a call: all of it, and by attempt."""

    whole: Gathered = field(default_factory=Gathered)
    attempts: dict[int, tuple[str, Gathered]] = field(default_factory=dict[int, tuple[str, Gathered]])
    """With the target that said it."""


async def streamed_before(bus: Bus, keys: KeyRing, *, tenant: str, instance: str, call: str) -> SaidBefore:
    """What was published of a call by whoever had it before. Raises NeverRetry where it cannot be read."""
    found = SaidBefore()
    subject = f"tok.{tenant}.{instance}.{call}"
    async with aclosing(bus.tail((subject,), stream="TOKENS", start="first").updates()) as updates:
        async for raw in updates:
            if raw is None:
                break
            piece = (await bus.decode(raw)).payload(AnswerStreamed)
            _, of_attempt = found.attempts.setdefault(piece.attempt, (piece.target, Gathered()))
            for delta in _DELTAS.validate_json(await keys.open(tenant, AnswerStreamed.PURPOSE, piece.deltas)):
                of_attempt.add(delta)
                found.whole.add(delta)
    return found
