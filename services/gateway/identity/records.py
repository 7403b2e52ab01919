"""Sealed records in a bucket, with a live copy of all of them in memory: what another gateway changes holds here at once.

Names, addresses and password hashes are personal data. They are sealed with a key that is derived from the master key, so that the
broker's store alone tells nothing of people.
"""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from agentos.bus import Bus, Entry, LiveCopy
from agentos.contracts.base import Sealed
from agentos.contracts.errors import Conflict, NotFound, RetryLater
from agentos.sealing import SealBroken, seal_model
from agentos.sealing.envelope import open_model

R = TypeVar("R", bound=BaseModel)
_TRIES = 8

log = structlog.get_logger(__name__)


class SealedTable(Generic[R]):
    """Run ``follow`` as a task."""

    def __init__(self, bus: Bus, bucket: str, prefix: str, key: bytes, kind: type[R]) -> None:
        self._bucket = bus.bucket(bucket)
        self._name = bucket
        self._prefix = prefix
        self._copy = LiveCopy(self._bucket, self._told, prefix)
        self._key = key
        self._kind = kind
        self._records: dict[str, R] = {}
        self._revisions: dict[str, int] = {}
        self._listeners: list[Callable[[str], None]] = []

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Have ``listener`` called, on the loop, with the id of each record that changes from now on."""
        self._listeners.append(listener)

    async def follow(self) -> None:
        """Follow the bucket for ever."""
        await self._copy.follow()

    @property
    def loaded(self) -> bool:
        """Whether every record that exists is known."""
        return self._copy.complete

    async def ready(self) -> None:
        """Wait until every record that exists is known."""
        await self._copy.ready()

    def get(self, id_: str) -> R | None:
        """The record as of the last change that the broker told us."""
        return self._records.get(id_)

    def all(self) -> Iterable[R]:
        """Every record."""
        return self._records.values()

    async def create(self, id_: str, record: R) -> R:
        """Raises Conflict when the id is taken."""
        value = self._sealed(id_, record)
        self._take(id_, value, await self._bucket.create(self._prefix + id_, value))
        return record

    async def update(self, id_: str, change: Callable[[R], R]) -> R:
        """Put ``change`` of the record in its place; what it raises goes through. Raises NotFound.

        ``change`` is called again, with the newer record, when another writer was first.
        """
        for _ in range(_TRIES):
            entry = await self._bucket.get(self._prefix + id_)
            if entry is None or entry.value is None:
                raise NotFound("there is no such record")
            standing = self._opened(id_, entry.value)
            changed = change(standing)
            if changed == standing:
                self._take(id_, entry.value, entry.revision)
                return standing
            value = self._sealed(id_, changed)
            try:
                revision = await self._bucket.update(self._prefix + id_, value, entry.revision)
            except Conflict:
                continue
            self._take(id_, value, revision)
            return changed
        raise RetryLater("others change the same record all the time: try again", code="contended")

    async def delete(self, id_: str) -> None:
        """It is not there any more. Again is the same."""
        await self._bucket.delete(self._prefix + id_)
        # Here at once; the watch, which says so too, is for the other gateways.
        if self._records.pop(id_, None) is not None:
            self._tell(id_)

    def _sealed(self, id_: str, record: R) -> bytes:
        return seal_model(self._key, id_, self._name, record).model_dump_json().encode()

    def _opened(self, id_: str, value: bytes) -> R:
        return open_model(self._kind, self._key, id_, self._name, Sealed.model_validate_json(value))

    def _told(self, entry: Entry) -> None:
        self._take(entry.key.removeprefix(self._prefix), entry.value, entry.revision)

    def _take(self, id_: str, value: bytes | None, revision: int) -> None:
        if revision <= self._revisions.get(id_, 0):
            return  # our own write, told again by the watch
        self._revisions[id_] = revision
        try:
            record = None if value is None else self._opened(id_, value)
        except (ValidationError, SealBroken):
            # Fail closed: a record that cannot be read opens nothing.
            log.exception("a record of identity is unreadable: what it stands for is refused", bucket=self._name, key=id_)
            record = None
        if record is None:
            self._records.pop(id_, None)
        else:
            self._records[id_] = record
        self._tell(id_)

    def _tell(self, id_: str) -> None:
        for listener in self._listeners:
            listener(id_)


__all__ = ["SealedTable"]
