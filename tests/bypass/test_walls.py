"""Each way out that a pack could try: it reaches nothing, and the service hears of it, whatever the pack did to Python."""

import platform
from pathlib import Path

import pytest

from agentos.packhost.process import EndedFrame
from tests.bypass.site import Outcome, run, site_in

NETWORK = {
    "inet": "socket inet", "inet_by_number": "socket inet", "inet6": "socket inet6", "datagram": "socket inet",
    "raw_socket": "socket inet", "unix": "socket unix", "abstract_unix": "socket unix", "netlink": "socket netlink",
    "packet": "socket packet", "vsock": "socket vsock", "kernel_crypto": "socket alg", "datagram_pair": "socketpair unix",
    "listen": "socket inet", "connect_the_pipe": "connect", "plain_http": "socket inet",
}  # fmt: skip
PROCESS = {
    "execute": "execve", "file_in_memory_run": "execveat", "kill_parent": "kill", "kill_group": "kill", "kill_everyone": "kill",
    "kill_by_pidfd": "pidfd_open", "kill_by_thread": "tgkill", "new_namespace": "unshare", "enter_namespace": "setns",
    "raise_limits": "prlimit64", "become_root": "setuid",
}  # fmt: skip
MEMORY = {
    "trace_parent": "ptrace", "read_parent": "process_vm_readv", "write_parent": "process_vm_writev",
    "descriptor_of_parent": "pidfd_getfd", "page_faults": "userfaultfd",
}  # fmt: skip
OTHER = {
    "io_uring": "io_uring_setup", "kernel_programs": "bpf", "performance_counters": "perf_event_open", "kernel_keys": "keyctl",
    "filter_of_its_own": "seccomp", "filter_by_prctl": "prctl",
}  # fmt: skip
FILE = {"truncate": "truncate", "mount": "mount", "change_root": "chroot", "file_handle": "open_by_handle_at"}
CALLS = {
    do: (what, detail)
    for what, tries in (("network", NETWORK), ("process", PROCESS), ("memory", MEMORY), ("other", OTHER), ("file", FILE))
    for do, detail in tries.items()
}
READS = {
    "read_secret": "secret", "read_secret_by_number": "secret", "read_secret_by_openat2": "secret", "read_secret_by_dots": "secret",
    "read_neighbour": "neighbour", "symbolic_link": "secret", "read_store": "store",
}  # fmt: skip
WRITES = ["overwrite", "append", "remove", "move_it_here", "swap_it", "hard_link"]


async def refused(do: str, folder: Path) -> Outcome:
    async with site_in(folder) as site:
        came = await run({**site.x, "do": do})
    assert isinstance(came.ended, EndedFrame)
    assert came.ended.outcome == "completed", came.ended
    assert came.ended.result["refused"] is not None, came.ended
    assert site.untouched(), site.connections
    assert not (folder / "marker").exists()
    assert came.unclaimed == []
    return came


def told(came: Outcome) -> set[tuple[str, str]]:
    return {(tried.what, tried.detail) for tried in came.tried}


@pytest.mark.parametrize("do", CALLS)
async def test_a_system_call_that_leads_out_is_refused_and_told(do: str, tmp_path: Path) -> None:
    assert CALLS[do] in told(await refused(do, tmp_path))


OTHER_TABLES = {
    "x86_64": {("other", f"system call {0x40000000 + 41} of another architecture")},
    # Its kernel has no second table: the number is no call at all.
    "aarch64": set[tuple[str, str]](),
}


async def test_the_numbers_of_another_architecture_lead_nowhere_and_are_told(tmp_path: Path) -> None:
    assert told(await refused("other_numbers", tmp_path)) == OTHER_TABLES[platform.machine()]


@pytest.mark.parametrize("do", READS)
async def test_reading_what_is_not_its_own_is_refused_and_told(do: str, tmp_path: Path) -> None:
    came = await refused(do, tmp_path)
    path = {"secret": "secrets/master.key", "neighbour": "packs/neighbour/data.txt", "store": "nats"}[READS[do]]
    assert ("file", f"read {tmp_path / path}") in told(came)


@pytest.mark.parametrize("do", WRITES)
async def test_changing_what_is_not_its_own_is_refused_and_told(do: str, tmp_path: Path) -> None:
    assert ("file", f"write {tmp_path / 'secrets' / 'master.key'}") in told(await refused(do, tmp_path))


@pytest.mark.parametrize("do", ["write_next_to_it", "make_folder", "make_device"])
async def test_a_path_that_does_not_exist_is_told_as_far_as_it_does(do: str, tmp_path: Path) -> None:
    assert ("file", f"write {tmp_path / 'secrets'}/…") in told(await refused(do, tmp_path))


@pytest.mark.parametrize("do", ["program", "shell", "fork", "clone_by_number"])
async def test_no_second_process_comes_to_be_and_the_try_is_told(do: str, tmp_path: Path) -> None:
    assert any(tried.what == "process" for tried in (await refused(do, tmp_path)).tried)


FORK = {"x86_64": {("process", "fork")}, "aarch64": set[tuple[str, str]]()}
"""aarch64 forks by clone alone: there is no number to try."""


async def test_the_oldest_way_to_a_second_process_is_refused_wherever_there_is_one(tmp_path: Path) -> None:
    assert told(await refused("fork_by_number", tmp_path)) == FORK[platform.machine()]


@pytest.mark.parametrize("do", ["change_mode", "change_owner"])
async def test_rights_are_not_changed_and_the_try_is_told(do: str, tmp_path: Path) -> None:
    assert any(tried.what == "file" for tried in (await refused(do, tmp_path)).tried)


@pytest.mark.parametrize(
    ("do", "what", "name"),
    [
        ("environment_of_parent", "environment", "environ"), ("own_first_environment", "environment", "environ"),
        ("memory_of_parent", "memory", "mem"), ("maps_of_parent", "memory", "maps"),
        ("command_line_of_parent", "file", "cmdline"), ("descriptors_of_parent", "file", "fd"),
    ],
)  # fmt: skip
async def test_what_the_kernel_tells_of_processes_is_not_read_and_the_try_is_told(
    do: str, what: str, name: str, tmp_path: Path
) -> None:
    came = await refused(do, tmp_path)
    assert any(tried.what == what and tried.detail.endswith(f"/{name}") for tried in came.tried), came.tried


@pytest.mark.parametrize("do", ["passwords", "change_itself", "change_python", "list_neighbours", "names"])
async def test_what_lies_around_is_refused_and_told(do: str, tmp_path: Path) -> None:
    assert (await refused(do, tmp_path)).tried


async def test_a_pack_that_minds_its_own_business_is_told_nothing_of(tmp_path: Path) -> None:
    async with site_in(tmp_path) as site:
        came = await run({**site.x, "do": "harmless"})
    assert isinstance(came.ended, EndedFrame)
    assert came.ended.result == {"refused": None, "found": None}
    assert (came.tried, came.unclaimed) == ([], [])
