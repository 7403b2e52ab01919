"""The audit chain: pure functions from the stream's bytes to hashes, and what a checkpoint signs.

``h_0`` is 32 zero bytes; ``h_n = SHA-256(h_(n-1) || field ...)`` over the sequence, the subject, the headers that are ours (sorted) and
the body as stored. Each field is preceded by its length in 8 bytes, so that no two different events give the same input. The hashes
``h_1 … h_n`` are the leaves of a Merkle tree (``merkle``), whose root each checkpoint signs beside ``h_n``.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from services.ledger.audit.ed25519 import verifies

GENESIS = bytes(32)
TRACEPARENT = "traceparent"
_CHECKPOINT = b"agentos audit checkpoint 1\n"
_SEAL = b"agentos audit export 1\n"


class Chained(Protocol):
    """What the chain hashes of a message."""

    @property
    def seq(self) -> int: ...
    @property
    def subject(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The chain up to and including ``seq`` hashes to ``chain`` over ``count`` events, the Merkle tree over them to ``root`` (both hex)."""

    seq: int
    chain: str
    root: str
    count: int
    key_id: str
    signature: bytes


def chained_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that the chain covers, sorted: ``Agentos-*`` and ``traceparent``. ``Nats-*`` is the broker's own business."""
    return {name: headers[name] for name in sorted(headers) if name.startswith("Agentos-") or name == TRACEPARENT}


def link(previous: bytes, event: Chained) -> bytes:
    """The hash of the chain with ``event`` added to it."""
    headers = chained_headers(event.headers)
    parts = [previous, *_framed(str(event.seq)), *_framed(event.subject), *_named(str(len(headers)))]
    for name, value in headers.items():
        parts += _named(name)
        parts += _framed(value)
    parts += (len(event.body).to_bytes(8, "big"), event.body)
    return hashlib.sha256(b"".join(parts)).digest()


def _framed(text: str) -> tuple[bytes, bytes]:
    # A header may hold bytes that are no UTF-8; the client hands them over as lone surrogates, and each keeps its own encoding here.
    field = text.encode("utf-8", "surrogatepass")
    return len(field).to_bytes(8, "big"), field


_named = lru_cache(maxsize=64)(_framed)
"""Of what is the same in most events."""


def links(previous: bytes, events: Iterable[Chained]) -> list[bytes]:
    """The hash after each of ``events``."""
    found: list[bytes] = []
    for event in events:
        previous = link(previous, event)
        found.append(previous)
    return found


def key_id(public_key: bytes) -> str:
    """The name of a key: the first 16 hex digits of the SHA-256 of its raw public half."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def checkpoint_message(seq: int, chain: str, root: str, count: int) -> bytes:
    """What the signature of a checkpoint is over."""
    return _CHECKPOINT + f"{seq}\n{chain}\n{root}\n{count}\n".encode()


def signed_by(checkpoint: Checkpoint, public_key: bytes) -> bool:
    """Whether ``public_key`` signed exactly this."""
    message = checkpoint_message(checkpoint.seq, checkpoint.chain, checkpoint.root, checkpoint.count)
    return checkpoint.key_id == key_id(public_key) and verifies(public_key, checkpoint.signature, message)


def seal_message(header_line: bytes) -> bytes:
    """What the closing signature of an export is over: the header names count and last hash, so it stands for every line between."""
    return _SEAL + header_line


def sealed_by(public_key: bytes, signature: bytes, header_line: bytes) -> bool:
    """Whether ``public_key`` closed the export that begins with ``header_line``."""
    return verifies(public_key, signature, seal_message(header_line))
