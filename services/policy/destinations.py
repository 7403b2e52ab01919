"""Where a tool call would send something, and whether the person who asked for the task named that place.

The one thing that separates "send the summary to Bob" from "send it to the address that the web page told you" is where the address
came from. Destinations are e-mail addresses, phone numbers, accounts, wallets, hosts of URLs, and the values of the parameters that the
tool's manifest names as destinations. One that does not stand in the trusted input of the task is *foreign*.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from agentos.contracts.base import Json

KINDS = ("EMAIL", "PHONE", "IBAN", "ACCOUNT", "CRYPTO", "USERNAME", "HOST", "PARAMETER")
"""EMAIL to USERNAME are stems of placeholders; HOST is the host of a URL; PARAMETER the value of a declared destination."""

_BY_STEM = frozenset(KINDS[:-2])
_URL = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,20}:)?//(?:[^\s/@:]{1,64}(?::[^\s/@]{0,64})?@)?(?P<host>\[[0-9a-f:.]+\]|[^\s/:?#\"'<>\\)\]}]{1,253})",
    re.IGNORECASE,
)
_SCP = re.compile(r"\b[\w.-]{1,64}@(?P<host>[\w.-]{1,253}):(?=[\w./~-])")
_BARE = re.compile(
    r"(?<![\w.@/-])(?P<host>(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}[a-z]{2,24})(?=[/:?#])", re.IGNORECASE
)
_WWW = re.compile(r"(?<![\w.@/-])(?P<host>www\.(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24})", re.IGNORECASE)
_PHONE_FILL = re.compile(r"[\s().\-/]")
_LONGEST = 4_096
_NUMBER = 6
"""A parameter with so many digits is a number of something, and may be grouped in another way."""


@dataclass(frozen=True, slots=True)
class Destination:
    """One place, in clear: never to be logged or written down. ``kind`` alone may be."""

    kind: str
    value: str


def destinations(arguments: Json, found: Iterable[tuple[str, str]], declared: Iterable[str] = ()) -> tuple[Destination, ...]:
    """Every destination in a tool's arguments.

    ``found`` are the pairs of stem and value that the redactor saw there; ``declared`` the parameters that the manifest calls
    destinations. A declared one that is missing or empty is none.
    """
    places = [Destination(stem, value) for stem, value in found if stem in _BY_STEM]
    for text in _strings(arguments):
        places += [Destination("HOST", host) for host in hosts(text)]
    if isinstance(arguments, Mapping):
        given = cast("Mapping[str, Json]", arguments)
        for name in declared:
            places += [Destination("PARAMETER", text) for text in _leaves(given.get(name)) if text.strip()]
    return tuple(dict.fromkeys(places))


def hosts(text: str) -> Iterator[str]:
    """Hosts that ``text`` points at: in URLs with or without a scheme, ``user@host:path``, ``www.``."""
    for pattern in (_URL, _SCP, _BARE, _WWW):
        for match in pattern.finditer(text):
            host = match["host"].rstrip(".").lower()
            if host:
                yield host


def foreign(places: Iterable[Destination], trusted: Iterable[str]) -> tuple[str, ...]:
    """The kinds of those destinations that no trusted text names, sorted. Compared without regard to case, width and, in numbers, blanks."""
    texts = [_plain(text) for text in trusted]
    digits = [_PHONE_FILL.sub("", text) for text in texts]

    def named(place: Destination) -> bool:
        value = _plain(place.value)
        if not value or len(value) > _LONGEST:
            return False
        if place.kind in ("PHONE", "IBAN", "ACCOUNT") or (
            place.kind == "PARAMETER" and sum(map(str.isdigit, value)) >= _NUMBER
        ):
            number = _PHONE_FILL.sub("", value)
            return any(re.search(rf"(?<!\d){re.escape(number)}(?!\d)", text) is not None for text in digits)
        return any(_stands_alone(value, text, host=place.kind == "HOST") for text in texts)

    return tuple(sorted({place.kind for place in places if not named(place)}))


def _stands_alone(value: str, text: str, *, host: bool = False) -> bool:
    """Whether ``value`` stands in ``text`` as a whole: ``bob@x.org`` is not named by ``notbob@x.org.evil``."""
    inner = r"[\w-]" if not host else r"[\w.@-]"
    after = r"(?![\w-]|\.\w|@)" if not host else r"(?![\w-]|\.\w)"
    return re.search(rf"(?<!{inner}){re.escape(value)}{after}", text) is not None


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _strings(value: Json) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for name, item in cast("dict[str, Json]", value).items():
                yield name
                yield from _strings(item)
        case list() | tuple():
            for item in cast("list[Json]", value):
                yield from _strings(item)
        case _:
            return


def _leaves(value: Json) -> Iterator[str]:
    match value:
        case str():
            yield value
        case bool() | None:
            return
        case int() | float():
            yield str(value)
        case dict():
            for item in cast("dict[str, Json]", value).values():
                yield from _leaves(item)
        case list() | tuple():
            for item in cast("list[Json]", value):
                yield from _leaves(item)
        case _:
            return


def strings(value: Json) -> tuple[str, ...]:
    """Every string of a JSON value, keys included, and numbers as written: the text that a trusted input vouches with."""
    return tuple(dict.fromkeys([*_strings(value), *_leaves(value)]))


__all__ = ["KINDS", "Destination", "destinations", "foreign", "hosts", "strings"]
