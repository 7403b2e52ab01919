"""The service's end of a pack host's seccomp filter: hears each refused system call, answers it, and says what was tried.

The kernel holds the caller until it is answered, so nothing that is refused goes unheard, whatever the pack does to Python. Openings
of paths are heard too and always let pass: Landlock rules on them, and the path that is read here (which another thread of the pack
may change meanwhile) decides only what is noted. Sources: seccomp_unotify(2), linux/seccomp.h.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import platform
import select
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from agentos.packhost.syscalls import AUDIT_ARCH, OPENINGS, What, names, what_of

_RECV, _SEND, _ID_VALID = 0xC0502100, 0xC0182101, 0x40082102
_NOTICE = struct.Struct("=QIIiIQ6Q")
_ANSWER = struct.Struct("=QqiI")
_CONTINUE = 1
_AT_FDCWD = -100
_PATH_BYTES = 4096
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_BURST, _PAUSE_S = 200, 0.02
"""So many tries in a second are answered at once; then one each pause: a pack that tries without end waits, not the service."""

_FAMILIES = {1: "unix", 2: "inet", 10: "inet6", 16: "netlink", 17: "packet", 31: "bluetooth", 38: "alg", 40: "vsock", 44: "xdp"}
_LOOKED_FOR = (
    "/sys/devices/system/cpu", "/proc/sys/vm/overcommit_memory", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat",
    "/etc/ssl/openssl.cnf", "/usr/share/locale", "/usr/lib/locale", "/etc/mime.types", "/etc/timezone",
    "/proc/self/cgroup", "/proc/self/mountinfo", "/proc/self/stat", "/proc/self/status",
)  # fmt: skip
"""What the C library and Python look for by themselves. It is refused like the rest, and says nothing about a pack."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A try at getting out: a system call, an address family, a path as far as it exists. Never data."""

    what: What
    detail: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Sight:
    """What a pack may open; all else is a try. ``ours`` is what the host itself looks into: said nothing of."""

    readable: tuple[str, ...]
    writable: tuple[str, ...]
    ours: tuple[str, ...] = ()

    def judge(self, path: str, *, writes: bool) -> Tried | None:
        """What opening ``path`` (absolute, as the host names it) is a try at; None when it is allowed, or nobody's doing."""
        plain = os.path.normpath(path)
        if not writes and (plain in self.ours or _below(plain, _LOOKED_FOR)):
            return None
        if not _below(plain, (*self.readable, *self.writable)):
            return _outside(plain, writes=writes)
        # A link may be the pack's own, to somewhere else.
        real = os.path.realpath(plain)
        allowed = self.writable if writes else (*self.readable, *self.writable)
        return None if _below(real, allowed) else _outside(real, writes=writes)


def _below(path: str, roots: Iterable[str]) -> bool:
    return any(path == root or path.startswith(root.rstrip("/") + "/") for root in roots)


def _outside(path: str, *, writes: bool) -> Tried:
    parts = path.split("/")
    what: What = "file"
    if parts[:2] == ["", "proc"] and len(parts) > 3:
        what = {"environ": "environment", "mem": "memory", "maps": "memory", "smaps": "memory"}.get(parts[-1], "file")  # pyright: ignore[reportAssignmentType]
    # A pack could write what it likes into a path that does not exist: only what was there before it is told.
    known = path
    while known != "/" and not os.path.lexists(known):
        known = os.path.dirname(known)  # noqa: PTH120 - the text is not to be normalised again
    shown = known if known == path else f"{known.rstrip('/')}/…"
    return Tried(what, f"{'write' if writes else 'read'} {shown}")


