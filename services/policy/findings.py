"""What a recognizer says: this part of the text is of that kind; and how several that overlap become one."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

THRESHOLD = 0.4
"""A finding counts from this score on (presidio's own number)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """``entity`` is presidio's name of the kind, or ours; ``stem`` the first part of its placeholder."""

    start: int
    end: int
    entity: str
    stem: str
    score: float


def resolve(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings in order, without overlaps.

    The longest wins, then the highest score, then the first. Findings that overlap only in part become one, of the winner's kind, so
    that no fragment of either is left.
    """
    resolved: list[Finding] = []
    cluster: list[Finding] = []
    end = -1
    for finding in sorted(findings, key=lambda f: (f.start, f.end)):
        if finding.end <= finding.start:
            continue
        if cluster and finding.start < end:
            cluster.append(finding)
            end = max(end, finding.end)
            continue
        if cluster:
            resolved.append(_merged(cluster, end))
        cluster = [finding]
        end = finding.end
    if cluster:
        resolved.append(_merged(cluster, end))
    return tuple(resolved)


def _merged(cluster: list[Finding], end: int) -> Finding:
    winner = max(cluster, key=lambda f: (f.end - f.start, f.score, -f.start))
    start = cluster[0].start
    if (winner.start, winner.end) == (start, end):
        return winner
    return Finding(start, end, winner.entity, winner.stem, winner.score)


class Places:
    """Findings in order and without overlaps, to be asked what stands at a place."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self._findings = findings
        self._starts = [finding.start for finding in findings]

    def overlapping(self, start: int, end: int) -> Sequence[Finding]:
        """Those that have a character between ``start`` and ``end``."""
        first = bisect_right(self._starts, start) - 1
        if first < 0 or self._findings[first].end <= start:
            first += 1
        last = first
        while last < len(self._findings) and self._starts[last] < end:
            last += 1
        return self._findings[first:last]


__all__ = ["THRESHOLD", "Finding", "Places", "resolve"]
