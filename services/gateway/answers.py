"""Asking other services: a command or query goes out on its stream, the answer comes back on ours, matched by request id."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta

import structlog

from agentos.bus import Bus
from agentos.contracts.commands import Answer
from agentos.contracts.errors import NeverRetry
from services.gateway.problems import from_answer, unavailable

log = structlog.get_logger(__name__)


class Answers:
    """One live tail of every answer. Those that nobody here waits for belong to another gateway."""

    def __init__(self, bus: Bus, timeout: timedelta) -> None:
        self._bus = bus
        self._timeout = timeout
        self._waiting: dict[str, list[asyncio.Future[Answer]]] = defaultdict(list)
        self._tail = bus.tail(("ans.>",), stream="ANSWERS", start="new")

    async def ready(self) -> None:
        """Wait until no answer can be missed any more."""
        await self._tail.ready()

    async def follow(self) -> None:
        """Read answers for ever; run it as a task."""
        async with aclosing(aiter(self._tail)) as raws:
            async for raw in raws:
                waiting = self._waiting.pop(raw.subject.rpartition(".")[2], None)
                if not waiting:
                    continue
                try:
                    recorded = await self._bus.decode(raw)
                except NeverRetry as bad:
                    log.warning("an answer is unreadable", subject=raw.subject, code=bad.code, detail=bad.detail)
                    answer = Answer(
                        ok=False,
                        code="unavailable",
                        detail="the service's answer is of another version: upgrade the older side",
                    )
                else:
                    answer = recorded.data if isinstance(recorded.data, Answer) else Answer(ok=False, code="unavailable")
                for future in waiting:
                    if not future.done():
                        future.set_result(answer)

    async def ask(
        self,
        request: str,
        send: Callable[[], Awaitable[None]],
        *,
        late: str = "",
        timeout: timedelta | None = None,  # noqa: ASYNC109 - it makes a problem
    ) -> Answer:
        """Send, and wait for the answer to ``request``. Raises a 503 problem when the broker or the answer does not come in time.

        ``late`` is added to that problem: what is true although no answer came (a command stays on its stream and will be done).
        """
        if not self._bus.connected:
            raise unavailable("the broker is not connected: nothing was sent")
        within_s = (timeout or self._timeout).total_seconds()
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[request].append(future)
        try:
            async with asyncio.timeout(within_s):
                await send()
                return await future
        except TimeoutError:
            detail = f"no answer within {within_s:g} s. {late}".strip()
            raise unavailable(detail, code="answer_timeout") from None
        finally:
            waiting = self._waiting.get(request)
            if waiting is not None and future in waiting:
                waiting.remove(future)
                if not waiting:
                    del self._waiting[request]

    async def need(
        self,
        request: str,
        send: Callable[[], Awaitable[None]],
        *,
        late: str = "",
        timeout: timedelta | None = None,  # noqa: ASYNC109 - as in ask
    ) -> Answer:
        """As ``ask``; raises the problem that a refusal stands for."""
        answer = await self.ask(request, send, late=late, timeout=timeout)
        if not answer.ok:
            raise from_answer(answer.code, answer.detail, answer.data)
        return answer
