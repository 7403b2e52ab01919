"""The ledger's signing key, in a file that only the ledger can read, and what it signs."""

import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from services.ledger.audit import chain
from services.ledger.audit.chain import Checkpoint


class UnsafeKey(Exception):
    """The key file is readable by others, or holds something else. The ledger does not sign with it."""


def load_or_create(path: Path) -> Ed25519PrivateKey:
    """The key in ``path``, made on the first call. Blocking. Raises UnsafeKey naming the file and the remedy."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _load(path)
    key = Ed25519PrivateKey.generate()
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())
    return key


def _load(path: Path) -> Ed25519PrivateKey:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise UnsafeKey(f"{path} has mode {mode:04o}: others can read the audit key; chmod 600 it, and replace it if they did")
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as bad:
        raise UnsafeKey(f"{path} is no PEM private key: {bad}") from bad
    if not isinstance(key, Ed25519PrivateKey):
        raise UnsafeKey(f"{path} holds a {type(key).__name__}; the audit chain is signed with Ed25519")
    return key


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
