"""Data keys in the bucket: who can open what, and that erasing one erases what it sealed."""

import asyncio
import os
from pathlib import Path

import pytest

from agentos import keyring
from agentos.contracts.errors import Forbidden, NeverRetry, RetryLater
from agentos.keyring import KeyRing
from agentos.sealing import KeyErased, MasterKey, SealBroken
from tests.conftest import Broker
from tests.governance.scenario import TENANT


@pytest.fixture
def master(tmp_path: Path) -> MasterKey:
    return MasterKey.load_or_create(tmp_path / "keys" / "master.key")


async def test_what_one_service_sealed_another_opens_for_the_same_purpose_only(broker: Broker, master: MasterKey) -> None:
    writer, reader = KeyRing(await broker.connect("gateway"), master), KeyRing(await broker.connect("router"), master)
    await writer.create(TENANT, "family")
    sealed = await writer.seal(TENANT, "family", "task.input", b"Ada")
    await writer.create(TENANT, "family")
    assert await reader.open(TENANT, "task.input", sealed) == b"Ada"
    with pytest.raises(SealBroken):
        await reader.open(TENANT, "call.response", sealed)


async def test_with_another_master_key_nothing_opens_and_trying_again_is_no_use(
    broker: Broker, master: MasterKey, tmp_path: Path
) -> None:
    gateway = await broker.connect("gateway")
    await KeyRing(gateway, master).create(TENANT, "family")
    sealed = await KeyRing(gateway, master).seal(TENANT, "family", "task.input", b"Ada")
    stranger = KeyRing(gateway, MasterKey.load_or_create(tmp_path / "others" / "master.key"))
    with pytest.raises(NeverRetry):
        await stranger.open(TENANT, "task.input", sealed)


async def test_a_changed_byte_of_the_sealed_value_or_of_the_wrapped_key_is_noticed(broker: Broker, master: MasterKey) -> None:
    gateway = await broker.connect("gateway")
    keys = KeyRing(gateway, master)
    await keys.create(TENANT, "family")
    sealed = await keys.seal(TENANT, "family", "task.input", b"Ada")
    flipped = bytes([sealed.ciphertext[0] ^ 1]) + sealed.ciphertext[1:]
    with pytest.raises(SealBroken):
        await keys.open(TENANT, "task.input", sealed.model_copy(update={"ciphertext": flipped}))
    entry = await gateway.bucket("keys").get(f"{TENANT}.family")
    assert entry is not None
    assert entry.value is not None
    await gateway.bucket("keys").put(f"{TENANT}.family", entry.value[:-1] + bytes([entry.value[-1] ^ 1]))
    with pytest.raises(NeverRetry):
        await KeyRing(gateway, master).open(TENANT, "task.input", sealed)


async def test_a_data_key_moved_to_another_task_opens_nothing_there(broker: Broker, master: MasterKey) -> None:
    gateway = await broker.connect("gateway")
    keys = KeyRing(gateway, master)
    await keys.create(TENANT, "family")
    entry = await gateway.bucket("keys").get(f"{TENANT}.family")
    assert entry is not None
    assert entry.value is not None
    await gateway.bucket("keys").put(f"{TENANT}.thief", entry.value)
    with pytest.raises(NeverRetry):
        await keys.seal(TENANT, "thief", "task.input", os.urandom(4))


async def test_an_erased_key_opens_nothing_once_no_cache_holds_it(
    broker: Broker, master: MasterKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await broker.connect("gateway")
    keys = KeyRing(gateway, master)
    await keys.create(TENANT, "family")
    sealed = await keys.seal(TENANT, "family", "task.input", b"Ada")
    other = KeyRing(gateway, master)
    assert await other.erase(TENANT, "family")
    assert not await other.erase(TENANT, "family"), "a second time there is nothing left to erase"
    with pytest.raises(KeyErased):
        await KeyRing(gateway, master).open(TENANT, "task.input", sealed)
    assert await keys.open(TENANT, "task.input", sealed) == b"Ada"
    monkeypatch.setattr(keyring, "CACHE_S", 0.0)
    with pytest.raises(KeyErased):
        await keys.open(TENANT, "task.input", sealed)
    with pytest.raises(KeyErased):
        await keys.seal(TENANT, "family", "task.input", b"more")


async def test_an_erased_key_is_overwritten_on_disk_and_never_made_again(broker: Broker, master: MasterKey) -> None:
    """Nothing that anyone can read back from the broker's files opens what it sealed, the master key included."""
    gateway = await broker.connect("gateway")
    keys = KeyRing(gateway, master)
    wrapped: dict[str, bytes] = {}
    for name in ("one", "two", "three"):
        await keys.create(TENANT, name)
        entry = await gateway.bucket("keys").get(f"{TENANT}.{name}")
        assert entry is not None
        wrapped[name] = entry.value or b""
    await keys.erase(TENANT, "two")
    await keys.create(TENANT, "two")  # a late repetition of the submission
    assert not await keys.exists(TENANT, "two")
    with pytest.raises(KeyErased):
        await keys.seal(TENANT, "two", "task.input", b"Ada")
    await broker.server.kill()
    await broker.server.start()
    stored = b"".join(path.read_bytes() for path in broker.server.folder.rglob("*") if path.is_file())
    assert [name for name, value in wrapped.items() if value in stored] == ["one", "three"]
    assert await keys.exists(TENANT, "three")


async def test_nobody_but_the_gateway_may_erase_a_key(broker: Broker, master: MasterKey) -> None:
    gateway = KeyRing(await broker.connect("gateway"), master)
    await gateway.create(TENANT, "family")
    of_a_block = (await gateway.make_block(TENANT))[0][0]

    async def refused(service: str) -> None:
        bus = await broker.connect(service)
        for name in ("family", of_a_block):
            with pytest.raises(Forbidden):
                await KeyRing(bus, master).erase(TENANT, name)
        (standing,) = await bus.bucket("keys").revisions(f"{TENANT}.family")
        with pytest.raises(RetryLater):
            await bus.bucket("keys").erase_revision(standing.revision)

    await asyncio.gather(*(refused(service) for service in ("policy", "router", "runner", "worker")))
    router = KeyRing(await broker.connect("router"), master)
    assert [await router.exists(TENANT, name) for name in ("family", of_a_block)] == [True, True]
