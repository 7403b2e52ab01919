"""Data keys in blocks over a real broker: one write, one read, and each key erased by itself."""

import asyncio
from pathlib import Path

import pytest

from agentos import keyring
from agentos.bus import Bus
from agentos.contracts.errors import Conflict
from agentos.contracts.ids import new_id
from agentos.keyring import CACHE_S, KeyRing
from agentos.sealing import KeyErased, MasterKey, SealBroken
from agentos.sealing.blocks import BLOCK_KEYS, block_value, place_of
from tests.conftest import Broker
from tests.governance.scenario import TENANT

PURPOSE = "call.request"


class Clock:
    """Time as the test has it."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(keyring, "time", clock)
    return clock


@pytest.fixture
def master(tmp_path: Path) -> MasterKey:
    return MasterKey.load_or_create(tmp_path / "keys" / "master.key")


def sent(bus: Bus) -> int:
    """How many messages this connection has sent."""
    return bus.client.stats["out_msgs"]


def entry_of(name: str) -> str:
    return f"{TENANT}.{place_of(name).entry}"


def stored(broker: Broker) -> bytes:
    """All that the broker has on disk."""
    return b"".join(path.read_bytes() for path in broker.server.folder.rglob("*") if path.is_file())


async def readable(keys: KeyRing, names: list[str]) -> list[str]:
    """Which of the keys a service gets that has none in its memory."""
    found: list[str] = []
    for name in names:
        try:
            await keys.data_key(TENANT, name)
        except KeyErased:
            continue
        found.append(name)
    return found


async def test_a_block_is_one_write_and_one_read_however_many_calls_use_it_at_once(
    broker: Broker, master: MasterKey, clock: Clock
) -> None:
    gateway, router = await broker.connect("gateway"), await broker.connect("router")
    writer, reader = KeyRing(gateway, master), KeyRing(router, master)
    before = sent(gateway)
    made = dict(await writer.make_block(TENANT))
    assert sent(gateway) - before == 1
    assert len(made) == BLOCK_KEYS
    for name, wrapped in made.items():
        writer.remember(TENANT, name, wrapped)
    sealed = [await writer.seal(TENANT, name, PURPOSE, name.encode()) for name in made]
    assert sent(gateway) - before == 1, "who made a key does not read it"
    before = sent(router)
    opened = await asyncio.gather(*(reader.open(TENANT, PURPOSE, each) for each in sealed))
    assert [each.decode() for each in opened] == list(made)
    assert sent(router) - before == 1


async def test_what_is_in_use_is_read_again_beside_the_work_before_its_moment_is_over(
    broker: Broker, master: MasterKey, clock: Clock
) -> None:
    gateway, router = await broker.connect("gateway"), await broker.connect("router")
    writer, reader = KeyRing(gateway, master), KeyRing(router, master)
    (name, _), (other, _), *_ = await writer.make_block(TENANT)
    await reader.data_key(TENANT, name)
    await writer.erase(TENANT, name)
    before, clock.now = sent(router), CACHE_S * 0.4
    await reader.data_key(TENANT, name)
    assert sent(router) == before
    clock.now = CACHE_S * 0.6
    for _ in range(3):
        await reader.data_key(TENANT, name)
    assert sent(router) == before, "nobody waited for the broker"
    await asyncio.gather(*reader._reading.values())
    assert sent(router) == before + 1
    with pytest.raises(KeyErased):
        await reader.data_key(TENANT, name)
    clock.now += CACHE_S
    await reader.data_key(TENANT, other)
    assert sent(router) == before + 2


async def test_a_key_that_was_erased_elsewhere_is_used_no_longer_than_its_moment(
    broker: Broker, master: MasterKey, clock: Clock
) -> None:
    writer, reader = KeyRing(await broker.connect("gateway"), master), KeyRing(await broker.connect("router"), master)
    (taken, wrapped), (read, _), *_ = await writer.make_block(TENANT)
    other = KeyRing(await broker.connect("gateway"), master)
    other.remember(TENANT, taken, wrapped)
    await reader.data_key(TENANT, read)
    for name in (taken, read):
        await writer.erase(TENANT, name)
    clock.now = CACHE_S
    for ring, name in ((other, taken), (reader, read), (writer, taken)):
        with pytest.raises(KeyErased):
            await ring.data_key(TENANT, name)


async def test_who_stops_waiting_for_a_key_takes_it_from_nobody_else(broker: Broker, master: MasterKey) -> None:
    writer, reader = KeyRing(await broker.connect("gateway"), master), KeyRing(await broker.connect("router"), master)
    names = [name for name, _ in await writer.make_block(TENANT)]
    one, two = (asyncio.create_task(reader.data_key(TENANT, name)) for name in names[:2])
    await asyncio.sleep(0)
    one.cancel()
    assert len(await two) == 32
    assert one.cancelled()


async def test_an_erased_key_of_a_block_is_overwritten_on_disk_and_the_others_stay(broker: Broker, master: MasterKey) -> None:
    gateway = await broker.connect("gateway")
    keys = KeyRing(gateway, master)
    made = dict(await keys.make_block(TENANT))
    gone, *left = made
    sealed = await keys.seal(TENANT, gone, PURPOSE, b"Ada")
    assert (await keys.exists(TENANT, gone), await keys.made(TENANT, gone)) == (True, True)
    assert made[gone] in stored(broker)
    assert await keys.erase(TENANT, gone)
    assert not await keys.erase(TENANT, gone), "a second time there is nothing left to erase"
    assert (await keys.exists(TENANT, gone), await keys.made(TENANT, gone)) == (False, True)
    with pytest.raises(KeyErased):
        await KeyRing(gateway, master).open(TENANT, PURPOSE, sealed)
    assert await readable(KeyRing(gateway, master), list(made)) == left
    assert len(await gateway.bucket("keys").revisions(entry_of(gone))) == 1
    await broker.server.kill()
    await broker.server.start()
    on_disk = stored(broker)
    assert [name for name, wrapped in made.items() if wrapped in on_disk] == left
    assert await readable(KeyRing(gateway, master), list(made)) == left


async def test_keys_of_one_block_that_several_gateways_erase_at_once_are_all_gone_and_no_other(
    broker: Broker, master: MasterKey
) -> None:
    rings = [KeyRing(await broker.connect("gateway"), master) for _ in range(3)]
    made = dict(await rings[0].make_block(TENANT))
    names = list(made)
    gone, left = names[::4], [name for name in names if name not in names[::4]]
    found = await asyncio.gather(*(rings[n % 3].erase(TENANT, name) for n, name in enumerate(gone)))
    assert all(found)
    twice = await asyncio.gather(*(ring.erase(TENANT, left[0]) for ring in rings))
    assert any(twice)
    router = KeyRing(await broker.connect("router"), master)
    assert await readable(router, names) == left[1:]
    on_disk = stored(broker)
    assert [name for name in names if made[name] in on_disk] == left[1:]


@pytest.mark.parametrize("asks_again", [True, False])
async def test_what_a_crash_left_behind_is_read_by_nobody_and_overwritten_by_the_next_erasure(
    broker: Broker, master: MasterKey, asks_again: bool
) -> None:
    """The gateway died between the block without the key and the overwriting of the one with it."""
    gateway = await broker.connect("gateway")
    keys, bucket = KeyRing(gateway, master), gateway.bucket("keys")
    made = dict(await keys.make_block(TENANT))
    gone, other, *left = made
    (standing,) = await bucket.revisions(entry_of(gone))
    await bucket.update(entry_of(gone), place_of(gone).without(standing.value), standing.revision)

    assert await readable(KeyRing(gateway, master), list(made)) == [other, *left]
    assert made[gone] in stored(broker)
    assert await KeyRing(gateway, master).erase(TENANT, gone if asks_again else other)
    on_disk = stored(broker)
    assert made[gone] not in on_disk
    assert (made[other] in on_disk) is asks_again
    assert await readable(KeyRing(gateway, master), list(made)) == ([other, *left] if asks_again else left)


async def test_a_task_family_whose_erasure_was_cut_off_stays_erased_and_is_overwritten_when_asked_again(
    broker: Broker, master: MasterKey
) -> None:
    gateway = await broker.connect("gateway")
    keys, bucket = KeyRing(gateway, master), gateway.bucket("keys")
    await keys.create(TENANT, "family")
    (standing,) = await bucket.revisions(f"{TENANT}.family")
    assert standing.value is not None
    await bucket.update(f"{TENANT}.family", b"", standing.revision)
    await keys.create(TENANT, "family")
    assert not await keys.exists(TENANT, "family")
    assert standing.value in stored(broker)
    assert await keys.erase(TENANT, "family")
    assert not await keys.erase(TENANT, "family")
    assert standing.value not in stored(broker)


async def test_a_revision_whose_bytes_were_not_overwritten_is_never_pushed_out_by_a_further_one(broker: Broker) -> None:
    """The broker itself refuses it: after that nobody could say where the bytes are."""
    bucket = (await broker.connect("gateway")).bucket("keys")
    for value in (b"one", b"two"):
        await bucket.put(f"{TENANT}.family", value)
    for _ in range(2):
        with pytest.raises(Conflict):
            await bucket.put(f"{TENANT}.family", b"three")
    assert [each.value for each in await bucket.revisions(f"{TENANT}.family")] == [b"one", b"two"]


async def test_a_key_that_changed_places_in_its_block_opens_nothing(broker: Broker, master: MasterKey) -> None:
    gateway = await broker.connect("gateway")
    keys = KeyRing(gateway, master)
    made = await keys.make_block(TENANT)
    first, second, third = (name for name, _ in made[:3])
    wrapped = [each for _, each in made]
    wrapped[0], wrapped[1] = wrapped[1], wrapped[0]
    await gateway.bucket("keys").put(entry_of(first), block_value(wrapped))
    for name in (first, second):
        with pytest.raises(SealBroken):
            await KeyRing(gateway, master).data_key(TENANT, name)
    await KeyRing(gateway, master).data_key(TENANT, third)


async def test_a_block_is_no_key_and_a_name_that_was_never_made_leads_to_none(broker: Broker, master: MasterKey) -> None:
    gateway = await broker.connect("gateway")
    keys = KeyRing(gateway, master)
    names = [name for name, _ in await keys.make_block(TENANT)]
    block = names[0].rpartition("-")[0]
    for unknown in (block, f"{block}-{BLOCK_KEYS}", f"{new_id()}-0"):
        assert not await keys.made(TENANT, unknown)
        assert not await keys.exists(TENANT, unknown)
        assert not await keys.erase(TENANT, unknown)
        with pytest.raises(KeyErased):
            await keys.data_key(TENANT, unknown)
    assert await readable(KeyRing(gateway, master), names) == names
    for name in (names[0], f"{new_id()}-7"):
        with pytest.raises(ValueError, match="block"):
            await keys.create(TENANT, name)
