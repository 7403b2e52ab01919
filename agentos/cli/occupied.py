"""A data folder is one installation's at a time: two brokers on one store would each write over what the other keeps."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from agentos.cli.client import Failure

LOCK = ".lock"


@contextmanager
def occupied(data: Path) -> Generator[None]:
    """Hold the data folder. Raises Failure while another process does. The kernel lets go of it, however this process ends."""
    descriptor = os.open(data / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(
                "In use",
                f"something runs on the data folder {data}",
                mend="stop that `agentos up` first, with Ctrl-C or SIGTERM",
            ) from None
        yield
    finally:
        os.close(descriptor)
