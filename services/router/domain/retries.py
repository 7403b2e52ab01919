"""What follows a failed attempt. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, assert_never

ErrorKind = Literal["retry", "wait", "other_provider", "never", "needs_operator"]

MAX_WAIT = timedelta(seconds=30)
"""A provider that wants us to wait longer is passed over (or, when it is the last, fails the call)."""


@dataclass(frozen=True, slots=True)
class Next:
    """What follows a failed attempt: after ``delay``, the target at ``index`` of the chain."""

    index: int
    delay: timedelta


def after_failure(
    kind: ErrorKind,
    *,
    index: int,
    chain: Sequence[str],
    tries_here: int,
    max_tries: int,
    retry_after: timedelta | None,
    jitter: float,
) -> Next | None:
    """The next attempt, or None when the call has failed. ``tries_here`` counts attempts at this target, this one included."""
    elsewhere = Next(index + 1, timedelta()) if index + 1 < len(chain) else None
    match kind:
        case "never":
            return None
        case "needs_operator" | "other_provider":
            return elsewhere
        case "retry":
            if tries_here >= max_tries:
                return elsewhere
            return Next(index, timedelta(seconds=0.25 * 2 ** (tries_here - 1) * (0.5 + jitter)))
        case "wait":
            wait = retry_after if retry_after is not None else timedelta(seconds=1.0 * 2 ** (tries_here - 1))
            if tries_here >= max_tries or wait > MAX_WAIT:
                return elsewhere
            return Next(index, wait)
        case _:
            assert_never(kind)
