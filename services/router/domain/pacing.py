"""Requests and tokens a minute at one provider key, kept below the limit before it is hit. Pure.

A bucket fills steadily and is drawn from by reservation. What the provider's own headers say is left wins when it is less: others may
use the same key.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

_MINUTE = 60.0


@dataclass(slots=True)
class Pace:
    """One allowance, of requests or of tokens. ``per_minute`` None until it is configured or a header says it: then nothing is held back."""

    per_minute: float | None = None
    burst_s: float = 10.0
    """As much as flows in within this time may be drawn at once: a minute's worth at once would be refused by many providers."""
    _level: float = 0.0
    _at: datetime | None = None

    def wait(self, amount: float, now: datetime) -> timedelta:
        """How long until ``amount`` may be drawn. More than the bucket holds waits until it is full, and no longer."""
        if self.per_minute is None:
            return timedelta()
        self._fill(now)
        missing = min(amount, self._capacity()) - self._level
        return timedelta() if missing <= 1e-9 else timedelta(seconds=missing / self.per_minute * _MINUTE)

    def draw(self, amount: float, now: datetime) -> None:
        """Take ``amount``; the level may go below zero by what exceeded the bucket, or by what was not known before."""
        if self.per_minute is not None:
            self._fill(now)
            self._level -= amount

    def corrected(self, reserved: float, used: float, now: datetime) -> None:
        """The truth is known: what was reserved too much comes back, what was too little is taken."""
        self.draw(used - reserved, now)
        if self.per_minute is not None:
            self._level = min(self._level, self._capacity())

    def told(self, limit: float | None, left: float | None, resets_in: timedelta | None, now: datetime) -> None:
        """What a header said. A limit is learned when none is configured; less left than we thought lowers the level."""
        if limit is not None and limit > 0 and (self.per_minute is None or limit < self.per_minute):
            self.per_minute = limit
            self._at = None
        if left is None or self.per_minute is None:
            return
        self._fill(now)
        if left < self._level:
            self._level = max(0.0, left)
        if left <= 0 and resets_in is not None and resets_in > timedelta():
            # Not a steady flow but a window that ends then: nothing can be drawn before.
            self._level = -self.per_minute * min(resets_in.total_seconds(), _MINUTE) / _MINUTE

    def _capacity(self) -> float:
        return max(1.0, (self.per_minute or 0.0) * self.burst_s / _MINUTE)

    def _fill(self, now: datetime) -> None:
        if self._at is None:
            self._level, self._at = self._capacity(), now
        elif now > self._at:
            flowed = (now - self._at).total_seconds() * (self.per_minute or 0.0) / _MINUTE
            self._level, self._at = min(self._capacity(), self._level + flowed), now
