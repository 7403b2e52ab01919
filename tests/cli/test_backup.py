"""`agentos backup` and `agentos restore`: an installation moves, whole, and only with its master key."""

import gzip
import io
import json
import random
import shutil
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from agentos.cli.archive import MASTER_KEY, pack, unpack
from agentos.cli.client import Failure
from agentos.cli.occupied import occupied
from tests.installed import installation


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A data folder as a stopped installation leaves it, as far as a backup looks at it."""
    data = tmp_path / "data"
    for name, content in {
        "broker/nats-server.conf": b'listen: "127.0.0.1:1"\n', "broker/jetstream/x/1.blk": b"\0" * 70_000, "ledger/ledger.db": b"rows",
        "secrets/admin.key": b"admin", "secrets/audit.key": b"audit", MASTER_KEY: b"m" * 32,
    }.items():  # fmt: skip
        path = data / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_bytes(content)
        path.chmod(0o600)
    return data


@pytest.fixture
def kept(stopped: Path, tmp_path: Path) -> Path:
    """The copy of the master key that the operator keeps."""
    copy = tmp_path / "kept.key"
    shutil.copy2(stopped / MASTER_KEY, copy)
    return copy


def test_what_was_backed_up_comes_back_and_the_master_key_was_not_in_it(stopped: Path, kept: Path, tmp_path: Path) -> None:
    archive = tmp_path / "b.tar.gz"
    pack(stopped, archive, stopped / MASTER_KEY)
    assert archive.stat().st_mode & 0o777 == 0o600
    assert b"m" * 32 not in gzip.decompress(archive.read_bytes())
    unpack(archive, tmp_path / "new", kept)
    for name in ("broker/jetstream/x/1.blk", "ledger/ledger.db", "secrets/admin.key", MASTER_KEY):
        assert (tmp_path / "new" / name).read_bytes() == (stopped / name).read_bytes()
        assert (tmp_path / "new" / name).stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob(".new*"))


def test_what_runs_is_not_backed_up(stopped: Path, tmp_path: Path) -> None:
    with occupied(stopped), pytest.raises(Failure, match="In use"):
        pack(stopped, tmp_path / "b.tar.gz", stopped / MASTER_KEY)
    assert not (tmp_path / "b.tar.gz").exists()


def test_nothing_is_written_over(stopped: Path, kept: Path, tmp_path: Path) -> None:
    archive = tmp_path / "b.tar.gz"
    pack(stopped, archive, stopped / MASTER_KEY)
    with pytest.raises(Failure, match="Not written"):
        pack(stopped, archive, stopped / MASTER_KEY)
    with pytest.raises(Failure, match="It exists"):
        unpack(archive, stopped, kept)


def test_another_master_key_is_refused(stopped: Path, tmp_path: Path) -> None:
    archive, other = tmp_path / "b.tar.gz", tmp_path / "other.key"
    pack(stopped, archive, stopped / MASTER_KEY)
    other.write_bytes(b"o" * 32)
    other.chmod(0o600)
    with pytest.raises(Failure, match="Another master key"):
        unpack(archive, tmp_path / "new", other)
    assert not (tmp_path / "new").exists()


Members = list[tuple[tarfile.TarInfo, bytes]]


def changed(member: str, content: bytes) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        place = next(at for at, (info, _) in enumerate(members) if info.name == member)
        info = members[place][0]
        info.size = len(content)
        members[place] = (info, content)

    return change


def added(name: str, **more: Any) -> Callable[[Members], None]:
    def add(members: Members) -> None:
        info = tarfile.TarInfo(name)
        for field, value in more.items():
            setattr(info, field, value)
        members.append((info, b""))

    return add


def without_the_last(members: Members) -> None:
    members.pop()


def backwards(members: Members) -> None:
    members.reverse()


@pytest.mark.parametrize(
    "spoil",
    [
        changed("ledger/ledger.db", b"other rows"),
        without_the_last,
        backwards,
        added("../outside"),
        added("/tmp/outside"),
        added("secrets/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        added("ledger/ledger.db"),
    ],
    ids=["changed", "missing", "no manifest first", "above", "absolute", "link", "twice"],
)
def test_what_is_not_whole_leaves_nothing_behind(
    spoil: Callable[[Members], None], stopped: Path, kept: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "b.tar.gz"
    pack(stopped, archive, stopped / MASTER_KEY)
    with tarfile.open(archive) as tar:
        members: Members = [(info, (tar.extractfile(info) or io.BytesIO()).read()) for info in tar.getmembers()]
    spoil(members)
    with tarfile.open(archive, "w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    with pytest.raises(Failure):
        unpack(archive, tmp_path / "new", kept)
    assert {path.name for path in tmp_path.iterdir()} == {"data", "b.tar.gz", "kept.key"}


@pytest.mark.parametrize("end", [10, 50_000], ids=["head", "middle"])
def test_a_backup_that_broke_off_is_refused(end: int, stopped: Path, kept: Path, tmp_path: Path) -> None:
    archive = tmp_path / "b.tar.gz"
    (stopped / "ledger" / "ledger.db").write_bytes(random.Random(1).randbytes(100_000))
    pack(stopped, archive, stopped / MASTER_KEY)
    archive.write_bytes(archive.read_bytes()[:end])
    with pytest.raises(Failure):
        unpack(archive, tmp_path / "new", kept)
    assert not (tmp_path / "new").exists()


def test_an_installation_goes_on_elsewhere_with_its_chain_whole_and_its_sealed_results_readable(tmp_path: Path) -> None:
    """Stop, back up, restore elsewhere, start: the same key, the same task with its result in clear, a chain that verifies, new work."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with installation(first) as (url, key):
        made = _ask(url, key, "POST", "tasks", {"type": "issue-triage", "input": ISSUE, "labels": {"title": "Moving house"}})
        task = _until_held(url, key, made["task"])
        call = f"evt.default.call.{task['calls'][0]['id']}.requested"
        revealed = _ask(url, key, "POST", "payloads/reveal", {"event": call, "reason": "before the move"})
        with pytest.raises(Failure, match="In use"):
            pack(first / "up", tmp_path / "b.tar.gz", first / "up" / MASTER_KEY)
    pack(first / "up", tmp_path / "b.tar.gz", first / "up" / MASTER_KEY)
    shutil.copy2(first / "up" / MASTER_KEY, tmp_path / "kept.key")
    shutil.rmtree(first / "up")
    unpack(tmp_path / "b.tar.gz", second / "up", tmp_path / "kept.key")
    with installation(second) as (url, same):
        assert same == key
        again = _ask(url, key, "POST", "payloads/reveal", {"event": call, "reason": "after the move"})
        assert "alice.liddell@example.com" in json.dumps(again)
        assert again["value"] == revealed["value"]
        verdict = _ask(url, key, "POST", "audit/verify", {})
        assert verdict["ok"], verdict
        (approval,) = _ask(url, key, "GET", f"tasks/{made['task']}")["approvals"]
        assert approval["state"] == "pending", "what waited still waits"


ISSUE = {
    "action": "opened",
    "issue": {"number": 7, "title": "Moving house", "body": "Moving house. Write to alice.liddell@example.com.", "labels": [],
              "user": {"login": "alice"}, "html_url": "https://github.com/wonderland/teaparty/issues/7"},
    "repository": {"full_name": "wonderland/teaparty"},
}  # fmt: skip


def _ask(url: str, key: str, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx.request(method, f"{url}/api/v1/{path}", json=body, headers=headers, timeout=60, trust_env=False)
    assert answer.is_success, answer.text
    return answer.json()


def _until_held(url: str, key: str, task: str) -> Any:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        row = _ask(url, key, "GET", f"tasks/{task}")
        if any(each["state"] == "pending" for each in row["approvals"]):
            return row
        time.sleep(0.2)
    raise AssertionError("nothing was held")
