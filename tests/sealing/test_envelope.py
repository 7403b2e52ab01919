"""Sealing and the master key."""

import pickle
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.contracts.base import Principal, Sealed
from agentos.private_files import UnsafeSecret
from agentos.sealing import (
    KeyErased,
    MasterKey,
    SealBroken,
    new_data_key,
    open_model,
    open_sealed,
    seal,
    seal_model,
)

DATA_KEY = bytes(range(32))


@given(
    st.binary(max_size=2000),
    st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True),
    st.text(max_size=40).filter(str.isprintable),
)
def test_what_is_sealed_opens_to_the_same_bytes_also_through_json(plaintext: bytes, key: str, purpose: str) -> None:
    sealed = Sealed.model_validate_json(seal(DATA_KEY, key, purpose, plaintext).model_dump_json())
    assert open_sealed(DATA_KEY, key, purpose, sealed) == plaintext


def test_the_sealed_bytes_do_not_hold_the_content_and_differ_each_time() -> None:
    first, second = (seal(DATA_KEY, "t1", "payload", b"ann@example.org") for _ in range(2))
    assert b"ann" not in first.ciphertext
    assert first.nonce != second.nonce
    assert first.ciphertext != second.ciphertext


@pytest.mark.parametrize("position", range(len(b"secret") + 16))
def test_any_flipped_bit_is_noticed(position: int) -> None:
    sealed = seal(DATA_KEY, "t1", "payload", b"secret")
    altered = bytearray(sealed.ciphertext)
    altered[position] ^= 1
    with pytest.raises(SealBroken):
        open_sealed(DATA_KEY, "t1", "payload", sealed.model_copy(update={"ciphertext": bytes(altered)}))


@pytest.mark.parametrize(
    "change", [{"nonce": b"x" * 12}, {"nonce": b""}, {"nonce": b"x"}, {"ciphertext": b""}, {"ciphertext": b"x"}]
)
def test_a_sealed_value_of_the_wrong_shape_is_broken_and_no_crash(change: dict[str, bytes]) -> None:
    with pytest.raises(SealBroken):
        open_sealed(DATA_KEY, "t1", "p", seal(DATA_KEY, "t1", "p", b"secret").model_copy(update=change))


def test_a_value_sealed_for_one_purpose_or_task_does_not_open_for_another() -> None:
    sealed = seal(DATA_KEY, "t1", "prompt", b"x")
    with pytest.raises(SealBroken, match="purpose"):
        open_sealed(DATA_KEY, "t1", "reply", sealed)
    with pytest.raises(SealBroken, match="another task"):
        open_sealed(DATA_KEY, "t2", "prompt", sealed)
    for relabelled in (sealed.model_copy(update={"purpose": "reply"}), sealed.model_copy(update={"key": "t2"})):
        with pytest.raises(SealBroken):
            open_sealed(DATA_KEY, relabelled.key, relabelled.purpose, relabelled)


def test_another_data_key_does_not_open() -> None:
    with pytest.raises(SealBroken):
        open_sealed(new_data_key(), "t1", "p", seal(DATA_KEY, "t1", "p", b"x"))


def test_an_erased_key_says_so() -> None:
    with pytest.raises(KeyErased, match="erased"):
        open_sealed(None, "t1", "p", seal(DATA_KEY, "t1", "p", b"x"))


def test_a_data_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32"):
        seal(b"short", "t1", "p", b"x")
    with pytest.raises(SealBroken):
        open_sealed(b"short", "t1", "p", seal(DATA_KEY, "t1", "p", b"x"))


def test_models_round_trip_and_a_wrong_model_is_not_quoted() -> None:
    ann = Principal(kind="api_key", id="ann@example.org", roles=("admin",))
    sealed = seal_model(DATA_KEY, "t1", "who", ann)
    assert open_model(Principal, DATA_KEY, "t1", "who", sealed) == ann
    with pytest.raises(SealBroken) as caught:
        open_model(Sealed, DATA_KEY, "t1", "who", sealed)
    assert "ann" not in str(caught.value)
    assert caught.value.__cause__ is None


# The master key


def test_a_missing_master_key_is_created_for_the_owner_alone_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"
    wrapped = MasterKey.load_or_create(path).wrap("t1", DATA_KEY)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_bytes()) == 32
    assert MasterKey.load_or_create(path).unwrap("t1", wrapped) == DATA_KEY
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
def test_a_master_key_of_another_length_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(UnsafeSecret, match="32 bytes"):
        MasterKey.load_or_create(path)


def test_of_many_that_start_at_once_one_creates_the_key_and_all_use_it(tmp_path: Path) -> None:
    keys: list[MasterKey] = []
    threads = [threading.Thread(target=lambda: keys.append(MasterKey.load_or_create(tmp_path / "k"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wrapped = keys[0].wrap("t1", DATA_KEY)
    assert [key.unwrap("t1", wrapped) for key in keys] == [DATA_KEY] * 16


def test_a_wrapped_key_is_bound_to_its_name_and_its_master() -> None:
    master = MasterKey(b"m" * 32)
    wrapped = master.wrap("t1", DATA_KEY)
    assert DATA_KEY not in wrapped
    for wrong in (lambda: master.unwrap("t2", wrapped), lambda: MasterKey(b"n" * 32).unwrap("t1", wrapped)):
        with pytest.raises(SealBroken):
            wrong()
    for cut in (b"", wrapped[:5], wrapped[:-1]):
        with pytest.raises(SealBroken):
            master.unwrap("t1", cut)


def test_a_master_key_shows_itself_to_nobody() -> None:
    master = MasterKey(b"m" * 32)
    assert "mmm" not in repr(master)
    with pytest.raises(TypeError):
        pickle.dumps(master)
