"""The table from what went wrong on the wire to what the router may do about it. Pure functions.

| what came back                                             | kind           | code                           |
|------------------------------------------------------------|----------------|--------------------------------|
| 401, 402, 403; 3xx                                         | needs_operator | the provider's, or http_<n>    |
| 400 because the key is wrong (Gemini, xAI)                 | needs_operator | the provider's, or http_400    |
| 403 because the content was flagged (OpenRouter, xAI)      | never          | the provider's, or http_403    |
| 429                                                        | wait           | the provider's, or http_429    |
| 429 because the account has no money left                  | needs_operator | the provider's                 |
| 429 for a request that is larger than the limit itself     | other_provider | the provider's, or http_429    |
| 408, 409, 424, 425, 498, 499, 5xx (529 too)                | retry          | the provider's, or http_<n>    |
| 400 because the model wrote a broken tool call (Groq)      | retry          | the provider's                 |
| 404, 413                                                   | other_provider | the provider's, or http_<n>    |
| any status: too long for the model's context               | other_provider | the provider's, or http_<n>    |
| any status: model or parameter that is not known there     | other_provider | the provider's, or http_<n>    |
| any status: against the provider's rules on content        | never          | the provider's                 |
| 400, 422 and every other 4xx                               | never          | the provider's, or http_<n>    |
| an error inside a 200 stream                               | as its code's status; else retry | the provider's, or stream_error |
| no connection; connection lost mid-answer                  | retry          | unreachable                    |
| no whole answer within the timeout                         | retry          | timeout                        |
| a stream in which nothing came for too long                | retry          | stalled                        |
| a stream that ended without saying why, nor counts and [DONE] | retry          | incomplete                     |
| 200 that is no answer: HTML, broken JSON, no choices, no   | other_provider | bad_answer                     |
| token counts, unreadable tool call                         |                |                                |
| refused before sending                                     | other_provider, never | see ``UnsupportedRequest`` |

"Any status" is told by the provider's code, or where it has none of its own for that (DeepSeek, vLLM, Anthropic) by its words, which are
looked at and never kept.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from pydantic import ValidationError

from adapters.port import ErrorKind, ProviderError, RateLimits
from agentos.contracts.model import Usage

__all__ = [
    "bad_answer",
    "from_status",
    "in_stream",
    "incomplete",
    "kind_of_status",
    "retry_after",
    "shape",
    "stalled",
    "timed_out",
    "unreachable",
]

_LONGEST_WAIT = timedelta(days=1)
# Codes are short words. Anything else in a code field may be prose, and prose may quote the prompt or the key.
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.]{1,63}")

_KIND_OF_CODE: dict[str, ErrorKind] = {
    **dict.fromkeys(
        (
            "insufficient_quota",
            "billing_not_active",
            "billing_hard_limit_reached",
            "billing_error",
            "budget_exceeded",
            "exceeded_current_quota_error",
            "Arrearage",
            "API_KEY_INVALID",
            "API_KEY_SERVICE_BLOCKED",
            "BILLING_DISABLED",
            "CONSUMER_SUSPENDED",
            "SERVICE_DISABLED",
            "invalid_api_key",
            "account_deactivated",
            "contract_spend_limit_reached",
            "enforced_spend_limit_reached",
            "linked_organization_billing_unavailable",
            "linked_organization_spend_limit_reached",
            "organization_on_hold",
            "cmek_key_disabled",
        ),
        "needs_operator",
    ),
    **dict.fromkeys(
        (
            "context_length_exceeded",
            "string_above_max_length",
            "request_too_large",
            "tokens_limit_reached",
            "too_many_prompt_tokens",
            "exceed_context_size_error",
            "model_not_found",
            "model_not_available",
            "model_not_active",
            "model_decommissioned",
            "model_not_supported",
            "unknown_model",
            "unsupported_model",
            "invalid_model",
            "DeploymentNotFound",
            "OperationNotSupported",
            "unsupported_parameter",
            "unsupported_value",
            "image_too_large",
            "image_file_too_large",
            "unsupported_image_media_type",
            "invalid_encrypted_content",
        ),
        "other_provider",
    ),
    **dict.fromkeys(
        (
            "content_policy_violation",
            "content_filter",
            "image_content_policy_violation",
            "bio_policy",
            "cyber_policy",
            "misalignment_policy_violation",
            "invalid_prompt",
        ),
        "never",
    ),
    # The model's own slip, reported as if it were the request's: it may do better the next time.
    **dict.fromkeys(("tool_use_failed", "json_validate_failed", "output_parse_failed"), "retry"),
}

# What each of these would be as a status, for errors that come inside a stream.
_STATUS_OF_CODE: dict[str, int] = {
    "server_error": 500,
    "internal_error": 500,
    "internal_server_error": 500,
    "InternalServerError": 500,
    "api_error": 500,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "overloaded": 503,
    "overloaded_error": 529,
    "engine_overloaded": 503,
    "service_unavailable": 503,
    "ServiceUnavailableError": 503,
    "UNAVAILABLE": 503,
    "timeout": 504,
    "timeout_error": 504,
    "DEADLINE_EXCEEDED": 504,
    "vector_store_timeout": 504,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "RateLimitError": 429,
    "requests": 429,
    "tokens": 429,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "ABORTED": 409,
    "authentication_error": 401,
    "UNAUTHENTICATED": 401,
    "permission_error": 403,
    "PERMISSION_DENIED": 403,
    "not_found_error": 404,
    "NOT_FOUND": 404,
    "invalid_request_error": 400,
    "invalid_request": 400,
    "BadRequestError": 400,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "invalid_image": 400,
    "invalid_image_format": 400,
    "invalid_base64_image": 400,
    "invalid_image_url": 400,
    "invalid_image_mode": 400,
    "image_too_small": 400,
    "image_parse_error": 400,
    "empty_image_file": 400,
    "failed_to_download_image": 400,
    "image_file_not_found": 400,
}

_TOO_LONG = re.compile(
    r"context ?(?:length|window|limit|size)|(?:prompt|input|messages) (?:is )?too long|input token count|too many (?:input )?tokens"
    r"|maximum (?:number of tokens|prompt length|allowed number of output tokens)|reduce the length"
    r"|at most \d{1,9} completion tokens|must have less than \d{1,9} tokens|max_new_tokens`? must be",
    re.IGNORECASE,
)
_NO_SUCH_MODEL = re.compile(
    r"model not exist|not a valid model|no such model|\bmodel\b.{0,120}\b(?:does not exist|not found|is not supported)",
    re.IGNORECASE,
)
# Anthropic and Gemini name what their models, or they here, do not have in words alone.
_NOT_OF_THIS_MODEL = re.compile(
    r"(?:not supported|deprecated|specified) (?:for|by|on|with) this model|this model does not support"
    r"|is not enabled for (?:this model|models/)|only works in thinking mode|with a response mime type: .{1,40} is unsupported"
    r"|user location is not supported|does not support (?:tools|thinking|images|image input)|image (?:exceeds|dimensions exceed)"
    # What it wants to see again of its own thinking, and another one does not.
    r"|\bthinking`? blocks?\b|`thinking` or `redacted_thinking`|thought_signature|`reasoning_content` .{0,40}must be passed back",
    re.IGNORECASE,
)
_NO_MONEY = re.compile(
    r"credit balance is too low|reached your specified (?:\w+ )?api usage limits|please enable billing|organization has been disabled"
    r"|used all available credits|monthly spending limit|insufficient balance",
    re.IGNORECASE,
)
# Of a request that has status 400 all the same: by Gemini's servers and xAI's.
_NO_KEY = re.compile(
    r"(?:incorrect|invalid) api key|api key (?:not valid|not found|expired)|invalid authorization header", re.IGNORECASE
)
# What OpenRouter and xAI answer 403 to, which elsewhere says that the key lacks a right.
_AGAINST_THE_RULES = re.compile(r"your input was flagged|violates usage guidelines", re.IGNORECASE)
# OpenAI and Groq say so of a single request that is over the tokens per minute: no waiting helps.
_OVER_THE_LIMIT = re.compile(r"request too large", re.IGNORECASE)

_ADVICE: dict[ErrorKind, str] = {
    "retry": "this may pass: try again",
    "wait": "too many requests: wait before the next one",
    "never": "the request itself is refused: change the request or the model name",
    "needs_operator": "check the API key, its rights, the balance of the account and the base URL",
    "other_provider": "this provider cannot serve the request: use another",
}


def kind_of_status(status: int, code: str | None = None, said: str = "") -> ErrorKind:
    """What an HTTP error status means; some codes, and some of the provider's words, say more than their status."""
    if code in _KIND_OF_CODE:
        return _KIND_OF_CODE[code]
    if status == 403 and _AGAINST_THE_RULES.search(said):
        return "never"
    if status in (401, 402, 403) or 300 <= status < 400 or (status < 500 and (_NO_MONEY.search(said) or _NO_KEY.search(said))):
        return "needs_operator"
    if status == 429:
        return "other_provider" if _OVER_THE_LIMIT.match(said) else "wait"
    if status in (408, 409, 424, 425, 498, 499) or status >= 500:
        return "retry"
    if status in (404, 413) or _TOO_LONG.search(said) or _NO_SUCH_MODEL.search(said) or _NOT_OF_THIS_MODEL.search(said):
        return "other_provider"
    return "never"


