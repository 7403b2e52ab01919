"""Files of secrets: made once for their owner alone, and used only while nobody else can have read or changed them."""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from agentos.contracts.errors import AgentOSError

_MOST_BYTES = 65_536


class UnsafeSecret(AgentOSError):
    """A file of a secret cannot be trusted or used; ``detail`` says how to mend it. Whoever needs it does not start."""

    code = "unsafe_secret"


def read_or_create(path: Path, make: Callable[[], bytes]) -> bytes:
    """What is in ``path``; where the file is missing it is made, mode 0600, with what ``make`` returns. Blocking.

    Creation is atomic: of several processes that start at once one makes the file and all read the same. Raises ``UnsafeSecret`` as
    ``read`` does.
    """
    try:
        return read(path)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # A complete file is linked into place, so that no other process can ever read half a secret.
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first: its secret is the secret
            os.link(draft, path)
    finally:
        draft.unlink()
    return read(path)


def read(path: Path) -> bytes:
    """What is in ``path``. Blocking. Raises ``FileNotFoundError``, and ``UnsafeSecret`` for what is no regular file, belongs to
    somebody else, may be used by others, or is larger than any secret.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnsafeSecret(f"{path} cannot be opened: {error.strerror}.") from error
    try:
        # Looked at through the descriptor: what is checked is what is read, whatever becomes of the name meanwhile.
        _check(path, os.fstat(descriptor))
        content = os.read(descriptor, _MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > _MOST_BYTES:
        raise UnsafeSecret(f"{path} is larger than any secret: restore it from its backup.")
    return content


def _check(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnsafeSecret(f"{path} is not a regular file.")
    if status.st_uid != os.geteuid():
        raise UnsafeSecret(f"{path} belongs to another user (uid {status.st_uid}): run as its owner.")
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o177:
        raise UnsafeSecret(
            f"{path} has mode {mode:04o}, so others may use it. Run: chmod 600 {path}; "
            "if others had access, treat what it protects as known to them."
        )


__all__ = ["UnsafeSecret", "read", "read_or_create"]
