"""Locks the calling process in, for good: no network, no other programs, no other processes, no files but those named.

Linux without privileges: ``PR_SET_NO_NEW_PRIVS``, a seccomp filter (classic BPF), Landlock for paths, and resource limits. What
the filter refuses it hands to the service (``agentos.packhost.listener``), which answers EPERM and keeps count; where the kernel
lends no listener the filter answers EPERM by itself. Sources: seccomp(2), seccomp_unotify(2), landlock(7), linux/filter.h.
"""

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agentos.packhost.syscalls import ARCHITECTURES, AUDIT_ARCH, NETWORK, OPENINGS, REFUSED, number_of


class SandboxUnavailable(Exception):
    """This machine cannot lock a pack in. Run on Linux 5.13 or later (x86_64, aarch64), or allow unsandboxed packs knowingly."""


@dataclass(frozen=True, slots=True)
class Confinement:
    """What stays possible. ``readable`` and ``writable`` are folders or files; those that do not exist are left out."""

    readable: tuple[Path, ...]
    writable: tuple[Path, ...]
    network: bool = False
    """Tools may speak to the network; agents may not."""
    memory_bytes: int = 2 * 1024**3
    open_files: int = 256
    file_bytes: int = 64 * 1024**2


# --- seccomp ------------------------------------------------------------------------------------------------------------
_LD_ABS, _JEQ, _JSET, _JGE, _AND, _RET = 0x20, 0x15, 0x45, 0x35, 0x54, 0x06
_NR, _ARCH, _ARGS = 0, 4, 16
_ALLOW, _KILL, _NOTIFY = 0x7FFF0000, 0x80000000, 0x7FC00000
_CLONE_THREAD, _AF_UNIX, _SOCK_STREAM, _TYPE_MASK = 0x00010000, 1, 1, 0xF
_AF_INET, _AF_INET6, _AF_NETLINK = 2, 10, 16
_PR_SET_SECCOMP = 22


def _deny(code: int) -> int:
    return 0x00050000 | code


def _op(code: int, k: int, jt: int = 0, jf: int = 0) -> bytes:
    return struct.pack("=HBBI", code, jt, jf, k & 0xFFFFFFFF)


def filter_program(machine: str, pid: int, *, network: bool, listened: bool = False) -> bytes:
    """The BPF program: a list of sock_filter. Pure.

    ``listened``: what is refused goes to the listener, and so does every opening of a path, which the listener lets pass: Landlock
    rules on those. A new thread is allowed and a new process is not; ``clone3`` hides its flags behind a pointer, so it "does not
    exist" and libc falls back to ``clone``. Signals reach only the process itself. Socket pairs stay (event loops need one).
    """
    arch = ARCHITECTURES.index(machine)
    refuse = _op(_RET, _NOTIFY if listened else _deny(errno.EPERM))
    foreign = _op(_RET, _NOTIFY if listened else _KILL)
    program = [
        _op(_LD_ABS, _ARCH), _op(_JEQ, AUDIT_ARCH[machine], 1, 0), foreign,
        _op(_LD_ABS, _NR),
    ]  # fmt: skip
    if machine == "x86_64":  # the x32 table has other numbers for the same calls
        program += [_op(_JGE, 0x40000000, 0, 1), foreign]
    for call, (_, numbers) in REFUSED.items():
        if (number := numbers[arch]) is not None and not (network and call in NETWORK):
            program += [_op(_JEQ, number, 0, 1), refuse]
    if listened:
        for numbers in (opening.numbers for opening in OPENINGS.values()):
            if (number := numbers[arch]) is not None:
                program += [_op(_JEQ, number, 0, 1), refuse]
    program += [_op(_JEQ, number_of("clone3", machine), 0, 1), _op(_RET, _deny(errno.ENOSYS))]
    program += [
        _op(_JEQ, number_of("clone", machine), 0, 4), _op(_LD_ABS, _ARGS), _op(_JSET, _CLONE_THREAD, 1, 0), refuse, _op(_RET, _ALLOW),
    ]  # fmt: skip
    for call in ("kill", "tgkill"):
        program += _only_if_first_argument(number_of(call, machine), (pid,), refuse)
    program += _only_if_first_argument(number_of("prlimit64", machine), (0, pid), refuse)
    # A second filter could answer before this one's listener hears.
    program += [_op(_JEQ, number_of("prctl", machine), 0, 4), _op(_LD_ABS, _ARGS), _op(_JEQ, _PR_SET_SECCOMP, 0, 1), refuse]
    program += [_op(_RET, _ALLOW)]
    if network:
        # Resolvers look for a local cache by AF_UNIX as a matter of course: refused without a word. Daemons listen there too.
        program += [_op(_JEQ, number_of("socket", machine), 0, 4), _op(_LD_ABS, _ARGS), _op(_JEQ, _AF_UNIX, 0, 1)]
        program += [_op(_RET, _deny(errno.EAFNOSUPPORT)), _op(_LD_ABS, _NR)]
        families = (_AF_INET, _AF_INET6, _AF_NETLINK)
        program += _only_if_first_argument(number_of("socket", machine), families, refuse)
    else:
        # A datagram socket could name another receiver with each message; a connected stream cannot.
        program += [
            _op(_JEQ, number_of("socketpair", machine), 0, 7),
            _op(_LD_ABS, _ARGS), _op(_JEQ, _AF_UNIX, 0, 4),
            _op(_LD_ABS, _ARGS + 8), _op(_AND, _TYPE_MASK), _op(_JEQ, _SOCK_STREAM, 0, 1), _op(_RET, _ALLOW),
            refuse,
        ]  # fmt: skip
    program.append(_op(_RET, _ALLOW))
    return b"".join(program)