def from_status(
    provider: str,
    status: int,
    headers: Mapping[str, str],
    codes: tuple[object, ...] = (),
    *,
    said: object = None,
    wait: timedelta | None = None,
    limits: RateLimits | None = None,
    request_id: str | None = None,
    kind: ErrorKind | None = None,
) -> ProviderError:
    """The error of an HTTP error answer. The first usable one of ``codes`` is kept.

    ``said`` is the provider's own message, which is looked at and not kept; ``wait`` is for bodies that name one; ``kind`` for those
    that say it in yet another way.
    """
    code = _first_code(codes)
    kind = kind or kind_of_status(status, code, said[:2_000] if isinstance(said, str) else "")
    named = retry_after(headers)
    shown = f" ({code})" if code else ""
    return ProviderError(
        f"{provider} answered {status}{shown}: {_ADVICE[kind]}",
        kind=kind,
        provider=provider,
        code=code or f"http_{status}",
        status=status,
        retry_after=wait if named is None else named,
        limits=limits,
        request_id=request_id,
    )


def in_stream(
    provider: str,
    codes: tuple[object, ...],
    *,
    said: object = None,
    wait: timedelta | None = None,
    usage: Usage | None = None,
    request_id: str | None = None,
) -> ProviderError:
    """An error that came instead of an answer, or in the middle of one, after the status was 200 already.

    ``codes`` may hold statuses too, as numbers or as text (OpenRouter, Azure). What is not known is worth another try.
    """
    code = _first_code(codes)
    status = next((number for each in codes if (number := _as_status(each))), None)
    known = code in _KIND_OF_CODE or code in _STATUS_OF_CODE or status is not None
    meant = _STATUS_OF_CODE.get(code or "", 500) if status is None else status
    kind: ErrorKind = kind_of_status(meant, code, said[:2_000] if isinstance(said, str) else "") if known else "retry"
    shown = f" ({code})" if code else ""
    return ProviderError(
        f"{provider} broke its answer off with an error{shown}: {_ADVICE[kind]}",
        kind=kind,
        provider=provider,
        code=code or (f"http_{status}" if status is not None else "stream_error"),
        status=200,
        retry_after=wait,
        usage=usage,
        request_id=request_id,
    )