class Listener:
    """Answers for one host. ``tell`` hears of each try, on the loop."""

    def __init__(self, fd: int, sight: Sight, tell: Callable[[Tried], None]) -> None:
        self._fd = fd
        self._sight = sight
        self._tell = tell
        self._machine = platform.machine()
        self._names = names(self._machine)
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        self._loop = asyncio.get_running_loop()
        self._second, self._in_second = 0.0, 0
        self._pausing: asyncio.TimerHandle | None = None
        self._loop.add_reader(fd, self._ready)

    def close(self) -> None:
        """Hear no more; what the host still tries then fails by itself (ENOSYS). Idempotent."""
        if self._fd >= 0:
            if self._pausing is not None:
                self._pausing.cancel()
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _ready(self) -> None:
        events = self._poll.poll(0)
        if not events:
            return
        if not events[0][1] & select.POLLIN:  # nobody is left under the filter
            self.close()
            return
        buffer = bytearray(_NOTICE.size)
        try:
            fcntl.ioctl(self._fd, _RECV, buffer)
        except OSError as gone:
            # ENOENT: the caller was killed in between.
            if gone.errno not in (errno.ENOENT, errno.EINTR):
                self.close()
            return
        id_, pid, _, number, arch, _, *arguments = _NOTICE.unpack(buffer)
        tried, passes = self._judge(id_, pid, number, arch, arguments)
        answer = _ANSWER.pack(id_, 0, 0 if passes else -errno.EPERM, _CONTINUE if passes else 0)
        with contextlib.suppress(OSError):  # the caller was killed in between
            fcntl.ioctl(self._fd, _SEND, answer)
        if tried is not None:
            self._tell(tried)
            self._throttle()

    def _throttle(self) -> None:
        now = self._loop.time()
        if now - self._second >= 1:
            self._second, self._in_second = now, 0
        self._in_second += 1
        if self._in_second > _BURST and self._fd >= 0:
            self._loop.remove_reader(self._fd)
            self._pausing = self._loop.call_later(_PAUSE_S, self._resume)

    def _resume(self) -> None:
        self._pausing = None
        self._loop.add_reader(self._fd, self._ready)

    def _judge(self, id_: int, pid: int, number: int, arch: int, arguments: list[int]) -> tuple[Tried | None, bool]:
        call = self._names.get(number)
        if arch != AUDIT_ARCH[self._machine] or call is None:
            return Tried("other", f"system call {number} of another architecture"), False
        if call in OPENINGS:
            try:
                return self._opens(id_, pid, call, arguments), True
            except OSError:
                # Its memory cannot be read (any more). Landlock rules all the same.
                return None, True
        detail = call
        if call in ("socket", "socketpair"):
            detail = f"{call} {_FAMILIES.get(arguments[0] & 0xFFFFFFFF, 'of another family')}"
        return Tried(what_of(call), detail), False

    def _opens(self, id_: int, pid: int, call: str, arguments: list[int]) -> Tried | None:
        opening = OPENINGS[call]
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            # Now that its memory is open the number cannot come to mean another process.
            fcntl.ioctl(self._fd, _ID_VALID, struct.pack("=Q", id_))
            writes = _writes(memory.fileno(), opening.flags, arguments)
            for directory, place in opening.paths:
                text = _text(memory.fileno(), arguments[place])
                path = _absolute(pid, None if directory is None else arguments[directory], text)
                if path is not None and (tried := self._sight.judge(path, writes=writes)) is not None:
                    return tried
        return None


def _writes(memory: int, flags: int | str | None, arguments: list[int]) -> bool:
    match flags:
        case None:
            return True
        case int(place):
            given = arguments[place]
        case _:
            given = int.from_bytes(os.pread(memory, 8, arguments[2]), "little")
    return bool(given & _WRITES)


def _text(memory: int, address: int) -> str:
    """The text at ``address``: page by page, for the next page may not be there."""
    found = b""
    while len(found) < _PATH_BYTES:
        at = address + len(found)
        part = os.pread(memory, _PATH_BYTES - at % _PATH_BYTES, at)
        found += part
        if not part or b"\0" in part:
            break
    return os.fsdecode(found.partition(b"\0")[0])


def _absolute(pid: int, directory: int | None, path: str) -> str | None:
    """``path`` as the host sees it; None where it names nothing."""
    if not path:
        return None
    if path.startswith("/"):
        return path
    signed = _AT_FDCWD if directory is None else (directory & 0xFFFFFFFF) - ((directory & 0x80000000) << 1)
    base = Path(f"/proc/{pid}/cwd" if signed == _AT_FDCWD else f"/proc/{pid}/fd/{signed}").readlink()
    return f"{base}/{path}"
