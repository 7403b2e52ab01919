"""Sealing with a task's data key: AES-256-GCM (NIST SP 800-38D), bound to the key's name and the purpose."""

import os
from typing import TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ValidationError

from agentos.contracts.base import Sealed
from agentos.contracts.errors import NeverRetry

KEY_BYTES = 32
NONCE_BYTES = 12

M = TypeVar("M", bound=BaseModel)


class SealBroken(NeverRetry):
    """The bytes, their key or their purpose are not those that were sealed. Nothing of the content is known."""

    code = "seal_broken"


class KeyErased(NeverRetry):
    """The data key was deleted on purpose (erasure), so the content is gone for good. Show that; do not retry."""

    code = "key_erased"


def new_data_key() -> bytes:
    """A fresh random data key. One per task: random 96-bit nonces are safe up to 2^32 seals under one key."""
    return os.urandom(KEY_BYTES)


def seal(data_key: bytes, key: str, purpose: str, plaintext: bytes) -> Sealed:
    """Encrypt ``plaintext`` under ``data_key``, whose name is ``key``; only the same key, name and purpose open it again.

    Not idempotent: each call draws a nonce. Raises ``ValueError`` for a key of another length than 32 bytes.
    """
    nonce = os.urandom(NONCE_BYTES)
    ciphertext = _cipher(data_key).encrypt(nonce, plaintext, _bound_to(key, purpose))
    return Sealed(key=key, purpose=purpose, nonce=nonce, ciphertext=ciphertext)


def open_sealed(data_key: bytes | None, key: str, purpose: str, sealed: Sealed) -> bytes:
    """The plaintext. ``key`` and ``purpose`` are what the caller expects, not what the value says of itself.

    ``data_key`` None says that the key store has no such key (any more). Raises ``KeyErased`` then, and ``SealBroken`` when anything
    differs from what was sealed.
    """
    if sealed.key != key:
        raise SealBroken(f"The value was sealed with the key of another task: expected {key}.", key=key)
    if sealed.purpose != purpose:
        raise SealBroken(f"The value was sealed for another purpose than {purpose!r}.", key=key, purpose=purpose)
    if data_key is None:
        raise KeyErased(f"The data key {key} was erased: what it sealed cannot be read any more.", key=key)
    try:
        return _cipher(data_key).decrypt(sealed.nonce, sealed.ciphertext, _bound_to(key, purpose))
    except (InvalidTag, ValueError) as error:
        # ValueError: a nonce or a key of a length that the cipher does not take.
        raise SealBroken("The sealed value was altered, or its data key is another one.", key=key, purpose=purpose) from error


def seal_model(data_key: bytes, key: str, purpose: str, model: BaseModel) -> Sealed:
    """Seal a model as JSON."""
    return seal(data_key, key, purpose, model.model_dump_json().encode())


def open_model(kind: type[M], data_key: bytes | None, key: str, purpose: str, sealed: Sealed) -> M:
    """Open a sealed model. Raises as ``open_sealed``, and ``SealBroken`` when the content is no ``kind``, without quoting it."""
    plaintext = open_sealed(data_key, key, purpose, sealed)
    try:
        return kind.model_validate_json(plaintext)
    except ValidationError:
        # From None: pydantic's message quotes the content, which may be personal data.
        raise SealBroken(f"The sealed content is not a {kind.__name__}.", key=key, purpose=purpose) from None


def _cipher(data_key: bytes) -> AESGCM:
    if len(data_key) != KEY_BYTES:
        raise ValueError(f"a data key is {KEY_BYTES} bytes")
    return AESGCM(data_key)


def _bound_to(key: str, purpose: str) -> bytes:
    # ``key`` is a token and holds no NUL: the pair is unambiguous.
    return f"{key}\0{purpose}".encode()


__all__ = ["KEY_BYTES", "KeyErased", "SealBroken", "new_data_key", "open_model", "open_sealed", "seal", "seal_model"]
