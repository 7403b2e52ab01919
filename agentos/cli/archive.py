"""What a backup is: a gzipped tar of a stopped data folder without its master key, with a manifest that says what belongs in it.

The manifest comes first: format, when it was made, a fingerprint of the master key that opens what is sealed, and the SHA-256 of each file.
Restoring writes nothing into place before all of it has been found whole.
"""

import hashlib
import hmac
import io
import os
import re
import shutil
import socket
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO

from pydantic import BaseModel, ConfigDict, ValidationError

from agentos import private_files
from agentos.cli.client import Failure
from agentos.cli.occupied import LOCK, occupied
from agentos.private_files import UnsafeSecret
from agentos.sealing import MasterKey

MASTER_KEY = "secrets/master.key"
MANIFEST = "MANIFEST.json"
LEFT_OUT = frozenset({MASTER_KEY, LOCK, MANIFEST})
MOST_MANIFEST_BYTES = 256 * 2**20
_PIECE = 2**20


class Manifest(BaseModel):
    """What belongs in a backup."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    made_at: datetime
    master_key: str
    """Tells whether a key is the one; says nothing about it."""
    files: dict[str, str]
    """SHA-256 by path."""


def fingerprint(path: Path) -> str:
    """What the manifest says of a master key. Raises Failure for a file that is none."""
    try:
        raw = private_files.read(path)
        return hashlib.sha256(MasterKey(raw).derive("backup.fingerprint")).hexdigest()
    except FileNotFoundError:
        raise Failure(
            "No master key", f"there is no file {path}", mend="name the copy that you keep with --master-key"
        ) from None
    except UnsafeSecret as unsafe:
        raise Failure("Unsafe master key", str(unsafe)) from None


def pack(data: Path, archive: Path, master_key: Path) -> Manifest:
    """Write the stopped installation of ``data`` to ``archive``, which must not exist. Raises Failure."""
    if not (data / "broker").is_dir():
        raise Failure("Nothing to back up", f"{data} is no data folder of `agentos up`", mend="name it with --data")
    with occupied(data):
        _broker_is_gone(data)
        files = {str(path.relative_to(data)): path for path in _files(data)}
        manifest = Manifest(
            made_at=datetime.now(UTC),
            master_key=fingerprint(master_key),
            files={name: _digest(path.open("rb")) for name, path in files.items()},
        )
        try:
            descriptor = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except OSError as fault:
            raise Failure(
                "Not written", f"{archive}: {fault.strerror}", mend="name a new file in a folder that exists"
            ) from None
        try:
            with os.fdopen(descriptor, "wb") as out:
                with tarfile.open(fileobj=out, mode="w:gz") as tar:
                    _add(tar, MANIFEST, manifest.model_dump_json().encode())
                    for name, path in files.items():
                        tar.add(path, arcname=name, recursive=False)
                out.flush()
                os.fsync(out.fileno())
        except BaseException:
            archive.unlink()
            raise
    return manifest


def unpack(archive: Path, data: Path, master_key: Path) -> Manifest:
    """Make ``data``, which must not exist, from ``archive``, with a copy of the master key. Raises Failure, and then leaves nothing."""
    if data.exists():
        raise Failure("It exists", f"{data} is there already", mend="name a folder that does not exist yet with --data")
    mark = fingerprint(master_key)
    data.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{data.name}.", dir=data.parent))
    try:
        manifest = _extract(archive, draft, mark)
        secret = draft / MASTER_KEY
        secret.parent.mkdir(exist_ok=True, mode=0o700)
        with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(private_files.read(master_key))
        draft.rename(data)
    except (OSError, tarfile.TarError, EOFError, zlib.error, ValidationError) as fault:
        raise Failure(
            "Not restored", f"{archive} cannot be read as a backup: {fault}", mend="take another copy of it"
        ) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return manifest


def _broker_is_gone(data: Path) -> None:
    """A broker outlives an `agentos up` that was killed, and then still writes. Raises Failure while it does."""
    found = re.search(r'^listen: "127\.0\.0\.1:(\d+)"', (data / "broker" / "nats-server.conf").read_text(), re.MULTILINE)
    if found is None:
        return
    try:
        socket.create_connection(("127.0.0.1", int(found[1])), timeout=2).close()
    except OSError:
        return
    raise Failure("In use", f"a broker still runs on {data}, port {found[1]}", mend="stop that nats-server first, with SIGTERM")


def _extract(archive: Path, into: Path, mark: str) -> Manifest:
    with tarfile.open(archive, mode="r:gz") as tar:
        first = tar.next()
        if first is None or first.name != MANIFEST or first.size > MOST_MANIFEST_BYTES:
            raise Failure(
                "No backup", f"{archive} does not begin with a manifest", mend="take a file that `agentos backup` made"
            )
        manifest = Manifest.model_validate_json(_opened(tar, first).read())
        if manifest.format != 1:
            raise Failure("Another format", f"it has format {manifest.format}", mend="restore it with the version that made it")
        if not hmac.compare_digest(manifest.master_key, mark):
            raise Failure(
                "Another master key", "what is sealed in this backup is not sealed with that key", mend="find its own"
            )
        missing = dict(manifest.files)
        while (member := tar.next()) is not None:
            expected = missing.pop(member.name, None)
            if expected is None or not member.isreg() or not _inside(member.name):
                raise Failure("Not whole", f"{member.name!r} does not belong in it", mend="take another copy of it")
            path = into / member.name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                found = _digest(_opened(tar, member), out)
            if found != expected:
                raise Failure("Not whole", f"{member.name!r} is not what was backed up", mend="take another copy of it")
    if missing:
        raise Failure(
            "Not whole", f"{len(missing)} files are missing, such as {min(missing)!r}", mend="take another copy of it"
        )
    return manifest


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and name not in LEFT_OUT


def _files(data: Path) -> Iterator[Path]:
    """Regular files in a fixed order. The broker's and the ledger's own are all regular; whatever else lies there is not ours."""
    for path in sorted(data.rglob("*")):
        if path.is_file() and not path.is_symlink() and str(path.relative_to(data)) not in LEFT_OUT:
            yield path


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o600
    tar.addfile(entry, io.BytesIO(content))


def _opened(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    if content is None:
        raise Failure("Not whole", f"{member.name!r} is no file", mend="take another copy of it")
    return content


def _digest(content: IO[bytes], copy: IO[bytes] | None = None) -> str:
    digest = hashlib.sha256()
    with content:
        while piece := content.read(_PIECE):
            digest.update(piece)
            if copy is not None:
                copy.write(piece)
    return digest.hexdigest()


__all__ = ["MASTER_KEY", "Manifest", "fingerprint", "pack", "unpack"]
