"""Token buckets in memory, one a sender: how much a key, a person or an address may ask of this gateway."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from services.gateway.problems import Problem

_KEPT = 20_000
"""Senders remembered; the one that was silent longest is forgotten first, and begins anew with a full bucket."""


class Rates:
    """``per_s`` requests a second over time, ``burst`` at once. 0 a second switches it off."""

    def __init__(self, per_s: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._burst = burst
        self._clock = clock
        self._senders: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, sender: str) -> None:
        """Count a request of ``sender``'s. Raises a 429 problem that says when the next one is taken."""
        if self._per_s <= 0:
            return
        now = self._clock()
        left, at = self._senders.pop(sender, (float(self._burst), now))
        left = min(self._burst, left + (now - at) * self._per_s)
        if left < 1:
            self._senders[sender] = (left, now)
            wait = max(1, math.ceil((1 - left) / self._per_s))
            raise Problem(
                429, "rate_limited", f"too many requests from you: slow down, and come again in {wait} s",
                headers={"Retry-After": str(wait)},
            )  # fmt: skip
        self._senders[sender] = (left - 1, now)
        if len(self._senders) > _KEPT:
            self._senders.popitem(last=False)


__all__ = ["Rates"]
