"""Addresses of machines. Not those that are nobody's: loopback, unspecified, multicast, reserved."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from services.policy.findings import Finding
from services.policy.recognizers.lowered import Lowered

_IPV4 = re.compile(r"\d(?<![\w.]\d)\d{0,2}(?:\.\d{1,3}){3}(?:/\d{1,2})?(?!\w|\.\d)")
_IPV4_SHAPES = (".0.0", ".00.0", ".000.0")
_IPV6_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:")
_IPV6_HEAD = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}\Z")
_IPV6 = re.compile(r"[0-9A-Fa-f:]{3,39}(?:(?:\.\d{1,3}){3})?(?:%\w{1,16})?(?![\w:])")
_LEAST_COLONS = 6
"""Of an address that does not leave zeros out. A time of day has two."""
_MAC_HEAD = 2
_MAC_COLONS, _MAC_DASHES = (
    re.compile(rf"{sign}(?<=(?<![\w:.-])[0-9A-Fa-f]{{2}}{sign})(?:[0-9A-Fa-f]{{2}}{sign}){{4}}[0-9A-Fa-f]{{2}}(?![\w:-]|\.\w)")
    for sign in ":-"
)
"""From the first sign on: ``re`` looks for a literal much faster than for a class."""
_MAC_DOTTED_HEAD = 4
_MAC_DOTTED = re.compile(r"\.(?<=(?<![\w:.-])[0-9A-Fa-f]{4}\.)[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![\w:-]|\.\w)")

_VERSION_BEFORE = re.compile(
    r"(?:[A-Za-z]/|==|[<>~^]=?|version=[\"'][\d.]{0,16}-?|version[ :=\"']{0,4}|"
    r"(?<![A-Za-z])(?:release|firmware|build|driver|revision|rev|ver|upgrade to|v)[ :=\"']{0,4})\Z",
    re.IGNORECASE,
)
_DAY_BEFORE = re.compile(r"-[A-Z][a-z]{2}-\Z")
"""``12-Nov-2024::19:22:08``, as Erlang writes times."""
_VERSION_AFTER = re.compile(r"-[A-Za-z]")
_SINGLE_DIGITS = re.compile(r"\d(?:\.\d){3}")
_ADDRESS_WORDS = re.compile(
    r"\b(?:ip|ips|ipv4|address|addr|host|from|client|src|dst|remote|server|gateway|ping|dns|to|peer|node|at|resolver|"
    r"nameserver)\b|[=\[]\Z",
    re.IGNORECASE,
)


class Network:
    """The recognizers, built once from presidio's."""

    def __init__(self, presidio: Any) -> None:
        self._mac: Any = presidio.MacAddressRecognizer()

    def find(self, text: str, lowered: Lowered) -> Iterator[Finding]:
        """In any order."""
        for match in _IPV4.finditer(text) if lowered.has_shape(_IPV4_SHAPES) else ():
            if not _is_nobodys(match[0]) and not _is_version(text, match):
                yield Finding(match.start(), match.end(), "IP_ADDRESS", "IP", 0.6)
        if text.count(":") > 1:
            yield from self._ipv6(text)
        for sign, least, head, pattern in (
            (":", 5, _MAC_HEAD, _MAC_COLONS),
            ("-", 5, _MAC_HEAD, _MAC_DASHES),
            (".", 2, _MAC_DOTTED_HEAD, _MAC_DOTTED),
        ):
            if text.count(sign) < least:
                continue
            for match in pattern.finditer(text):
                start, end = match.start() - head, match.end()
                address = text[start:end]
                # Digits alone with dots or dashes are versions and dates.
                telling = sign == ":" or any(character.isalpha() for character in address)
                if telling and not self._mac.invalidate_result(address):
                    yield Finding(start, end, "MAC_ADDRESS", "MAC", 0.6)

    def _ipv6(self, text: str) -> Iterator[Finding]:
        end = 0
        for colons in _IPV6_COLONS.finditer(text):
            if colons.start() < end:
                continue
            head = _IPV6_HEAD.search(text, max(0, colons.start() - 5), colons.start())
            match = _IPV6.match(text, head.start()) if head is not None else None
            if match is None:
                continue
            end = match.end()
            if match[0].count(":") < _LEAST_COLONS and "::" not in match[0]:
                continue
            if _DAY_BEFORE.search(text, max(0, match.start() - 8), match.start()) is not None:
                continue
            address = match[0].rstrip(":") if not match[0].endswith("::") else match[0]
            if _is_nobodys(address):
                continue
            groups = [group for group in address.split(":") if group]
            # ``x[1::2]`` and ``a::b`` are code; an address has three groups or a first one of four digits.
            if len(groups) >= 3 or (groups and len(groups[0]) == 4):
                yield Finding(match.start(), match.start() + len(address), "IP_ADDRESS", "IP", 0.6)


def _is_version(text: str, match: re.Match[str]) -> bool:
    """``Chrome/122.0.0.0``, ``Version=8.0.0.0``, ``rails (7.1.3.2)``, ``1.2.3.4-r5``."""
    before = text[max(0, match.start() - 32) : match.start()]
    if _VERSION_BEFORE.search(before) or _VERSION_AFTER.match(text, match.end()):
        return True
    return _SINGLE_DIGITS.fullmatch(match[0]) is not None and _ADDRESS_WORDS.search(before) is None


def _is_nobodys(address: str) -> bool:
    """Also what is no address at all."""
    try:
        # What has no mask is no interface: a quarter of the time.
        ip = ipaddress.ip_interface(address).ip if "/" in address else ipaddress.ip_address(address)
    except ValueError:
        return True
    return ip.is_loopback or ip.is_unspecified or ip.is_multicast or (ip.version == 4 and ip.is_reserved)


__all__ = ["Network"]
