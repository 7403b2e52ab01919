"""A benchmark's own output is its table: the logs of what it drives go nowhere below a warning."""

from agentos.telemetry import configure_logging


def hush() -> None:
    """Log warnings and worse only."""
    configure_logging("ERROR")