def _first_code(codes: tuple[object, ...]) -> str | None:
    return next((code for code in codes if isinstance(code, str) and code != "None" and _CODE.fullmatch(code)), None)


def _as_status(code: object) -> int | None:
    number = int(code) if isinstance(code, str) and code.isascii() and code.isdigit() else code
    return number if isinstance(number, int) and 300 <= number < 600 else None


def unreachable(provider: str, *, usage: Usage | None = None, status: int | None = None) -> ProviderError:
    """No connection, or it was lost before the answer was whole; with the ``status`` of an answer that had begun."""
    return ProviderError(
        f"{provider} could not be reached, or closed the connection before its answer was whole: {_ADVICE['retry']}",
        kind="retry",
        provider=provider,
        code="unreachable",
        status=status,
        usage=usage,
    )


def timed_out(provider: str, seconds: float) -> ProviderError:
    """No whole answer in time. The provider may have done, and charged for, the work."""
    return ProviderError(
        f"{provider} gave no whole answer within {seconds:g} s: {_ADVICE['retry']}",
        kind="retry",
        provider=provider,
        code="timeout",
    )


def stalled(provider: str, seconds: float, *, usage: Usage | None = None) -> ProviderError:
    """A stream that had begun, and in which nothing came for so long, not even a ping."""
    return ProviderError(
        f"{provider} fell silent in the middle of its answer for {seconds:g} s: {_ADVICE['retry']}",
        kind="retry",
        provider=provider,
        code="stalled",
        status=200,
        usage=usage,
    )


def incomplete(provider: str, *, usage: Usage | None = None) -> ProviderError:
    """A stream that ended in good order, but without saying why the answer ended: it may not be whole."""
    return ProviderError(
        f"{provider} ended its answer without saying that it was whole: {_ADVICE['retry']}",
        kind="retry",
        provider=provider,
        code="incomplete",
        status=200,
        usage=usage,
    )


def bad_answer(provider: str, what: str, *, status: int | None = 200, usage: Usage | None = None) -> ProviderError:
    """A success that holds no usable answer. ``what`` is ours, never a piece of the answer."""
    return ProviderError(
        f"{provider} answered with something that is not an answer ({what}): {_ADVICE['other_provider']}",
        kind="other_provider",
        provider=provider,
        code="bad_answer",
        status=status,
        usage=usage,
    )


def shape(error: ValidationError) -> str:
    """Where an answer departs from its format, without a piece of the answer."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        return "not JSON"
    return f"{'.'.join(str(step) for step in first['loc'])}: {first['type']}"


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """``retry-after-ms``, else ``retry-after`` in seconds or as an HTTP date (RFC 9110 §10.2.3); at most a day.

    ``headers`` must look names up without regard to case, or have them in lower case. Call it on error answers only: Anthropic sends
    the header on successes too, where it means nothing for the next call.
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
