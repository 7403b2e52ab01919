"""E-mail addresses, however they are written, and the addresses of the Unified Payments Interface, which look like them."""

import re
from collections.abc import Iterator

from services.policy.findings import Finding
from services.policy.recognizers.lowered import Lowered, Words

_EMAIL = re.compile(
    r"(?<![\w.!#$%&*+?^{|}~-])(?P<local>[\w.!#$%&*+?^{|"
    r"}~'-]++)@(?P<domain>(?:[\w-]{1,63}\.){1,16}[^\W\d_](?:[\w-]{0,61}[^\W_]))"
)
_ENCODED = re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}%40(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])")
_SPELT = re.compile(
    r"(?<![\w.-])[\w.+-]{1,64} ?[\[({<] ?(?:at|ät|arobase|AT) ?[\])}>] ?[\w-]{1,63}(?: ?(?:[\[({<] ?(?:dot|punkt|point|"
    r"DOT) ?[\])}>]|\.) ?[\w-]{1,63}){1,4}(?![\w-])"
    r"|(?<![\w.-])[\w+-]{1,64}(?: dot [\w+-]{1,64}){0,2} at [\w-]{1,63}(?: dot [\w-]{1,63}){1,3}(?![\w-])"
)
_SPELT_WORDS = Words((" dot ", "(at)", "[at]", "( at )", "[ at ]", "{at}", "<at>", "(ät)", "(arobase)"))
_UPI = re.compile(
    r"(?<![A-Za-z])(?:upi|vpa)(?:[ _-]?(?:id|handle|address))?[\"'\])]{0,2}(?: is|[ ]?[:=#-])?[ \t]{0,3}[\"'(]?"
    r"(?P<value>[\w.-]{2,64}@[a-z]{2,16})(?![\w.@-])",
    re.IGNORECASE,
)
"""An address of the Unified Payments Interface of India: it has no domain."""
_UPI_BANK = re.compile(r"(?<![\w.@-])[\w.-]{2,64}@(?:ok(?:sbi|axis|icici|hdfcbank)|ybl|ibl|axl|paytm|upi|apl)(?![\w@-]|\.\w)")
"""The same, by what its banks call themselves in it."""
_CREDENTIALS = re.compile(r"://[^\s/@\"'<>]{0,120}$")
_VERSION = re.compile(r"v?\d+\.\d")

_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp")
"""``marker@2x.png``: no domain ends so either."""
_UNITS = (".service", ".socket", ".mount", ".automount", ".timer", ".target", ".slice", ".scope", ".device", ".path", ".swap")
"""Of systemd. No domain of mail ends so."""


def _addresses(text: str) -> Iterator[re.Match[str]]:
    """What ``_EMAIL`` finds, looked for from the beginning of each word with an ``@`` on: other words cost nothing."""
    position = 0
    while (sign := text.find("@", position)) >= 0:
        match = _EMAIL.search(text, max(position, text.rfind(" ", position, sign) + 1))
        if match is None:
            return
        yield match
        position = match.end()


def emails(text: str, lowered: Lowered) -> Iterator[Finding]:
    """In order; also ``ann%40x.org`` of a URL, and ``ann (at) x (dot) org``."""
    if "@" in text:
        for match in _addresses(text):
            # ``git@host:path`` is a remote, ``react@18.2.0-rc.1`` a version, ``getty@tty1.service`` a unit of systemd.
            if (
                (match["local"] == "git" and text[match.end() : match.end() + 1] in (":", "/"))
                or _VERSION.match(match["domain"])
                or match["domain"].endswith(_UNITS + _PICTURES)
            ):
                continue
            # ``scheme://user:password@host`` is a connection.
            if _CREDENTIALS.search(text, max(0, match.start() - 128), match.start()) is not None:
                continue
            if not any(map(str.isalnum, match["local"])):
                continue
            start = match.start() + (len(match["local"]) - len(match["local"].lstrip("'")))
            yield Finding(start, match.end(), "EMAIL_ADDRESS", "EMAIL", 1.0)
        for match in _UPI_BANK.finditer(text):
            yield Finding(*match.span(), "UPI_ID", "ACCOUNT", 0.9)
        for match in _UPI.finditer(text) if "upi" in lowered or "vpa" in lowered else ():
            yield Finding(*match.span("value"), "UPI_ID", "ACCOUNT", 0.9)
    if "%40" in text:
        for match in _ENCODED.finditer(text):
            yield Finding(match.start(), match.end(), "EMAIL_ADDRESS", "EMAIL", 0.9)
    if _SPELT_WORDS.any_within(lowered):
        for match in _SPELT.finditer(text):
            yield Finding(match.start(), match.end(), "EMAIL_ADDRESS", "EMAIL", 0.8)


__all__ = ["emails"]
