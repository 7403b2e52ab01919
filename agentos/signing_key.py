"""An Ed25519 key to sign with, as PEM in a file that only its owner can read."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from agentos import private_files
from agentos.private_files import UnsafeSecret


def load_or_create(path: Path) -> Ed25519PrivateKey:
    """The key in ``path``, made on the first call. Blocking. Raises UnsafeSecret naming the file and the remedy."""
    return _parse(path, private_files.read_or_create(path, _fresh))


def load(path: Path) -> Ed25519PrivateKey:
    """The key in ``path``. Blocking. Raises UnsafeSecret, and FileNotFoundError when there is no such file."""
    return _parse(path, private_files.read(path))


def _fresh() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _parse(path: Path, pem: bytes) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as bad:
        raise UnsafeSecret(f"{path} is no unencrypted PEM private key") from bad
    if not isinstance(key, Ed25519PrivateKey):
        raise UnsafeSecret(f"{path} holds a {type(key).__name__}; what is signed here is signed with Ed25519")
    return key


__all__ = ["load", "load_or_create"]
