"""How long targets take to their first token, as measured lately: a decayed mean that forgets what is old. Pure."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(slots=True)
class Latency:
    """An exponentially decayed mean of milliseconds. Each measurement weighs half as much after ``half_life``.

    Without a measurement for long it drifts back to ``prior``, so that a target that was slow once is tried again some day.
    """

    prior_ms: float = 1_000.0
    half_life: timedelta = timedelta(minutes=5)
    _sum: float = 0.0
    _weight: float = 0.0
    _at: datetime | None = None

    def measured(self, ms: float, now: datetime) -> None:
        """One call took ``ms`` to its first token; a failure is noted with what it cost in time, or more."""
        self._decay(now)
        self._sum += ms
        self._weight += 1.0

    def expected_ms(self, now: datetime) -> float:
        """What the next call may expect. The prior weighs as much as one measurement."""
        faded = self._fade(now)
        return (self._sum * faded + self.prior_ms) / (self._weight * faded + 1.0)

    def known(self) -> bool:
        """Whether anything was ever measured."""
        return self._at is not None

    def _fade(self, now: datetime) -> float:
        if self._at is None:
            return 1.0
        return math.exp2(-max(0.0, (now - self._at) / self.half_life))

    def _decay(self, now: datetime) -> None:
        faded = self._fade(now)
        self._sum *= faded
        self._weight *= faded
        self._at = now if self._at is None else max(now, self._at)
