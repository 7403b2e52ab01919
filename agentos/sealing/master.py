"""The master key: 32 random bytes in a file that only its owner can read, outside the broker's store."""

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from agentos import private_files
from agentos.private_files import UnsafeSecret
from agentos.sealing.envelope import KEY_BYTES, NONCE_BYTES, SealBroken

WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + 16
"""The length of what ``wrap`` gives: nonce, ciphertext, tag."""


class MasterKey:
    """Wraps and unwraps data keys with AES-256-GCM, bound to the data key's name. Immutable; safe to share between threads."""

    __slots__ = ("_cipher", "_raw")

    def __init__(self, raw: bytes) -> None:
        if len(raw) != KEY_BYTES:
            raise UnsafeSecret(f"A master key is exactly {KEY_BYTES} bytes; this one has {len(raw)}.")
        self._cipher = AESGCM(raw)
        self._raw = raw

    @classmethod
    def load_or_create(cls, path: Path) -> "MasterKey":
        """The key in ``path``, created with fresh random bytes when the file is missing. Blocking.

        Raises ``UnsafeSecret`` for a file that ``agentos.private_files`` does not trust, or that has not 32 bytes.
        """
        raw = private_files.read_or_create(path, lambda: os.urandom(KEY_BYTES))
        if len(raw) != KEY_BYTES:
            raise UnsafeSecret(f"The master key {path} must hold exactly {KEY_BYTES} bytes: restore it from its backup.")
        return cls(raw)

    def wrap(self, key: str, data_key: bytes) -> bytes:
        """``data_key`` encrypted, bound to its name ``key``: a 12-byte nonce, then ciphertext and tag."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data_key, key.encode())

    def unwrap(self, key: str, wrapped: bytes) -> bytes:
        """The data key named ``key``. Raises ``SealBroken`` when bytes, name or master key are not those of ``wrap``."""
        try:
            return self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], key.encode())
        except (InvalidTag, ValueError) as error:
            raise SealBroken(
                f"The data key {key} cannot be unwrapped: it was altered, or the master key is another one."
            ) from error

    def derive(self, purpose: str) -> bytes:
        """A key of 32 bytes for something else than wrapping (HKDF-SHA-256, RFC 5869), always the same for one purpose."""
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"agentos\0" + purpose.encode()).derive(self._raw)

    def __repr__(self) -> str:
        return "MasterKey(…)"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a master key is not to be pickled")


__all__ = ["WRAPPED_BYTES", "MasterKey"]
