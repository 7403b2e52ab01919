"""What the ledger signs with its key."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.ledger.audit import chain
from services.ledger.audit.chain import Checkpoint


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """The 32 raw bytes of the public half."""
    return key.public_key().public_bytes_raw()


def sign(key: Ed25519PrivateKey, seq: int, hash_: bytes, root: bytes) -> Checkpoint:
    """A checkpoint over the first ``seq`` events. Ed25519 is deterministic: the same place gives the same bytes."""
    signature = key.sign(chain.checkpoint_message(seq, hash_.hex(), root.hex(), seq))
    return Checkpoint(seq, hash_.hex(), root.hex(), seq, chain.key_id(public_bytes(key)), signature)


def seal(key: Ed25519PrivateKey, header_line: bytes) -> bytes:
    """The signature that closes an export."""
    return key.sign(chain.seal_message(header_line))
