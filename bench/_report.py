"""What every benchmark prints: a small table, with numbers rounded for a reader."""

import math
from collections.abc import Sequence

from agentos.telemetry import configure_logging


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` (0 to 1) of ``values`` do not exceed: an observed one, never between two."""
    if not values:
        raise ValueError("a percentile of nothing")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(values: Sequence[float]) -> float:
    """The 50th percentile."""
    return percentile(values, 0.5)


def shown(value: float) -> str:
    """Three digits that matter, thousands separated."""
    if value and abs(value) < 100:
        return f"{value:.3g}" if abs(value) < 0.1 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
    return f"{value:,.0f}"


def verdict(value: float, target: float, *, at_most: bool) -> str:
    """Whether a target is met, and by what factor it is missed."""
    if value <= target if at_most else value >= target:
        return "met"
    factor = (value / target if at_most else target / value) if target and value else math.inf
    return f"missed by {factor:.1f}x" if factor >= 1.05 else "just missed"


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The rows under their heads: the first column to the left, the others to the right."""
    widths = [max(len(line[column]) for line in (head, *rows)) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *others = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join((first, *others)).rstrip()

    return "\n".join([title, line(head), "  ".join("-" * width for width in widths), *map(line, rows), ""])


def hush() -> None:
    """A benchmark's output is its table: logs only where something broke."""
    configure_logging("ERROR")
