"""What headers say of rate limits."""

from datetime import timedelta

import pytest

from adapters.limits import duration, rate_limits, wait_in_words
from adapters.port import RateLimits


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        ("6m0s", 360),
        ("1s", 1),
        ("20ms", 0.02),
        ("1h2m3.5s", 3723.5),
        ("1d", 86_400),
        ("2m59.56s", 179.56),
        ("7.66s", 7.66),
        ("12", 12),
        ("0.5", 0.5),
        ("0", 0),
        ("999999999999d", 604_800),
        ("", None),
        ("soon", None),
        ("-5s", None),
        ("1x", None),
        ("5 s", None),
        ("nan", None),
    ],
)
def test_durations_are_read_in_each_of_their_forms(raw: str, seconds: float | None) -> None:
    assert duration(raw) == (None if seconds is None else timedelta(seconds=seconds))


_DATE = {"date": "Fri, 31 Dec 2027 23:59:00 GMT"}
CASES: dict[str, tuple[dict[str, str], RateLimits | None]] = {
    "OpenAI": (
        {
            "x-ratelimit-limit-requests": "5000",
            "x-ratelimit-limit-tokens": "160000",
            "x-ratelimit-remaining-requests": "4999",
            "x-ratelimit-remaining-tokens": "159976",
            "x-ratelimit-reset-requests": "12ms",
            "x-ratelimit-reset-tokens": "6m0s",
        },
        RateLimits(5000, 4999, timedelta(milliseconds=12), 160_000, 159_976, timedelta(minutes=6)),
    ),
    "tokens alone, with a minus for none": (
        {"x-ratelimit-remaining-tokens": "-1", "x-ratelimit-limit-tokens": "100"},
        RateLimits(tokens_limit=100),
    ),
    "windows by name (Cerebras)": (
        {"x-ratelimit-limit-tokens-minute": "60000", "x-ratelimit-remaining-tokens-minute": "1", "x-ratelimit-reset-tokens-minute": "11.5"},
        RateLimits(tokens_limit=60_000, tokens_left=1, tokens_reset=timedelta(seconds=11.5)),
    ),
    "a period by which all is there again, and resets in milliseconds (Azure)": (
        {
            "x-ratelimit-limit-requests": "120",
            "x-ratelimit-limit-tokens": "120000",
            "x-ratelimit-remaining-requests": "119",
            "x-ratelimit-remaining-tokens": "119986",
            "x-ratelimit-renewalperiod-requests": "60",
            "x-ratelimit-renewalperiod-tokens": "60",
            "x-ratelimit-reset-requests": "500",
            "x-ratelimit-reset-tokens": "7",
        },
        RateLimits(120, 119, timedelta(milliseconds=500), 120_000, 119_986, timedelta(milliseconds=7)),
    ),
    "requests by another name (Mistral)": (
        {"x-ratelimit-limit-req-minute": "360", "x-ratelimit-remaining-req-minute": "352", "x-ratelimit-limit-tokens-minute": "20000000"},
        RateLimits(360, 352, None, 20_000_000),
    ),
    "a burst of requests (Mistral)": (
        {"x-ratelimit-limit-req-10-second": "60", "x-ratelimit-remaining-req-10-second": "48"},
        RateLimits(requests_limit=60, requests_left=48),
    ),
    "requests alone, until a time in milliseconds (OpenRouter)": (
        {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1830297600000", **_DATE},
        RateLimits(requests_limit=20, requests_left=0, requests_reset=timedelta(seconds=60)),
    ),
    "Anthropic": (
        {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-requests-reset": "2027-12-31T23:59:10Z",
            "anthropic-ratelimit-tokens-limit": "100000",
            "anthropic-ratelimit-tokens-remaining": "99000",
            "anthropic-ratelimit-tokens-reset": "2027-12-31T23:58:00Z",
            **_DATE,
        },
        RateLimits(50, 49, timedelta(seconds=10), 100_000, 99_000, timedelta()),
    ),
    "nonsense": (
        {"x-ratelimit-limit-requests": "many", "x-ratelimit-reset-requests": "never", "x-ratelimit-remaining-requests": "1e999"},
        RateLimits(),
    ),
    "nothing": ({"content-type": "application/json"}, None),
}  # fmt: skip


@pytest.mark.parametrize(("headers", "expected"), CASES.values(), ids=CASES.keys())
def test_limits_are_read_in_each_of_their_forms(headers: dict[str, str], expected: RateLimits | None) -> None:
    assert rate_limits(headers) == expected


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("Rate limit reached … Limit 3, Used 3. Please try again in 20s. Visit …", 20),
        ("Please try again in 6m0s.", 360),
        ("Please try again in 86ms.", 0.086),
        ("Please try again in 1.2s.", 1.2),
        ("Please try again later.", None),
        (None, None),
    ],
)
def test_a_wait_in_words_is_understood(said: object, seconds: float | None) -> None:
    assert wait_in_words(said) == (None if seconds is None else timedelta(seconds=seconds))
