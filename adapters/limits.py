"""What a provider's headers say of its rate limits. Pure functions.

OpenAI's form, which most servers of its format share: ``x-ratelimit-{limit,remaining,reset}-{requests,tokens}``, resets as ``6m0s`` or
``20ms``; some name the window (``…-tokens-minute``, ``…-req-minute``), some count requests alone (``x-ratelimit-limit``), and Azure says
how long it takes until all is there (``x-ratelimit-renewalperiod-…``) beside resets in milliseconds or seconds. Anthropic's form:
``anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}``, resets as RFC 3339 times.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from adapters.port import RateLimits

__all__ = ["duration", "rate_limits", "wait_in_words"]

_NUMBER = r"(\d{1,12}(?:\.\d{1,12})?)"
_DURATION = re.compile(rf"(?:{_NUMBER}d)?(?:{_NUMBER}h)?(?:{_NUMBER}m(?!s))?(?:{_NUMBER}s)?(?:{_NUMBER}ms)?")
_UNITS = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)
_IN_WORDS = re.compile(
    r"(?:(?:try again|retry) (?:in|after)|please wait) (?:((?:\d[\d.]*(?:ms|[dhms]))+)|(\d{1,9}) (second|minute|hour|day)s?\b)",
    re.IGNORECASE,
)
_LONGEST = 7 * 86_400.0
# Numbers this large are times, in seconds or milliseconds since 1970, not durations.
_EPOCH_S, _EPOCH_MS = 1e9, 1e12
# The names of limit, remaining and reset, in the order in which they are looked for.
_FORMS = (
    ("x-ratelimit-limit-{}", "x-ratelimit-remaining-{}", "x-ratelimit-reset-{}"),
    ("x-ratelimit-limit-{}-minute", "x-ratelimit-remaining-{}-minute", "x-ratelimit-reset-{}-minute"),
    ("x-ratelimit-limit-{}-day", "x-ratelimit-remaining-{}-day", "x-ratelimit-reset-{}-day"),
    ("anthropic-ratelimit-{}-limit", "anthropic-ratelimit-{}-remaining", "anthropic-ratelimit-{}-reset"),
)
_TOKENS = tuple((limit.format("tokens"), left.format("tokens"), reset.format("tokens")) for limit, left, reset in _FORMS)
_REQUESTS = (
    *((limit.format("requests"), left.format("requests"), reset.format("requests")) for limit, left, reset in _FORMS),
    *(
        (f"x-ratelimit-limit-{of}", f"x-ratelimit-remaining-{of}", f"x-ratelimit-reset-{of}")
        for of in ("req-minute", "req-10-second")
    ),
    ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
)


def rate_limits(headers: Mapping[str, str]) -> RateLimits | None:
    """The limits, or None where the headers say nothing of them. ``headers`` as for ``failures.retry_after``."""
    requests = _of_class(headers, _REQUESTS)
    tokens = _of_class(headers, _TOKENS)
    if requests is None and tokens is None:
        return None
    requests, tokens = requests or (None, None, None), tokens or (None, None, None)
    return RateLimits(requests[0], requests[1], requests[2], tokens[0], tokens[1], tokens[2])


def duration(raw: str) -> timedelta | None:
    """``6m0s``, ``1h2m3.5s``, ``20ms``, or bare seconds; None for anything else. At most a week."""
    try:
        return _bounded(float(raw)) if raw[:1].isdigit() and raw[-1:].isdigit() else _from_units(raw)
    except ValueError:
        return None


def wait_in_words(said: object) -> timedelta | None:
    """How long a message tells to wait ("Please try again in 1.2s.", "… after 26 seconds"), for providers that put it in words alone."""
    found = _IN_WORDS.search(said[:2_000]) if isinstance(said, str) else None
    return duration(found[1] or f"{found[2]}{found[3][0].lower()}") if found else None


def _of_class(
    headers: Mapping[str, str], names: tuple[tuple[str, str, str], ...]
) -> tuple[int | None, int | None, timedelta | None] | None:
    for limit, left, reset in names:
        if limit in headers or left in headers:
            most, there = _count(headers.get(limit)), _count(headers.get(left))
            renewal = duration(headers.get(reset.replace("ratelimit-reset", "ratelimit-renewalperiod"), ""))
            if most and there is not None and renewal is not None:
                return most, there, renewal * (max(most - there, 0) / most)
            return most, there, _reset(headers.get(reset), headers)
    return None


def _count(raw: str | None) -> int | None:
    try:
        value = int(float(raw)) if raw is not None else -1
    except (ValueError, OverflowError):
        return None
    # Some say -1 where there is none.
    return value if value >= 0 else None


def _reset(raw: str | None, headers: Mapping[str, str]) -> timedelta | None:
    if not raw:
        return None
    found = duration(raw)
    until: datetime | None = None
    try:
        number = float(raw) if found is not None and raw[-1:].isdigit() else 0.0
        if number >= _EPOCH_S:
            until = datetime.fromtimestamp(number / 1000 if number >= _EPOCH_MS else number, UTC)
        elif found is None:
            until = datetime.fromisoformat(raw)
    except (ValueError, OverflowError, OSError):
        return None
    if until is None:
        return found
    until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    return _bounded((until - _now(headers)).total_seconds())


def _now(headers: Mapping[str, str]) -> datetime:
    """The server's own clock where it sends it, so that a skewed clock here does not matter."""
    try:
        now = parsedate_to_datetime(headers.get("date") or "")
    except (ValueError, OverflowError):
        return datetime.now(UTC)
    return now if now.tzinfo is not None else now.replace(tzinfo=UTC)


def _from_units(raw: str) -> timedelta | None:
    found = _DURATION.fullmatch(raw) if raw else None
    if found is None:
        return None
    return _bounded(sum(float(number) * unit for number, unit in zip(found.groups(), _UNITS, strict=True) if number))


def _bounded(seconds: float) -> timedelta:
    return timedelta(seconds=min(max(seconds, 0.0), _LONGEST))
