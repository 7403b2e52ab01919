"""Files of secrets, and the signing keys kept in them."""

import os
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from agentos import signing_key
from agentos.private_files import UnsafeSecret, read, read_or_create


def secret() -> bytes:
    return os.urandom(16)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o644, 0o700, 0o620])
def test_a_wider_mode_is_refused_with_the_command_that_mends_it(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    read_or_create(path, secret)
    path.chmod(mode)
    with pytest.raises(UnsafeSecret, match=f"{mode:04o}.*chmod 600"):
        read_or_create(path, secret)


def test_links_folders_and_pipes_are_no_files_of_secrets(tmp_path: Path) -> None:
    read_or_create(tmp_path / "real", secret)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "folder").mkdir(mode=0o600)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("link", "folder", "pipe"):
        with pytest.raises(UnsafeSecret):
            read_or_create(tmp_path / name, secret)


def test_what_is_larger_than_any_secret_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(UnsafeSecret, match="larger"):
        read_or_create(tmp_path / "secret", lambda: bytes(65_537))


def test_a_file_that_is_only_read_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "secret")
    assert list(tmp_path.iterdir()) == []


def test_of_many_that_start_at_once_one_makes_the_secret_and_all_use_it(tmp_path: Path) -> None:
    found: list[bytes] = []
    path = tmp_path / "deep" / "secret"
    threads = [threading.Thread(target=lambda: found.append(read_or_create(path, secret))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [path.read_bytes()] * 16
    assert [*path.parent.iterdir()] == [path]


def test_a_key_of_another_kind_signs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    pem = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    read_or_create(path, lambda: pem)
    with pytest.raises(UnsafeSecret, match="Ed25519"):
        signing_key.load(path)
