"""The audit chain: pure functions from the stream's bytes to hashes, and the signatures that anchor them.

``h_0`` is 32 zero bytes; ``h_n = SHA-256(h_(n-1) || field ...)`` over the sequence, the subject, the headers that are ours (sorted) and
the body as stored. Each field is preceded by its length in 8 bytes, so that no two different events give the same input.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from agentos.contracts.envelope import TRACEPARENT

GENESIS = bytes(32)
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
    """The chain up to and including ``seq`` hashes to ``chain`` (hex) over ``count`` events, signed by the key ``key_id``."""

    seq: int
    chain: str
    count: int
    key_id: str
    signature: bytes


def chained_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that the chain covers, sorted: ``Agentos-*`` and ``traceparent``. ``Nats-*`` is the broker's own business."""
    return {name: headers[name] for name in sorted(headers) if name.startswith("Agentos-") or name == TRACEPARENT}


def link(previous: bytes, event: Chained) -> bytes:
    """The hash of the chain with ``event`` added to it."""
    headers = chained_headers(event.headers)
    texts = [str(event.seq), event.subject, str(len(headers))]
    for header in headers.items():
        texts += header
    parts = [previous]
    for text in texts:
        # A header may hold bytes that are no UTF-8; the client hands them over as lone surrogates, and each keeps its own encoding here.
        field = text.encode("utf-8", "surrogatepass")
        parts += (len(field).to_bytes(8, "big"), field)
    parts += (len(event.body).to_bytes(8, "big"), event.body)
    return hashlib.sha256(b"".join(parts)).digest()


def links(previous: bytes, events: Iterable[Chained]) -> list[bytes]:
    """The hash after each of ``events``."""
    found: list[bytes] = []
    for event in events:
        previous = link(previous, event)
        found.append(previous)
    return found


def public_bytes(key: Ed25519PublicKey) -> bytes:
    """The 32 raw bytes of a public key."""
    return key.public_bytes_raw()


def key_id(public_key: bytes) -> str:
    """The name of a key: the first 16 hex digits of the SHA-256 of its raw public half."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def _checkpoint_message(seq: int, chain: str, count: int) -> bytes:
    return _CHECKPOINT + f"{seq}\n{chain}\n{count}\n".encode()


def sign(key: Ed25519PrivateKey, seq: int, chain: bytes, count: int) -> Checkpoint:
    """A checkpoint. Ed25519 is deterministic: the same place gives the same bytes."""
    signature = key.sign(_checkpoint_message(seq, chain.hex(), count))
    return Checkpoint(seq, chain.hex(), count, key_id(public_bytes(key.public_key())), signature)


def signed_by(checkpoint: Checkpoint, public_key: bytes) -> bool:
    """Whether ``public_key`` signed exactly this."""
    message = _checkpoint_message(checkpoint.seq, checkpoint.chain, checkpoint.count)
    return checkpoint.key_id == key_id(public_key) and _verifies(public_key, checkpoint.signature, message)


def seal(key: Ed25519PrivateKey, header_line: bytes) -> bytes:
    """The signature that closes an export. The header names count and last hash, so it stands for every line between."""
    return key.sign(_SEAL + header_line)


def sealed_by(public_key: bytes, signature: bytes, header_line: bytes) -> bool:
    """Whether ``public_key`` closed the export that begins with ``header_line``."""
    return _verifies(public_key, signature, _SEAL + header_line)


def _verifies(public_key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
