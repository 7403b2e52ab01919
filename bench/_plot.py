"""Plots as plain SVG: strips of lines over one axis. Enough to see a history at a glance; nothing to install."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, GAP = 1_000, 70, 60, 34
COLOURS = ("#2563eb", "#ea580c", "#16a34a", "#9333ea")


@dataclass(frozen=True, slots=True)
class Line:
    """Points (x, y) in the order of x. ``step``: a value holds until the next point."""

    name: str
    points: Sequence[tuple[float, float]]
    step: bool = False


@dataclass(frozen=True, slots=True)
class Strip:
    """Lines on one scale, from 0 to ``top``."""

    title: str
    lines: Sequence[Line]
    top: float | None = None


def plot(title: str, strips: Sequence[Strip]) -> str:
    """The SVG."""
    last = max((x for strip in strips for line in strip.lines for x, _ in line.points), default=1.0) or 1.0
    total = 40 + len(strips) * (HEIGHT + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 20} {total}" font-family="sans-serif" font-size="12">',
        f'<rect width="100%" height="100%" fill="white"/><text x="{LEFT}" y="18" font-size="15">{escape(title)}</text>',
    ]
    for number, strip in enumerate(strips):
        top = 34 + number * (HEIGHT + GAP)
        highest = strip.top or max((y for line in strip.lines for _, y in line.points), default=1.0) or 1.0
        parts.append(f'<text x="{LEFT}" y="{top + 10}">{escape(strip.title)}</text>')
        base = top + 16 + HEIGHT
        parts.append(f'<path d="M{LEFT} {top + 16}V{base}H{LEFT + WIDTH}" fill="none" stroke="#999"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{top + 24}" text-anchor="end" fill="#666">{highest:g}</text>')
        for hour in range(0, int(last) + 1, 3):
            x = LEFT + hour / last * WIDTH
            parts.append(f'<path d="M{x:.1f} {base}v4" stroke="#999"/>')
            if number == len(strips) - 1:
                parts.append(f'<text x="{x:.1f}" y="{base + 16}" text-anchor="middle" fill="#666">{hour} h</text>')
        for which, line in enumerate(strip.lines):
            colour = COLOURS[which % len(COLOURS)]
            parts.append(f'<path d="{_path(line, last, highest, base)}" fill="none" stroke="{colour}" stroke-width="1.2"/>')
            parts.append(
                f'<text x="{LEFT + WIDTH - 130 * which}" y="{top + 10}" text-anchor="end" fill="{colour}">{escape(line.name)}</text>'
            )
    return "\n".join([*parts, "</svg>\n"])


def _path(line: Line, last: float, highest: float, base: float) -> str:
    steps: list[str] = []
    for x, y in line.points:
        across, up = LEFT + x / last * WIDTH, base - min(y / highest, 1.0) * HEIGHT
        if not steps:
            steps.append(f"M{across:.1f} {up:.1f}")
        else:
            steps.append(f"H{across:.1f}V{up:.1f}" if line.step else f"L{across:.1f} {up:.1f}")
    return "".join(steps)
