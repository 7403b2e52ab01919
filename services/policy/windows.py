"""What happened lately, by whom and with what: sums over sliding windows, pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

WindowScope = Literal["tenant", "pack", "agent", "provider", "model", "tool"]
KEPT = timedelta(minutes=5)
"""The longest window; older counts are forgotten."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Whose counts: of a tenant, or of something of it."""

    tenant: str
    scope: WindowScope
    target: str


@dataclass(slots=True)
class Totals:
    """Sums. ``failed`` is of ``calls``, ``denied`` of ``decided``; what a kill switch refused or cancelled is in neither."""

    calls: int = 0
    failed: int = 0
    decided: int = 0
    denied: int = 0
    spend_usd: Decimal = Decimal(0)

    def add(self, other: "Totals") -> None:
        self.calls += other.calls
        self.failed += other.failed
        self.decided += other.decided
        self.denied += other.denied
        self.spend_usd += other.spend_usd


@dataclass(slots=True)
class _Counts:
    since: datetime | None = None
    by_second: dict[int, Totals] = field(default_factory=dict[int, Totals])


class Windows:
    """Counts by key and second. Time is the events' own, so that every instance that reads the same log counts the same."""

    def __init__(self) -> None:
        self._counts: dict[Key, _Counts] = {}
        self._changed: set[Key] = set()

    def note(self, keys: Iterable[Key], at: datetime, what: Totals) -> None:
        """Count ``what`` for each of ``keys``."""
        for key in keys:
            counts = self._counts.setdefault(key, _Counts())
            if counts.since is not None and at <= counts.since:
                continue
            counts.by_second.setdefault(int(at.timestamp()), Totals()).add(what)
            self._changed.add(key)

    def restart(self, tenant: str, scope: str, target: str, at: datetime) -> None:
        """Begin anew for what a switch covered: people have looked at what was counted before ``at``."""
        for key, counts in self._counts.items():
            own = key.tenant == tenant and (scope == "tenant" or (key.scope, key.target) == (scope, target))
            if scope == "global" or own:
                counts.by_second.clear()
                counts.since = at

    def totals(self, key: Key, now: datetime, span: timedelta) -> Totals:
        """The sums over the last ``span``."""
        first, found = int((now - span).timestamp()), Totals()
        counts = self._counts.get(key)
        for second, one in counts.by_second.items() if counts is not None else ():
            if second > first:
                found.add(one)
        return found

    def changed(self) -> list[Key]:
        """The keys with new counts since the last time this was asked."""
        found = sorted(self._changed)
        self._changed.clear()
        return found

    def forget(self, now: datetime) -> None:
        """Let go of what no window holds any more."""
        first = int((now - KEPT).timestamp())
        for key in list(self._counts):
            counts = self._counts[key]
            counts.by_second = {second: one for second, one in counts.by_second.items() if second > first}
            if not counts.by_second and (counts.since is None or counts.since < now - KEPT):
                del self._counts[key]
