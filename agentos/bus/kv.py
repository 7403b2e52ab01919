"""Key-value buckets over JetStream streams, with what NATS KV clients agree on: subjects, delete markers, revisions."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

from agentos.bus.reading import Reading
from agentos.bus.tail import HEARTBEAT_S, Raw, Tail
from agentos.contracts.errors import Conflict, RetryLater
from agentos.contracts.ids import is_token, new_id

OPERATION = "KV-Operation"
EXPECTED = "Nats-Expected-Last-Subject-Sequence"
WRITE_ID = "Agentos-Write-Id"
"""Tells a writer its own entry from another's, when the acknowledgement of a conditional write was lost."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One key's state. ``value`` is None when it was deleted; ``revision`` is the stream sequence."""

    key: str
    value: bytes | None
    revision: int
    created: datetime


Publish = Callable[[str, bytes, dict[str, str]], Awaitable[int]]
"""Acknowledged publish: subject, body, headers; returns the sequence, raises Conflict on a wrong expected sequence."""


class KeyValue:
    """One bucket. Keys are dot-separated tokens (ValueError otherwise), prefixes whole tokens with their dot.

    All methods wait for the broker and raise RetryLater when it is away.
    """

    def __init__(
        self,
        name: str,
        publish: Publish,
        reading: Reading,
        tail: Callable[[tuple[str, ...], str, float], Tail],
    ) -> None:
        self.name = name
        self._publish = publish
        self._reading = reading
        self._tail = tail

    async def get(self, key: str) -> Entry | None:
        """The current entry, or None when there is none or it was deleted."""
        entry = await self._read(key)
        return entry if entry is not None and entry.value is not None else None

    async def put(self, key: str, value: bytes) -> int:
        """Set ``key`` whatever it was; the new revision."""
        return await self._publish(self._subject(key), value, {})

    async def create(self, key: str, value: bytes) -> int:
        """Set ``key`` if it is not there (or was deleted). Raises Conflict when it is."""
        try:
            return await self.update(key, value, 0)
        except Conflict:
            entry = await self._read(key)
            if entry is None or entry.value is not None:
                raise
            return await self.update(key, value, entry.revision)

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """Set ``key`` if it still stands at ``revision``. Raises Conflict when another writer was first."""
        return await self._write(key, value, {}, revision)

    async def delete(self, key: str, revision: int | None = None) -> None:
        """Leave a delete marker; the former value is gone at once, where the bucket keeps one revision.

        With ``revision`` only if it still stands there: raises Conflict when another writer was first.
        """
        if revision is None:
            await self._publish(self._subject(key), b"", {OPERATION: "DEL"})
        else:
            await self._write(key, b"", {OPERATION: "DEL"}, revision)

    async def erase(self, key: str) -> bool:
        """Have the broker overwrite what stands at ``key`` with random bytes, leaving no marker; whether anything stood there.

        ``delete`` and ``put`` leave the former value in the store's file until the broker gets to rewrite it. Raises RetryLater when
        this service may not erase. Values that were overwritten by ``put`` before are not reached.
        """
        found = False
        while (raw := await self._reading.last(f"KV_{self.name}", self._subject(key))) is not None:
            await self._reading.erase(f"KV_{self.name}", raw.seq)
            found = True
        return found

    async def revisions(self, key: str) -> list[Entry]:
        """All that is kept of ``key``, oldest first; delete markers have no value."""
        return [entry_of(raw, self.name) for raw in await self._reading.every(f"KV_{self.name}", self._subject(key))]

    async def erase_revision(self, revision: int) -> bool:
        """As ``erase``, of one revision; whether it was still there."""
        return await self._reading.erase(f"KV_{self.name}", revision)

    async def matching(self, pattern: str) -> list[Entry]:
        """The live entries of a pattern of whole tokens, in which ``*`` stands for any one, and a ``>`` at its end for all that follow."""
        if not all(token == "*" or is_token(token) for token in pattern.removesuffix(".>").split(".")):
            raise ValueError(f"{pattern!r} is no pattern: tokens of A-Z a-z 0-9 _ - or *, separated by dots")
        tail = self._tail((f"$KV.{self.name}.{pattern}",), f"KV_{self.name}", HEARTBEAT_S)
        return [entry async for entry in self._standing(tail)]

    async def keys(self, prefix: str = "") -> list[str]:
        """The live keys that begin with ``prefix`` (whole tokens, such as ``default.`` ), in the order of their last write."""
        return [entry.key async for entry in self._current(prefix)]

    async def entries(self, prefix: str = "") -> list[Entry]:
        """The live entries under ``prefix``."""
        return [entry async for entry in self._current(prefix)]

    async def _current(self, prefix: str) -> AsyncGenerator[Entry]:
        async with aclosing(self._standing(self.follow(prefix))) as entries:
            async for entry in entries:
                yield entry

    async def _standing(self, tail: Tail) -> AsyncGenerator[Entry]:
        async with aclosing(tail.updates()) as updates:
            async for raw in updates:
                if raw is None:
                    return
                entry = entry_of(raw, self.name)
                if entry.value is not None:
                    yield entry
        raise RetryLater(f"the connection closed before bucket {self.name} was read", code="broker_unavailable")

    async def watch(self, prefix: str = "") -> AsyncGenerator[Entry | None]:
        """All current entries, then None once, then every change for ever. See ``follow`` for a sign of life."""
        async with aclosing(self.follow(prefix).updates()) as updates:
            async for raw in updates:
                yield None if raw is None else entry_of(raw, self.name)

    def follow(self, prefix: str = "", *, heartbeat_s: float = HEARTBEAT_S) -> Tail:
        """The tail beneath ``watch``, for those who must know how fresh it is."""
        if prefix and not (prefix.endswith(".") and is_key(prefix[:-1])):
            raise ValueError(f"{prefix!r} is no prefix: whole tokens, each with its dot, such as 'default.'")
        return self._tail((f"$KV.{self.name}.{prefix}>",), f"KV_{self.name}", heartbeat_s)

    async def _write(self, key: str, value: bytes, headers: dict[str, str], revision: int) -> int:
        """As ``update``.

        On several replicas the leader refuses a second write while the first is still on its way to the others, and the first may be
        an attempt of ours whose acknowledgement was lost. Until it can be read nobody knows whose it is, or whether it comes to stand
        at all: so it is tried again, for some five seconds.
        """
        write_id = new_id()
        headers = headers | {EXPECTED: str(revision), WRITE_ID: write_id}
        for attempt in range(9):
            if attempt:
                await asyncio.sleep(0.01 * 2**attempt)
            try:
                return await self._publish(self._subject(key), value, headers)
            except Conflict:
                standing = await self._reading.last(f"KV_{self.name}", self._subject(key))
                if standing is not None and standing.headers.get(WRITE_ID) == write_id:
                    return standing.seq
                if (0 if standing is None else standing.seq) != revision:
                    raise
        raise RetryLater(
            f"{key} of bucket {self.name} is taken, and the broker does not show by what", code="broker_unavailable"
        )

    async def _read(self, key: str) -> Entry | None:
        raw = await self._reading.last(f"KV_{self.name}", self._subject(key))
        return None if raw is None else entry_of(raw, self.name)

    def _subject(self, key: str) -> str:
        if not is_key(key):
            raise ValueError(f"{key!r} is no key: tokens of A-Z a-z 0-9 _ -, separated by dots")
        return f"$KV.{self.name}.{key}"


def is_key(text: str) -> bool:
    """Whether ``text`` names one key: nothing from outside may become a wildcard or another bucket's subject."""
    return all(is_token(token) for token in text.split("."))


def entry_of(raw: Raw, bucket: str) -> Entry:
    """The entry that a bucket's message stands for."""
    return Entry(
        key=raw.subject.removeprefix(f"$KV.{bucket}."),
        value=None if _deleted(raw.headers) else raw.body,
        revision=raw.seq,
        created=datetime.fromtimestamp(raw.time_ns / 1e9, UTC),
    )


def _deleted(headers: Mapping[str, str]) -> bool:
    return headers.get(OPERATION) in ("DEL", "PURGE") or headers.get("Nats-Marker-Reason") is not None
