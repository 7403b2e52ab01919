"""The sandbox, tried from inside a real pack host: what a pack must not do fails, what it needs works."""

import asyncio
import textwrap
from pathlib import Path
from typing import Any

import pytest

from agentos.packhost.listener import Tried
from agentos.packhost.process import Died, EffectFrame, EndedFrame, HostBroken, HostOptions, LogFrame, PackHost, RestFrame
from agentos.sdk import Pack

MANIFEST = """
name: trial
version: "1"
description: a pack for tests
agents:
  - {name: main, entry: "code:main", task_types: [trial]}
"""


def make_pack(folder: Path, code: str) -> Pack:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pack.yaml").write_text(MANIFEST)
    (folder / "code.py").write_text(textwrap.dedent(code))
    return Pack.load(folder)


def ignore(stream: str, line: str) -> None:
    return None


def unheard(tried: Tried) -> None:
    raise AssertionError(f"nobody's: {tried}")


async def run_once(pack: Pack, given: Any, **options: Any) -> tuple[EndedFrame | Died, list[str]]:
    printed: list[str] = []
    host = await PackHost.start(pack, HostOptions(mode="agents", **options), lambda _, line: printed.append(line), unheard)
    heard: asyncio.Queue[EffectFrame | RestFrame | EndedFrame | LogFrame | Died | Tried] = asyncio.Queue()
    frame = {"t": "agent", "agent": "main", "task": {"id": "t", "type": "trial", "attempt": 1}, "input": given}
    host.begin(1, frame, heard.put_nowait)
    try:
        while True:
            event = await heard.get()
            if isinstance(event, EndedFrame | Died):
                return event, printed
    finally:
        await host.stop()


ATTEMPTS = """
import asyncio, ctypes, os, pathlib, signal, socket, subprocess, tempfile, threading

def inet(x): socket.socket(socket.AF_INET)
def inet6(x): socket.socket(socket.AF_INET6)
def unix(x): socket.socket(socket.AF_UNIX)
def netlink(x): socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)
def datagram_pair(x): socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
def execute(x): os.execv("/bin/true", ["true"])
def program(x): subprocess.run(["/bin/true"])
def fork(x):
    if os.fork() == 0: os._exit(0)
def read_secret(x): open(x["secret"]).read()
def list_folder(x): os.listdir(os.path.dirname(x["secret"]))
def write_next_to_it(x): open(x["secret"] + ".mine", "w")
def overwrite(x): open(x["secret"], "w")
def change_mode(x): os.chmod(x["secret"], 0o777)
def truncate(x): os.truncate(x["secret"], 0)
def remove(x): os.unlink(x["secret"])
def environment_of_parent(x): open(f"/proc/{os.getppid()}/environ").read()
def kill_parent(x): os.kill(os.getppid(), signal.SIGKILL)
def kill_group(x): os.kill(0, signal.SIGKILL)
def change_pack(x): open(__file__, "a")
def passwords(x): open("/etc/passwd").read()
def ptrace(x):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, os.getppid(), 0, 0) != 0: raise OSError(ctypes.get_errno(), "ptrace")

def temporary_file(x):
    with tempfile.TemporaryFile("w+") as f: f.write("x")
def read_pack(x): pathlib.Path(__file__).read_text()
def thread(x):
    t = threading.Thread(target=lambda: None); t.start(); t.join()
def lazy_import(x): import decimal, sqlite3, zoneinfo, email.message, json.tool
def pair(x):
    for s in socket.socketpair(): s.close()
def no_environment(x):
    assert set(os.environ) <= {"PYTHONHASHSEED", "LANG", "HOME", "TMPDIR", "LC_CTYPE"}, sorted(os.environ)

async def main(ctx, input):
    try:
        globals()[input["do"]](input)
    except (OSError, PermissionError) as refused:
        return {"refused": type(refused).__name__}
    return {"refused": None}
"""
FORBIDDEN = [
    "inet",
    "inet6",
    "unix",
    "netlink",
    "datagram_pair",
    "execute",
    "program",
    "fork",
    "read_secret",
    "list_folder",
    "write_next_to_it",
    "overwrite",
    "change_mode",
    "truncate",
    "remove",
    "environment_of_parent",
    "kill_parent",
    "kill_group",
    "change_pack",
    "passwords",
    "ptrace",
]


@pytest.fixture(scope="module")
async def trial(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return make_pack(tmp_path_factory.mktemp("packs") / "trial", ATTEMPTS)


@pytest.mark.parametrize("do", FORBIDDEN)
async def test_a_pack_cannot(do: str, trial: Pack, tmp_path: Path) -> None:
    secret = tmp_path / "master.key"
    secret.write_text("secret")
    ended, _ = await run_once(trial, {"do": do, "secret": str(secret)})
    assert isinstance(ended, EndedFrame)
    assert ended.result == {"refused": "PermissionError"}, ended
    assert secret.read_text() == "secret"


@pytest.mark.parametrize("do", ["temporary_file", "read_pack", "thread", "lazy_import", "pair", "no_environment"])
async def test_a_pack_can(do: str, trial: Pack, tmp_path: Path) -> None:
    ended, _ = await run_once(trial, {"do": do})
    assert isinstance(ended, EndedFrame)
    assert ended.result == {"refused": None}, ended


async def test_code_that_runs_at_import_is_locked_in_already(tmp_path: Path) -> None:
    pack = make_pack(tmp_path / "trial", "import socket\nsocket.socket()\n\nasync def main(ctx, input): ...\n")
    tried: list[Tried] = []
    with pytest.raises(HostBroken, match="PermissionError") as broken:
        await PackHost.start(pack, HostOptions(mode="agents"), ignore, tried.append)
    assert broken.value.code == "pack_broken"
    assert tried == [Tried("network", "socket inet")]


async def test_a_host_whose_loop_stands_still_is_killed_and_the_guilty_run_named(tmp_path: Path) -> None:
    code = "import time, asyncio\nasync def main(ctx, input):\n    await asyncio.sleep(0)\n    time.sleep(3600)\n"
    from datetime import timedelta

    ended, _ = await run_once(make_pack(tmp_path / "trial", code), {}, hang_after=timedelta(seconds=1))
    assert ended == Died(hung=True, guilty=True, blamed=True)


async def test_a_host_that_crashes_is_traced_to_the_run_whose_turn_it_was(tmp_path: Path) -> None:
    code = "import os\nasync def main(ctx, input):\n    os._exit(7)\n"
    ended, _ = await run_once(make_pack(tmp_path / "trial", code), {})
    assert ended == Died(hung=False, guilty=True, blamed=True)


async def test_what_a_pack_prints_is_bounded(tmp_path: Path) -> None:
    code = "async def main(ctx, input):\n    for _ in range(3000): print('x' * 5000)\n    print('y' * 200000, flush=True)\n"
    ended, printed = await run_once(make_pack(tmp_path / "trial", code), {})
    assert isinstance(ended, EndedFrame)
    assert len(printed) <= 501
    assert all(len(line) <= 2000 for line in printed)


async def test_a_pack_that_garbles_its_pipe_only_ends_its_own_host(tmp_path: Path) -> None:
    code = "import os, sys\nasync def main(ctx, input):\n    os.write(int(sys.argv[-3]), b'\\xff' * 64)\n    await ctx.now()\n"
    ended, _ = await run_once(make_pack(tmp_path / "trial", code), {})
    assert isinstance(ended, Died)
