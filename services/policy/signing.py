"""Whose signature on a bundle counts: public keys, as the settings name them."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agentos.signing_key import load_or_create
from services.policy.bundles import key_id_of


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


__all__ = ["public_text", "trusted", "trusted_by"]
