"""What a person reads: times relative, states coloured, money with its currency; raw JSON only when asked for."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

WIDE = None if sys.stdout.isatty() else 200
"""Where nobody sees a terminal's edge, a table must not fold what the next program looks for."""

out = Console(highlight=False, width=WIDE)
err = Console(stderr=True, highlight=False)

COLOURS = {
    "completed": "green", "approved": "green", "allow": "green", "ok": "green",
    "failed": "red", "refused": "red", "rejected": "red", "deny": "red", "denied": "red", "expired": "red", "parked": "red",
    "cancelled": "magenta", "cancelling": "magenta",
    "waiting": "yellow", "pending": "yellow", "hold": "yellow", "retrying": "yellow", "unroutable": "yellow",
    "running": "cyan", "routed": "cyan", "admitted": "cyan", "queued": "blue", "submitted": "blue",
}  # fmt: skip


def print_json(value: Any) -> None:
    """Exactly what the API said, for programs."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def json_line(value: Any) -> None:
    """One line of JSON, at once."""
    sys.stdout.write(json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n")
    sys.stdout.flush()


def state(text: object) -> str:
    """A state in its colour."""
    word = str(text or "–")
    colour = COLOURS.get(word)
    return f"[{colour}]{escape(word)}[/{colour}]" if colour else escape(word)


def ago(moment: object, now: datetime | None = None) -> str:
    """How long ago, or in how long."""
    if not isinstance(moment, str) or not moment:
        return "–"
    try:
        seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(moment)).total_seconds()
    except (ValueError, TypeError):
        return moment
    size = span(abs(seconds))
    return f"{size} ago" if seconds >= 0 else f"in {size}"


def span(seconds: float) -> str:
    """A duration in its largest fitting unit."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def usd(amount: object) -> str:
    """Money with its currency."""
    return f"{amount or 0} USD"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """A table, or ``empty``. Cells hold markup; escape what came from outside."""
    found = list(rows)
    if not found:
        out.print(f"[dim]{empty}[/dim]")
        return
    made = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        # The first one is the id, to be copied.
        made.add_column(column, overflow="fold", no_wrap=column == columns[0])
    for row in found:
        made.add_row(*row)
    out.print(made)


def fields(pairs: Mapping[str, object]) -> None:
    """Name and value, one a line; those without a value are left out."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(style="dim")
    made.add_column(overflow="fold")
    for name, value in pairs.items():
        if value not in (None, "", [], {}):
            made.add_row(name, str(value))
    out.print(made)


def text(value: object) -> str:
    """A value from outside, safe to print as markup and without control characters."""
    return escape(plain(value))


def plain(value: object) -> str:
    """A value from outside without control characters; markup in it is still markup."""
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in shown)
