"""What follows a failed attempt. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, assert_never

ErrorKind = Literal["retry", "wait", "other_provider", "never", "needs_operator"]

FIRST_PAUSE = timedelta(seconds=0.25)
"""Before trying a target again that may just have hiccuped; it doubles with every try."""
FIRST_WAIT = timedelta(seconds=1)
"""The same for one that has too much to do and does not say for how long."""
SPREAD = timedelta(seconds=1)
"""At most so much later than a provider said, so that those it sent away do not all come back at once."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long one call is tried, and how long a provider is waited for."""

    tries_per_target: int = 3
    attempts: int = 8
    """Over all targets, hedges included."""
    longest_wait: timedelta = timedelta(seconds=30)
    """A provider that wants us to wait longer is passed over (or, when it is the last, fails the call)."""
    attempt: timedelta = timedelta(seconds=120)
    """For a whole answer that is not streamed."""
    first_token: timedelta = timedelta(seconds=60)
    """For the first piece of a stream."""
    stall: timedelta = timedelta(seconds=30)
    """Between two pieces of a stream."""
    deadline: timedelta = timedelta(minutes=15)
    """For the whole call, pauses included: no attempt begins after it, and one that runs is ended by it."""
    hedge_after: timedelta | None = None
    """A second attempt begins at the next target when the first has said nothing for so long. None: never."""


@dataclass(frozen=True, slots=True)
class Option:
    """A target as far as falling back to it goes."""

    provider: str
    continues: bool
    """Whether it can go on with an answer that another attempt began."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a call stands when an attempt at ``index`` has failed."""

    index: int
    tries_here: int
    """This attempt included."""
    attempts: int
    """Of the call, this one included."""
    elapsed: timedelta
    elsewhere: int | None
    """See ``elsewhere``."""
    here: bool = True
    """Whether this target could be asked again at all: in the middle of an answer it must be able to go on with it."""
    other_key: bool = False
    """Whether another key of the same target has room and is in order."""


@dataclass(frozen=True, slots=True)
class Next:
    """What follows a failed attempt: after ``delay``, the target at ``index``."""

    index: int
    delay: timedelta


def elsewhere(options: Sequence[Option], at: int, left: Collection[int], *, begun: bool) -> int | None:
    """Where to go from target ``at``; ``left`` are those that were given up.

    Before anything was said, the next of the chain. In the middle of an answer only a target that can go on with it, one of the same
    provider first: it is likeliest to go on in the same voice.
    """
    free = [
        index
        for index, option in enumerate(options)
        if index != at and index not in left and (option.continues or not begun)
    ]  # fmt: skip
    if begun:
        free.sort(key=lambda index: options[index].provider != options[at].provider)
    return free[0] if free else None


def after_failure(
    kind: ErrorKind, standing: Standing, patience: Patience, *, retry_after: timedelta | None, jitter: float
) -> Next | None:
    """The next attempt, or None when the call has failed. ``jitter`` is between 0 and 1."""
    if standing.attempts >= patience.attempts or standing.elapsed >= patience.deadline:
        return None
    moved = None if standing.elsewhere is None else Next(standing.elsewhere, timedelta())
    again = standing.here and standing.tries_here < patience.tries_per_target
    exponent = 2 ** (standing.tries_here - 1)
    match kind:
        case "never":
            return None
        case "other_provider":
            return moved
        case "needs_operator":
            return Next(standing.index, timedelta()) if standing.here and standing.other_key else moved
        case "retry":
            pause = FIRST_PAUSE * exponent * (0.5 + jitter)
            if retry_after is not None:
                pause = max(pause, _later(retry_after, jitter))
        case "wait":
            if standing.here and standing.other_key:
                return Next(standing.index, timedelta())
            pause = _later(FIRST_WAIT * exponent if retry_after is None else retry_after, jitter)
        case _:
            assert_never(kind)
    asked = retry_after or timedelta()
    if not again or asked > patience.longest_wait or standing.elapsed + pause >= patience.deadline:
        return moved
    return Next(standing.index, pause)


def _later(told: timedelta, jitter: float) -> timedelta:
    """Never earlier than a provider said, and a little later by chance."""
    return told + min(told / 4, SPREAD) * jitter
