"""What those who wait for calls hear: one live tail of the log and one of the tokens for the whole gateway, however many wait.

The log's tail is gap-free. In case it is behind or away, whoever has waited for long looks into the log as well.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing

from agentos.bus import Bus, Raw
from agentos.contracts.channels import BY_NAME
from agentos.contracts.envelope import Recorded
from agentos.ending import end

_FACTS = ("call.decided", "call.settled", "call.inspected", "approval.requested", "approval.resolved")
MOST_BYTES = 1_048_576
"""Of pieces that wait for a slow reader. What comes beyond is let go: the settlement has it all."""
_FIRST_LOOK_S, _LAST_LOOK_S = 5.0, 60.0


class Ear:
    """What was heard of one call. ``changed`` is set whenever there is more."""

    def __init__(self, tenant: str, call: str) -> None:
        self.tenant = tenant
        self.call = call
        self.changed = asyncio.Event()
        self.revoked = False
        """Whether the key that the call came in with is worthless by now."""
        self.deaf = False
        """Whether pieces were let go: those that follow make no sense any more."""
        self._facts: dict[str, Raw | Recorded] = {}
        self._pieces: deque[Raw] = deque()
        self._bytes = 0

    def hear(self, fact: str, raw: "Raw | Recorded") -> None:
        """A fact of the log, such as ``call.settled``."""
        if fact not in self._facts:
            self._facts[fact] = raw
            self.changed.set()

    def hear_piece(self, raw: Raw) -> None:
        """A piece of the answer."""
        if self.deaf or self._bytes + len(raw.body) > MOST_BYTES:
            self.deaf = True
            return
        self._pieces.append(raw)
        self._bytes += len(raw.body)
        self.changed.set()

    def has(self, fact: str) -> bool:
        """Whether it stands in the log, as far as we have heard."""
        return fact in self._facts

    async def fact(self, bus: Bus, fact: str) -> Recorded | None:
        """It, decoded. Raises NeverRetry, RetryLater."""
        found = self._facts.get(fact)
        if isinstance(found, Raw):
            found = self._facts[fact] = await bus.decode(found)
        return found

    def pieces(self) -> list[Raw]:
        """Those that have come since the last time."""
        found = list(self._pieces)
        self._pieces.clear()
        self._bytes = 0
        return found


class Ears:
    """Everyone who waits here."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._ears: dict[tuple[str, str], list[Ear]] = {}
        self._uninspected: dict[tuple[str, str], tuple[str, str]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._facts = {_shape(BY_NAME[name].pattern): name for name in _FACTS}

    async def start(self) -> None:
        """From now on everything is heard."""
        log = self._bus.tail(tuple(BY_NAME[name].pattern for name in _FACTS))
        tokens = self._bus.tail((f"tok.*.{self._bus.instance}.*",), stream="TOKENS")
        self._tasks = [
            asyncio.create_task(self._follow_log(log.updates()), name="endpoint-log"),
            asyncio.create_task(self._follow_tokens(tokens.updates()), name="endpoint-tokens"),
        ]
        await asyncio.gather(log.ready(), tokens.ready())

    async def stop(self) -> None:
        """Stop hearing."""
        await end(*self._tasks)

    def open(self, tenant: str, call: str) -> Ear:
        """Listen for a call, before it is made. ``close`` what you open."""
        ear = Ear(tenant, call)
        self._ears.setdefault((tenant, call), []).append(ear)
        return ear

    def close(self, ear: Ear) -> None:
        """Listen no more."""
        key = (ear.tenant, ear.call)
        waiting = self._ears.get(key, [])
        if ear in waiting:
            waiting.remove(ear)
        if not waiting:
            self._ears.pop(key, None)

    async def look(self, ear: Ear) -> None:
        """Read what stands in the log of the call already. Raises RetryLater."""
        for event in await self._bus.load(ear.tenant, "call", ear.call):
            ear.hear(event.channel.name, event)
        for event in await self._bus.load(ear.tenant, "approval", ear.call):
            ear.hear(event.channel.name, event)

    async def wait(self, ear: Ear, timeout_s: float) -> bool:
        """Wait until there is more; False after ``timeout_s``. Looks into the log now and then."""
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + timeout_s, _FIRST_LOOK_S
        while not ear.changed.is_set():
            left = until - loop.time()
            if left <= 0:
                return False
            try:
                async with asyncio.timeout(min(left, pause)):
                    await ear.changed.wait()
            except TimeoutError:
                if left > pause:
                    await self.look(ear)
                    pause = min(pause * 2, _LAST_LOOK_S)
        ear.changed.clear()
        return True

    # --- what a group of calls has seen ------------------------------------------------------------------------------

    def answered(self, tenant: str, call: str, task: str) -> None:
        """The client has seen an answer of which we have not heard that policy has looked at it."""
        self._uninspected[(tenant, call)] = (tenant, task)

    def uninspected(self, tenant: str, task: str) -> tuple[str, ...]:
        """Such answers within a group, as ``CallContext.uninspected`` names them."""
        return tuple(f"call.{call}" for (_, call), group in self._uninspected.items() if group == (tenant, task))

    # --- the tails ----------------------------------------------------------------------------------------------------

    async def _follow_log(self, updates: AsyncGenerator[Raw | None]) -> None:
        async with aclosing(updates) as raws:
            async for raw in raws:
                if raw is None:
                    continue
                _, tenant, aggregate, id_, fact = raw.subject.split(".")
                if fact == "inspected":
                    self._uninspected.pop((tenant, id_), None)
                for ear in self._ears.get((tenant, id_), ()):
                    ear.hear(self._facts[(aggregate, fact)], raw)

    async def _follow_tokens(self, updates: AsyncGenerator[Raw | None]) -> None:
        async with aclosing(updates) as raws:
            async for raw in raws:
                if raw is None:
                    continue
                _, tenant, _, id_ = raw.subject.split(".")
                for ear in self._ears.get((tenant, id_), ()):
                    ear.hear_piece(raw)


def _shape(pattern: str) -> tuple[str, str]:
    _, _, aggregate, _, fact = pattern.split(".")
    return aggregate, fact
