"""Decisions on model calls, for what follows them: the settlement of their budgets, the inspection of their answers.

A fact that stands never changes, so what this instance has appended need not be read again. Others' are read from the log.
"""

from collections import OrderedDict

from agentos.bus import Bus
from agentos.contracts.events.call import CallDecided

KEPT = 512
LARGEST_TOKENS = 8_000
"""Larger requests are not kept: together, those that are take some 16 MB at most."""


class Decisions:
    """The log's, with the latest of this instance in memory."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._kept: OrderedDict[tuple[str, str], CallDecided] = OrderedDict()

    def appended(self, tenant: str, call: str, decided: CallDecided) -> None:
        """``decided`` stands in the log, word for word."""
        tokens = decided.question.get("estimated_input_tokens", 0)
        if not isinstance(tokens, int) or tokens > LARGEST_TOKENS:
            return
        self._kept[tenant, call] = decided
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    async def of(self, tenant: str, call: str) -> CallDecided | None:
        """The decision on a call, or None when none can be read. Raises RetryLater when the broker does not answer."""
        kept = self._kept.get((tenant, call))
        if kept is not None:
            return kept
        event = await self._bus.get(f"evt.{tenant}.call.{call}.decided")
        return None if event is None else event.payload(CallDecided)


__all__ = ["Decisions"]
