"""Locks the calling process in, for good: no network, no other programs, no other processes, no files but those named.

Linux without privileges: ``PR_SET_NO_NEW_PRIVS``, a seccomp filter (classic BPF) that answers EPERM, Landlock for paths, and
resource limits. Sources: seccomp(2), landlock(7), linux/filter.h, the syscall tables of x86_64 and aarch64.
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
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_CLONE_THREAD, _AF_UNIX, _SOCK_STREAM, _TYPE_MASK = 0x00010000, 1, 1, 0xF


def _deny(code: int) -> int:
    return 0x00050000 | code


# Numbers from arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h; None where an architecture has none.
_X86_64, _AARCH64 = 0, 1
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "process_madvise": (440, 440),
    "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438), "kcmp": (312, 272),
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "fanotify_init": (300, 262),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97), "setns": (308, 268),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsmount": (432, 432), "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89),
    "quotactl": (179, 60), "settimeofday": (164, 170), "clock_settime": (227, 112), "iopl": (172, None), "ioperm": (173, None),
    "setuid": (105, 146), "setgid": (106, 144), "setreuid": (113, 145), "setregid": (114, 143), "setresuid": (117, 147),
    "setresgid": (119, 149), "setgroups": (116, 159), "capset": (126, 91), "personality": (135, 92),
    # Landlock rules on opening, not on these:
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None), "lchown": (94, None),
    "fchown": (93, 55), "fchownat": (260, 54), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "truncate": (76, 45),
    "utime": (132, None), "utimes": (235, None), "utimensat": (280, 88), "futimesat": (261, None),
}  # fmt: skip
_NETWORK: dict[str, tuple[int, int]] = {
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202), "accept4": (288, 242),
}  # fmt: skip
_CLONE, _CLONE3, _KILL_NR, _TGKILL, _SOCKETPAIR, _PRLIMIT = (56, 220), (435, 435), (62, 129), (234, 131), (53, 199), (302, 261)


def _op(code: int, k: int, jt: int = 0, jf: int = 0) -> bytes:
    return struct.pack("=HBBI", code, jt, jf, k & 0xFFFFFFFF)


def filter_program(machine: str, pid: int, *, network: bool) -> bytes:
    """The BPF program: a list of sock_filter. Pure.

    A new thread is allowed and a new process is not; ``clone3`` hides its flags behind a pointer, so it "does not exist" and libc falls
    back to ``clone``. Signals reach only the process itself. Socket pairs stay (event loops need one) and nothing else of the network.
    """
    arch = _X86_64 if machine == "x86_64" else _AARCH64
    program = [
        _op(_LD_ABS, _ARCH), _op(_JEQ, _AUDIT_ARCH[machine], 1, 0), _op(_RET, _KILL),
        _op(_LD_ABS, _NR),
    ]  # fmt: skip
    if machine == "x86_64":  # the x32 table has other numbers for the same calls
        program += [_op(_JGE, 0x40000000, 0, 1), _op(_RET, _KILL)]
    denied = dict(_DENIED) if network else {**_DENIED, **_NETWORK}
    for numbers in denied.values():
        if (number := numbers[arch]) is not None:
            program += [_op(_JEQ, number, 0, 1), _op(_RET, _deny(errno.EPERM))]
    program += [_op(_JEQ, _CLONE3[arch], 0, 1), _op(_RET, _deny(errno.ENOSYS))]
    program += [
        _op(_JEQ, _CLONE[arch], 0, 4), _op(_LD_ABS, _ARGS), _op(_JSET, _CLONE_THREAD, 1, 0), _op(_RET, _deny(errno.EPERM)),
        _op(_RET, _ALLOW),
    ]  # fmt: skip
    for number in (_KILL_NR[arch], _TGKILL[arch]):
        program += _only_if_first_argument(number, (pid,))
    program += _only_if_first_argument(_PRLIMIT[arch], (0, pid))
    if not network:
        # A datagram socket could name another receiver with each message; a connected stream cannot.
        program += [
            _op(_JEQ, _SOCKETPAIR[arch], 0, 7),
            _op(_LD_ABS, _ARGS), _op(_JEQ, _AF_UNIX, 0, 4),
            _op(_LD_ABS, _ARGS + 8), _op(_AND, _TYPE_MASK), _op(_JEQ, _SOCK_STREAM, 0, 1), _op(_RET, _ALLOW),
            _op(_RET, _deny(errno.EPERM)),
        ]  # fmt: skip
    program.append(_op(_RET, _ALLOW))
    return b"".join(program)


def _only_if_first_argument(number: int, allowed: Iterable[int]) -> list[bytes]:
    values = tuple(allowed)
    body = [_op(_LD_ABS, _ARGS)]
    for value in values:
        body += [_op(_JEQ, value, 0, 1), _op(_RET, _ALLOW)]
    body.append(_op(_RET, _deny(errno.EPERM)))
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
_PR_SET_NO_NEW_PRIVS, _PR_GET_SECCOMP, _PR_SET_SECCOMP, _PR_SET_DUMPABLE, _MODE_FILTER = 38, 21, 22, 4, 2


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


def confine(confinement: Confinement) -> None:
    """Lock this process in; there is no way back. Raises SandboxUnavailable before anything is changed where the means are missing."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _AUDIT_ARCH:
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
    _prctl(libc, _PR_SET_NO_NEW_PRIVS, 1)
    _prctl(libc, _PR_SET_DUMPABLE, 0)
    _landlock(libc, confinement)
    program = filter_program(machine, os.getpid(), network=confinement.network)
    fprog = _SockFprog(len(program) // 8, program)
    try:
        _prctl(libc, _PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(fprog))
    except OSError as refused:
        raise SandboxUnavailable(f"this kernel takes no seccomp filter: {refused.strerror}") from refused


def _prctl(libc: ctypes.CDLL, option: int, argument: int, pointer: int = 0) -> None:
    zero = ctypes.c_ulong(0)
    if libc.prctl(ctypes.c_int(option), ctypes.c_ulong(argument), ctypes.c_ulong(pointer), zero, zero) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def probe() -> None:
    """Raises SandboxUnavailable when ``confine`` would; changes nothing."""
    if sys.platform != "linux" or platform.machine() not in _AUDIT_ARCH:
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
