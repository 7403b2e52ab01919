"""The system calls that a pack is refused, and those that open a path: numbers, and what each is a try at.

Numbers from arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h; None where an architecture has none.
"""

from dataclasses import dataclass
from typing import Literal

What = Literal["network", "process", "file", "environment", "memory", "protocol", "other"]
Numbers = tuple[int | None, int | None]

ARCHITECTURES = ("x86_64", "aarch64")
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_CALLS: dict[What, dict[str, Numbers]] = {
    "network": {
        "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202), "accept4": (288, 242),
    },
    "process": {
        "execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None),
        "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424),
        "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
        "unshare": (272, 97), "setns": (308, 268), "personality": (135, 92),
        "setuid": (105, 146), "setgid": (106, 144), "setreuid": (113, 145), "setregid": (114, 143), "setresuid": (117, 147),
        "setresgid": (119, 149), "setgroups": (116, 159), "capset": (126, 91), "setpriority": (141, 140),
    },
    "memory": {
        "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "process_madvise": (440, 440),
        "pidfd_getfd": (438, 438), "kcmp": (312, 272), "userfaultfd": (323, 282),
    },
    "file": {
        "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
        "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsmount": (432, 432), "mount_setattr": (442, 442),
        "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "fanotify_init": (300, 262), "quotactl": (179, 60),
        # Landlock rules on opening, not on these:
        "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
        "chown": (92, None), "lchown": (94, None), "fchown": (93, 55), "fchownat": (260, 54),
        "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
        "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "truncate": (76, 45),
        "utime": (132, None), "utimes": (235, None), "utimensat": (280, 88), "futimesat": (261, None),
    },
    "other": {
        "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
        "bpf": (321, 280), "perf_event_open": (298, 241), "seccomp": (317, 277),
        "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
        "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
        "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
        "acct": (163, 89), "settimeofday": (164, 170), "clock_settime": (227, 112), "iopl": (172, None), "ioperm": (173, None),
    },
}  # fmt: skip
_SOMETIMES: dict[str, tuple[What, Numbers]] = {
    "clone": ("process", (56, 220)), "clone3": ("process", (435, 435)), "kill": ("process", (62, 129)),
    "tgkill": ("process", (234, 131)), "prlimit64": ("process", (302, 261)), "socketpair": ("network", (53, 199)),
    "prctl": ("other", (157, 167)),
}  # fmt: skip
"""Refused for some arguments only."""

REFUSED: dict[str, tuple[What, Numbers]] = {name: (what, n) for what, calls in _CALLS.items() for name, n in calls.items()}
"""System call → what it is a try at, and its numbers."""
NETWORK = frozenset(_CALLS["network"])
"""Refused to agents, not to tools."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A call that names paths: each as the places of its directory's descriptor (None: the working directory) and of its text.

    ``flags`` is where it says whether it would write: the place, ``"how"`` for a structure behind the third argument, None: always.
    """

    numbers: Numbers
    paths: tuple[tuple[int | None, int], ...]
    flags: int | Literal["how"] | None = None


OPENINGS: dict[str, Opening] = {
    "open": Opening((2, None), ((None, 0),), 1), "creat": Opening((85, None), ((None, 0),)),
    "openat": Opening((257, 56), ((0, 1),), 2), "openat2": Opening((437, 437), ((0, 1),), "how"),
    "unlink": Opening((87, None), ((None, 0),)), "unlinkat": Opening((263, 35), ((0, 1),)),
    "mkdir": Opening((83, None), ((None, 0),)), "mkdirat": Opening((258, 34), ((0, 1),)), "rmdir": Opening((84, None), ((None, 0),)),
    "mknod": Opening((133, None), ((None, 0),)), "mknodat": Opening((259, 33), ((0, 1),)),
    "rename": Opening((82, None), ((None, 0), (None, 1))), "renameat": Opening((264, 38), ((0, 1), (2, 3))),
    "renameat2": Opening((316, 276), ((0, 1), (2, 3))),
    "link": Opening((86, None), ((None, 0), (None, 1))), "linkat": Opening((265, 37), ((0, 1), (2, 3))),
    "symlink": Opening((88, None), ((None, 1),)), "symlinkat": Opening((266, 36), ((1, 2),)),
}  # fmt: skip
"""What Landlock rules on."""


def number_of(call: str, machine: str) -> int:
    """The number of a call that both architectures have."""
    number = (REFUSED[call] if call in REFUSED else _SOMETIMES[call])[1][ARCHITECTURES.index(machine)]
    if number is None:
        raise KeyError(f"{machine} has no {call}")
    return number


def names(machine: str) -> dict[int, str]:
    """Number → name, for all calls of this module."""
    arch = ARCHITECTURES.index(machine)
    found = {name: numbers[arch] for name, (_, numbers) in (REFUSED | _SOMETIMES).items()}
    found |= {name: opening.numbers[arch] for name, opening in OPENINGS.items()}
    return {number: name for name, number in found.items() if number is not None}


def what_of(call: str) -> What:
    """What a refused call is a try at."""
    return (REFUSED[call] if call in REFUSED else _SOMETIMES[call])[0]
