"""The virtual keys as a service sees them: a live copy of bucket ``virtualkeys``. A revocation holds as soon as it is heard of."""

from collections.abc import Callable, Iterable

import structlog
from pydantic import ValidationError

from agentos.bus import Bus, LiveCopy
from agentos.contracts.virtualkeys import VirtualKey

log = structlog.get_logger(__name__)


class VirtualKeyTable:
    """Run ``follow`` as a task."""

    def __init__(self, bus: Bus) -> None:
        self._bucket = bus.bucket("virtualkeys")
        self._copy = LiveCopy(self._bucket, lambda entry: self._take(entry.key, entry.value))
        self._records: dict[str, VirtualKey] = {}
        self._listeners: list[Callable[[VirtualKey], None]] = []

    def on_revoked(self, listener: Callable[[VirtualKey], None]) -> None:
        """Have ``listener`` called, on the loop, for each key that is revoked from now on."""
        self._listeners.append(listener)

    async def follow(self) -> None:
        """Follow the bucket for ever."""
        await self._copy.follow()

    async def ready(self) -> None:
        """Wait until every key that exists is known."""
        await self._copy.ready()

    @property
    def loaded(self) -> bool:
        """Whether every key that exists is known."""
        return self._copy.complete

    def known(self, key: str) -> VirtualKey | None:
        """The record of key ``key`` as of the last change that the broker told us."""
        return self._records.get(key)

    def all(self) -> Iterable[VirtualKey]:
        """Every record."""
        return self._records.values()

    async def find(self, key: str) -> VirtualKey | None:
        """As ``known``; one that nobody has told us of, or that may have changed while we heard nothing, is asked for.

        Raises RetryLater when the broker does not answer.
        """
        known = self._records.get(key)
        if known is not None and self._copy.live:
            return known
        entry = await self._bucket.get(key)
        return None if entry is None else self._take(key, entry.value)

    def _take(self, key: str, value: bytes | None) -> VirtualKey | None:
        before = self._records.pop(key, None)
        if value is None:
            return None
        try:
            record = VirtualKey.model_validate_json(value)
        except ValidationError:
            # Fail closed: a record that cannot be read opens nothing.
            log.warning("a virtual key's record is unreadable: the key is refused", key=key)
            return None
        self._records[key] = record
        if record.revoked_at is not None and (before is None or before.revoked_at is None):
            for listener in self._listeners:
                listener(record)
        return record
