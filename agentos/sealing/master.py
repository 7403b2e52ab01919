"""The master key: 32 random bytes in a file that only its owner can read, outside the broker's store."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from agentos.contracts.errors import AgentOSError
from agentos.sealing.envelope import KEY_BYTES, NONCE_BYTES, SealBroken


class MasterKeyUnsafe(AgentOSError):
    """The master key file cannot be trusted or used; ``detail`` says how to mend it. Services do not start then."""

    code = "master_key_unsafe"


class MasterKey:
    """Wraps and unwraps data keys with AES-256-GCM, bound to the data key's name. Immutable; safe to share between threads."""

    __slots__ = ("_cipher", "_raw")

    def __init__(self, raw: bytes) -> None:
        if len(raw) != KEY_BYTES:
            raise MasterKeyUnsafe(f"A master key is exactly {KEY_BYTES} bytes; this one has {len(raw)}.")
        self._cipher = AESGCM(raw)
        self._raw = raw

    @classmethod
    def load_or_create(cls, path: Path) -> "MasterKey":
        """The key in ``path``, created with fresh random bytes when the file is missing. Blocking.

        Creation is atomic: of several processes that start at once one creates the key and all read the same. Raises
        ``MasterKeyUnsafe`` for a file that others may read, that is no regular file, that belongs to someone else or has not 32 bytes.
        """
        try:
            return cls.load(path)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A complete file is linked into place, so that no other process can ever read half a key.
        draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(os.urandom(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):  # another process was first: its key is the key
                os.link(draft, path)
        finally:
            draft.unlink()
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> "MasterKey":
        """The key in ``path``. Raises ``FileNotFoundError``, and ``MasterKeyUnsafe`` as above. Blocking."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise MasterKeyUnsafe(f"The master key {path} cannot be opened: {error.strerror}.") from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise MasterKeyUnsafe(f"The master key {path} is not a regular file.")
            if status.st_uid != os.geteuid():
                raise MasterKeyUnsafe(f"The master key {path} belongs to another user (uid {status.st_uid}): run as its owner.")
            mode = stat.S_IMODE(status.st_mode)
            if mode & 0o177:
                raise MasterKeyUnsafe(
                    f"The master key {path} has mode {mode:04o}, so others may use it. Run: chmod 600 {path}; "
                    "if others had access, treat what it protects as known to them."
                )
            raw = os.read(descriptor, KEY_BYTES + 1)
        finally:
            os.close(descriptor)
        if len(raw) != KEY_BYTES:
            raise MasterKeyUnsafe(f"The master key {path} must hold exactly {KEY_BYTES} bytes: restore it from its backup.")
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


__all__ = ["MasterKey", "MasterKeyUnsafe"]
