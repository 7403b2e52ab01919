"""The table from what went wrong on the wire to what the router may do about it. Pure functions.

| what came back                                  | kind           | code                           |
|-------------------------------------------------|----------------|--------------------------------|
| 401, 402, 403; 3xx                              | needs_operator | the provider's, or http_<n>    |
| 429                                             | wait           | the provider's, or http_429    |
| 429 because the account has no money left       | needs_operator | the provider's                 |
| 408, 409, 5xx (529 too)                         | retry          | the provider's, or http_<n>    |
| 400, 404, 413, 422 and every other 4xx          | never          | the provider's, or http_<n>    |
| 400 because the key is wrong (Gemini)           | needs_operator | the provider's                 |
| no connection; connection lost mid-answer       | retry          | unreachable                    |
| no whole answer within the timeout              | retry          | timeout                        |
| 200 that is no answer: HTML, broken JSON, no    | other_provider | bad_answer                     |
| choices, no token counts, unreadable tool call  |                |                                |
| refused before sending                          | other_provider | see ``UnsupportedRequest``     |
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from pydantic import ValidationError

from adapters.port import ErrorKind, ProviderError

__all__ = ["bad_answer", "from_status", "kind_of_status", "retry_after", "shape", "timed_out", "unreachable"]

_LONGEST_WAIT = timedelta(days=1)
# Codes are short words. Anything else in a code field may be prose, and prose may quote the prompt or the key.
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.]{1,63}")
_NO_MONEY = frozenset({"insufficient_quota", "billing_not_active", "billing_hard_limit_reached", "billing_error"})
_BAD_KEY = frozenset({"API_KEY_INVALID", "invalid_api_key"})

_ADVICE: dict[ErrorKind, str] = {
    "retry": "this may pass: try again",
    "wait": "too many requests: wait before the next one",
    "never": "the request itself is refused: change the request or the model name",
    "needs_operator": "check the API key, its rights, the balance of the account and the base URL",
    "other_provider": "this provider cannot serve the request: use another",
}


def kind_of_status(status: int, code: str | None = None) -> ErrorKind:
    """What an HTTP error status means; some codes say more than their status."""
    if code in _NO_MONEY or code in _BAD_KEY or status in (401, 402, 403) or 300 <= status < 400:
        return "needs_operator"
    if status == 429:
        return "wait"
    if status in (408, 409) or status >= 500:
        return "retry"
    return "never"


def from_status(
    provider: str,
    status: int,
    headers: Mapping[str, str],
    codes: tuple[object, ...] = (),
    *,
    wait: timedelta | None = None,
) -> ProviderError:
    """The error of an HTTP error answer. The first usable one of ``codes`` is kept; ``wait`` is for bodies that name one."""
    code = next((c for c in codes if isinstance(c, str) and _CODE.fullmatch(c)), None)
    kind = kind_of_status(status, code)
    named = retry_after(headers)
    shown = f" ({code})" if code else ""
    return ProviderError(
        f"{provider} answered {status}{shown}: {_ADVICE[kind]}",
        kind=kind,
        provider=provider,
        code=code or f"http_{status}",
        status=status,
        retry_after=wait if named is None else named,
    )


def unreachable(provider: str) -> ProviderError:
    """No connection, or it was lost before the answer was whole."""
    return ProviderError(
        f"{provider} could not be reached, or closed the connection before its answer was whole: {_ADVICE['retry']}",
        kind="retry",
        provider=provider,
        code="unreachable",
    )


def timed_out(provider: str, seconds: float) -> ProviderError:
    """No whole answer in time. The provider may have done, and charged for, the work."""
    return ProviderError(
        f"{provider} gave no whole answer within {seconds:g} s: {_ADVICE['retry']}",
        kind="retry",
        provider=provider,
        code="timeout",
    )


def bad_answer(provider: str, what: str, *, status: int | None = 200) -> ProviderError:
    """A success that holds no usable answer. ``what`` is ours, never a piece of the answer."""
    return ProviderError(
        f"{provider} answered with something that is not an answer ({what}): {_ADVICE['other_provider']}",
        kind="other_provider",
        provider=provider,
        code="bad_answer",
        status=status,
    )


def shape(error: ValidationError) -> str:
    """Where an answer departs from its format, without a piece of the answer."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        return "not JSON"
    return f"{'.'.join(str(step) for step in first['loc'])}: {first['type']}"


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """``retry-after-ms``, else ``retry-after`` in seconds or as an HTTP date (RFC 9110 §10.2.3); at most a day.

    ``headers`` must look names up without regard to case. Call it on error answers only: Anthropic sends the header on
    successes too, where it means nothing for the next call.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    raw = headers.get("retry-after")
    seconds = _number(raw)
    if seconds is not None:
        return _bounded(seconds)
    if raw is None:
        return None
    until = _date(raw)
    if until is None:
        return None
    # Measured from the server's own clock where it sends one, so that a skewed clock here does not matter.
    now = _date(headers.get("date") or "") or datetime.now(UTC)
    return _bounded((until - now).total_seconds())


def _number(raw: str | None) -> float | None:
    try:
        value = float(raw) if raw is not None else math.nan
    except ValueError:
        return None
    return None if math.isnan(value) else value


def _date(raw: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(raw)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _bounded(seconds: float) -> timedelta:
    return timedelta(seconds=min(max(seconds, 0.0), _LONGEST_WAIT.total_seconds()))
