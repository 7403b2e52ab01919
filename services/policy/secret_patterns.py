"""Patterns of credentials, for which presidio has no recognizers. Each is linear: no nested or adjacent open repetitions.

Where a pattern has the group ``value``, only that is redacted and the words around it stay.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class SecretPattern:
    """``trigger`` is a text without which the pattern cannot match, in lower case: a cheap first look."""

    entity: str
    trigger: str
    pattern: re.Pattern[str]


def _of(entity: str, trigger: str, pattern: str, flags: int = re.ASCII) -> SecretPattern:
    return SecretPattern(entity, trigger, re.compile(pattern, flags))


_NAMED = (
    r"(?:api[_-]?key|apikey|access[_-]?key|secret[_-]?access[_-]?key|secret[_-]?key|client[_-]?secret|secret|"
    r"auth[_-]?token|access[_-]?token|refresh[_-]?token|token|password|passwd|pwd|passphrase|private[_-]?key)"
)
# A value with a letter and a digit, or a quoted one with a digit: names of variables, types and calls have their own shapes. Bounded
# look-aheads keep it linear.
_BARE = r"(?=[^\s\"',;]{0,64}?\d)(?=[^\s\"',;]{0,64}?[A-Za-z])[A-Za-z0-9_\-+/=.~!@#$%^&*]{8,512}(?![\w(\[])"
_QUOTED = r"(?=[^\s\"']{0,64}?\d)[^\s\"'<>{}()]{6,512}(?=[\"'])"

KEYED = re.compile(
    rf"(?<![A-Za-z0-9])(?:[A-Za-z0-9]{{1,32}}[_-]){{0,4}}{_NAMED}[\"']?\s{{0,4}}(?:[:=]|=>|:=)\s{{0,4}}"
    rf"(?:[\"'](?P<quoted>{_QUOTED})|(?P<value>{_BARE}))",
    re.IGNORECASE | re.ASCII,
)
"""``api_key=…``, ``"password": "…"``, ``AWS_SECRET_ACCESS_KEY: …``."""

KEYED_HINT = re.compile(rf"(?:^|[^A-Za-z0-9])(?:[A-Za-z0-9]{{1,32}}[_-]){{0,4}}{_NAMED}$", re.IGNORECASE | re.ASCII)
"""Whether the key of a JSON object announces a secret."""

PRIVATE_KEY_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----")
PRIVATE_KEY_END = re.compile(r"-----END (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----")

SECRETS: tuple[SecretPattern, ...] = (
    _of("AWS_KEY", "a", r"(?<![A-Za-z0-9])(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _of("GITHUB_TOKEN", "gh", r"(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{20,255}"),
    _of("GITHUB_TOKEN", "github_pat_", r"(?<![A-Za-z0-9])github_pat_[A-Za-z0-9_]{22,255}"),
    _of("SLACK_TOKEN", "xox", r"(?<![A-Za-z0-9])xox[abeoprs]-[A-Za-z0-9-]{10,255}"),
    _of("SLACK_TOKEN", "hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows)/(?P<value>[A-Za-z0-9/_-]{20,255})"),
    _of("STRIPE_KEY", "k_", r"(?<![A-Za-z0-9])[srp]k_(?:live|test)_[A-Za-z0-9]{10,255}"),
    _of("WEBHOOK_SECRET", "whsec_", r"(?<![A-Za-z0-9])whsec_[A-Za-z0-9+/=]{16,255}"),
    _of("PROVIDER_KEY", "sk-", r"(?<![A-Za-z0-9])sk-(?=[A-Za-z0-9_-]{0,64}?\d)[A-Za-z0-9_-]{20,255}"),
    _of("GOOGLE_KEY", "aiza", r"(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    _of("JWT", "eyj", r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]{4,8192}(?:\.[A-Za-z0-9_-]{0,4096}){0,3}"),
    _of(
        "BEARER_TOKEN",
        "bearer",
        r"(?<![A-Za-z0-9])bearer[ \t]{1,4}(?P<value>(?=[A-Za-z0-9._~+/-]{0,64}?\d)[A-Za-z0-9._~+/-]{8,4096}={0,2})",
        re.ASCII | re.IGNORECASE,
    ),
    _of(
        "BASIC_CREDENTIALS",
        "basic",
        r"(?<![A-Za-z0-9])authorization[\"']?: {0,2}[\"']?basic[ \t]{1,4}(?P<value>[A-Za-z0-9+/]{8,4096}={0,2})",
        re.ASCII | re.IGNORECASE,
    ),
)

__all__ = ["KEYED", "KEYED_HINT", "PRIVATE_KEY_BEGIN", "PRIVATE_KEY_END", "SECRETS", "SecretPattern"]
