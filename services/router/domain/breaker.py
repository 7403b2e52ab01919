"""A circuit breaker for one target or one key: after too many failures it is left alone for a while, then tried with care. Pure.

Closed → open after ``consecutive`` failures in a row, or when of at least ``least`` calls in the window a ``share`` failed. Open →
half-open when its time is up. Half-open: a few probes at once; ``probes`` successes close it, one failure opens it again, for longer.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agentos.contracts.routing import BreakerState


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When a breaker opens, and for how long."""

    consecutive: int = 5
    share: float = 0.5
    least: int = 10
    window: timedelta = timedelta(seconds=60)
    open_for: timedelta = timedelta(seconds=15)
    longest: timedelta = timedelta(minutes=5)
    """Each opening without a success between lasts twice as long as the one before, up to this."""
    probes: int = 2


@dataclass(slots=True)
class Breaker:
    """What is known of one target. Not shared between processes: each instance learns for itself."""

    rules: BreakerRules = field(default_factory=BreakerRules)
    _calls: deque[tuple[datetime, bool]] = field(default_factory=deque[tuple[datetime, bool]])
    _failed: int = 0
    """Of ``_calls``."""
    _in_a_row: int = 0
    _open_until: datetime | None = None
    _openings: int = 0
    """Without a recovery between them."""
    _probing: int = 0
    _proven: int = 0

    def state(self, now: datetime) -> BreakerState:
        """What it would do with a call now."""
        if self._open_until is None:
            return "closed"
        return "open" if now < self._open_until else "half_open"

    def open_until(self) -> datetime | None:
        """When the next probe may go; None while closed."""
        return self._open_until

    def would_admit(self, now: datetime) -> bool:
        """Whether ``admit`` would say yes."""
        state = self.state(now)
        return state == "closed" or (state == "half_open" and self._probing + self._proven < self.rules.probes)

    def admit(self, now: datetime) -> bool:
        """Whether a call may go now. One that may must end in ``succeeded``, ``failed`` or ``ended``."""
        if not self.would_admit(now):
            return False
        if self._open_until is not None:
            self._probing += 1
        return True

    def succeeded(self, now: datetime) -> None:
        """A call was answered. An answer to a call from before the opening does not close what has failed since."""
        self._note(now, failed=False)
        self._in_a_row = 0
        if self.state(now) == "half_open":
            self._probing = max(0, self._probing - 1)
            self._proven += 1
            if self._proven >= self.rules.probes:
                self._close()

    def failed(self, now: datetime, *, jitter: float, wait: timedelta | None = None) -> None:
        """A call failed in a way that says something about the target. ``jitter`` is in [0, 1): openings must not end all at once.

        ``wait`` is how long the provider itself wants to be left alone; it opens at once when it is longer than what a call waits.
        """
        self._note(now, failed=True)
        self._in_a_row += 1
        state = self.state(now)
        if state == "open":
            if wait is not None and self._open_until is not None:
                self._open_until = max(self._open_until, now + min(wait, self.rules.longest))
            return
        tripped = (
            state == "half_open"
            or self._in_a_row >= self.rules.consecutive
            or (len(self._calls) >= self.rules.least and self._failed / len(self._calls) >= self.rules.share)
        )
        if tripped or wait is not None:
            self._open(now, jitter, wait)

    def ended(self) -> None:
        """A call ended without saying anything about the target: it was cancelled, or its request was wrong."""
        self._probing = max(0, self._probing - 1)

    def _open(self, now: datetime, jitter: float, wait: timedelta | None) -> None:
        rules = self.rules
        length = min(rules.open_for * 2 ** min(self._openings, 16), rules.longest) * (0.75 + 0.5 * jitter)
        self._open_until = now + max(length, min(wait or timedelta(), rules.longest))
        self._openings += 1
        self._probing = self._proven = 0

    def _close(self) -> None:
        self._open_until = None
        self._openings = self._probing = self._proven = self._in_a_row = self._failed = 0
        self._calls.clear()

    def _note(self, now: datetime, *, failed: bool) -> None:
        self._calls.append((now, failed))
        self._failed += failed
        oldest = now - self.rules.window
        while self._calls and (self._calls[0][0] < oldest or len(self._calls) > 1_000):
            self._failed -= self._calls.popleft()[1]
