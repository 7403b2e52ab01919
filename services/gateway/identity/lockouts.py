"""Guessing is slowed down: sign-ins that fail in a row lock an account, and an address, for longer each time.

The count is raised before a password is looked at, so that a thousand guesses at once are no more than the free ones; it stands in
a bucket that all gateways share and that outlives them. A name that nobody has is counted like any other.
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict

from agentos.bus import Bus
from agentos.contracts.base import Utc
from agentos.contracts.errors import Conflict, RetryLater
from services.gateway.problems import Problem

_TRIES = 12


class Strikes(BaseModel):
    """A bucket entry."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    failures: int
    until: Utc | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """``free`` failures cost nothing; the next locks for ``first``, and each further one twice as long, up to ``longest``."""

    free: int
    first: timedelta
    longest: timedelta

    def locked_for(self, failures: int) -> timedelta:
        """How long after so many failures in a row."""
        beyond = failures - self.free
        return timedelta(0) if beyond <= 0 else min(self.first * 2 ** min(beyond - 1, 30), self.longest)


class Locked(Problem):
    """Too many failures: a 429 that says when to come again. ``failures`` and ``until`` are for the log."""

    def __init__(self, failures: int, until: datetime, now: datetime) -> None:
        seconds = max(1, round((until - now).total_seconds()))
        super().__init__(
            429, "sign_in_locked", f"too many sign-ins failed: wait {_span(seconds)}, then try again",
            headers={"Retry-After": str(seconds)},
        )  # fmt: skip
        self.failures = failures
        self.until = until


class Lockouts:
    """The failures in a row of accounts and addresses."""

    def __init__(self, bus: Bus, key: bytes) -> None:
        self._bucket = bus.bucket("lockouts")
        self._key = key

    async def strike(self, kind: str, who: str, terms: Terms) -> Strikes:
        """Count an attempt as failed before it is made. Raises Locked while ``who`` may not try."""
        name = self._name(kind, who)
        for _ in range(_TRIES):
            now = datetime.now(UTC)
            entry = await self._bucket.get(name)
            standing = Strikes.model_validate_json(entry.value) if entry is not None and entry.value else Strikes(failures=0)
            if standing.until is not None and now < standing.until:
                raise Locked(standing.failures, standing.until, now)
            failures = standing.failures + 1
            wait = terms.locked_for(failures)
            struck = Strikes(failures=failures, until=now + wait if wait else None)
            value = struck.model_dump_json().encode()
            try:
                if entry is None:
                    await self._bucket.create(name, value)
                else:
                    await self._bucket.update(name, value, entry.revision)
            except Conflict:
                continue
            return struck
        raise Problem(429, "busy", "too many sign-ins at once: try again", headers={"Retry-After": "1"})

    async def forgive(self, kind: str, who: str) -> None:
        """The attempt that was counted last succeeded, so that none in a row has failed."""
        await self._bucket.delete(self._name(kind, who))

    async def take_back(self, kind: str, who: str) -> None:
        """The attempt that was counted last succeeded; what failed before it still counts: others may share the address."""
        name = self._name(kind, who)
        for _ in range(_TRIES):
            entry = await self._bucket.get(name)
            if entry is None or not entry.value:
                return
            standing = Strikes.model_validate_json(entry.value)
            less = Strikes(failures=max(0, standing.failures - 1))
            try:
                await self._bucket.update(name, less.model_dump_json().encode(), entry.revision)
            except Conflict:
                continue
            return
        raise RetryLater("others sign in from there all the time: try again", code="contended")

    def _name(self, kind: str, who: str) -> str:
        return f"{kind}-" + hmac.digest(self._key, f"lockout\0{kind}\0{who}".encode("utf-8", "surrogatepass"), "sha256").hex()


def _span(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{round(seconds / 60)} minutes"


__all__ = ["Locked", "Lockouts", "Strikes", "Terms"]
