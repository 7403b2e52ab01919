"""Passwords: what is accepted as one, and argon2id over it, away from the event loop."""

import asyncio
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.gateway.problems import Problem

T = TypeVar("T")
SHORTEST, LONGEST = 12, 200
_FEWEST_CHARACTERS = 5
_RUNS = ("abcdefghijklmnopqrstuvwxyz", "01234567890123456789", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm")


class Passwords:
    """Hashes and verifies, at most ``at_once`` at a time: each takes 64 MiB and a core for some 50 ms (RFC 9106, second choice)."""

    def __init__(self, hasher: PasswordHasher | None = None, *, at_once: int = 2, waiting: int = 32) -> None:
        self._hasher = hasher or PasswordHasher()
        self._places = asyncio.Semaphore(at_once)
        self._room = at_once + waiting
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        """What is kept of ``password``. Raises a 429 problem when too many wait."""
        return await self._apart(self._hasher.hash, password)

    async def verify(self, password: str, kept: str | None) -> bool:
        """Whether ``kept`` was made of ``password``; takes as long where nothing is kept. Raises a 429 problem when too many wait."""
        if self._nobody is None:
            self._nobody = await self.hash("a password that nobody has")
        return await self._apart(self._fits, password, kept or self._nobody) and kept is not None

    def outdated(self, kept: str) -> bool:
        """Whether ``kept`` was made with other parameters than are used now."""
        return self._hasher.check_needs_rehash(kept)

    def _fits(self, password: str, kept: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _apart(self, work: Callable[..., T], *given: str) -> T:
        if self._room == 0:
            raise Problem(429, "busy", "too many people sign in at once: try again", headers={"Retry-After": "2"})
        self._room -= 1
        try:
            async with self._places:
                return await asyncio.to_thread(work, *given)
        finally:
            self._room += 1


def weakness(password: str, *names: str) -> str | None:
    """Why ``password`` is not accepted, None where it is. ``names`` are what others know of its owner."""
    plain = password.casefold()
    letters = "".join(c for c in plain if c.isalnum())
    if len(password) < SHORTEST:
        return f"must have at least {SHORTEST} characters: a few unrelated words do well"
    if len(password) > LONGEST:
        return f"must have at most {LONGEST} characters"
    if len(set(plain)) < _FEWEST_CHARACTERS:
        return "repeats a few characters: take a few unrelated words"
    if any(plain in run * 2 or plain[::-1] in run * 2 for run in _RUNS):
        return "is a run of keys: take a few unrelated words"
    if plain in _commonest() or letters.rstrip("0123456789") in _commonest() or letters in _commonest():
        return "is one of the passwords that are tried first: take a few unrelated words"
    if any(len(name) >= 4 and name.casefold() in plain and len(plain) - len(name) < SHORTEST for name in names):
        return "is little more than the name: take a few unrelated words"
    return None


@cache
def _commonest() -> frozenset[str]:
    lines = files("services.gateway.identity").joinpath("common_passwords.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


__all__ = ["LONGEST", "SHORTEST", "Passwords", "weakness"]