def _only_if_first_argument(number: int, allowed: Iterable[int], refuse: bytes) -> list[bytes]:
    body = [_op(_LD_ABS, _ARGS)]
    for value in allowed:
        body += [_op(_JEQ, value, 0, 1), _op(_RET, _ALLOW)]
    body.append(refuse)
    return [_op(_JEQ, number, 0, len(body)), *body]


# --- landlock -----------------------------------------------------------------------------------------------------------
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_FS_EXECUTE, _FS_WRITE_FILE, _FS_READ_FILE, _FS_READ_DIR = 1, 2, 4, 8
_FS_RIGHTS_OF_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_FILE_RIGHTS = _FS_EXECUTE | _FS_WRITE_FILE | _FS_READ_FILE | (1 << 14) | (1 << 15)
_SCOPE_ABSTRACT_UNIX, _SCOPE_SIGNAL = 1, 2


def _syscall(libc: ctypes.CDLL, number: int, *arguments: object) -> int:
    result = int(libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _landlock(libc: ctypes.CDLL, confinement: Confinement) -> None:
    try:
        abi = _syscall(libc, _CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    except OSError as absent:
        raise SandboxUnavailable(
            f"this kernel has no Landlock ({absent.strerror}), so a pack could read every file"
        ) from absent
    handled = _FS_RIGHTS_OF_ABI[min(abi, 5)]
    scoped = _SCOPE_ABSTRACT_UNIX | _SCOPE_SIGNAL if abi >= 6 else 0
    attributes = struct.pack("=QQQ", handled, 0, scoped)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = _syscall(libc, _CREATE_RULESET, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0))
    read = _FS_EXECUTE | _FS_READ_FILE | _FS_READ_DIR
    try:
        for path in confinement.readable:
            _allow_path(libc, ruleset, path, read & handled)
        for path in confinement.writable:
            _allow_path(libc, ruleset, path, handled & ~_FS_EXECUTE)
        _syscall(libc, _RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def _allow_path(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        rights &= -1 if path.is_dir() else _FILE_RIGHTS
        rule = struct.pack("=Qi", rights, fd)
        _syscall(libc, _ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint32(0))
    finally:
        os.close(fd)


# --- all of it ------------------------------------------------------------------------------------------------------------
_PR_SET_NO_NEW_PRIVS, _PR_GET_SECCOMP = 38, 21
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8


class _SockFprog(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def runtime_paths() -> tuple[Path, ...]:
    """What Python itself needs to read: its installation, installed packages, shared libraries, time zones."""
    found = {Path(prefix) for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)}
    found |= {Path(entry) for entry in sys.path if entry and ("site-packages" in entry or "dist-packages" in entry)}
    # /usr may be the prefix itself; /etc is opened file by file, because secrets live there too.
    found |= {Path(p) for p in ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/usr/share/zoneinfo")}
    found |= {Path(p) for p in ("/etc/localtime", "/etc/ld.so.cache", "/dev/urandom", "/dev/null")}
    return tuple(sorted(found))


def network_paths() -> tuple[Path, ...]:
    """What name resolution and TLS need to read."""
    names = (
        "resolv.conf",
        "hosts",
        "nsswitch.conf",
        "host.conf",
        "gai.conf",
        "services",
        "protocols",
        "ssl",
        "ca-certificates",
        "pki",
    )
    return (*(Path("/etc") / name for name in names), Path("/run/systemd/resolve"), Path("/usr/share/ca-certificates"))


def confine(confinement: Confinement) -> int | None:
    """Lock this process in; there is no way back. The result is the listener, to be given to the service and closed here.

    None where the kernel lends none (before 5.5, or within another listener's filter): the walls are the same, but unwatched.
    Raises SandboxUnavailable before anything is changed where the means are missing.
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in AUDIT_ARCH:
        raise SandboxUnavailable(f"no sandbox for {sys.platform} on {machine}")
    libc = ctypes.CDLL(None, use_errno=True)
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, confinement.memory_bytes),
        (resource.RLIMIT_NOFILE, confinement.open_files),
        (resource.RLIMIT_FSIZE, confinement.file_bytes),
    ):
        _, hard = resource.getrlimit(limit)
        bounded = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (bounded, bounded))
    # The process stays "dumpable": only then may a service without privileges read the path that an open names.
    _prctl(libc, _PR_SET_NO_NEW_PRIVS, 1)
    _landlock(libc, confinement)
    try:
        return _seccomp(libc, machine, confinement, listened=True)
    except OSError:
        try:
            _seccomp(libc, machine, confinement, listened=False)
        except OSError as refused:
            raise SandboxUnavailable(f"this kernel takes no seccomp filter: {refused.strerror}") from refused
        return None


def _seccomp(libc: ctypes.CDLL, machine: str, confinement: Confinement, *, listened: bool) -> int:
    program = filter_program(machine, os.getpid(), network=confinement.network, listened=listened)
    fprog = _SockFprog(len(program) // 8, program)
    flags = _NEW_LISTENER if listened else 0
    return _syscall(
        libc, number_of("seccomp", machine), ctypes.c_uint(_SET_MODE_FILTER), ctypes.c_uint(flags), ctypes.byref(fprog)
    )


def _prctl(libc: ctypes.CDLL, option: int, argument: int, pointer: int = 0) -> None:
    zero = ctypes.c_ulong(0)
    if libc.prctl(ctypes.c_int(option), ctypes.c_ulong(argument), ctypes.c_ulong(pointer), zero, zero) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def probe() -> None:
    """Raises SandboxUnavailable when ``confine`` would; changes nothing."""
    if sys.platform != "linux" or platform.machine() not in AUDIT_ARCH:
        raise SandboxUnavailable(f"no sandbox for {sys.platform} on {platform.machine()}")
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        _syscall(libc, _CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    except OSError as absent:
        raise SandboxUnavailable(
            f"this kernel has no Landlock ({absent.strerror}), so a pack could read every file"
        ) from absent
    if libc.prctl(ctypes.c_int(_PR_GET_SECCOMP), *(ctypes.c_ulong(0),) * 4) < 0:
        raise SandboxUnavailable("this kernel takes no seccomp filter")
