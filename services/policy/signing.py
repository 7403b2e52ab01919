"""The keys that bundles are signed with: private ones in files that only their owner can read, public ones in the settings."""

import base64
import binascii
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from services.policy.bundles import key_id_of


class UnsafeKey(Exception):
    """The key file is readable by others, or holds something else. Nothing is signed with it."""


def load_or_create(path: Path) -> Ed25519PrivateKey:
    """The key in ``path``, made on the first call. Blocking. Raises UnsafeKey naming the file and the remedy."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return load(path)
    key = Ed25519PrivateKey.generate()
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())
    return key


def load(path: Path) -> Ed25519PrivateKey:
    """The key in ``path``. Blocking. Raises UnsafeKey, and OSError when there is no such file."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise UnsafeKey(
            f"{path} has mode {mode:04o}: others can read the signing key; chmod 600 it, and replace it if they did"
        )
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as bad:
        raise UnsafeKey(f"{path} is no unencrypted PEM private key") from bad
    if not isinstance(key, Ed25519PrivateKey):
        raise UnsafeKey(f"{path} holds a {type(key).__name__}; bundles are signed with Ed25519")
    return key


def public_text(key: Ed25519PublicKey) -> str:
    """The public key as the settings take it: base64 of its 32 bytes."""
    return base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def trusted(texts: Iterable[str]) -> Mapping[str, Ed25519PublicKey]:
    """Public keys by key id. Raises ValueError naming the text that is none."""
    keys: dict[str, Ed25519PublicKey] = {}
    for text in texts:
        try:
            key = Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
        except (ValueError, binascii.Error):
            raise ValueError(f"{text[:60]!r} is no Ed25519 public key: base64 of 32 bytes is wanted") from None
        keys[key_id_of(key)] = key
    return keys


def trusted_by(texts: str, file: Path | None, own: Path) -> Mapping[str, Ed25519PublicKey]:
    """The keys that an installation trusts: those that its settings name, or else its own, which is made on the first call. Blocking."""
    named = [text.strip() for text in texts.split(",") if text.strip()]
    if file is not None:
        lines = (line.strip() for line in file.read_text("ascii").splitlines())
        named += [line for line in lines if line and not line.startswith("#")]
    if named:
        return trusted(named)
    return trusted([public_text(load_or_create(own).public_key())])


__all__ = ["UnsafeKey", "load", "load_or_create", "public_text", "trusted", "trusted_by"]
