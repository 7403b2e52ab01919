"""How many calls may be in flight at one provider key: adapted to what it bears (additive increase, multiplicative decrease). Pure.

The limit grows by one for each round of calls that was really at the limit and went well; a refusal for too many requests, or an
overload, cuts it once for all calls of the same round.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(slots=True)
class ConcurrencyLimit:
    """Between ``least`` and ``most``. ``limit`` is a float inside: it grows by 1/limit with each answer."""

    most: int = 256
    least: int = 1
    start: int = 32
    backoff: float = 0.7
    rest: timedelta = timedelta(seconds=1)
    """Cuts closer together than this are one: they speak of the same round of calls."""
    forgotten: timedelta = timedelta(minutes=2)
    """After so long without a cut, every answer lets the limit grow back to where it started."""
    in_flight: int = 0
    _limit: float = 0.0
    _cut_at: datetime | None = None

    def __post_init__(self) -> None:
        self._limit = float(min(max(self.start, self.least), self.most))

    @property
    def limit(self) -> int:
        """How many may be in flight now."""
        return max(self.least, int(self._limit))

    @property
    def room(self) -> int:
        """How many more may start."""
        return self.limit - self.in_flight

    def began(self) -> None:
        """One more is in flight."""
        self.in_flight += 1

    def succeeded(self, now: datetime) -> None:
        """One ended well. The limit grows only while it is in use, for an idle key proves nothing; but a cut is forgotten in the end."""
        recovering = self._cut_at is not None and self._limit < self.start and now - self._cut_at >= self.forgotten
        if recovering or self.in_flight >= self._limit / 2:
            self._limit = min(float(self.most), self._limit + 1.0 / self._limit)
        self.in_flight -= 1

    def overloaded(self, now: datetime) -> None:
        """One was refused because there were too many, or timed out."""
        if self._cut_at is None or now - self._cut_at >= self.rest:
            self._limit = max(float(self.least), self._limit * self.backoff)
            self._cut_at = now
        self.in_flight -= 1

    def ended(self) -> None:
        """One ended without saying anything about how many it bears."""
        self.in_flight -= 1
