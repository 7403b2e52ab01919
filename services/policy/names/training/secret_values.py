"""Secrets that nobody has: as people choose them, as programs draw them, and one like another."""

import random
import re
import string
from collections.abc import Callable

from services.policy.names.training.lists import ordinary_words

_HEX, _SMALL, _CODES = "0123456789abcdef", string.ascii_lowercase + string.digits, "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_LETTERS = string.ascii_letters + string.digits
_SIGNS = "!#$%&*+-=?@^_~"
_PREFIXES = (
    "tok",
    "key",
    "sk",
    "pk",
    "api",
    "live",
    "test",
    "sec",
    "whk",
    "pat",
    "svc",
    "auth",
    "rk",
    "acc",
    "app",
    "bot",
    "int",
    "prod",
)
_SAME_HEAD = re.compile(r"(?:[a-z]{2,8}[_-]){1,3}(?=.{8})")
"""A token's kind, before what is drawn."""


def _drawn(rng: random.Random, alphabet: str, least: int, most: int) -> str:
    return "".join(rng.choices(alphabet, k=rng.randint(least, most)))


def _word(rng: random.Random, language: str) -> str:
    words = ordinary_words()[language]
    return next((word for _ in range(9) if 2 < len(word := rng.choice(words)) < 12), "winter")


def _chosen(rng: random.Random, language: str) -> str:
    """As people choose them: words, years and a sign."""
    first, second = _word(rng, language), _word(rng, language)
    year, number = rng.randint(1950, 2027), rng.randint(0, 999)
    sign = rng.choice("!?#$%*-_.@&+")
    return rng.choice(
        (
            f"{first.title()}{year}{sign}", f"{first}{number}", f"{first.title()}{sign}{second}{number}", f"{first}-{second}-{number}",
            f"{first.title()}{second.title()}{number}", f"{first}{second}", f"{first}.{second}{rng.randint(1, 99)}",
            f"{first.title()}{number}{sign}",
            f"{sign}{first}{number}{sign}", f"{first}_{second}", f"{first.upper()}-{number}", f"{number}{first}",
            f"{first.replace('e', '3').replace('o', '0')}{sign}{number}",
            f"{first}-{second}-{_word(rng, language)}", f"{first.title()}#{number}{rng.choice(string.ascii_lowercase)}",
        )
    )  # fmt: skip


def _digits(rng: random.Random, _: str) -> str:
    plain = _drawn(rng, string.digits, 4, 8)
    if len(plain) == 6 and rng.random() < 0.3:
        return f"{plain[:3]}{rng.choice(' -')}{plain[3:]}"
    return plain + rng.choice(("", "", "", "", "", "#", "*", rng.choice("ABCX")))


def _grouped(rng: random.Random, _: str) -> str:
    alphabet, size = rng.choice((_CODES, _CODES, _HEX, _SMALL)), rng.randint(3, 6)
    return "-".join(_drawn(rng, alphabet, size, size) for _ in range(rng.randint(2, 5)))


def _token(rng: random.Random, _: str) -> str:
    head = "_".join(rng.sample(_PREFIXES, rng.randint(1, 2))) + rng.choice("__-.")
    return head + _drawn(rng, rng.choice((_LETTERS, _SMALL, _HEX)), 12, 44)


def _key(rng: random.Random, _: str) -> str:
    form = rng.random()
    if form < 0.3:
        return _drawn(rng, _HEX, 16, 64)
    if form < 0.55:
        return _drawn(rng, _LETTERS, 14, 48)
    if form < 0.75:
        return _drawn(rng, _LETTERS + "+/", 20, 60) + rng.choice(("", "=", "=="))
    if form < 0.85:
        return _drawn(rng, _LETTERS + "-_", 20, 60)
    return _drawn(rng, _LETTERS + _SIGNS, 10, 24)


_MAKERS: tuple[Callable[[random.Random, str], str], ...] = (_chosen, _chosen, _digits, _grouped, _token, _key, _key)


def made_up_secret(rng: random.Random, language: str) -> str:
    return rng.choice(_MAKERS)(rng, language)


def _alike(rng: random.Random, text: str) -> str:
    """Other letters and digits in the places of those of ``text``; what comes before a token's own part stays."""
    head = _SAME_HEAD.match(text)
    kept = head[0] if head else ""
    own = text[len(kept) :]
    hexadecimal = all(c in _HEX + "-" for c in own) and any(map(str.isalpha, own))

    def other(c: str) -> str:
        if hexadecimal and c != "-":
            return rng.choice(_HEX)
        if c.isdigit():
            return rng.choice(string.digits)
        if c.isascii() and c.isalpha():
            return rng.choice(string.ascii_lowercase if c.islower() else string.ascii_uppercase)
        return c

    return kept + "".join(map(other, text[len(kept) :]))


def other_secret(rng: random.Random, text: str, language: str) -> str:
    """Another in its place: of several lines or words the same with other digits, of digits such again."""
    if "\n" in text or text.count(" ") > 1 or "[" in text:
        return text
    if text.replace(" ", "").replace("-", "").isdigit():
        return _alike(rng, text) if rng.random() < 0.6 else _digits(rng, language)
    if ":" in text or rng.random() < 0.5:
        return _alike(rng, text)
    return made_up_secret(rng, language)


__all__ = ["made_up_secret", "other_secret"]
