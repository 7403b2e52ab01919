"""The seccomp program, interpreted: what each system call gets on either architecture. The kernel's own word is in test_sandbox."""

import errno
import struct

import pytest

from agentos.packhost.sandbox import filter_program
from agentos.packhost.syscalls import ARCHITECTURES, OPENINGS, REFUSED

ALLOW, KILL, NOTIFY = 0x7FFF0000, 0x80000000, 0x7FC00000
PID = 4711
EPERM, ENOSYS, NO_FAMILY = (0x00050000 | code for code in (errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT))
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def verdict(program: bytes, machine: str, number: int, *arguments: int, arch: int | None = None) -> int:
    padded = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("=iIQ6Q", number, ARCH[machine] if arch is None else arch, 0, *padded)
    accumulator, at = 0, 0
    while True:
        code, yes, no, k = struct.unpack_from("=HBBI", program, at * 8)
        at += 1
        match code:
            case 0x20:
                accumulator = struct.unpack_from("=I", data, k)[0]
            case 0x54:
                accumulator &= k
            case 0x15:
                at += yes if accumulator == k else no
            case 0x35:
                at += yes if accumulator >= k else no
            case 0x45:
                at += yes if accumulator & k else no
            case 0x06:
                return k
            case _:
                raise AssertionError(f"unknown instruction {code:#x}")


THREAD, AF_UNIX, AF_INET, STREAM, DATAGRAM, NONBLOCK = 0x10000, 1, 2, 1, 2, 0o4000
CALLS = {
    "read": ({"x86_64": 0, "aarch64": 63}, (), ALLOW),
    "openat": ({"x86_64": 257, "aarch64": 56}, (), ALLOW),
    "execve": ({"x86_64": 59, "aarch64": 221}, (), EPERM),
    "ptrace": ({"x86_64": 101, "aarch64": 117}, (), EPERM),
    "io_uring_setup": ({"x86_64": 425, "aarch64": 425}, (), EPERM),
    "clone3": ({"x86_64": 435, "aarch64": 435}, (), ENOSYS),
    "clone of a process": ({"x86_64": 56, "aarch64": 220}, (17,), EPERM),
    "clone of a thread": ({"x86_64": 56, "aarch64": 220}, (0x3D0F00 | THREAD,), ALLOW),
    "kill of itself": ({"x86_64": 62, "aarch64": 129}, (PID, 9), ALLOW),
    "kill of another": ({"x86_64": 62, "aarch64": 129}, (PID + 1, 9), EPERM),
    "kill of everyone": ({"x86_64": 62, "aarch64": 129}, (0xFFFFFFFF, 9), EPERM),
    "tgkill of another": ({"x86_64": 234, "aarch64": 131}, (1, 1, 9), EPERM),
    "prlimit of itself": ({"x86_64": 302, "aarch64": 261}, (0,), ALLOW),
    "prlimit of another": ({"x86_64": 302, "aarch64": 261}, (1,), EPERM),
}
NETWORK = {
    "socket": ({"x86_64": 41, "aarch64": 198}, (AF_INET, STREAM), EPERM),
    "connect": ({"x86_64": 42, "aarch64": 203}, (), EPERM),
    "stream pair": ({"x86_64": 53, "aarch64": 199}, (AF_UNIX, STREAM | NONBLOCK), ALLOW),
    "datagram pair": ({"x86_64": 53, "aarch64": 199}, (AF_UNIX, DATAGRAM), EPERM),
}

LISTENED = {
    "seccomp": ({"x86_64": 317, "aarch64": 277}, (1, 0), EPERM),
    "a filter by prctl": ({"x86_64": 157, "aarch64": 167}, (22, 2), EPERM),
    "another prctl": ({"x86_64": 157, "aarch64": 167}, (15,), ALLOW),
}


@pytest.mark.parametrize("machine", list(ARCH))
@pytest.mark.parametrize("call", [*CALLS, *NETWORK])
def test_an_agent_s_system_call_gets(call: str, machine: str) -> None:
    numbers, arguments, expected = (CALLS | NETWORK)[call]
    assert verdict(filter_program(machine, PID, network=False), machine, numbers[machine], *arguments) == expected


@pytest.mark.parametrize("machine", list(ARCH))
def test_a_tool_may_use_the_network_and_nothing_else_more(machine: str) -> None:
    program = filter_program(machine, PID, network=True)
    for numbers, arguments, expected in CALLS.values():
        assert verdict(program, machine, numbers[machine], *arguments) == expected
    for numbers, arguments, _ in NETWORK.values():
        assert verdict(program, machine, numbers[machine], *arguments) == ALLOW


@pytest.mark.parametrize("machine", list(ARCH))
@pytest.mark.parametrize("call", [*CALLS, *NETWORK, *LISTENED])
def test_what_is_refused_goes_to_the_listener_and_nothing_is_let_pass_that_was_not(call: str, machine: str) -> None:
    numbers, arguments, expected = (CALLS | NETWORK | LISTENED)[call]
    program = filter_program(machine, PID, network=False, listened=True)
    heard = expected == EPERM or call == "openat"
    assert verdict(program, machine, numbers[machine], *arguments) == (NOTIFY if heard else expected)


@pytest.mark.parametrize("machine", list(ARCH))
@pytest.mark.parametrize(
    ("family", "expected"), [(AF_INET, ALLOW), (10, ALLOW), (16, ALLOW), (AF_UNIX, NO_FAMILY), (17, EPERM), (40, EPERM)]
)
def test_a_tool_s_sockets_lead_to_the_internet_and_not_to_this_machine_s_daemons(
    family: int, expected: int, machine: str
) -> None:
    number = NETWORK["socket"][0][machine]
    assert verdict(filter_program(machine, PID, network=True), machine, number, family, STREAM) == expected


@pytest.mark.parametrize("machine", list(ARCH))
def test_no_two_calls_share_a_number(machine: str) -> None:
    arch = ARCHITECTURES.index(machine)
    numbers = [each[arch] for _, each in REFUSED.values()] + [opening.numbers[arch] for opening in OPENINGS.values()]
    known = [number for number in numbers if number is not None]
    assert len(known) == len(set(known))


def test_another_architecture_s_numbers_end_the_process() -> None:
    assert verdict(filter_program("x86_64", PID, network=False), "x86_64", 0, arch=0x40000003) == KILL
    assert verdict(filter_program("x86_64", PID, network=False), "x86_64", 0x40000000) == KILL


def test_another_architecture_s_numbers_are_told_and_refused_where_someone_listens() -> None:
    program = filter_program("x86_64", PID, network=False, listened=True)
    assert verdict(program, "x86_64", 0, arch=0x40000003) == NOTIFY
    assert verdict(program, "x86_64", 0x40000000) == NOTIFY
