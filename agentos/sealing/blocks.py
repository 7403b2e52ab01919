"""Where a data key stands in bucket ``keys``: alone in an entry, or with others in a block.

A task family's key is alone: the entry has the key's name, and is empty once the key is erased. The keys of calls that have nothing in
common are made ahead, many in one entry: ``<block>-<n>`` is the ``n``th of entry ``block.<block>``. Each is wrapped by itself and bound to
its own name, so one is as good as another's noise; the place of an erased one holds zeros.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from agentos.sealing.master import WRAPPED_BYTES

BLOCK_KEYS = 64
"""How many keys a new block has."""
_NAME = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-([0-9]|[1-9][0-9])")
"""A block is named by a UUID, which no task's id goes on after with a number alone."""
_ERASED = bytes(WRAPPED_BYTES)


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the bucket, and which of its keys; ``nth`` is None for one that is alone."""

    entry: str
    nth: int | None

    def find(self, value: bytes | None) -> bytes | None:
        """The wrapped key in the entry's value. None when it is not there (any more)."""
        if not value or self.nth is None:
            return value or None
        wrapped = value[self.nth * WRAPPED_BYTES : (self.nth + 1) * WRAPPED_BYTES]
        return None if wrapped in (b"", _ERASED) else wrapped

    def without(self, value: bytes | None) -> bytes:
        """The entry's value once the key is erased. That of an entry without the key is what it was."""
        if not value or self.nth is None:
            return b""
        if self.find(value) is None:
            return value
        return value[: self.nth * WRAPPED_BYTES] + _ERASED + value[(self.nth + 1) * WRAPPED_BYTES :]

    def made(self, value: bytes | None) -> bool:
        """Whether the key was ever made, going by the entry's value."""
        return value is not None and (self.nth is None or self.nth * WRAPPED_BYTES < len(value))


@lru_cache(512)  # what is sealed with a call's key is opened again within the second
def place_of(key: str) -> Place:
    """Where data key ``key`` stands."""
    match = _NAME.fullmatch(key)
    return Place(key, None) if match is None else Place(block_entry(match[1]), int(match[2]))


def block_entry(block: str) -> str:
    """The entry that a block stands in."""
    return f"block.{block}"


def block_names(block: str) -> tuple[str, ...]:
    """The names of a block's keys, in the order in which they stand in it."""
    return tuple(f"{block}-{nth}" for nth in range(BLOCK_KEYS))


def block_value(wrapped: Sequence[bytes]) -> bytes:
    """What a block of these wrapped keys is stored as."""
    return b"".join(wrapped)


__all__ = ["BLOCK_KEYS", "Place", "block_entry", "block_names", "block_value", "place_of"]
